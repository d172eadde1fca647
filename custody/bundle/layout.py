"""Where everything is in a bundle, and the limits that readers hold it to."""

from __future__ import annotations

import hashlib

from custody.formats import bagit

FORMAT = "1"
FORMAT_LABEL = "Custody-Bundle-Format"

VERIFY_TEXT = "VERIFY.txt"
PAYLOAD = "data"
INVENTORY = "custody/inventory.jsonl"
ACQUISITION = "custody/acquisition.json"
SEAL = "seal"
STATEMENT = "seal/statement.dsse.json"
COUNTERSIGNATURES = "seal/statements"
TIMESTAMPS = "seal/timestamps"
RECEIPTS = "seal/receipts"
EVENTS = "seal/events"
ATTACHMENTS = "attachments"

# Everything that the tag manifest lists, in its order.
TAG_FILES = tuple(
    sorted(
        (
            bagit.DECLARATION_NAME,
            bagit.INFO_NAME,
            bagit.MANIFEST_NAME,
            VERIFY_TEXT,
            ACQUISITION,
            INVENTORY,
        )
    )
)
TOP_LEVEL = frozenset(
    (
        bagit.DECLARATION_NAME,
        bagit.INFO_NAME,
        bagit.MANIFEST_NAME,
        bagit.TAG_MANIFEST_NAME,
        VERIFY_TEXT,
        PAYLOAD,
        "custody",
        SEAL,
        ATTACHMENTS,
    )
)

BEGINNING = 512  # bytes of a payload file that say what kind of file it is

LARGEST_TAG_FILE = 1 << 20
LARGEST_ACQUISITION = 64 << 20
LONGEST_RECORD = (
    4 << 20
)  # the longest path of a walk, twice, every byte of it escaped, and attributes
LARGEST_RECEIPT = 1 << 20


def event(data: bytes) -> str:
    """The path of a signed event in a bundle."""
    return f"{EVENTS}/{hashlib.sha256(data).hexdigest()}.dsse.json"


def receipt_name(origin: str, size: int) -> str:
    """The file name of a receipt from the log *origin* at tree *size*."""
    from custody.formats import names

    return f"{names.component_name(origin.encode())}-{size}.tlog-proof"
