"""One key's word about another: a desk vouches for a key, or says that one no longer counts.

Both are signed events.  ``key-added`` is a certificate: a verifier who trusts the desk, and does
not know the key, believes what the key signed, within the certificate's dates and, where it names
one, for that bundle alone.  ``key-revoked`` takes trust away.  What these rules keep:

- Only a key that the verifier's own folder trusts as a ``desk`` vouches or revokes.  What it
  vouches for is a collector: a second person (an examiner) and another desk come from the folder.
- A desk whose key has an end or was revoked vouches for nobody unless a trusted time shows that it
  did so before: the time in a certificate is the word of whoever holds that key.
- A revocation is believed without that, because it can only take trust away.
- Where the verifier or the case asks for a quorum, as many different desk keys must have said the
  same of the key; the dates are then those that all of them allow.
"""

from custody.certifying.believing import (
    Believed,
    MomentOf,
    Said,
    believe,
    believe_ledger,
    entered,
    why_not_by_desk,
)
from custody.certifying.events import ADDED, OPENED, REVOKED, VOUCHED, VOUCHES, KeyEvent, read
from custody.certifying.making import certificate, require_desk, revocation

__all__ = [
    "ADDED",
    "OPENED",
    "REVOKED",
    "VOUCHED",
    "VOUCHES",
    "Believed",
    "KeyEvent",
    "MomentOf",
    "Said",
    "believe",
    "believe_ledger",
    "certificate",
    "entered",
    "read",
    "require_desk",
    "revocation",
    "why_not_by_desk",
]
