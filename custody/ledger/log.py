"""The only writer of a ledger.

An append goes in this order, and the caller holds the case's lock throughout:

1. The present checkpoint must be signed by this signer, and the right edge of the stored tree
   must lead to its root and agree with the last entries.
2. Partial tiles that a crashed attempt left beyond the checkpoint are removed, because a longer
   ledger would seem to cover them.
3. New entry bundles and tiles are written, and so is the new checkpoint under a name that nobody
   reads; all of it is made durable.
4. The checkpoint gets its name, in one step.  Only now has anything happened.
5. Partial tiles whose full tile is covered are pruned.
6. The new checkpoint is remembered, so that a ledger put back to an older state is not written to.

What a checkpoint covers is never written again: tiles of a wider width are other files.  A crash
before 4 leaves the old ledger, after 4 the new one, and the next append is the recovery.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from custody import durable
from custody.errors import DifferenceError, ExistsError, FormatError, NotFoundError, UsageError
from custody.formats import note
from custody.formats.note import NoteSignature, SignedNote
from custody.identity import notes
from custody.identity.signing import Signer
from custody.ledger import checkpoint as checkpoints
from custody.ledger import entry as envelopes
from custody.ledger import memory as memories
from custody.ledger import merkle, tiles
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.growth import Growth, leaf_hashes
from custody.ledger.memory import Memory
from custody.ledger.reader import CHECKPOINT, LedgerReader, Published
from custody.ledger.tiles import ENTRIES, TILE_WIDTH, Tile

_HINT = "custody ledger verify names what differs; nothing was written"


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append made durable.

    :ivar first_index: the number of the first new entry.
    :ivar checkpoint: the new checkpoint file's bytes.
    :ivar size: how many entries the ledger has now.
    :ivar root: the new root hash.
    """

    first_index: int
    checkpoint: bytes
    size: int
    root: bytes


class Log(LedgerReader):
    """A ledger that may be appended to; see the module for the order of an append.

    :param memory: what was seen of it before; a ledger behind that is not appended to.
    """

    def __init__(self, directory: Path, origin: str, memory: Memory | None = None) -> None:
        super().__init__(directory, origin)
        self._memory = memory

    @classmethod
    def create(cls, directory: Path, signer: Signer, memory: Memory | None = None) -> Log:
        """Make an empty ledger, whose origin is the signer's name.

        Its checkpoint of size 0 is written at once, so that a ledger without a checkpoint is
        always a damaged one and never a new one.

        :raises ExistsError: if there is a checkpoint, or there are tiles without one.
        :raises StorageError: if it could not be written durably.
        """
        log = cls(directory, signer.key.name, memory)
        there = directory / CHECKPOINT, directory / "tile"
        if any(os.path.lexists(path) for path in there):
            raise ExistsError("create ledger", directory, "there is one already")
        empty = Checkpoint(signer.key.name, 0, merkle.EMPTY_ROOT)
        durable.ensure_directory(directory)
        # Replaced, not created: a crash must not leave half a checkpoint that looks like one.
        durable.replace(directory / CHECKPOINT, notes.sign(checkpoints.dump(empty), signer))
        return log

    def append(self, entries: Sequence[bytes], signer: Signer) -> Appended:
        """Enter envelopes, all under one new checkpoint.

        The caller holds the case's lock (:func:`custody.durable.lock`).

        :param signer: the log key, whose name is the ledger's origin.
        :raises UsageError: if there are no entries, one is over 65,535 bytes, or the signer is
            not named as the ledger is.
        :raises FormatError: if an entry is not a canonical envelope around a statement.
        :raises DifferenceError: if the ledger on disk is not what this signer last published.
        :raises NotFoundError: if there is no ledger.
        :raises StorageError: if it could not be made durable; the ledger is then as before, or,
            if the last step failed, as it should be and perhaps not durable.
        """
        if not entries:
            raise UsageError("append entries", None, "there are none")
        if signer.key.name != self.origin:
            raise UsageError(
                "append entries", self.directory, f"the key {signer.key.name} is not its log key"
            )
        for item in entries:
            envelopes.require(item)
        # (1) Compare what is believed with what is there.
        old = self.require_believed(signer).checkpoint
        growth, tail = self._right_edge(old)
        # (2) Leftovers of a crashed attempt.
        durable.discard(list(self._leftovers(old.size, old.size + len(entries))))
        signed = b""
        root = b""

        def promise() -> bytes:
            nonlocal signed, root
            root = growth.root()
            tree = Checkpoint(old.origin, growth.size, root)
            signed = notes.sign(checkpoints.dump(tree), signer)
            return signed

        # (3) The tree grows on disk, where nobody can see it yet; (4) the promise.
        made = self._grow(growth, tail, entries)
        files = ((self.directory / tile.path, data) for tile, data in made)
        durable.replace_after(files, self.directory / CHECKPOINT, promise)
        # (5) Tidy up.
        self._prune(old.size, growth.size)
        # (6) Never again less than this.
        if self._memory is not None:
            self._memory.keep(signed, signer.key)
        return Appended(old.size, signed, growth.size, root)

    def add_cosignatures(self, text: str, lines: Sequence[NoteSignature]) -> Published | None:
        """Add witnesses' lines to the present checkpoint; older lines by the same keys go.

        The caller holds the case's lock, and has verified the lines.

        :param text: the checkpoint that was cosigned, without signatures.
        :returns: the checkpoint as it is now; None if the ledger has gone on meanwhile, and
            nothing was written.
        :raises FormatError: if there would be too many lines.
        :raises StorageError: if it could not be made durable.
        """
        published = self.checkpoint()
        if published.note.text != text:
            return None
        new = {(line.name, line.key_hash) for line in lines}
        kept = (line for line in published.note.signatures if (line.name, line.key_hash) not in new)
        data = note.dump(SignedNote(text, (*kept, *lines)))
        durable.replace(self.directory / CHECKPOINT, data)
        return self.checkpoint()

    def require_believed(self, signer: Signer) -> Published:
        """Make sure that this signer may append here: the checkpoint is its own, and not behind
        what was seen of the ledger before.

        :raises DifferenceError: otherwise.
        """
        try:
            published = self.checkpoint()
            signers = notes.verified(published.note, [signer.key])
        except FormatError as err:
            raise self._refusal(str(err)) from err
        if not signers:
            raise self._refusal("its checkpoint is not signed by this log key")
        if published.checkpoint.extensions:
            raise self._refusal("its checkpoint has extension lines, which this log never writes")
        if self._memory is not None:
            memories.require_not_behind(self._memory, self, published, signer.key)
        return published

    def _right_edge(self, old: Checkpoint) -> tuple[Growth, list[bytes]]:
        """The tree's right edge and the entries of its last, partial bundle."""
        try:
            growth = Growth(old.size, list(self._edge(old.size)))
            tail: list[bytes] = []
            if width := old.size % TILE_WIDTH:
                data = self.read_tile(ENTRIES, old.size // TILE_WIDTH, old.size)
                tail = tiles.decode_bundle(data, width)
                if leaf_hashes(tail) != self.read_tile(0, old.size // TILE_WIDTH, old.size):
                    raise self._refusal("its last entries are not those of its last tile")
        except (FormatError, NotFoundError) as err:
            raise self._refusal(str(err)) from err
        if growth.root() != old.root:
            raise self._refusal("its tiles do not lead to the root in its checkpoint")
        return growth, tail

    def _edge(self, size: int) -> Iterator[bytes]:
        for level in tiles.levels(size):
            index, width = divmod(tiles.hashes_on_level(level, size), TILE_WIDTH)
            yield self.read_tile(level, index, size) if width else b""

    @staticmethod
    def _grow(
        growth: Growth, tail: list[bytes], entries: Sequence[bytes]
    ) -> Iterator[tuple[Tile, bytes]]:
        """Add *entries* to the tree; yields every file that this makes new."""
        old = growth.size
        start = 0
        while start < len(entries):
            fresh = entries[start : start + TILE_WIDTH - len(tail)]
            bundle = [*tail, *fresh]
            number = growth.size // TILE_WIDTH
            yield Tile(ENTRIES, number, len(bundle)), tiles.encode_bundle(bundle)
            yield from growth.add(leaf_hashes(fresh))
            start += len(fresh)
            tail = []
        for tile, data in growth.partial_tiles():
            if not tile.is_within(old):
                yield tile, data

    def _leftovers(self, old: int, new: int) -> Iterator[Path]:
        """Partial tiles that the old checkpoint does not cover and the new one would seem to.

        Full tiles need no look: each one that comes to be covered is written by that append.
        """
        for level in (ENTRIES, *tiles.levels(new)):
            first = tiles.hashes_on_level(level, old) // TILE_WIDTH
            last = tiles.hashes_on_level(level, new) // TILE_WIDTH
            for index in range(first, last + 1):
                covered = tiles.width_at(level, index, old)
                for width in self._partials(level, index):
                    if width > covered:
                        yield self._partial_directory(level, index) / str(width)

    def _prune(self, old: int, new: int) -> None:
        """Remove the partial tiles of what was the right edge, where it is now full.

        Failure is no matter: they are still true, only no longer needed.
        """
        for level in (ENTRIES, *tiles.levels(old)):
            index = tiles.hashes_on_level(level, old) // TILE_WIDTH
            if Tile(level, index).is_within(new):
                with suppress(OSError):
                    directory = self._partial_directory(level, index)
                    for width in self._partials(level, index):
                        (directory / str(width)).unlink()
                    directory.rmdir()

    def _partials(self, level: int, index: int) -> list[int]:
        """The widths of the partial tiles that are there."""
        directory = self._partial_directory(level, index)
        try:
            return [int(name) for name in os.listdir(directory) if _is_width(name)]
        except FileNotFoundError:
            return []
        except OSError as err:
            raise durable.storage_error("list", directory, err) from err

    def _partial_directory(self, level: int, index: int) -> Path:
        return self.directory / (tiles.full_path(level, index) + ".p")

    def _refusal(self, why: str) -> DifferenceError:
        return DifferenceError("append to ledger", self.directory, why, hint=_HINT)


def _is_width(name: str) -> bool:
    return name.isascii() and name.isdecimal() and name[0] != "0" and int(name) < TILE_WIDTH
