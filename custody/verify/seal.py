"""The signed statement: what it says, who signed it, and whether that key counts."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import clock, reading
from custody.bundle import layout
from custody.errors import CustodyError, FormatError
from custody.formats import bagit, dsse, statement, vkey
from custody.formats.dsse import Envelope, Signature
from custody.formats.statement import Event, Subject
from custody.formats.vkey import VerifierKey
from custody.identity.signers import TrustedSigner
from custody.identity.signing import is_signed
from custody.identity.trust import Trust
from custody.ledger.checkpoint import Checkpoint
from custody.verify import signed
from custody.verify.docket import Docket
from custody.verify.inventory import INVENTORY
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


def stated(event: Event) -> dict[str, str]:
    """What a statement says its bundle, host and case are, as far as it says so."""
    said = {what: _said(event, what) for what in ("bundle", "host", "case")}
    return {what: _short(value) for what, value in said.items() if value}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 400 else text[:400] + "..."


# ---- whose it is


def check_signature(
    sealed: Sealed, trust: Trust, docket: Docket
) -> tuple[TrustedSigner | None, list[str]]:
    """Check 8: signed by the key that it names, and that key is a trusted signer's.

    :returns: the signer, if the signature is good and the key trusted; and the fingerprints of
        the trusted keys whose further signatures are good.
    """
    fingerprint = sealed.key.fingerprint()
    # (8) the key that the statement names has signed it, trusted or not
    if not signed.is_by(sealed.key, sealed.envelope):
        keyids = ", ".join(item.keyid for item in sealed.envelope.signatures)[:400]
        why = "the key that the statement names has not signed these bytes"
        docket.found(SIGNATURE, layout.STATEMENT, fingerprint, f"signatures by {keyids}", why)
        return None, []
    # (8) further signature lines
    others = [
        line.keyid
        for line in sealed.envelope.signatures
        if line.keyid != fingerprint
        and judge_line(line, sealed.envelope, layout.STATEMENT, trust, SIGNATURE, docket)
    ]
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


def check_named(
    sealed: Sealed, named: Collection[str], others: Collection[str], docket: Docket
) -> None:
    """Check 8, where the verifier named signers: the statement is signed by one of them.

    :param named: the fingerprints of the signers that were named for this once.
    :param others: the fingerprints of the trusted keys that countersigned it.
    """
    by = {sealed.key.fingerprint(), *others}
    if not named or docket.failed(SIGNATURE) or by.intersection(named):
        return
    # (8) by a signer whom the verifier named
    who = sealed.event.actor.name or sealed.key.name
    why = f"signed by {_short(who)}, and not by the signer you named"
    expected, found = ", ".join(named), sealed.key.fingerprint()
    docket.found(SIGNATURE, layout.STATEMENT, expected, found, why)


def judge_line(
    signature: Signature, envelope: Envelope, where: str, trust: Trust, number: int, docket: Docket
) -> bool:
    """Whether a signature beside the main one is by a trusted key; a wrong one is a finding."""
    signer = trust.signer_for(signature.keyid)
    if signer is None or signer.key is None:
        docket.remark(where, f"a signature by an unknown key: {signature.keyid}")
        return False
    if not is_signed(signer.key, signature.sig, envelope.signed_bytes()):
        why = "a signature line of a trusted key is not by that key"
        docket.found(number, where, signature.keyid, "another signature", why)
        return False
    return True


def name_of(signer: TrustedSigner, key: VerifierKey) -> str:
    """What to call a signer in a sentence."""
    who = signer.name or key.name
    role = f" ({signer.role})" if signer.role else ""
    vouched = f", vouched for by {signer.vouched_by}" if signer.vouched_by else ""
    return f"{who}{role}, key {signer.fingerprint}{vouched}"


def check_validity(
    sealed: Sealed, signer: TrustedSigner | None, docket: Docket, now: datetime
) -> None:
    """Check 9: the key counted at the time in the statement."""
    if signer is None:
        docket.left(VALIDITY, "there is no trusted signer to judge")
        return
    moment = sealed.event.time
    # (9) by the trust folder's dates; whether the statement's own time holds is check 10
    why = signer.why_not_valid_at(moment)
    if why:
        said = clock.rfc3339(moment)
        docket.found(VALIDITY, layout.STATEMENT, "a time at which the key counts", said, why)
    if moment > now:
        docket.remark(layout.STATEMENT, "its time lies in the future of this computer's clock")
    docket.shown(VALIDITY, f"the key counted at {clock.rfc3339(moment)}")


def check_time_stamp(
    tokens: int, signer: TrustedSigner | None, trust: Trust, docket: Docket
) -> None:
    """Check 10: a trusted time for the signature; this version cannot read time stamps yet."""
    # (10) required by the verifier alone: a key that ends, or require_timestamp
    required = trust.require_timestamp or (signer is not None and signer.needs_time_stamp)
    there = f"there are {tokens}, which this version cannot check" if tokens else "there is none"
    if trust.require_timestamp:
        asked = "; the trust folder requires one"
    elif required:
        asked = "; one is required, because the key has an end or was revoked"
    else:
        asked = "; none is required"
    docket.left(TIME_STAMP, there + asked, required=required)


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
