"""Verify one bundle.

1. Layout: only names that a bundle has; no link, device, FIFO or fetch.txt; a known format.
2. Tag files: bagit.txt, bag-info.txt and VERIFY.txt are exactly what this format has.
3. Tag manifest: it lists exactly the tag files, in order, and each is as its digest says.
4. Payload: every line is strict, every file is as its digest says, and nothing is unlisted.
5. Inventory: canonical records in the walk's order, one for each payload file and the same as
   the manifest; every payload name is the one that its path makes.
6. Acquisition: a canonical record of this bundle that counts what the inventory counts.
7. Statement: a canonical signed statement about exactly this bag, with the bundle's own details.
8. Signature: by the key that the statement names, and the verifier trusts that key, or a desk
    that the verifier trusts vouches for it in seal/events/; where the verifier named signers for
    this once, one of them signed it; and everybody whom its trust folder requires has signed.
9. Key validity: the key counted when it signed: at the trusted time, where there is one.
10. Time stamp: every token is over the statement's signature, and good where its authority is
    pinned; there is one where the verifier requires it.
11. Receipts: each proves that the statement's bytes are an entry of its ledger; there is one
    where the verifier trusts the ledger that the statement names.
12. Expected digest: the statement is the one whose digest was written down.
13. Additions: what was added after sealing is well-formed, rightly named, and by its own key.

Bad evidence is a finding, and all findings are collected.  The verdict: ``failed`` if any check
failed; else ``cannot-verify`` if a required one was not done; else ``ok``.  Required are 1 to 9
always, 10 to 12 as the verifier's trust and arguments say, 13 never; nothing that lies in the
bundle sets a requirement or takes one away.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from custody.bundle import layout
from custody.errors import NotFoundError
from custody.formats.statement import Actor
from custody.identity import signing
from custody.identity.signers import TrustedSigner
from custody.identity.trust import Trust
from custody.verify import additions, certified, payload, receipts, roles, seal, stamps, tags
from custody.verify import layout as names
from custody.verify.docket import FORBIDDEN, Docket
from custody.verify.lines import Others
from custody.verify.result import Progress, Verification, verdict_of
from custody.verify.seal import Sealed
from custody.verify.stamps import Ledgered, Unledgered

CHECKS = {
    1: "layout",
    2: "tag files",
    3: "tag manifest",
    4: "payload",
    5: "inventory",
    6: "acquisition",
    7: "statement",
    8: "signature",
    9: "key validity",
    10: "time stamp",
    11: "receipts",
    12: "expected digest",
    13: "additions",
}


_NO_LEDGER = Unledgered()


def silent(_files: int, _bytes: int, _of_files: int | None, _of_bytes: int | None) -> None:
    """Progress that nobody watches."""


def verify_bundle(
    path: Path,
    trust: Trust,
    *,
    expect: str | None = None,
    named: Collection[str] = (),
    ledger: Ledgered = _NO_LEDGER,
    now: datetime,
    progress: Progress = silent,
) -> Verification:
    """Check the bundle at *path* by the steps in this module's list, and say what was found.

    :param expect: the SHA-256 (hex) that ``seal/statement.dsse.json`` must have.
    :param named: the fingerprints of signers one of whom must have signed the statement.
    :param ledger: what the ledger of its case says of its time, where that was verified.
    :param now: the verifier's clock: for remarks about the future, and stamps that grow old.
    :raises NotFoundError: if there is no such directory.
    :raises UnknownFormatError: if it is a whole bundle of a format that is not known here.
    :raises StorageError: if the directory itself cannot be read.
    """
    if not path.is_dir():
        raise NotFoundError("verify", path, "there is no such directory")
    docket = Docket(CHECKS)
    inside = names.inspect(path, docket)  # (1)
    found = tags.check(path, docket)  # (2) (3)
    data, sealed = seal.read(path, docket)  # (7), its form
    read = payload.check(path, inside, found.oxum, found.hashed, docket, progress)  # (4) (5)
    tags.check_acquisition(path, found, read, docket)  # (6)
    signer, others = None, Others()
    tokens = stamps.read(path, inside, sealed, trust, docket)  # (10), each token
    trust = certified.believe(path, inside, trust, docket, tokens.latest)  # (8), of keys
    if sealed is not None:
        seal.check_statement(sealed, found, read, docket)  # (7), what it says
        signer, others = seal.check_signature(sealed, trust, docket, tokens.latest)  # (8)
    additions.check_countersignatures(  # (8)
        path, inside, sealed, trust, docket, others, tokens.latest
    )
    if sealed is None:
        docket.left(seal.SIGNATURE, "there is no statement to judge")
    else:
        seal.check_named(sealed, named, others, docket)  # (8)
    lacking = roles.check(seal.SIGNATURE, signer, others, trust, docket)  # (8)
    listed = inside.additions.get(layout.RECEIPTS, [])
    proved = receipts.check(path, listed, data, sealed, trust, docket)  # (11)
    clocks = stamps.settle(
        sealed, signer, trust, tokens, proved.witnessed, proved.stamps, ledger, docket, now
    )  # (9) (10)
    seal.check_expected(data, expect, docket)  # (12)
    additions.check(path, inside, found.pinned, trust, docket, tokens.latest)  # (13)
    checks = docket.checks()
    verdict = verdict_of(checks)
    return Verification(
        kind="bundle",
        path=path,
        verdict=verdict,
        checks=checks,
        findings=tuple(docket.findings),
        unlisted=docket.unlisted,
        remarks=tuple(docket.remarks),
        hint=(
            _swapped(sealed, expect, named)
            or _hint(path, sealed, signer, verdict, docket.is_forbidden)
            or _incomplete(path, lacking, roles.without(signer, others), verdict)
            or stamps.hint(path, signer, tokens, checks, now)
        ),
        bundle_id=found.bundle_id,
        signer=signer,
        countersigners=tuple(others.good),
        claimed_key="" if sealed is None else str(sealed.key),
        sealed_at=None if sealed is None else sealed.event.time,
        statement_sha256="" if sealed is None else sealed.sha256,
        files=read.totals.files,
        bytes=read.totals.bytes,
        outcomes=dict(sorted(read.counts.outcomes.items())),
        gaps=read.counts.gaps,
        gap_list=tuple(read.counts.gap_list),
        stated={} if sealed is None else seal.stated(sealed.event),
        not_before=None if sealed is None else seal.ledger_of(sealed.event),
        proved=proved.trees,
        clocks=clocks,
        is_forbidden=docket.is_forbidden,
        attachments=tuple(Path(name).name for name in inside.attachments),
    )


def _swapped(sealed: Sealed | None, expect: str | None, named: Collection[str]) -> str:
    """What to type if the two figures on the paper form were taken for each other."""
    if sealed is None:
        return ""
    fingerprint, digest = sealed.key.fingerprint(), sealed.sha256
    wrong = []
    if expect == fingerprint:
        wrong.append("the digest after --expect is the fingerprint of the key that signed this")
    if digest in named:
        wrong.append("the fingerprint after --signer is the digest of this statement")
    if not wrong:
        return ""
    return f"{'; '.join(wrong)}: the digest goes after --expect, the fingerprint after --signer"


def _hint(
    path: Path,
    sealed: Sealed | None,
    signer: TrustedSigner | None,
    verdict: str,
    is_forbidden: bool,
) -> str:
    """What would let the rest be read, or make an untrusted signer believed.

    A key that was made for this one bundle is believed for it, and not trusted from now on.
    """
    if verdict != "cannot-verify":
        return ""
    if is_forbidden:
        return FORBIDDEN
    if sealed is None or signer is not None:
        return ""
    if sealed.key.name == signing.ONE_TIME:
        command = f"custody verify {shlex.quote(str(path))} --signer {sealed.key.fingerprint()}"
        return f"compare the fingerprint with the paper form first, then: {command}"
    return signer_hint(sealed.event.actor)


def _incomplete(
    path: Path, lacking: Sequence[str], nameless: Sequence[TrustedSigner], verdict: str
) -> str:
    """The command for whoever has not signed yet, or signed and has no role here."""
    if verdict != "cannot-verify" or not lacking:
        return ""
    if nameless:
        key = shlex.quote(str(nameless[0].key or nameless[0].fingerprint))
        role = f'custody trust add signer {key} --name "..." --role {lacking[0]}'
        return f"if that is who must sign, say so in your trust folder: {role}"
    who = "an" if lacking[0][0] in "aeiou" else "a"
    return f"let {who} {lacking[0]} check and sign it: custody countersign {shlex.quote(str(path))}"


def signer_hint(actor: Actor) -> str:
    """The command that would trust the key of *actor*, and what to do before."""
    name = actor.name or actor.key.partition("+")[0]
    return (
        "compare the fingerprint with the paper form first, then:"
        f" custody trust add signer {shlex.quote(actor.key)}"
        f" --name {shlex.quote(name)} --role collector"
    )
