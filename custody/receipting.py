"""Later receipts: a bundle that was entered early is given a better one, and keeps the first.

A receipt proves the bundle's statement under one checkpoint.  A later checkpoint, cosigned by
witnesses, says more; and so does one that was stamped: its token goes along in the receipt, so
that a bundle which travels alone has its time.  Receipts are added beside each other; only one of
the very same tree is replaced, by the same with more signatures or with a stamp.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from custody import durable, reading
from custody.bundle import layout
from custody.case import Case
from custody.errors import CustodyError, DifferenceError, FormatError, NotFoundError
from custody.formats import dsse
from custody.formats.note import LARGEST_NOTE
from custody.identity.trust import Anchor
from custody.ledger import checkpoint as checkpoints
from custody.ledger import history, proof
from custody.ledger.judge import Judgement, judge_witnessed
from custody.ledger.policy import Policy
from custody.ledger.proof import Proof
from custody.ledger.reader import LedgerReader
from custody.stamping import bounds, places
from custody.stamping import token as tokens
from custody.stamping.bounds import LedgerStamp

_JUDGED = "custody verify judges it"
_MOST_TOKEN = 64 << 10  # so that it fits into a receipt, as text


@dataclass(frozen=True, slots=True)
class Given:
    """A receipt that a bundle has now.

    :ivar is_new: False if it had this very one already.
    :ivar judgement: what its checkpoint is worth under the verifier's policy.
    """

    path: Path
    index: int
    size: int
    is_new: bool
    judgement: Judgement


def give(bundle: Path, ledger: LedgerReader, policy: Policy, staging: Path | None) -> Given:
    """Give the bundle at *bundle* a receipt under the ledger's present checkpoint.

    Whoever shares the bundle with other writers holds the case's lock.

    :param staging: a directory on the same file system, for a receipt that replaces another.
    :raises NotFoundError: if there is no bundle, or its statement is not in the ledger.
    :raises DifferenceError: if the ledger contradicts itself, its checkpoint is wrongly signed, or
        it does not go on from a receipt that the bundle has.
    :raises StorageError: if the receipt could not be written.
    """
    statement = _statement(bundle)
    published = ledger.checkpoint()
    tree = published.checkpoint
    judgement = judge_witnessed(published.note, tree, policy)
    if judgement.verdict == "failed":
        raise DifferenceError("give receipt", bundle, f"{judgement.detail}; nothing was written")
    old = list(_receipts(bundle, tree.origin))
    for earlier in old:
        signed, seen = checkpoints.load_signed(earlier.checkpoint)
        if judge_witnessed(signed, seen, Policy(policy.logs)).verdict == "ok":
            history.require(ledger, seen, tree)
    index = _index(ledger, statement, old)
    if index is None:
        raise NotFoundError(
            "give receipt",
            bundle,
            f"its statement is not in the ledger {tree.origin}",
            hint="the next custody collect into the case enters it",
        )
    directory = bundle / layout.RECEIPTS
    path = directory / layout.receipt_name(tree.origin, tree.size)
    durable.ensure_directory(directory)
    is_new = _write(path, ledger.receipt(index), staging)
    return Given(path, index, tree.size, is_new, judgement)


def give_dated(
    bundle: Path, case: Case, anchors: Iterable[Anchor], staging: Path | None
) -> list[Path]:
    """Give the bundle at *bundle* receipts under checkpoints of its case that were stamped.

    Of the stamps that are believed under *anchors* and cover its entry, the earliest, which dates
    it best, and the one whose authority's certificate ends last, which holds the longest.

    :param staging: as for :func:`give`.
    :returns: those that are new; none where the statement itself is no entry, or nothing was
        stamped since.
    :raises DifferenceError: if the bundle would lead us elsewhere by a link.
    :raises StorageError: if one could not be written.
    """
    statement, ledger = _statement(bundle), case.ledger
    origin = ledger.checkpoint().checkpoint.origin
    index = _index(ledger, statement, list(_receipts(bundle, origin)))
    if index is None:
        return []
    folder = bundle / layout.RECEIPTS
    if any(each.is_symlink() for each in (bundle, folder.parent, folder)):
        raise DifferenceError("give receipt", folder, "a link where a directory should be")
    found = []
    for stamp in _chosen(bounds.read(case.directory, ledger, tuple(anchors)).stamps, index):
        stem = stamp.name.removesuffix(places.TOKEN)
        published = reading.read_beneath(case.directory, stem + places.CHECKPOINT, LARGEST_NOTE)
        hashes = tuple(ledger.prove_inclusion(index, stamp.size))
        data = proof.dump(Proof(index, hashes, published, stamp.token.data))
        path = folder / layout.receipt_name(origin, stamp.size)
        durable.ensure_directory(folder)
        if _add_stamp(path, data, staging):
            found.append(path)
    return found


def _chosen(stamps: Iterable[LedgerStamp], index: int) -> list[LedgerStamp]:
    above = [each for each in stamps if each.size > index and len(each.token.data) <= _MOST_TOKEN]
    if not above:
        return []
    longest = max(above, key=lambda each: each.opinion.ends or each.token.moment)
    first = min(above, key=lambda each: each.token.latest)
    return [longest] if first.size == longest.size else [first, longest]


def _add_stamp(path: Path, data: bytes, staging: Path | None) -> bool:
    """Put a stamped receipt there, or its stamp into the one that is; False if that has one."""
    if not os.path.lexists(path):
        durable.create(path, data)
        return True
    before, new = proof.load(_there(path)), proof.load(data)
    texts = [checkpoints.load_signed(each.checkpoint)[0].text for each in (before, new)]
    if before.extra or texts[0] != texts[1]:
        return False
    durable.replace(path, proof.dump(replace(before, extra=new.extra)), staging)
    return True


def _statement(bundle: Path) -> bytes:
    try:
        return reading.read_beneath(bundle, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    except (NotFoundError, FormatError) as err:
        why = "there is no bundle with a statement"
        raise NotFoundError("give receipt", bundle, why) from err


def _receipts(bundle: Path, origin: str) -> Iterator[Proof]:
    """The bundle's receipts from this log, as far as they can be read."""
    try:
        names = sorted(os.listdir(bundle / layout.RECEIPTS))
    except OSError:
        return
    for name in names:
        try:
            data = reading.read_beneath(bundle, f"{layout.RECEIPTS}/{name}", layout.LARGEST_RECEIPT)
            found = proof.load(data)
            if checkpoints.load_signed(found.checkpoint)[1].origin == origin:
                yield found
        except CustodyError:
            continue  # custody verify names it


def _index(ledger: LedgerReader, statement: bytes, receipts: list[Proof]) -> int | None:
    """Where the statement stands: as an earlier receipt says, if that is so; else by looking."""
    size = ledger.checkpoint().size
    for found in receipts:
        if found.index < size and ledger.entry(found.index) == statement:
            return found.index
    return ledger.find(statement)


def _write(path: Path, data: bytes, staging: Path | None) -> bool:
    if not os.path.lexists(path):
        durable.create(path, data)
        return True
    before = _there(path)
    data = _with_stamp(before, data)
    if before == data:
        return False
    if not _is_more(before, data):
        why = "there is another receipt of the same size, and it is not replaced"
        raise DifferenceError("give receipt", path, why, hint=_JUDGED)
    durable.replace(path, data, staging)
    return True


def _there(path: Path) -> bytes:
    """A receipt that is there, which can be read, and whose stamp is one over its checkpoint.

    :raises DifferenceError: if it is damaged: it is shown to whoever looks, and not replaced.
    """
    try:
        data = reading.read_regular(path, layout.LARGEST_RECEIPT)
        found = proof.load(data)
        signed, _ = checkpoints.load_signed(found.checkpoint)
        is_good = not found.extra or tokens.read(found.extra).is_over(signed.text.encode())
    except FormatError as err:
        why = f"the receipt that is there is damaged, and it is not replaced: {err.why}"
        raise DifferenceError("give receipt", path, why, hint=_JUDGED) from err
    if not is_good:
        why = "the receipt that is there carries a stamp over other bytes, and it is not replaced"
        raise DifferenceError("give receipt", path, why, hint=_JUDGED)
    return data


def _with_stamp(before: bytes, after: bytes) -> bytes:
    """The new receipt, with the stamp that the old one has."""
    return proof.dump(replace(proof.load(after), extra=proof.load(before).extra))


def _is_more(before: bytes, after: bytes) -> bool:
    """Whether the new receipt says what the old one says, with no signature less."""
    old, new = proof.load(before), proof.load(after)
    old_note, _ = checkpoints.load_signed(old.checkpoint)
    new_note, _ = checkpoints.load_signed(new.checkpoint)
    same = (old.index, old.hashes, old_note.text) == (new.index, new.hashes, new_note.text)
    lines = {(line.name, line.key_hash) for line in new_note.signatures}
    return same and all((line.name, line.key_hash) in lines for line in old_note.signatures)
