"""Canonical JSON, and the records and envelopes made of it: one spelling, both ways."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import FormatError
from custody.formats import canonical, dsse, inventory, statement, vkey
from custody.formats.statement import Actor, Event, Subject
from custody.identity import signing
from custody.identity.signing import Signer

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
key = st.text(st.characters(max_codepoint=0x7F), max_size=12)
integer = st.integers(-canonical.LARGEST_INTEGER, canonical.LARGEST_INTEGER)
value = st.recursive(
    st.none() | st.booleans() | integer | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(key, inner, max_size=4),
    max_leaves=20,
)


@given(value)
def test_it_is_rfc_8785(document: Any) -> None:
    """What is printed is what the reference implementation prints, and it reads back."""
    printed = canonical.dump(document)
    assert printed == rfc8785.dumps(document)
    assert canonical.load(printed) == document


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b"{", b'{"a":1}\n', b' {"a":1}', b'{"a": 1}', b'{"b":1,"a":1}', b'{"a":1,"a":1}',
        b"1.0", b"1e2", b"-0", b"01", b"+1", b"NaN", b"Infinity", b"9007199254740992",
        b"-9007199254740992", b"9" * 5_000, b'"\\u0041"', b'"\\/"', b'"\xff"', b'"\\ud800"',
        b'"\\u001B"', b'"\t"', b"[" * 100_000, b"{}{}", b"\xef\xbb\xbf{}", b"'a'", b"[1,]", b"tru",
    ],
)  # fmt: skip
def test_another_spelling_is_refused(data: bytes) -> None:
    """White space, other escapes, other numbers, repeated keys: nothing hides a flipped bit."""
    with pytest.raises(FormatError):
        canonical.load(data)


@given(st.binary(max_size=60))
def test_whatever_is_read_prints_the_same(data: bytes) -> None:
    """No bytes are accepted that would not be printed again as they are."""
    try:
        found = canonical.load(data)
    except FormatError:
        return
    assert canonical.dump(found) == data


@given(value, st.data())
def test_a_flipped_bit_never_reads_as_the_same(document: Any, data: st.DataObject) -> None:
    """One changed bit is refused or is another value."""
    printed = bytearray(canonical.dump(document))
    bit = data.draw(st.integers(0, len(printed) * 8 - 1))
    printed[bit // 8] ^= 1 << bit % 8
    try:
        found = canonical.load(bytes(printed))
    except FormatError:
        return
    assert json.dumps(found) != json.dumps(document)


# ---- inventory

record = st.fixed_dictionaries(
    {"path": text, "outcome": st.sampled_from(["collected", "vanished", "ein Wort"])},
    optional={
        "mode": text,
        "user": text,
        "modified": st.integers().map(str),
        "inode": st.integers(0, 2**64 - 1).map(str),
        "size_after": st.integers(0, canonical.LARGEST_INTEGER),
        "uid": st.integers(0, 2**32 - 1),
        "ancestor": st.just(True),
        "remark": text,
        "xattrs": st.dictionaries(key, text, max_size=3),
        "error": st.fixed_dictionaries(
            {"name": text, "number": st.integers(0, 200), "message": text}
        ),
    },
)


@given(record, st.booleans())
def test_a_record_reads_back(one: dict[str, Any], with_payload: bool) -> None:
    """Every field comes back, and the quick reading agrees with the whole one."""
    if with_payload:
        one |= {"payload": "data/x", "size": 3, "sha256": "0" * 64}
    line = inventory.dump(one)
    assert inventory.load(line) == one
    brief = inventory.brief(line)
    assert (brief.raw, brief.outcome) == (one["path"].encode(), one["outcome"])
    assert (brief.payload, brief.size) == (one.get("payload"), 3 if with_payload else 0)


GOOD = {"path": "/a", "outcome": "collected", "payload": "data/a", "size": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    "change",
    [
        {"path": 1}, {"path": None}, {"outcome": None}, {"size": -1}, {"size": True}, {"size": "1"},
        {"sha256": "0" * 63}, {"sha256": "A" * 64}, {"sha256": None}, {"unknown": 1},
        {"modified": 1}, {"modified": "01"}, {"modified": "1.5"}, {"modified": "-0 "},
        {"inode": "x"}, {"ancestor": False}, {"xattrs": []}, {"error": {}}, {"error": "x"},
        {"path_b64": 1}, {"nlink": "1"},
    ],
)  # fmt: skip
def test_other_records_are_refused(change: dict[str, Any]) -> None:
    """Unknown fields, wrong types and missing parts are no record."""
    wrong = {name: item for name, item in (GOOD | change).items() if item is not None}
    line = inventory.dump(wrong)
    with pytest.raises(FormatError):
        inventory.load(line)
    with pytest.raises(FormatError):
        inventory.brief(line)


@given(st.binary(max_size=40))
def test_the_exact_bytes_of_a_path_come_back(raw: bytes) -> None:
    """A path that is not UTF-8 has its bytes in base64, and only then."""
    from custody.acquire import metadata

    fields = metadata.path_fields(raw)
    assert inventory.raw_path(fields) == raw
    assert set(inventory.dump(fields | {"outcome": "x"})) <= set(range(0x20, 0x100)) | {0x0A}


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/a", "path_b64": "!"}, {"path": "/a", "path_b64": "L2I="},
        {"path": "/a", "path_b64": "L2E"}, {"path": "\\xff", "path_b64": "/x=="},
    ],
)  # fmt: skip
def test_two_forms_of_a_path_must_agree(fields: dict[str, str]) -> None:
    """A path in base64 that is not the one shown is refused."""
    with pytest.raises(FormatError):
        inventory.raw_path(fields)


# ---- statement

actor = st.builds(Actor, key=text.filter(bool), name=text, title=text, organization=text)
event = st.builds(
    Event,
    kind=text,
    time=st.integers(0, 253_402_300_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    actor=actor,
    subjects=st.lists(st.builds(Subject, text, text), max_size=3).map(tuple),
    words=st.dictionaries(st.sampled_from(statement.WORDS), text.filter(bool)),
    ledger=st.none() | st.dictionaries(key, integer, max_size=3),
    details=st.dictionaries(key, value, max_size=3),
)


@given(event)
def test_a_statement_reads_back(one: Event) -> None:
    """Every part of an event comes back from its statement."""
    assert statement.load(statement.dump(one)) == one


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (["_type"], "https://in-toto.io/Statement/v0.1"), (["predicateType"], "urn:x"),
        (["subject"], {}), (["subject"], [{}]),
        (["subject"], [{"digest": {"sha256": 1}, "name": "a"}]),
        (["subject"], [{"digest": {"sha256": "a", "sha512": "b"}, "name": "a"}]),
        (["predicate"], []), (["predicate", "time"], "yesterday"), (["predicate", "time"], 1),
        (["predicate", "type"], None), (["predicate", "actor"], {}),
        (["predicate", "actor"], {"key": "k", "role": "x"}), (["predicate", "actor"], "k"),
        (["predicate", "more"], 1), (["more"], 1), (["predicate", "comment"], ""),
        (["predicate", "ledger"], 1), (["predicate", "details"], {}),
    ],
)  # fmt: skip
def test_other_statements_are_refused(path: list[str], wrong: object) -> None:
    """Other types, unknown or missing fields and empty words are no statement of ours."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    good = Event("noted", moment, Actor("k", "n"), (Subject("a", "b"),), {"comment": "c"})
    document: Any = json.loads(statement.dump(good))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    with pytest.raises(FormatError):
        statement.load(canonical.dump(document))


# ---- envelope and key


@given(
    st.builds(
        dsse.Envelope,
        text,
        st.binary(max_size=60),
        st.lists(
            st.builds(dsse.Signature, text, st.binary(max_size=64)),
            min_size=1,
            max_size=3,
            unique_by=lambda item: item.keyid,
        ).map(tuple),
    )
)
def test_an_envelope_reads_back(envelope: dsse.Envelope) -> None:
    """Payload, type and signatures come back."""
    assert dsse.load(dsse.dump(envelope)) == envelope


def test_envelopes_that_are_refused() -> None:
    """No signature, two by one key, leftovers, junk base64, unknown fields, too much of it."""
    signature = {"keyid": "k", "sig": "AAAA"}
    good = {"payload": "AAAA", "payloadType": "t", "signatures": [signature]}
    wrong: list[Any] = [
        {**good, "signatures": []},
        {**good, "signatures": [signature, signature]},
        {**good, "signatures": [{**signature, "cert": "x"}]},
        {**good, "signatures": [{"sig": "AAAA"}]},
        {**good, "signatures": {}},
        {**good, "signatures": [{"keyid": 1, "sig": "AAAA"}]},
        {**good, "payload": "AAA"},
        {**good, "payload": "AA=="[:2]},
        {**good, "payload": "AB=="},
        {**good, "payload": 1},
        {**good, "payload": "AA-_"},
        {**good, "payloadType": 1},
        {**good, "more": 1},
        {"payload": "AAAA", "payloadType": "t"},
        [good],
    ]
    assert dsse.load(canonical.dump(good) + b"\n")
    for document in wrong:
        with pytest.raises(FormatError):
            dsse.load(canonical.dump(document) + b"\n")
    line = canonical.dump(good)
    for data in (line, line + b"\n\n", b"\n" + line + b"\n", line + b" \n", b"", b"\n"):
        with pytest.raises(FormatError):
            dsse.load(data)
    big = canonical.dump({**good, "payload": base64.b64encode(bytes(60_000)).decode()}) + b"\n"
    with pytest.raises(FormatError, match="65535"):
        dsse.load(big)


def test_pae_of_the_specification(vectors: Path) -> None:
    """The bytes under a signature are those of the DSSE protocol's own example."""
    case = json.loads((vectors / "dsse" / "protocol-md.json").read_text(encoding="utf-8"))
    shown = json.dumps(case)
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert "DSSEv1 29 http://example.com/HelloWorld 11 hello world" in shown


def test_openssl_verifies_an_envelope(tmp_path: Path) -> None:
    """The signature is plain Ed25519 over the PAE, as openssl checks it."""
    signer = Signer.generate("somebody")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    data = signing.seal(signer, statement.dump(Event("noted", moment, Actor(str(signer.key)))))
    envelope = dsse.load(data)
    (tmp_path / "signed").write_bytes(envelope.signed_bytes())
    (tmp_path / "sig").write_bytes(envelope.signatures[0].sig)
    der = bytes.fromhex("302a300506032b6570032100") + signer.key.public
    pem = base64.b64encode(der).decode()
    (tmp_path / "key.pem").write_text(
        f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n"
    )
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in signed -sigfile sig".split()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout, done.stderr


name = st.text(min_size=1, max_size=20).filter(
    lambda text: not any(c.isspace() or c == "+" or ord(c) < 32 or ord(c) == 127 for c in text)
)


@given(name.filter(lambda text: text.isprintable()), st.binary(min_size=32, max_size=32))
def test_a_verifier_key_reads_back(label: str, public: bytes) -> None:
    """Name and key come back from the one line."""
    for kind in (vkey.ED25519, vkey.COSIGNATURE):
        one = vkey.VerifierKey(label, kind, public)
        assert vkey.parse(str(one)) == one


def test_verifier_keys_that_are_refused() -> None:
    """A wrong hash, type, length, name or spelling of the base64 is no key."""
    good = str(vkey.VerifierKey("desk", vkey.ED25519, bytes(32)))
    label, digest, encoded = good.split("+", 2)
    short = base64.b64encode(bytes([1]) + bytes(31)).decode()
    other = base64.b64encode(bytes([2]) + bytes(32)).decode()
    wrong = [
        "", "desk", f"{label}+{digest}", f"{label}+00000000+{encoded}", f"{label}+{digest}+{short}",
        f"{label}+{digest}+{other}", f"{label}+{digest}+{encoded}=", f"{label}+{digest}+ {encoded}",
        f" {good}", f"{good}\n", f"de sk+{digest}+{encoded}", f"+{digest}+{encoded}",
        f"{label}+{digest.upper()}0+{encoded}", f"dесk+{digest}+{encoded}",
    ]  # fmt: skip
    assert vkey.parse(good)
    for line in wrong:
        with pytest.raises(FormatError):
            vkey.parse(line)
