"""The signed statement: what it says, who signed it, and whether that key counts."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custody import clock, reading
from custody.bundle import layout
from custody.errors import CustodyError, FormatError
from custody.formats import bagit, dsse, statement, vkey
from custody.formats.dsse import Envelope
from custody.formats.statement import Event, Subject
from custody.formats.vkey import VerifierKey
from custody.identity.signers import TrustedSigner
from custody.identity.trust import Trust
from custody.ledger.checkpoint import Checkpoint
from custody.verify import signed
from custody.verify.docket import Docket
from custody.verify.inventory import INVENTORY
from custody.verify.lines import Latest, Line, Others
from custody.verify.payload import Read
from custody.verify.tags import TAG_FILES, TAG_MANIFEST, Tags

STATEMENT, SIGNATURE, VALIDITY, TIME_STAMP, EXPECTED = 7, 8, 9, 10, 12


@dataclass(frozen=True, slots=True)
class Sealed:
    """A statement as it was read.

    :ivar data: the bytes of its file, which are also its ledger entry.
    :ivar key: the public key that it names as its actor's.
    """

    data: bytes
    envelope: Envelope
    event: Event
    key: VerifierKey

    @property
    def sha256(self) -> str:
        """The digest of the file."""
        return hashlib.sha256(self.data).hexdigest()


def read(bag: Path, docket: Docket) -> tuple[bytes | None, Sealed | None]:
    """The statement's bytes, and what they say if they are in the strict form (check 7)."""
    name = layout.STATEMENT
    try:
        data = reading.read_beneath(bag, name, dsse.LARGEST_ENVELOPE)
    except CustodyError as err:
        docket.trouble(STATEMENT, name, "the signed statement", err)
        return None, None
    # (7) a canonical envelope around a canonical in-toto statement of the event "sealed"
    try:
        envelope = dsse.load(data)
        event = signed.sealed_in(envelope)
        key = signed.key_of(event)
    except FormatError as err:
        why = "the statement is not one, or not in its one spelling"
        docket.found(STATEMENT, name, "a canonical statement", err.why, why)
        return data, None
    return data, Sealed(data, envelope, event, key)


def check_statement(sealed: Sealed, tags: Tags, counted: Read, docket: Docket) -> None:
    """Check 7: the statement is about this bag, and says what the acquisition record says."""
    event = sealed.event
    # (7) its subject is the tag manifest and nothing else
    subjects = tuple(event.subjects)
    if not tags.pinned and docket.was_unread(TAG_MANIFEST):
        docket.left(STATEMENT, "the tag manifest, which it is about, cannot be read")
    elif subjects != (Subject(bagit.TAG_MANIFEST_NAME, tags.pinned),):
        said = ", ".join(f"{item.name} sha256:{item.sha256}" for item in subjects)[:1_000]
        on_disk = f"{bagit.TAG_MANIFEST_NAME} sha256:{tags.pinned or 'none'}"
        why = "the statement is about another bag than this"
        docket.found(STATEMENT, layout.STATEMENT, said or "nothing", on_disk, why)
    # (7) its details are those of the bundle
    for what, expected_value in _expected(tags, counted, docket).items():
        found = _said(event, what)
        if found != expected_value:
            why = f"the statement's {what} is not the bundle's"
            docket.found(STATEMENT, layout.STATEMENT, _short(expected_value), _short(found), why)
    # (7) what it says of a ledger has the form of a checkpoint
    if event.ledger is not None and ledger_of(event) is None:
        why = "the checkpoint that the statement names is not one"
        docket.found(
            STATEMENT, layout.STATEMENT, "origin, size and root", _short(event.ledger), why
        )
    docket.shown(STATEMENT, f"sealed {clock.rfc3339(event.time)}, about exactly this bag")


def _expected(tags: Tags, counted: Read, docket: Docket) -> dict[str, Any]:
    """What the bundle says; nothing of what may not be read."""
    counts, expected = counted.counts, dict[str, Any]()
    if docket.was_unread(TAG_FILES):
        docket.left(STATEMENT, "the bundle's name in bag-info.txt cannot be read")
    else:
        expected |= {"bundle": tags.bundle_id, "item": tags.bundle_id}
    if docket.was_unread(INVENTORY):
        docket.left(STATEMENT, "the inventory, which it counts, cannot be read")
    else:
        expected |= {
            "files": counts.payload.files,
            "bytes": counts.payload.bytes,
            "gaps": counts.gaps,
            "outcomes": dict(counts.outcomes),
        }
    record = tags.acquisition
    if record is not None:
        tool = record["tool"]
        expected |= {
            "case": record.get("case", ""),
            "evidence_number": record.get("evidence_number", ""),
            "comment": record.get("description", ""),
            "authority": record.get("authority", ""),
            "started": record["started"],
            "finished": record["finished"],
            "host": str(record["host"].get("hostname", "")),
            "tool": f"{tool.get('name')} {tool.get('version')}",
            "collector": record["collector"],
        }
    return expected


def _said(event: Event, what: str) -> Any:
    if what == "collector":
        return event.actor.as_json()
    if what in statement.WORDS:
        return event.words.get(what, "")
    return event.details.get(what, {} if what == "outcomes" else "")


_STATED = ("bundle", "host", "case", "evidence_number")


def stated(event: Event) -> dict[str, str]:
    """What a statement says its bundle, host and case are, as far as it says so."""
    said = {what: _said(event, what) for what in _STATED}
    return {what: _short(value) for what, value in said.items() if value}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 400 else text[:400] + "..."


# ---- whose it is


def check_signature(
    sealed: Sealed, trust: Trust, docket: Docket, latest: Latest
) -> tuple[TrustedSigner | None, Others]:
    """Check 8: signed by the key that it names, and that key is a trusted signer's.

    :param latest: trusted times of further signatures.
    :returns: the signer, if the signature is good and the key trusted; and who else signed.
    """
    fingerprint = sealed.key.fingerprint()
    # (8) the key that the statement names has signed it, trusted or not
    if not signed.is_by(sealed.key, sealed.envelope):
        keyids = ", ".join(item.keyid for item in sealed.envelope.signatures)[:400]
        why = "the key that the statement names has not signed these bytes"
        docket.found(SIGNATURE, layout.STATEMENT, fingerprint, f"signatures by {keyids}", why)
        return None, Others()
    # (8) further signature lines
    others = Others()
    for item in sealed.envelope.signatures:
        if item.keyid != fingerprint:
            line = Line(item, sealed.envelope, layout.STATEMENT, SIGNATURE, docket)
            others.take(*line.beside(trust, sealed.event.time, latest))
    # (8) the verifier trusts that key, or a desk that it trusts vouches for it
    signer = trust.signer_for(fingerprint) or _vouched(sealed, trust, docket)
    if signer is None:
        docket.left(SIGNATURE, f"signed by a key that nobody here trusts: {fingerprint}")
        return None, others
    if signer.key is not None and signer.key.name != sealed.key.name:
        said = f"it calls the key {sealed.key.name}, the trust folder {signer.key.name}"
        docket.remark(layout.STATEMENT, said)
    docket.shown(SIGNATURE, f"by {name_of(signer, sealed.key)}")
    return None if docket.failed(SIGNATURE) else signer, others


def _vouched(sealed: Sealed, trust: Trust, docket: Docket) -> TrustedSigner | None:
    """The key as a trusted desk vouched for it, which is said either way."""
    fingerprint, bundle = sealed.key.fingerprint(), sealed.event.words.get("item", "")
    signer = trust.vouched_for(fingerprint, bundle, sealed.event.time)
    if signer is not None:
        said = f"the key that signed it is trusted on the word of {signer.vouched_by}"
        docket.remark(layout.STATEMENT, said)
        return signer
    for other in trust.vouched:
        if other.fingerprint == fingerprint:
            said = f"{other.vouched_by} vouched for this key for the bundle {other.bundle} alone"
            docket.remark(layout.STATEMENT, said)
    return None


def check_named(sealed: Sealed, named: Collection[str], others: Others, docket: Docket) -> None:
    """Check 8, where the verifier named signers: the statement is signed by one of them.

    :param named: the fingerprints of the signers that were named for this once.
    :param others: who else signed it.
    """
    by = {sealed.key.fingerprint(), *(item.fingerprint for item in others.good)}
    if not named or docket.failed(SIGNATURE) or by.intersection(named):
        return
    # (8) by a signer whom the verifier named
    for item in others.open:
        if item.fingerprint in named:
            who = item.name or item.fingerprint
            docket.left(SIGNATURE, f"countersigned by {who}, whose key has an end: see the remarks")
            return
    who = sealed.event.actor.name or sealed.key.name
    why = f"signed by {_short(who)}, and not by the signer you named"
    expected, found = ", ".join(named), sealed.key.fingerprint()
    docket.found(SIGNATURE, layout.STATEMENT, expected, found, why)


def name_of(signer: TrustedSigner, key: VerifierKey) -> str:
    """What to call a signer in a sentence."""
    who = signer.name or key.name
    role = f" ({signer.role})" if signer.role else ""
    vouched = f", vouched for by {signer.vouched_by}" if signer.vouched_by else ""
    return f"{who}{role}, key {signer.fingerprint}{vouched}"


def check_expected(data: bytes | None, expect: str | None, docket: Docket) -> None:
    """Check 12: the statement is the one that was written down.

    :param expect: its SHA-256 in hex, from the paper form.
    """
    if expect is None:
        docket.left(EXPECTED, "no digest was given with --expect", required=False)
        return
    # (12) the digest of the statement's file
    if data is None:
        docket.left(EXPECTED, "there is no statement that could be read")
        return
    found = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if found != f"sha256:{expect}":
        why = "the statement is not the one whose digest was given"
        docket.found(EXPECTED, layout.STATEMENT, f"sha256:{expect}", found, why)
    docket.shown(EXPECTED, "the statement is the one whose digest was given")


def ledger_of(event: Event) -> Checkpoint | None:
    """The checkpoint that a statement names, if it names one in the right form."""
    tree = event.ledger
    if tree is None or set(tree) != {"origin", "root", "size"}:
        return None
    origin, root, size = tree["origin"], tree["root"], tree["size"]
    if not isinstance(origin, str) or not isinstance(root, str) or type(size) is not int:
        return None
    if not vkey.is_fingerprint(root) or size < 0:  # 64 hex digits, as a fingerprint has
        return None
    return Checkpoint(origin, size, bytes.fromhex(root))
