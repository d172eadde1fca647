"""The names of the checks of a case, by number; what each means is in the package's list."""

from __future__ import annotations

CHECKS = {
    1: "case record",
    2: "layout",
    3: "ledger",
    4: "entries",
    5: "bundles",
    6: "attachments",
    7: "agreement",
    8: "time stamps",
    9: "watched files",
}
RECORD, LAYOUT, LEDGER, ENTRIES, BUNDLES, ATTACHMENTS, AGREEMENT, STAMPS, WATCHED = CHECKS
