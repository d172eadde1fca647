"""Signing for what was released: the receiver's answer, and the papers that are kept."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custody.cli import exit_codes
from custody.cli.given import options
from custody.cli.terminal import console
from custody.cli.terminal.progress import Progress
from custody.errors import (
    CustodyError,
    DifferenceError,
    ExistsError,
    NotFoundError,
    StorageError,
    UsageError,
)

from . import receive_bundles

if TYPE_CHECKING:
    from custody.cli.given.desk import Desk
    from custody.formats.statement import Actor
    from custody.handover import Release
    from custody.identity.passphrases import Passphrase
    from custody.identity.signing import Signer
    from custody.identity.trust import Trust
    from custody.ledger.checkpoint import Checkpoint
    from custody.transfer.intake import Arrived, Terms
    from custody.transfer.receipt import Arrival

_LARGEST_PROOF = 1 << 20
_CODES = {"ok": exit_codes.OK, "cannot-verify": exit_codes.CANNOT_VERIFY}


@dataclass(frozen=True, slots=True)
class Found:
    """A release that is there, and its proof of entry, if that is."""

    release: Release
    proof: bytes | None


@dataclass(frozen=True, slots=True)
class _Receiver:
    """Who signs; and the case that it is taken into, if one is named."""

    signer: Signer
    actor: Actor
    keeper: Desk | None


def find(path: Path, given: Path | None) -> Found:
    """The release beside the bundle, or the one that is named.

    :raises NotFoundError: if there is none, and what is named is no bundle at all.
    :raises UsageError: if there is none beside the bundle.
    """
    from custody import handover, reading
    from custody.transfer import offered

    real = Path(os.path.abspath(path))
    note = given or real.parent / handover.release_name(real.name)
    if given is None and not os.path.lexists(note):
        offered.require_bundle(path)
        why = f"there is no release beside it ({note.name}); nothing was written"
        hint = (
            f"custody receive {shlex.quote(str(path))} --release FILE; a bundle from a host:"
            f' custody receive {shlex.quote(str(path))} --case DIR --from "NAME, TITLE, ORG"'
        )
        raise UsageError("receive", path, why, hint=hint)
    release = handover.release_of(handover.read(note), note)
    proof = note.with_name(note.name.removesuffix(".dsse.json") + ".tlog-proof")
    try:
        return Found(release, reading.read_regular(proof, _LARGEST_PROOF))
    except NotFoundError:
        return Found(release, None)


def answer(
    path: Path,
    found: Found,
    output: Path | None,
    terms: Terms,
    believed: Trust,
    key: str | None,
    secret: Passphrase,
) -> int:
    """Judge, verify, take in where a case is named, and sign."""
    from custody import clock, handover
    from custody.transfer import receipt

    release = found.release
    real = Path(os.path.abspath(path))
    beside = real.parent / handover.receipt_name(release.bundle)
    out = output or beside
    receiver = _receiver(key, secret)
    _require_unanswered(path, release, receiver, beside, out)
    terms = replace(terms, giver=handover.person_of(release.paper.event), release=release)
    entered = None
    if not terms.refuse:
        entered = receipt.judge(release, found.proof, believed, receiver.signer, clock.now(), _warn)
    if receiver.keeper is None:
        arrived = _look(real, terms, believed)
        if not terms.refuse:
            receipt.require_same(release, arrived)
        taken = None
    else:
        taken = _take_in(receiver.keeper, path, terms, believed)
        if taken.error is not None:
            raise taken.error
        if taken.outcome == "differs" or taken.found is None:
            receive_bundles.show([taken])
            console.warning("nothing was signed: it is not what was released")
            return exit_codes.DIFFERS
        arrived = receipt.Arrival(taken.found, taken.digest)
    return _sign(release, found, arrived, receiver, out, terms, taken, entered)


def _warn(text: str) -> None:
    console.warning(options.hinted(text))


def _receiver(key: str | None, secret: Passphrase) -> _Receiver:
    from custody.cli.given import desk, passphrase
    from custody.identity import keys

    if options.case() is not None:
        keeper = desk.ready("receive PATH", key, secret)
        keeper.enter_attachments()
        return _Receiver(keeper.signer, keeper.actor, keeper)
    folder = keys.KeyFolder(options.home() / "keys")
    stored = folder.pick(key, "signer")
    return _Receiver(passphrase.unlock(folder, stored.name, secret), stored.actor(), None)


def _require_unanswered(
    path: Path, release: Release, receiver: _Receiver, beside: Path, out: Path
) -> None:
    """Nobody signs twice for one release, and nothing is overwritten."""
    from custody import handover

    places, case = [beside, out], "DIR"
    if receiver.keeper is not None:
        case = shlex.quote(str(receiver.keeper.case.directory))
        kept = handover.folder(receiver.keeper.case, release.paper.sha256)
        places.insert(0, kept / handover.RECEIPT_FILE)
    place = next((place for place in places if os.path.lexists(place)), None)
    if place is None:
        return
    why = "it was answered already; nothing was signed, and nothing overwritten"
    hint = f"the answer is in {place}"
    if place in (beside, out):  # and the bundle in no case of ours, as far as that shows
        typed = f'custody receive {shlex.quote(str(path))} --case {case} --from "NAME, TITLE, ORG"'
        hint += f"; into a case, without another answer: {typed}"
    raise UsageError("sign for", release.bundle, why, hint=hint)


def _look(path: Path, terms: Terms, believed: Trust) -> Arrival:
    """Verify it where it lies."""
    from custody import clock
    from custody.transfer import release as releases
    from custody.transfer.receipt import Arrival
    from custody.verify import verify_bundle

    for fingerprint in terms.fingerprints:
        believed = believed.with_signer(fingerprint)
    with Progress("verifying") as progress:
        found = verify_bundle(
            path, believed, named=terms.fingerprints, now=clock.now(), progress=progress
        )
    try:
        return Arrival(found, releases.pinned(path))
    except StorageError:
        raise
    except CustodyError:  # there is no tag manifest that could be read: a finding already
        return Arrival(found, "")


def _take_in(keeper: Desk, path: Path, terms: Terms, believed: Trust) -> Arrived:
    """Into the case, as from a host; what was changed on the way is kept apart."""
    from custody.transfer import receipt

    (one,) = receive_bundles.look(keeper, [path], terms, believed)
    if one.error is None and one.found is not None and terms.release and not terms.refuse:
        try:
            receipt.require_same(terms.release, receipt.Arrival(one.found, one.digest))
        except DifferenceError as err:
            one.unlike = err.why
    receive_bundles.admit(keeper, [one], terms, believed)
    return one


def _sign(
    release: Release,
    found: Found,
    arrived: Arrival,
    receiver: _Receiver,
    out: Path,
    terms: Terms,
    taken: Arrived | None,
    entered: Checkpoint | None,
) -> int:
    from custody import clock, durable
    from custody.transfer import receipt

    data = receipt.sign(
        release, arrived, receiver.signer, receiver.actor, clock.now(),
        words=_of_receipt(terms.words), refuse=terms.refuse, entered=entered,
    )  # fmt: skip
    try:
        durable.create(out, data)
    except ExistsError as err:
        raise UsageError("write receipt", out, err.why, hint="-o names a new file") from err
    except StorageError as err:
        hint = "-o FILE writes the receipt to another place"
        raise StorageError("write receipt", out, err.why, hint=hint) from err
    if receiver.keeper is not None:
        _keep(receiver.keeper, release, found, data)
    _show(release, arrived, out, data, terms, taken)
    return exit_codes.OK if terms.refuse else _CODES[arrived.found.verdict]


def _of_receipt(words: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in words.items() if name in ("place", "method", "comment")}


def _keep(keeper: Desk, release: Release, found: Found, receipt: bytes) -> None:
    """The case's own copies of what was signed."""
    from custody import durable, handover

    kept = handover.folder(keeper.case, release.paper.sha256)
    durable.ensure_directory(kept)
    durable.create_or_equal(kept / handover.RELEASE_FILE, release.paper.data)
    if found.proof is not None and not os.path.lexists(kept / handover.PROOF_FILE):
        durable.create(kept / handover.PROOF_FILE, found.proof)
    durable.create_or_equal(kept / handover.RECEIPT_FILE, receipt)


def _show(
    release: Release, arrived: Arrival, out: Path, data: bytes, terms: Terms, taken: Arrived | None
) -> None:
    import hashlib

    found = arrived.found
    word = "refused" if terms.refuse else "received"
    document: dict[str, Any] = {
        "answer": word,
        "bundle": release.bundle,
        **release.what,
        "from": dict(terms.giver),
        "receipt": str(out),
        "receipt_sha256": hashlib.sha256(data).hexdigest(),
        "release": release.paper.sha256,
        "sha256": arrived.digest or None,
        "verdict": found.verdict,
        "hint": options.hinted(found.hint),
        "intake": None if taken is None else receive_bundles.document(taken),
    }
    if console.mode().json:
        console.result_json("receipt", document)
        return
    console.result(f"{word:<9} ", release.label or f"{release.bundle}, the original")
    console.result("from      ", release.paper.event.actor.name or release.paper.key.name)
    console.result("verdict   ", found.verdict)
    if found.hint and found.verdict == "cannot-verify":
        console.result("hint      ", document["hint"])
    if taken is not None:
        console.result("in case   ", taken.where or "", f"  entry {taken.entry}")
    console.result("receipt   ", out)
    console.remark("the receipt goes back: custody record RECEIPT --case DIR, on the other side")
