"""Whether a key counted when something was signed: by the signer's word, and by a trusted time.

A signature's own time is its signer's word.  It can speak against the signer, and not for one
whose key has an end, because whoever holds an old key can write an old time.  A trusted time (a
time stamp, a witness's signature) says that the signature existed at that moment at the latest:

=====================  ==========================  ====================================
the signer's word      the trusted time            so the key
=====================  ==========================  ====================================
any                    while the key counted       counted, whatever the signer's clock
any                    before the key counted      did not count
while it counted       after its end               open: that shows nothing about before
outside                after its end               did not count
while it counted       none, and the key has none  counted
                       of end or revocation
while it counted       none, and the key has one   open: only a trusted time could tell
outside                none                        did not count
=====================  ==========================  ====================================
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from custody import clock
from custody.identity.signers import TrustedSigner

Standing = Literal["counted", "did-not-count", "open"]


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """What is known of a key at the moment of a signature, and why; *why* may be empty."""

    standing: Standing
    why: str = ""


def judge(signer: TrustedSigner, stated: datetime, latest: datetime | None) -> KeyStanding:
    """Whether the key of *signer* counted, by the table above.

    :param stated: the time that the signature's own statement gives.
    :param latest: the trusted moment at which the signature existed at the latest, if any.
    """
    said = signer.why_not_valid_at(stated)
    if latest is None:
        if said:
            return KeyStanding("did-not-count", said)
        if signer.needs_time_stamp:
            why = "the key has an end or was revoked, and no trusted time shows that this is older"
            return KeyStanding("open", why)
        return KeyStanding("counted")
    why = signer.why_not_valid_at(latest)
    if not why:
        return KeyStanding("counted")
    if said or not _has_ended(signer, latest):
        return KeyStanding("did-not-count", said or why)
    shown = clock.rfc3339(latest)
    return KeyStanding("open", f"{why}; a trusted time of {shown} shows nothing about before that")


def _has_ended(signer: TrustedSigner, moment: datetime) -> bool:
    ends = [end for end in (signer.valid_until, signer.revoked_at) if end is not None]
    return any(moment >= end for end in ends)
