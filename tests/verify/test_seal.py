"""The statement, its signature, and all that stands on it: keys, receipts, additions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from verify_bench import (
    ACTOR,
    LOG,
    NOW,
    SIGNER,
    STRANGER,
    TRUST,
    check,
    failed,
    key,
    reseal,
    status,
    trusting,
)

from custody.bundle import layout
from custody.formats import canonical, dsse, note, statement, vkey
from custody.formats.statement import Actor, Event, Subject
from custody.identity import notes, signing
from custody.identity.signing import Signer
from custody.identity.trust import Trust
from custody.ledger import checkpoint as checkpoints
from custody.ledger import merkle, policy, proof
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.proof import Proof
from custody.verify import verify_bundle

DAY = timedelta(days=1)


def envelope(bag: Path) -> dsse.Envelope:
    return dsse.load((bag / layout.STATEMENT).read_bytes())


def write(bag: Path, made: dsse.Envelope) -> None:
    (bag / layout.STATEMENT).write_bytes(dsse.dump(made))


def sign(signer: Signer, made: dsse.Envelope) -> dsse.Signature:
    return dsse.Signature(signer.key.fingerprint(), signer.sign(made.signed_bytes()))


# ---- the statement


def _payload_type(bag: Path) -> None:
    made = replace(envelope(bag), payload_type="application/json")
    write(bag, replace(made, signatures=(sign(SIGNER, made),)))


def _spaces(bag: Path) -> None:
    made = envelope(bag)
    made = replace(made, payload=made.payload.replace(b'":', b'": '))
    write(bag, replace(made, signatures=(sign(SIGNER, made),)))


def _trailing(bag: Path) -> None:
    path = bag / layout.STATEMENT
    path.write_bytes(path.read_bytes() + b"\n")


def _garbage(bag: Path) -> None:
    (bag / layout.STATEMENT).write_bytes(b"\xff not an envelope")


def _deep_json(bag: Path) -> None:
    (bag / layout.STATEMENT).write_bytes(b"[" * 60_000)


def _ledger_no_object(bag: Path) -> None:
    made = envelope(bag)
    payload = made.payload.replace(b'"time"', b'"ledger":7,"time"')
    made = replace(made, payload=payload)
    write(bag, replace(made, signatures=(sign(SIGNER, made),)))


MALFORMED = [_payload_type, _spaces, _trailing, _garbage, _deep_json, _ledger_no_object]


@pytest.mark.parametrize("spoil", MALFORMED)
def test_a_statement_in_another_form_fails(bag: Path, spoil: Callable[[Path], None]) -> None:
    """There is one spelling of a statement; nothing else is read, also if it is well signed."""
    spoil(bag)
    found = check(bag)
    assert (found.verdict, failed(found)) == ("failed", [7])
    assert status(found)[8] == "not-checked"


def _details(**changed: object) -> Callable[[Event], Event]:
    return lambda event: replace(event, details={**event.details, **changed})


def _words(**changed: str) -> Callable[[Event], Event]:
    return lambda event: replace(event, words={**event.words, **changed})


OTHER: dict[str, Callable[[Event], Event]] = {
    "another type": lambda event: replace(event, kind="noted"),
    "a second subject": lambda event: replace(
        event, subjects=(*event.subjects, Subject("x", "0" * 64))
    ),
    "no subject": lambda event: replace(event, subjects=()),
    "another subject": lambda event: replace(
        event, subjects=(Subject("manifest-sha256.txt", event.subjects[0].sha256),)
    ),
    "another digest": lambda event: replace(
        event, subjects=(replace(event.subjects[0], sha256="0" * 64),)
    ),
    "another bundle": _details(bundle="20260101T000000Z-x-000000"),
    "another item": _words(item="20260101T000000Z-x-000000"),
    "another case": _words(case="9"),
    "another authority": _words(authority="none"),
    "fewer files": _details(files=1),
    "more bytes": _details(bytes=10**6),
    "no gaps where there are some": _details(gaps=4),
    "another outcome": _details(outcomes={"collected": 1}),
    "another host": _details(host="db01"),
    "another start": _details(started="2020-01-01T00:00:00Z"),
    "another collector": lambda event: replace(event, actor=replace(event.actor, name="Eve")),
    "half a checkpoint": lambda event: replace(event, ledger={"origin": "x"}),
    "a checkpoint that is none": lambda event: replace(
        event, ledger={"origin": "x", "size": -1, "root": "0" * 64}
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_a_signed_statement_about_something_else_fails(bag: Path, name: str) -> None:
    """A good signature is not enough: the statement must be about this bag, and agree with it."""
    reseal(bag, OTHER[name])
    found = check(bag)
    assert (found.verdict, failed(found)) == ("failed", [7])


def test_the_digest_that_was_sealed_is_the_expected_one(bag: Path) -> None:
    """Of a tag manifest that differs from the statement, expected is what was sealed."""
    path = bag / "tagmanifest-sha256.txt"
    sealed = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes() + b"\n")
    on_disk = hashlib.sha256(path.read_bytes()).hexdigest()
    (found,) = [item for item in check(bag).findings if "another bag" in item.message]
    assert found.expected == f"tagmanifest-sha256.txt sha256:{sealed}"
    assert found.found == f"tagmanifest-sha256.txt sha256:{on_disk}"


# ---- the signature


def test_a_bundle_by_an_unknown_key_cannot_be_verified(bag: Path) -> None:
    """A key inside a bundle proves nothing: nobody's key is no failure, and no success."""
    found = check(bag, trusting(STRANGER))
    assert (found.verdict, found.findings) == ("cannot-verify", ())
    assert (status(found)[8], status(found)[9]) == ("not-checked", "not-checked")
    assert f"custody trust add signer {SIGNER.key}" in found.hint
    assert "compare the fingerprint with the paper form" in found.hint


def test_a_statement_by_another_than_the_named_signer_fails(bag: Path) -> None:
    """Also a trusted key is not the one that was named; a countersignature of the named one is."""
    trust, named = trusting(SIGNER, STRANGER), [STRANGER.key.fingerprint()]
    found = verify_bundle(bag, trust, named=named, now=NOW)
    assert (found.verdict, failed(found), found.hint) == ("failed", [8], "")
    assert found.findings[0].found == SIGNER.key.fingerprint()
    countersign(bag, STRANGER)
    assert verify_bundle(bag, trust, named=named, now=NOW).verdict == "ok"


def test_a_fingerprint_from_paper_is_enough(bag: Path) -> None:
    """The public key is taken from the statement if it hashes to the fingerprint on paper."""
    assert check(bag, Trust().with_signer(SIGNER.key.fingerprint())).verdict == "ok"
    assert check(bag, Trust().with_signer(str(SIGNER.key))).verdict == "ok"
    assert check(bag, Trust().with_signer(STRANGER.key.fingerprint())).verdict == "cannot-verify"


def _swapped(bag: Path) -> None:
    made = envelope(bag)
    write(bag, replace(made, signatures=(sign(SIGNER, replace(made, payload=b"{}")),)))


def _under_another_id(bag: Path) -> None:
    made = envelope(bag)
    forged = dsse.Signature(SIGNER.key.fingerprint(), STRANGER.sign(made.signed_bytes()))
    write(bag, replace(made, signatures=(forged,)))


def _by_another(bag: Path) -> None:
    made = envelope(bag)
    write(bag, replace(made, signatures=(sign(STRANGER, made),)))


def _short(bag: Path) -> None:
    made = envelope(bag)
    write(bag, replace(made, signatures=(dsse.Signature(SIGNER.key.fingerprint(), b""),)))


@pytest.mark.parametrize("spoil", [_swapped, _under_another_id, _by_another, _short])
@pytest.mark.parametrize("trust", [TRUST, Trust(), trusting(SIGNER, STRANGER)])
def test_a_wrong_signature_fails_whoever_is_trusted(
    bag: Path, spoil: Callable[[Path], None], trust: Trust
) -> None:
    """The key that a statement names must have signed it; that needs no trust to be seen."""
    spoil(bag)
    found = check(bag, trust)
    assert (found.verdict, failed(found)) == ("failed", [8])


def test_an_attacker_who_signs_everything_again_is_not_believed(bag: Path) -> None:
    """Sealed again by another key, all is consistent, and still nobody's."""
    event = statement.load(envelope(bag).payload)
    forged = replace(event, actor=Actor(str(STRANGER.key), "Ada Example"))
    (bag / layout.STATEMENT).write_bytes(signing.seal(STRANGER, statement.dump(forged)))
    assert status(check(bag))[8] == "not-checked"
    assert check(bag).verdict == "failed"  # the acquisition record names the real collector


def test_a_second_line_by_a_trusted_key_must_be_good(bag: Path) -> None:
    """Further signature lines are checked if their key is known, and remarked on if not."""
    made = envelope(bag)
    write(bag, replace(made, signatures=(*made.signatures, sign(STRANGER, made))))
    unknown = check(bag)
    assert unknown.verdict == "ok"
    assert any("unknown key" in remark.message for remark in unknown.remarks)
    assert check(bag, trusting(SIGNER, STRANGER)).verdict == "ok"
    bad = dsse.Signature(STRANGER.key.fingerprint(), bytes(64))
    write(bag, replace(made, signatures=(*made.signatures, bad)))
    assert check(bag).verdict == "ok"  # the named exception: unsigned bytes of unknown keys
    assert failed(check(bag, trusting(SIGNER, STRANGER))) == [8]


def countersign(bag: Path, signer: Signer, made: dsse.Envelope | None = None) -> Path:
    made = made or envelope(bag)
    folder = bag / layout.COUNTERSIGNATURES
    folder.mkdir(exist_ok=True)
    path = folder / f"{signer.key.fingerprint()}.dsse.json"
    path.write_bytes(dsse.dump(replace(made, signatures=(sign(signer, made),))))
    return path


def test_countersignatures_are_over_the_same_statement(bag: Path) -> None:
    """A second person signs exactly what was sealed, in a file named after their key."""
    path = countersign(bag, STRANGER)
    assert check(bag, trusting(SIGNER, STRANGER)).verdict == "ok"
    assert any("unknown key" in remark.message for remark in check(bag).remarks)
    path.rename(path.with_name("0" * 64 + ".dsse.json"))
    assert failed(check(bag)) == [8]
    countersign(bag, STRANGER, replace(envelope(bag), payload=b"{}"))
    assert failed(check(bag)) == [8]


# ---- the key's validity, and time stamps


def test_a_key_counts_from_until(bag: Path) -> None:
    """Dates are the verifier's; a key with an end needs a trusted time, and here is none."""
    early = trusting(SIGNER, valid_from=NOW + DAY)
    assert failed(check(bag, early)) == [9]
    assert failed(check(bag, trusting(SIGNER, valid_until=NOW))) == [9]
    assert failed(check(bag, trusting(SIGNER, revoked_at=NOW - DAY))) == [9]
    for later in (trusting(SIGNER, valid_until=NOW + DAY), trusting(SIGNER, revoked_at=NOW + DAY)):
        found = check(bag, later)
        assert (found.verdict, status(found)[9]) == ("cannot-verify", "not-checked")
        assert found.checks[9].required


def test_the_trust_folder_may_require_time_stamps(bag: Path) -> None:
    """`require_timestamp` makes the missing time stamp a matter of the verdict."""
    assert check(bag, replace(TRUST, require_timestamp=True)).verdict == "cannot-verify"


# ---- receipts


def receipt_of(bag: Path) -> Path:
    return next((bag / layout.RECEIPTS).iterdir())


def test_a_receipt_proves_the_statement(entered: Path) -> None:
    """The receipt of a trusted log is checked, and told."""
    found = check(entered)
    assert (found.verdict, status(found)[11]) == ("ok", "ok")
    assert found.proved[0].origin == LOG.key.name


def test_stripping_the_receipt_never_helps(entered: Path) -> None:
    """Where the trust folder has the log that the signed statement names, it is missed."""
    receipt_of(entered).unlink()
    found = check(entered)
    assert (found.verdict, status(found)[11]) == ("cannot-verify", "not-checked")
    assert check(entered, trusting(SIGNER, log=False)).verdict == "ok"


def test_a_receipt_of_a_log_that_nobody_trusts_must_still_add_up(entered: Path) -> None:
    """It proves nothing to this verifier, but a wrong sum shows tampering to anybody."""
    trust = trusting(SIGNER, log=False)
    found = check(entered, trust)
    assert (found.verdict, status(found)[11]) == ("ok", "not-checked")
    path = receipt_of(entered)
    old = proof.load(path.read_bytes())
    path.write_bytes(proof.dump(replace(old, hashes=(bytes(32), *old.hashes[1:]))))
    assert failed(check(entered, trust)) == [11]


def test_a_receipt_of_something_else_fails(entered: Path, case: Path) -> None:
    """A receipt is about the bytes of this statement and no others."""
    other = next(path for path in (case / "bundles").iterdir() if path != entered)
    path = receipt_of(other)
    (entered / layout.RECEIPTS / path.name).write_bytes(path.read_bytes())
    assert failed(check(entered)) == [11]


def test_a_receipt_under_another_name_fails(entered: Path) -> None:
    """A receipt's name says its origin and size."""
    path = receipt_of(entered)
    path.rename(path.with_name("x.tlog-proof"))
    assert failed(check(entered)) == [11]


def test_a_receipt_with_leftovers_fails(entered: Path) -> None:
    """A receipt, and the checkpoint in it, have nothing after their end."""
    path = receipt_of(entered)
    path.write_bytes(path.read_bytes() + b"\n")
    assert failed(check(entered)) == [11]


def issue(bag: Path, log: Signer, before: int, *witnesses: Signer) -> None:
    """A receipt from a tree in which the statement is the entry after *before* others."""
    entry = (bag / layout.STATEMENT).read_bytes()
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(before)]
    leaves.append(merkle.leaf_hash(entry))
    root, path = _root_and_path(leaves, before)
    tree = Checkpoint(log.key.name, len(leaves), root)
    signed = notes.sign(checkpoints.dump(tree), log)
    for witness in witnesses:
        signed = _cosigned(signed, witness)
    folder = bag / layout.RECEIPTS
    folder.mkdir(exist_ok=True)
    name = layout.receipt_name(tree.origin, tree.size)
    (folder / name).write_bytes(proof.dump(Proof(before, tuple(path), signed)))


def _root_and_path(leaves: list[bytes], index: int) -> tuple[bytes, list[bytes]]:
    if len(leaves) == 1:
        return leaves[0], []
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    left, right = leaves[:half], leaves[half:]
    if index < half:
        root, path = _root_and_path(left, index)
        other = _root_and_path(right, 0)[0]
        return merkle.node_hash(root, other), [*path, other]
    root, path = _root_and_path(right, index - half)
    other = _root_and_path(left, 0)[0]
    return merkle.node_hash(other, root), [*path, other]


def _cosigned(data: bytes, witness: Signer) -> bytes:
    signed = note.load(data)
    when = 1_795_000_000
    message = b"cosignature/v1\ntime %d\n" % when + signed.signed_bytes()
    signature = when.to_bytes(8, "big") + witness.sign(message)
    public = vkey.VerifierKey(witness.key.name, vkey.COSIGNATURE, witness.key.public)
    line = note.NoteSignature(public.name, public.key_hash(), signature)
    return note.dump(replace(signed, signatures=(*signed.signatures, line)))


def test_a_receipt_must_come_after_the_checkpoint_that_the_statement_names(bag: Path) -> None:
    """An entry older than a tree that its statement already names cannot be honest."""
    tree = {"origin": LOG.key.name, "size": 3, "root": "0" * 64}
    reseal(bag, lambda event: replace(event, ledger=tree))
    issue(bag, LOG, 3)
    assert check(bag).verdict == "ok"
    receipt_of(bag).unlink()
    issue(bag, LOG, 2)
    assert failed(check(bag)) == [11]


def test_witnesses_that_the_policy_asks_for_are_required(bag: Path) -> None:
    """Where the trust folder has a quorum, a receipt without it shows nothing."""
    witness = key("w.example", 9)
    public = vkey.VerifierKey(witness.key.name, vkey.COSIGNATURE, witness.key.public)
    text = f"log {LOG.key}\nwitness w {public}\nquorum w\n"
    trust = replace(TRUST, policy=policy.load(text.encode()))
    tree = {"origin": LOG.key.name, "size": 1, "root": "0" * 64}
    reseal(bag, lambda event: replace(event, ledger=tree))
    issue(bag, LOG, 3)
    assert (check(bag).verdict, check(bag, trust).verdict) == ("ok", "cannot-verify")
    issue(bag, LOG, 4, witness)
    assert check(bag, trust).verdict == "ok"


# ---- additions


def signed_event(kind: str, *subjects: Subject, signer: Signer = SIGNER) -> bytes:
    event = Event(kind, NOW, replace(ACTOR, key=str(signer.key)), subjects)
    return signing.seal(signer, statement.dump(event))


def add(bag: Path, folder: str, data: bytes, ending: str) -> Path:
    (bag / folder).mkdir(exist_ok=True)
    path = bag / folder / f"{hashlib.sha256(data).hexdigest()}{ending}"
    path.write_bytes(data)
    return path


def test_events_and_tokens_are_named_by_their_digest(bag: Path) -> None:
    """What is added later stands on its own: strict, rightly named, signed by its own key."""
    event = add(bag, layout.EVENTS, signed_event("noted"), ".dsse.json")
    found = check(bag)
    assert (found.verdict, status(found)[13]) == ("ok", "ok")
    token = add(bag, layout.TIMESTAMPS, b"a token", ".tsr")
    assert failed(check(bag)) == [10]  # rightly named, and no token
    token.write_bytes(b"another")
    assert failed(check(bag)) == [10, 13]
    token.unlink()
    event.write_bytes(event.read_bytes() + b" ")
    assert failed(check(bag)) == [13]


def test_an_event_by_an_unknown_key_is_not_checked(bag: Path) -> None:
    """It does no harm and no good: check 13 is not required."""
    add(bag, layout.EVENTS, signed_event("noted", signer=STRANGER), ".dsse.json")
    found = check(bag)
    assert (found.verdict, status(found)[13]) == ("ok", "not-checked")


def attach(bag: Path, kind: str = "attached", about: str | None = None) -> Path:
    """Attach a summary, *about* a bundle with this digest: by default this one, for "" none."""
    if about is None:
        about = hashlib.sha256((bag / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    subjects = [Subject("summary.md", hashlib.sha256(b"summary").hexdigest())]
    if about:
        subjects.append(Subject("bundle/x/tagmanifest-sha256.txt", about))
    data = signed_event(kind, *subjects)
    folder = bag / layout.ATTACHMENTS / hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True)
    (folder / "statement.dsse.json").write_bytes(data)
    (folder / "summary.md").write_bytes(b"summary")
    return folder


def test_attachments_are_what_their_statement_names(bag: Path) -> None:
    """Every attached file has its digest in the statement that names the directory."""
    folder = attach(bag)
    assert check(bag).verdict == "ok"
    (folder / "summary.md").write_bytes(b"Summary")
    assert failed(check(bag)) == [13]
    (folder / "summary.md").unlink()
    assert failed(check(bag)) == [13]
    (folder / "summary.md").write_bytes(b"summary")
    (folder / "more.md").write_bytes(b"")
    assert failed(check(bag)) == [13]


@pytest.mark.parametrize(
    ("about", "why"), [("0" * 64, "about another bundle"), ("", "about a whole case")]
)
def test_an_attachment_is_about_this_bundle(bag: Path, about: str, why: str) -> None:
    """What is attached to a bundle names its digest: no other's, and no case's, is moved in."""
    attach(bag, about=about)
    found = check(bag)
    assert failed(found) == [13]
    assert why in found.findings[0].message


def test_an_attachment_is_of_its_own_type(bag: Path) -> None:
    """Another signed event is not an attachment's statement."""
    attach(bag, kind="noted")
    assert failed(check(bag)) == [13]


def test_canonical_json_is_what_signs(bag: Path) -> None:
    """The acquisition record has one spelling too."""
    path = bag / layout.ACQUISITION
    document = canonical.load_object(path.read_bytes()[:-1])
    path.write_bytes(canonical.dump(document) + b" \n")
    reseal(bag)
    assert failed(check(bag)) == [6]


@pytest.mark.parametrize("field", ["bundle", "files", "bytes", "outcomes", "schema", "host"])
def test_an_acquisition_record_of_something_else_fails(bag: Path, field: str) -> None:
    """A signed acquisition record must be about this bundle and count what is there."""
    path = bag / layout.ACQUISITION
    document = canonical.load_object(path.read_bytes()[:-1])
    document[field] = 99 if isinstance(document[field], int) else "x"
    path.write_bytes(canonical.dump(document) + b"\n")
    reseal(bag)
    assert 6 in failed(check(bag))
