"""Signatures beside the main one: further lines, countersignatures, events, attachments.

A countersignature has no time of its own.  It is over the statement, so it is no older than that:
a key that had ended by then is found, and one that ended later counts only where a trusted time
shows that it signed before.  An event has its own time, and is judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from custody import clock
from custody.formats.dsse import Envelope, Signature
from custody.formats.statement import Event
from custody.formats.vkey import VerifierKey
from custody.identity import moments
from custody.identity.signers import TrustedSigner
from custody.identity.signing import is_signed
from custody.identity.trust import Trust
from custody.verify.docket import Docket

Standing = Literal["good", "open", "unknown", "wrong"]
"""*open*: by a trusted key that has an end, and no trusted time shows that it signed before."""
Latest = Mapping[bytes, datetime]
"""A trusted time at which a signature existed at the latest, by the signature's bytes."""


@dataclass(slots=True)
class Others:
    """Who else signed the statement: those whose signature counts, and those where it is open."""

    good: list[TrustedSigner] = field(default_factory=list)
    open: list[TrustedSigner] = field(default_factory=list)

    def take(self, signer: TrustedSigner | None, standing: Standing) -> None:
        """Note what became of one signature."""
        if signer is not None and standing == "good":
            self.good.append(signer)
        elif signer is not None and standing == "open":
            self.open.append(signer)


class Line:
    """One signature line, and where it stands.

    :param number: the check that a wrong one fails.
    """

    def __init__(
        self, signature: Signature, envelope: Envelope, where: str, number: int, docket: Docket
    ) -> None:
        self._signature = signature
        self._envelope = envelope
        self._where = where
        self._number = number
        self._docket = docket

    def beside(
        self, trust: Trust, stated: datetime, latest: Latest
    ) -> tuple[TrustedSigner | None, Standing]:
        """A further signature over a statement of the time *stated*."""
        signer = trust.signer_for(self._signature.keyid)
        if signer is not None and signer.key is None:
            why = "is trusted by the fingerprint alone: a countersignature needs the whole key"
            self._docket.remark(self._where, f"{signer.name or signer.fingerprint} {why}")
            return None, "unknown"
        if signer is None or signer.key is None:
            return None, self._unknown()
        # It may have been signed long after the statement, so its beginning says nothing.
        return signer, self._judge(replace(signer, valid_from=None), signer.key, stated, latest)

    def of_event(self, trust: Trust, event: Event, key: VerifierKey, latest: Latest) -> Standing:
        """A signature over an *event*, which names the *key* of its actor."""
        keyid = self._signature.keyid
        item = event.words.get("item", "")
        signer = trust.signer_for(keyid) or trust.vouched_for(keyid, item, event.time)
        if signer is None:
            return self._unknown()
        known = signer.key or (key if key.fingerprint() == keyid else None)
        return self._unknown() if known is None else self._judge(signer, known, event.time, latest)

    def _unknown(self) -> Standing:
        said = f"a signature by an unknown key: {self._signature.keyid}"
        self._docket.remark(self._where, said)
        return "unknown"

    def _judge(
        self, signer: TrustedSigner, key: VerifierKey, stated: datetime, latest: Latest
    ) -> Standing:
        line, where = self._signature, self._where
        if not is_signed(key, line.sig, self._envelope.signed_bytes()):
            why = "a signature line of a trusted key is not by that key"
            self._docket.found(self._number, where, line.keyid, "another signature", why)
            return "wrong"
        judged = moments.judge(signer, stated, latest.get(line.sig))
        who = signer.name or key.name
        if judged.standing == "did-not-count":
            why = f"signed by {who} with a key that did not count then: {judged.why}"
            said = clock.rfc3339(stated)
            self._docket.found(self._number, where, "a key that counted", said, why)
            return "wrong"
        if judged.standing == "open":
            self._docket.remark(where, f"the signature by {who} does not count: {judged.why}")
            return "open"
        return "good"
