"""Where tokens lie: beside what they are about, under names that come from their own bytes.

``seal/timestamps/<sha256>.tsr``          in a bundle: over the signature of its statement
``timestamps/<size>-<sha256>.tsr``        in a case: over the text of a checkpoint of its ledger
``timestamps/<size>-<sha256>.checkpoint`` beside it: that checkpoint, as it was then

They are only ever added to.  A token is the authority's whole answer, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from custody import durable, reading
from custody.bundle import layout, tree
from custody.errors import CustodyError, DifferenceError, FormatError, NotFoundError
from custody.formats import dsse, note, statement, vkey
from custody.formats.dsse import Envelope
from custody.formats.statement import Event
from custody.ledger import checkpoint as checkpoints
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.reader import Published
from custody.stamping import token as tokens
from custody.stamping.token import LARGEST_TOKEN, Token

LEDGER = "timestamps"
TOKEN, CHECKPOINT = ".tsr", ".checkpoint"
_STEM = re.compile(r"(0|[1-9][0-9]{0,18})-([0-9a-f]{64})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A signed envelope in a bundle, as far as a time stamp needs it.

    :ivar path: where it lies in the bundle: its statement, or a countersignature or event.
    :ivar data: its bytes.
    :ivar signature: what is stamped: of a statement, the signature by the key that it names.
    """

    path: str
    data: bytes
    event: Event
    signature: bytes


@dataclass(frozen=True, slots=True)
class LedgerToken:
    """A stamp over a checkpoint, as it lies in a case; nothing of it is judged yet.

    :ivar name: the path of the token, relative to the case.
    """

    name: str
    token: Token
    tree: Checkpoint
    text: str


def statement_of(bundle: Path) -> Sealed:
    """What is to be stamped of a bundle.

    :raises NotFoundError: if there is no bundle with a statement.
    :raises FormatError: if the statement is not one.
    """
    try:
        data = reading.read_beneath(bundle, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    except NotFoundError as err:
        why = "there is no bundle with a statement"
        raise NotFoundError("stamp", bundle, why, hint="name the directory of a bundle") from err
    envelope = dsse.load(data)
    event = statement.load(envelope.payload)
    return Sealed(layout.STATEMENT, data, event, signature_of(envelope, event))


def others_of(bundle: Path) -> list[Sealed]:
    """The countersignatures and signed events of a bundle, as far as they can be read."""
    found = []
    for folder in (layout.COUNTERSIGNATURES, layout.EVENTS):
        try:
            names = tree.look(bundle, folder).files
        except CustodyError:
            continue
        for name in names:
            path = f"{folder}/{name}"
            with suppress(CustodyError):  # verify says what is wrong with it
                data = reading.read_beneath(bundle, path, dsse.LARGEST_ENVELOPE)
                envelope = dsse.load(data)
                event = statement.load(envelope.payload)
                found.append(Sealed(path, data, event, envelope.signatures[0].sig))
    return found


def signature_of(envelope: Envelope, event: Event) -> bytes:
    """The signature by the key that the event names, which is what is stamped.

    :raises FormatError: if there is none.
    """
    fingerprint = vkey.parse(event.actor.key).fingerprint()
    for line in envelope.signatures:
        if line.keyid == fingerprint:
            return line.sig
    raise FormatError("stamp", None, "the statement is not signed by the key that it names")


def keep(bundle: Path, token: Token) -> Path:
    """Put a token into a bundle.

    :raises DifferenceError: if the bundle would lead us elsewhere by a link.
    :raises StorageError: if it could not be written.
    """
    path = bundle / layout.TIMESTAMPS / f"{token.sha256}{TOKEN}"
    if any(folder.is_symlink() for folder in (path.parent, path.parent.parent)):
        raise DifferenceError("stamp", path.parent, "a link where a directory should be")
    durable.ensure_directory(path.parent)
    durable.create_or_equal(path, token.data)
    return path


def keep_for_ledger(case: Path, published: Published, token: Token) -> Path:
    """Put a token over the checkpoint *published* into a case, and that checkpoint beside it.

    :raises StorageError: if it could not be written.
    """
    stem = case / LEDGER / f"{published.size}-{token.sha256}"
    durable.ensure_directory(stem.parent)
    # The token comes last: alone it would say nothing.
    durable.create_or_equal(stem.with_name(stem.name + CHECKPOINT), published.data)
    path = stem.with_name(stem.name + TOKEN)
    durable.create_or_equal(path, token.data)
    return path


def message_of(published: Published) -> bytes:
    """What is stamped of a checkpoint: its text, without any signature."""
    return published.note.text.encode()


def of_bundle(bundle: Path) -> Iterator[tuple[str, Token | CustodyError]]:
    """The tokens in a bundle, by their path in it; what cannot be read is an error in its place."""
    try:
        names = tree.look(bundle, layout.TIMESTAMPS).files
    except CustodyError:
        return
    for name in names:
        path = f"{layout.TIMESTAMPS}/{name}"
        try:
            yield path, tokens.read(reading.read_beneath(bundle, path, LARGEST_TOKEN))
        except CustodyError as err:
            yield path, err


def of_ledger(case: Path) -> Iterator[tuple[str, LedgerToken | CustodyError]]:
    """The stamps over checkpoints in a case, oldest tree first; errors as in :func:`of_bundle`."""
    try:
        listing = tree.look(case, LEDGER)
    except CustodyError:
        return
    names = [name for name in (*listing.files, *listing.others) if name.endswith(TOKEN)]
    for name in sorted(names, key=lambda name: (len(name.partition("-")[0]), name)):
        path = f"{LEDGER}/{name}"
        try:
            yield path, _of_ledger(case, path)
        except CustodyError as err:
            yield path, err


def _of_ledger(case: Path, path: str) -> LedgerToken:
    data = reading.read_beneath(case, path, LARGEST_TOKEN)
    token = tokens.read(data)
    stem = path.removesuffix(TOKEN)
    signed, tree_head = checkpoints.load_signed(
        reading.read_beneath(case, stem + CHECKPOINT, note.LARGEST_NOTE)
    )
    match = _STEM.match(stem.rpartition("/")[2])
    if match is None or match.groups() != (str(tree_head.size), token.sha256):
        why = "its name is not the checkpoint's size and the token's digest"
        raise FormatError("read time stamp", path, why)
    return LedgerToken(path, token, tree_head, signed.text)
