"""The gaps that a chain of custody can have: the words for their kinds.

They are in FORMAT.md, section History; each has a test that provokes it.
"""

from __future__ import annotations

NOT_RECEIVED = "not-received"  # released, and neither received nor refused
NEVER_HELD = "never-held"  # received from, or released by, somebody who never had it
TWO_HOLDERS = "two-holders"  # one numbered copy, or the original, with two people at once
BACKWARDS = "time-backwards"  # later in the ledger and earlier by the clock
OTHER_RECEIVER = "other-receiver"  # received by somebody else than it was released to
DIFFERS = "differs"  # what was received is not what was released
NOT_COUNTERSIGNED = "not-countersigned"  # a receipt with neither signature nor paper
BAD_COUNTERSIGNATURE = "bad-countersignature"  # a receipt that its receiver did not sign
BAD_SIGNATURE = "bad-signature"  # an entry that its signer did not sign; it moves nothing
AFTER_DISPOSAL = "after-disposal"  # something happened to what is said to be gone
UNFOUNDED_CORRECTION = "unfounded-correction"  # it corrects an entry that is not there, or another
NOT_ENTERED = "not-entered"  # a bundle in the case of which the ledger says nothing
UNREAD = "unread"  # entries that cannot be read
