"""The desk's public keys, as a trust folder holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from custody.errors import NotFoundError
from custody.formats.vkey import VerifierKey
from custody.identity import signers, trusting
from custody.identity.key_record import StoredKey
from custody.identity.signers import TrustedSigner
from custody.identity.trust import POLICY, SIGNERS, TSA, Anchor, Trust
from custody.ledger import policy

_ROLE = "desk"


@dataclass(frozen=True, slots=True)
class Desk:
    """Who takes in what comes back on the stick.

    :ivar signers: as the desk's own trust folder has them.
    :ivar logs: the keys of its ledgers.
    :ivar anchors: the time stamp authorities that it pins.
    """

    signers: tuple[TrustedSigner, ...]
    logs: tuple[VerifierKey, ...]
    anchors: tuple[Anchor, ...] = ()

    def trust_folder(self) -> dict[str, bytes]:
        """The files of a trust folder that believes this desk, by their paths in it."""
        listed = b"\n".join(signers.dump(signer) for signer in self.signers)
        known = b"quorum none\n"
        for key in self.logs:
            known = policy.add_log(known, key)
        pinned = {f"{TSA}/{anchor.name}.pem": anchor.pem for anchor in self.anchors}
        return {SIGNERS: listed, POLICY: known, **pinned}

    def lines(self) -> list[str]:
        """One line for each key: what it is for, and the key."""
        return [f"{signer.role}  {signer.key}" for signer in self.signers] + [
            f"ledger  {key}" for key in self.logs
        ]


def keys_of(stored: Sequence[StoredKey], trust: Trust, folder: Path, now: datetime) -> Desk:
    """The desk whose keys these are; what no longer counts is left out.

    :param folder: where the keys lie, for the error.
    :raises NotFoundError: if there is no key that signs.
    """
    mine = []
    for key in stored:
        if key.use != "signer":
            continue
        signer = trust.signer_for(key.key.fingerprint()) or trusting.own_signer(key, _ROLE)
        if signer.fingerprint not in trust.revoked and signer.is_valid_at(now):
            mine.append(signer)
    if not mine:
        hint = "custody init CASE opens a case and makes keys; or: custody key new NAME --role desk"
        raise NotFoundError("lay out stick", folder, "no signing key of yours counts", hint=hint)
    logs = {key.key.public: key.key for key in stored if key.use == "log"}
    return Desk(tuple(mine), tuple(logs.values()), trust.anchors)
