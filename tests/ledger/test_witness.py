"""The witness, whoever asks it, and what its signature is worth under a policy."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import DifferenceError, FormatError
from custody.formats import note, vkey
from custody.formats.note import SignedNote
from custody.identity import notes
from custody.identity.signing import Signer
from custody.ledger import checkpoint as checkpoints
from custody.ledger import merkle, policy, witness_client, witness_request
from custody.ledger.check import by_keys, check
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.judge import judge_witnessed
from custody.ledger.log import Log
from custody.ledger.policy import Known, Policy
from custody.ledger.receipt import verify_receipt
from custody.ledger.witness import SIZE, Witness
from custody.ledger.witness_request import Request
from custody.ledger.witness_server import PATH, WitnessServer

Grow = Callable[[int], None]
NOON = 1_795_000_000


def make_witness(seed: int, name: str = "witness.example/w1") -> Signer:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return Signer.of(name, private, vkey.COSIGNATURE)


@pytest.fixture
def grow(log: Log, log_key: Signer, make_entry: Callable[[object], bytes]) -> Grow:
    """Appends so many entries."""
    return lambda count: _append(log, log_key, make_entry, count)


def _append(log: Log, key: Signer, make: Callable[[object], bytes], count: int) -> None:
    log.append([make(number) for number in range(count)], key)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Stands at noon."""
    return Clock()


@pytest.fixture
def witness(tmp_path: Path, log_key: Signer, clock: Clock) -> Witness:
    """A witness that knows the log and has signed nothing."""
    return Witness(tmp_path / "witness", make_witness(9), [log_key.key], clock)


def body(log: Log, old: int) -> bytes:
    return witness_client.request(log, log.checkpoint(), old)


# ---- the witness


def test_a_witness_signs_what_only_grew(
    log: Log, grow: Grow, witness: Witness, clock: Clock
) -> None:
    """Each signature is over the very checkpoint, with the time, and is remembered."""
    for old, new in ((0, 0), (0, 3), (3, 3), (3, 300)):
        if new > log.checkpoint().size:
            grow(new - log.checkpoint().size)
        clock.now += 1
        answer = witness.add_checkpoint(body(log, old))
        assert answer.status == 200, answer.detail
        lines = witness_client.read_lines(answer.body, log.checkpoint(), Known(witness.signer.key))
        assert [notes.cosigned_at(line) for line in lines] == [clock.now]
        last = witness.last(log.origin)
        assert last is not None
        assert (last.checkpoint.size, last.seconds) == (new, clock.now)


def test_it_answers_409_with_its_size(log: Log, grow: Grow, witness: Witness) -> None:
    """A request from another size than it signed last is answered with that size."""
    grow(5)
    assert witness.add_checkpoint(body(log, 0)).status == 200
    grow(2)
    for old in (0, 3, 7):
        answer = witness.add_checkpoint(body(log, old))
        assert (answer.status, answer.body, answer.content_type) == (409, b"5\n", SIZE)


def test_it_does_not_sign_two_ledgers_of_one_size(
    log: Log, grow: Grow, witness: Witness, log_key: Signer
) -> None:
    """The same size with another root is a conflict, whoever's signature it bears."""
    grow(3)
    assert witness.add_checkpoint(body(log, 0)).status == 200
    forged = notes.sign(checkpoints.dump(Checkpoint(log.origin, 3, bytes(32))), log_key)
    answer = witness.add_checkpoint(witness_request.dump(Request(3, (), forged)))
    assert (answer.status, answer.body) == (409, b"3\n")


def test_it_does_not_sign_a_rewritten_ledger(
    tmp_path: Path, log: Log, grow: Grow, witness: Witness, log_key: Signer,
    make_entry: Callable[[object], bytes],
) -> None:  # fmt: skip
    """A proof that does not lead from what it signed is answered with 422."""
    grow(3)
    assert witness.add_checkpoint(body(log, 0)).status == 200
    other = Log.create(tmp_path / "other", log_key)
    other.append([make_entry(f"other {n}") for n in range(6)], log_key)
    answer = witness.add_checkpoint(body(other, 3))
    assert answer.status == 422
    last = witness.last(log.origin)
    assert last is not None
    assert last.checkpoint.size == 3


def test_it_refuses_what_it_does_not_know(
    log: Log, grow: Grow, witness: Witness, stranger: Signer, log_key: Signer
) -> None:
    """Unknown log 404, unknown key 403, malformed or impossible 400, needless proof 422."""
    grow(1)
    tree = log.checkpoint().checkpoint

    def ask(tree: Checkpoint, signer: Signer, old: int, *hashes: bytes) -> int:
        data = notes.sign(checkpoints.dump(tree), signer)
        request = witness_request.dump(Request(old, hashes, data))
        return witness.add_checkpoint(request).status

    assert ask(Checkpoint("elsewhere", 1, tree.root), log_key, 0) == 404
    assert ask(tree, stranger, 0) == 403
    assert ask(tree, log_key, 2) == 400
    assert ask(tree, log_key, 0, bytes(32)) == 422
    assert ask(Checkpoint(log.origin, 0, bytes(32)), log_key, 0) == 422
    assert witness.add_checkpoint(b"garbage").status == 400
    assert witness.add_checkpoint(body(log, 0)[:-2]).status == 400
    assert witness.last(log.origin) is None
    assert ask(Checkpoint(log.origin, 0, merkle.EMPTY_ROOT), log_key, 0) == 200


def test_what_it_signed_outlives_it(
    log: Log, grow: Grow, witness: Witness, log_key: Signer, clock: Clock
) -> None:
    """A new process of the same witness stands where the old one did."""
    grow(2)
    assert witness.add_checkpoint(body(log, 0)).status == 200
    again = Witness(witness.directory, witness.signer, [log_key.key], clock)
    assert again.add_checkpoint(body(log, 0)).body == b"2\n"


def test_a_changed_memory_stops_the_witness(log: Log, grow: Grow, witness: Witness) -> None:
    """What it signed last bears its own signature; another file there ends the signing."""
    grow(2)
    assert witness.add_checkpoint(body(log, 0)).status == 200
    (path,) = witness.directory.glob("*.checkpoint")
    path.write_bytes(log.checkpoint().data)
    with pytest.raises(DifferenceError, match="not what this witness signed"):
        witness.add_checkpoint(body(log, 2))


def test_it_signs_no_older_time(log: Log, grow: Grow, witness: Witness, clock: Clock) -> None:
    """When its clock goes back, it signs nothing."""
    grow(1)
    assert witness.add_checkpoint(body(log, 0)).status == 200
    clock.now -= 1
    with pytest.raises(DifferenceError, match="clock"):
        witness.add_checkpoint(body(log, 1))


def test_of_two_requests_at_once_none_rolls_back_the_other(
    log: Log, grow: Grow, witness: Witness
) -> None:
    """Looking at the last size and making the new one durable are one step."""
    requests = []
    for _ in range(6):
        grow(1)
        requests.append(body(log, 0))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(witness.add_checkpoint, requests))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 5
    signed = next(n for n, answer in enumerate(answers, 1) if answer.status == 200)
    last = witness.last(log.origin)
    assert last is not None
    assert last.checkpoint.size == signed


# ---- the request


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: b"old 0\n" + text.encode()))
def test_any_request_is_read_or_refused(data: bytes) -> None:
    """Whatever comes in, the reader prints the same again or raises FormatError."""
    try:
        request = witness_request.load(data)
    except FormatError:
        return
    assert witness_request.dump(request) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"old 1\n",
        b"old 01\n\nx\n",
        b"old -1\n\nx\n",
        b"old 9223372036854775808\n\nx\n",
        b"old 1 \n\nx\n",
        b"Old 1\n\nx\n",
        b"old 1\nAAAA\n\nx\n",
        b"old 1\n" + b"A" * 43 + b"=\r\n\nx\n",
        b"old 1\n" + (b"A" * 43 + b"=\n") * 64 + b"\nx\n",
    ],
)
def test_other_spellings_of_a_request_are_refused(data: bytes) -> None:
    """A request has one spelling and at most 63 hashes."""
    with pytest.raises(FormatError):
        witness_request.load(data)


# ---- the policy


W = [make_witness(20 + n, f"w{n}") for n in range(3)]
GROUPS = (
    "".join(f"witness w{n} {w.key}\n" for n, w in enumerate(W))
    + "group two 2 w0 w1 w2\nquorum two\n"
)


def cosigned(log: Log, *signers: Signer) -> SignedNote:
    signed = log.checkpoint().note
    lines = tuple(notes.cosign(signed.text, signer, NOON) for signer in signers)
    return SignedNote(signed.text, (*signed.signatures, *lines))


@pytest.mark.parametrize(
    ("signers", "verdict"),
    [
        ([], "cannot-verify"),
        ([0], "cannot-verify"),
        ([0, 0], "cannot-verify"),
        ([0, 2], "ok"),
        ([0, 1, 2], "ok"),
    ],
)
def test_a_quorum_decides(log: Log, log_key: Signer, signers: list[int], verdict: str) -> None:
    """Fewer witnesses than the policy asks for is cannot-verify, and counted by key."""
    known = policy.load(f"log {log_key.key}\n{GROUPS}".encode())
    signed = cosigned(log, *(W[n] for n in signers))
    judgement = judge_witnessed(signed, checkpoints.load(signed.text), known)
    assert judgement.verdict == verdict
    assert set(judgement.cosigned) == {f"w{n}" for n in signers}


def test_one_wrong_cosignature_fails(log: Log, log_key: Signer) -> None:
    """A line that claims to be by a known witness and is not fails, also beside enough others."""
    known = policy.load(f"log {log_key.key}\n{GROUPS}".encode())
    good = cosigned(log, *W)
    bad = notes.cosign(good.text + "x\n", W[2], NOON)
    signed = SignedNote(good.text, (*good.signatures[:-1], bad))
    judgement = judge_witnessed(signed, checkpoints.load(signed.text), known)
    assert judgement.verdict == "failed"
    strange = notes.cosign(good.text + "x\n", make_witness(99, "w0"), NOON)
    signed = SignedNote(good.text, (*good.signatures, strange))
    assert judge_witnessed(signed, checkpoints.load(signed.text), known).verdict == "ok"


def test_witnesses_do_not_stand_in_for_the_log(log: Log, log_key: Signer) -> None:
    """A checkpoint that only witnesses signed is nobody's."""
    known = policy.load(f"log {log_key.key}\n{GROUPS}".encode())
    whole = cosigned(log, *W)
    signed = SignedNote(whole.text, whole.signatures[1:])
    assert judge_witnessed(signed, checkpoints.load(signed.text), known).verdict == "failed"


def test_a_receipt_needs_the_quorum(log: Log, grow: Grow, log_key: Signer) -> None:
    """A receipt whose checkpoint the witnesses have not signed waits for a better one."""
    grow(3)
    known = policy.load(f"log {log_key.key}\n{GROUPS}".encode())
    entry = log.entry(1)
    assert verify_receipt(log.receipt(1), entry, (), known).verdict == "cannot-verify"
    lines = [notes.cosign(log.checkpoint().note.text, signer, NOON) for signer in W[:2]]
    log.add_cosignatures(log.checkpoint().note.text, lines)
    result = verify_receipt(log.receipt(1), entry, (), known)
    assert (result.verdict, set(result.cosigned)) == ("ok", {"w0", "w1"})


def test_a_ledger_without_a_witness_says_what_it_cannot_show(
    log: Log, grow: Grow, log_key: Signer, person: Signer
) -> None:
    """Nobody asked for a witness: it verifies, with a plain remark; cosigned, without one."""
    grow(2)
    known = Policy((Known(log_key.key),), {"w0": Known(W[0].key)})
    judge = by_keys([person.key])
    report = check(log.directory, None, (), judge, policy=known)
    assert report.verdict == "ok"
    assert "no witness" in report.remarks[0].message
    text = log.checkpoint().note.text
    log.add_cosignatures(text, [notes.cosign(text, W[0], NOON)])
    report = check(log.directory, None, (), judge, policy=known)
    assert (report.verdict, report.remarks, report.cosigned) == ("ok", (), {"w0": NOON})


def test_an_append_goes_on_from_a_cosigned_checkpoint(log: Log, grow: Grow) -> None:
    """Cosignatures belong to one checkpoint; the next one begins without them."""
    grow(2)
    text = log.checkpoint().note.text
    for when in (NOON, NOON + 1):
        assert log.add_cosignatures(text, [notes.cosign(text, W[0], when)]) is not None
        assert len(log.checkpoint().note.signatures) == 2
    grow(1)
    assert len(log.checkpoint().note.signatures) == 1
    assert log.add_cosignatures(text, [notes.cosign(text, W[0], NOON)]) is None
    assert len(log.checkpoint().note.signatures) == 1


# ---- over the network


@pytest.fixture
def server(witness: Witness) -> Iterator[str]:
    """The witness on a free port of this machine."""
    with WitnessServer(("127.0.0.1", 0), witness, lambda _line: None, seconds=5) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=[0.02])
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_address[1]}"
        finally:
            serving.shutdown()
            thread.join()


def ask(log: Log, url: str, key: vkey.VerifierKey, **more: int) -> witness_client.Asked:
    return witness_client.ask(log, log.checkpoint(), "w", Known(key, url), seconds=60, **more)


def test_client_and_server_understand_each_other(
    tmp_path: Path, log: Log, grow: Grow, witness: Witness, server: str, log_key: Signer,
    make_entry: Callable[[object], bytes],
) -> None:  # fmt: skip
    """From nothing, from a known size, from a wrong one; and a rewritten ledger is told."""
    key = witness.signer.key
    grow(3)
    assert ask(log, server, key).outcome == "cosigned"
    grow(300)
    asked = ask(log, server + "/", key)
    assert asked.outcome == "cosigned"
    assert asked.seconds == NOON
    assert ask(log, server, key, old=303).outcome == "cosigned"
    assert ask(log, server, key, not_before=NOON + 1).outcome == "refused"
    other = Log.create(tmp_path / "other", log_key)
    _append(other, log_key, lambda word: make_entry(f"other {word}"), 5)
    asked = ask(other, server, key)
    assert asked.outcome == "contradicted"
    assert "put back" in asked.detail
    _append(other, log_key, make_entry, 298)
    assert "another ledger of the same size" in ask(other, server, key, old=303).detail
    _append(other, log_key, make_entry, 1)
    assert "does not go on" in ask(other, server, key).detail


def test_the_server_bounds_what_it_takes(server: str, log: Log) -> None:
    """Only POST of a named, bounded length to one path; everything else has its plain answer."""
    host = server.removeprefix("http://")
    cases: list[tuple[str, str, dict[str, str], int]] = [
        ("GET", PATH, {}, 501),
        ("POST", "/elsewhere", {"Content-Length": "0"}, 404),
        ("POST", PATH, {"Content-Length": "99999999"}, 413),
        ("POST", PATH, {"Content-Length": "9" * 30}, 413),
        ("POST", PATH, {"Content-Length": "-1"}, 411),
        ("POST", PATH, {"Transfer-Encoding": "chunked"}, 411),
        ("POST", PATH, {"Content-Length": "0"}, 400),
    ]
    for method, path, headers, status in cases:
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.putrequest(method, path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == status, (method, path, headers)
        connection.close()


def test_many_silent_connections_do_not_stop_the_server(
    server: str, log: Log, witness: Witness
) -> None:
    """Whoever only connects is cut off after a while, and the next one is served."""
    host, _, port = server.removeprefix("http://").partition(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(40)]
    deadline = time.monotonic() + 120
    while ask(log, server, witness.signer.key).outcome != "cosigned":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for connection in silent:
        connection.close()


class Liar(BaseHTTPRequestHandler):
    """A witness that answers as its class attribute says."""

    timeout = 100
    answer: Callable[[Liar], None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).answer(self)

    def say(self, status: int, data: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


def drip(handler: Liar) -> None:
    for _ in range(1_000):  # until the other side has enough
        handler.wfile.write(b"H")
        time.sleep(0.1)


def drip_body(handler: Liar) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    drip(handler)


LIES: dict[str, tuple[Callable[[Liar], None], str]] = {
    "nothing": (lambda _h: None, "unreachable"),
    "garbage": (lambda h: h.say(200, b"hello\n"), "refused"),
    "empty": (lambda h: h.say(200, b""), "refused"),
    "endless": (lambda h: h.say(200, b"x" * 300_000), "unreachable"),
    "cut off": (lambda h: h.say(200, b"\xe2\x80\x94 w ", 999), "refused"),
    "size without a size": (lambda h: h.say(409, b"many\n"), "unreachable"),
    "the same size again": (lambda h: h.say(409, b"2\n"), "refused"),
    "the ledger's own size": (lambda h: h.say(409, b"5\n"), "contradicted"),
    "a larger size": (lambda h: h.say(409, b"6\n"), "contradicted"),
    "size beyond all": (lambda h: h.say(409, b"9223372036854775808\n"), "unreachable"),
    "redirect": (lambda h: h.say(302, b""), "refused"),
    "refused 400": (lambda h: h.say(400, b"\x1b[2J\n"), "refused"),
    "refused 403": (lambda h: h.say(403, b""), "refused"),
    "refused 404": (lambda h: h.say(404, b""), "refused"),
    "broken 500": (lambda h: h.say(500, b""), "refused"),
    "drips": (drip, "unreachable"),
    "drips its body": (drip_body, "refused"),
    "hangs": (lambda h: h.rfile.read(1), "unreachable"),
}
SLOW = ("drips", "drips its body", "hangs")


@pytest.mark.parametrize("lie", LIES)
def test_a_witness_that_does_not_answer_as_one(log: Log, grow: Grow, lie: str) -> None:
    """Whatever the other side says or leaves out, the answer is an outcome, in bounded time."""
    grow(5)
    answer, outcome = LIES[lie]
    handler = type("Handler", (Liar,), {"answer": staticmethod(answer)})
    with HTTPServer(("127.0.0.1", 0), handler) as serving:
        serving.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=serving.serve_forever, args=[0.02])
        thread.start()
        start = time.monotonic()
        try:
            url = f"http://127.0.0.1:{serving.server_address[1]}"
            key = make_witness(9).key
            asked = witness_client.ask(
                log, log.checkpoint(), "w", Known(key, url), old=0,
                seconds=2 if lie in SLOW else 60,
            )  # fmt: skip
        finally:
            serving.shutdown()
            thread.join()
    assert asked.outcome == outcome, asked.detail
    assert time.monotonic() - start < 50  # and not the 100 seconds that the other side would take
    assert asked.lines == ()


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:1/", "x" * 9])
def test_an_address_that_leads_nowhere(log: Log, url: str) -> None:
    """A witness without a usable address is unreachable, and nothing is raised."""
    assert ask(log, url, make_witness(9).key).outcome == "unreachable"


def test_lines_by_others_are_not_taken(log: Log, witness: Witness) -> None:
    """Of an answer only the lines that verify under the witness's key are used."""
    published = log.checkpoint()
    mine = notes.cosign(published.note.text, witness.signer, NOON)
    other = notes.cosign(published.note.text, W[0], NOON)
    answer = note.signature_lines([other, mine])
    assert witness_client.read_lines(answer, published, Known(witness.signer.key)) == (mine,)
    with pytest.raises(FormatError):
        witness_client.read_lines(note.signature_lines([other]), published, Known(W[1].key))
    wrong = notes.cosign(published.note.text + "x\n", witness.signer, NOON)
    with pytest.raises(FormatError):
        witness_client.read_lines(
            note.signature_lines([mine, wrong]), published, Known(witness.signer.key)
        )
