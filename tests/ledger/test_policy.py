"""The policy file: whose checkpoints are believed."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.errors import InputError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity.signing import Signer
from custody.ledger import policy


def _key(name: str, seed: int, kind: int) -> VerifierKey:
    signer = Signer.of(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))
    return VerifierKey(name, kind, signer.key.public)


LOGS = [_key(f"log{n}", n, vkey.ED25519) for n in range(3)]
WITNESSES = [_key(f"w{n}", 10 + n, vkey.COSIGNATURE) for n in range(5)]
SETS = "".join(f"witness W{n} {key}\n" for n, key in enumerate(WITNESSES))


def test_reads_every_line() -> None:
    """Logs, witnesses, groups, quorum, comments and blank lines are read as the format says."""
    text = (
        f"# ours\n\n \tlog {LOGS[0]} https://log.example/ \n{SETS}"
        "group two 2 W0 W1 W2\n  group both all two W3\nquorum both\n"
    )
    read = policy.load(text.encode())
    assert read.logs == (policy.Known(LOGS[0], "https://log.example/"),)
    assert read.log_keys() == read.log_keys("log0") == (LOGS[0],)
    assert read.log_keys("log1") == ()
    assert read.groups["both"] == policy.Group(2, ("two", "W3"))
    assert read.quorum == "both"


@pytest.mark.parametrize(
    ("signed", "met"),
    [((), False), ((0, 1), False), ((0, 1, 3), True), ((0, 3), False), ((0, 1, 2), False)],
)
def test_quorum(signed: tuple[int, ...], met: bool) -> None:
    """A group has witnessed when enough of its members have, and a group counts as one member."""
    text = f"{SETS}group two 2 W0 W1 W2\ngroup both all two W3\nquorum both\n"
    assert policy.load(text.encode()).is_witnessed(WITNESSES[n] for n in signed) is met


def test_quorum_words() -> None:
    """`any` is one member, a single witness may be the quorum, and `none` asks for nobody."""
    for text, key in (("group g any W0 W1\nquorum g\n", 1), ("quorum W2\n", 2)):
        read = policy.load((SETS + text).encode())
        assert read.is_witnessed([WITNESSES[key]])
        assert not read.is_witnessed([WITNESSES[4]])
    assert policy.load(b"quorum none\n").is_witnessed([])


def test_names_are_bytes() -> None:
    """Names beyond ASCII are opaque bytes, even those that are not UTF-8."""
    line = b"witness \xff\xfe " + str(WITNESSES[0]).encode() + b"\nquorum \xff\xfe\n"
    assert policy.load(line).is_witnessed([WITNESSES[0]])
    with pytest.raises(InputError, match="not defined"):
        policy.load(line.replace(b"quorum \xff\xfe", b"quorum \xff\xfd"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'no "quorum" line'),
        (f"log {LOGS[0]}\n", 'no "quorum" line'),
        ("quorum none\nquorum none\n", '"line 2": a second quorum'),
        ("quorum W0\n", "not defined"),
        ("quorum\n", "form"),
        ("quorum none none\n", "form"),
        ("Quorum none\n", "unknown word"),
        ("logs x\nquorum none\n", '"line 1": the unknown word "logs"'),
        ("log\nquorum none\n", "form"),
        (f"log {LOGS[0]} url more\nquorum none\n", "form"),
        (f"log {LOGS[0]}\nlog {LOGS[0]}\nquorum none\n", "listed already"),
        (f"log {LOGS[0]}\nlog {_key('other', 0, 1)}\nquorum none\n", "listed already"),
        (f"log {WITNESSES[0]}\nquorum none\n", "type 0x04"),
        (f"log {str(LOGS[0])[:-1]}\nquorum none\n", "base64"),
        ("log a b+c+d\nquorum none\n", "form name"),
        (f"witness W0 {LOGS[0]}\nquorum none\n", "type 0x01"),
        (f"witness W0\n{SETS}quorum none\n", "form"),
        (f"witness none {WITNESSES[0]}\nquorum none\n", "taken"),
        (f"{SETS}witness W0 {_key('n', 99, 4)}\nquorum none\n", "taken"),
        (f"{SETS}witness W9 {WITNESSES[0]}\nquorum none\n", "listed already"),
        (f"{SETS}group W0 any W1\nquorum none\n", "taken"),
        (f"{SETS}group none any W1\nquorum none\n", "taken"),
        (f"{SETS}group g any\nquorum none\n", "form"),
        (f"{SETS}group g any none\nquorum none\n", "not defined"),
        (f"{SETS}group g any g\nquorum g\n", "not defined"),
        (f"{SETS}group g any h\ngroup h any g\nquorum g\n", '"line 6": "h" is not defined'),
        (f"{SETS}group g 2 W0 W0\nquorum g\n", "member already"),
        (f"{SETS}group g any W0\ngroup h any W0\nquorum h\n", "member already"),
        (f"{SETS}group g 0 W0\nquorum g\n", "threshold"),
        (f"{SETS}group g 3 W0 W1\nquorum g\n", "threshold"),
        (f"{SETS}group g 01 W0 W1\nquorum g\n", "threshold"),
        (f"{SETS}group g most W0 W1\nquorum g\n", "threshold"),
        ("quorum none\r\n", "control character"),
        ("quorum none\x00\n", "control character"),
        ("# \x7f\nquorum none\n", "control character"),
        ("quorum\u00a0none\n", "unknown word"),
        ("#" * (1 << 20) + "\nquorum none\n", "at most"),
    ],
)
def test_refuses(text: str, why: str) -> None:
    """A policy that is wrong anywhere is refused whole, with the line."""
    with pytest.raises(InputError, match=why):
        policy.load(text.encode())


@pytest.mark.parametrize("end", ["\n", ""])
def test_add_log(end: str) -> None:
    """Adding a log leaves what the user wrote as it was, byte for byte."""
    before = f"# mine \t\nlog {LOGS[0]}\nquorum  none{end}".encode()
    after = policy.add_log(before, LOGS[1])
    assert after.startswith(before)
    assert policy.load(after).log_keys() == tuple(LOGS[:2])
    with pytest.raises(InputError, match="listed already"):
        policy.add_log(after, LOGS[1])


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes are, they are read or refused with one error."""
    try:
        policy.load(data + b"\nquorum none\n")
    except InputError:
        return
