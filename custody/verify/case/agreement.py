"""Whether a ledger and what it speaks of agree: check (7)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from custody.bundle import layout
from custody.counted import counted
from custody.errors import CustodyError
from custody.ledger.check import Report
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.reader import LedgerReader
from custody.verify.case import transfers
from custody.verify.case.bundles import Bundles
from custody.verify.case.checks import AGREEMENT
from custody.verify.docket import Docket
from custody.verify.entries import Entries
from custody.verify.result import Verification


class Agreement:
    """A case's entries against what lies in it.

    :param attachments: the paths of what is attached to the case itself.
    """

    def __init__(
        self,
        path: Path,
        entries: Entries,
        bundles: Bundles,
        attachments: Collection[str],
        docket: Docket,
    ) -> None:
        self._path = path
        self._entries = entries
        self._bundles = bundles
        self._attachments = attachments
        self._docket = docket
        self._by_name: dict[str, dict[str, int]] = {}
        self._gone_on_purpose: set[str] = set()

    def check(self, report: Report | None) -> None:
        """(7) Judge all of it.

        :param report: what the ledger came to; None if it could not be read.
        """
        docket, entries = self._docket, self._entries
        if report is None or report.root is None:
            docket.left(AGREEMENT, "there is no ledger to compare with")
            return
        if not self._bundles.are_listed:
            docket.left(AGREEMENT, "the bundles cannot be listed")
            return
        self._by_name = _merged(entries.sealed, entries.handovers.taken_in)
        for name, digests in self._by_name.items():
            self._sealed(name, digests)
        reader = LedgerReader(self._path / "ledger")
        for name, bundle in self._bundles.verified.items():
            self._entered(name, bundle, report.origin)
            self._contradictions(reader, f"bundles/{name}", bundle, report)
        self._attached_entries()
        transfers.check(self._path, entries.handovers, docket)
        shown = f"each of {len(self._bundles.verified)} is entered with its own statement"
        docket.shown(AGREEMENT, shown)

    def _sealed(self, name: str, digests: dict[str, int]) -> None:
        """What was sealed or taken in under *name*: one bundle, and it is there."""
        docket, where = self._docket, f"bundles/{name}"
        indexes = sorted(digests.values())
        if len(indexes) > 1:
            said = ", ".join(map(str, indexes))[:400]
            why = "the ledger has different bundles under one name: one was put in another's place"
            docket.found(AGREEMENT, where, "one bundle's entry", f"entries {said}", why)
        if name in self._bundles.verified or os.path.lexists(self._path / where):
            return
        if name in self._entries.disposed:
            self._gone_on_purpose.add(name)
            docket.remark(where, "it was disposed of, as the ledger says")
            return
        if name in self._entries.handovers.away:
            index = self._entries.handovers.away[name]
            self._gone_on_purpose.add(name)
            docket.remark(where, f"the original was released, by ledger entry {index}")
            return
        for index in indexes:
            why = f"the bundle of ledger entry {index} is gone"
            docket.found(AGREEMENT, where, "a bundle", "nothing", why)

    def _entered(self, name: str, bundle: Verification, origin: str | None) -> None:
        digests = self._by_name.get(name, {})
        where, found = f"bundles/{name}", f"sha256:{bundle.statement_sha256}"
        if not bundle.statement_sha256 and bundle.is_forbidden:
            self._docket.left(AGREEMENT, f"{where}: its statement may not be read")
        elif not digests:
            why = f"nobody entered this bundle in the ledger; {_belongs(bundle, origin)}"
            self._docket.found(AGREEMENT, where, "an entry in the ledger", "none", why)
        else:
            for digest in digests.keys() - {bundle.statement_sha256}:
                why = f"the bundle of ledger entry {digests[digest]} was replaced: this is another"
                self._docket.found(AGREEMENT, f"{where}/seal", f"sha256:{digest}", found, why)

    def _attached_entries(self) -> None:
        there = {Path(path).name: path for path in self._attachments}
        for name, bundle in self._bundles.verified.items():
            folder = f"bundles/{name}/{layout.ATTACHMENTS}"
            there |= {digest: f"{folder}/{digest}" for digest in bundle.attachments}
        entered = {**self._entries.handovers.brought, **self._entries.attached}
        if self._docket.is_forbidden or self._bundles.is_forbidden:
            self._docket.left(AGREEMENT, "what may not be read may hold attachments")
            return
        for digest in sorted(entered.keys() - there.keys()):
            index, beside = entered[digest]
            if beside in self._gone_on_purpose:  # with its bundle
                continue
            where = f"{layout.ATTACHMENTS}/{digest}"
            why = f"the attachment of ledger entry {index} is gone"
            self._docket.found(AGREEMENT, where, "an attachment", "nothing", why)
        for digest in sorted(there.keys() - entered.keys()):
            why = "nobody entered this attachment in the ledger"
            self._docket.found(AGREEMENT, there[digest], "an entry in the ledger", "none", why)

    def _contradictions(
        self, reader: LedgerReader, where: str, bundle: Verification, report: Report
    ) -> None:
        known = [(tree, "a receipt") for tree in bundle.proved]
        if bundle.not_before is not None and bundle.signer is not None:
            known.append((bundle.not_before, "the statement"))
        for tree_head, source in known:
            if tree_head.origin == report.origin:
                self._contradiction(reader, where, tree_head, source, report.size or 0)

    def _contradiction(
        self, reader: LedgerReader, where: str, tree_head: Checkpoint, source: str, size: int
    ) -> None:
        if tree_head.size > size:
            why = f"the ledger is behind the checkpoint in {source}: it was rolled back"
            expected = f"at least {counted(tree_head.size, 'entry')}"
            self._docket.found(AGREEMENT, where, expected, f"{counted(size, 'entry')}", why)
            return
        try:
            root = reader.root_at(tree_head.size)
        except CustodyError as err:
            self._docket.trouble(AGREEMENT, "ledger", "the tiles of an earlier tree", err)
            return
        if root != tree_head.root:
            why = f"the ledger contradicts the checkpoint in {source}: its past was changed"
            self._docket.found(AGREEMENT, where, tree_head.root.hex(), root.hex(), why)


def _merged(
    sealed: Mapping[str, Mapping[str, int]], taken_in: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """The statements that were entered under each name, however the bundle came into the case."""
    names = {**sealed, **taken_in}
    return {name: {**taken_in.get(name, {}), **sealed.get(name, {})} for name in names}


def _belongs(bundle: Verification, origin: str | None) -> str:
    """Where a bundle that nobody entered belongs, by the ledger that its statement names."""
    named = bundle.not_before
    if named is not None and named.origin == origin:
        return "if a collection was cut short, the next custody collect into the case enters it"
    whose = "no ledger" if named is None else f"another ledger, {named.origin}"
    advice = "keep it outside bundles/, and take it in with custody receive"
    return f"its statement names {whose}: it was not collected here; {advice}"
