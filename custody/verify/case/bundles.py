"""Every bundle of a case by its own list: check (5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from custody.bundle import tree
from custody.errors import CustodyError, StorageError, UnknownFormatError
from custody.identity.trust import Trust
from custody.verify.bundle import verify_bundle
from custody.verify.case.checks import BUNDLES
from custody.verify.docket import Docket
from custody.verify.result import MOST_GAPS, Progress, Verification
from custody.verify.stamps import Ledgered


class Bundles:
    """The bundles of a case, one after the other.

    :ivar verified: what each came to, by the name of its directory.
    :ivar unlisted: how many findings of theirs are beyond those that are kept.
    :ivar are_listed: the directory could be listed, or is plainly not there.
    """

    def __init__(
        self,
        path: Path,
        trust: Trust,
        docket: Docket,
        now: datetime,
        progress: Progress,
        time: Ledgered,
    ) -> None:
        self.verified: dict[str, Verification] = {}
        self.unlisted = 0
        self.are_listed = True
        self._path = path
        self._trust = trust
        self._docket = docket
        self._now = now
        self._progress = progress
        self._time = time
        self._room = MOST_GAPS

    @property
    def is_forbidden(self) -> bool:
        """Whether anything in them may not be read by this user."""
        return any(bundle.is_forbidden for bundle in self.verified.values())

    def look(self) -> None:
        """(5) Verify each by its own list."""
        docket = self._docket
        try:
            listing = tree.look(self._path, "bundles")
        except CustodyError as err:
            docket.trouble(BUNDLES, "bundles", "a directory", err)
            self.are_listed = not isinstance(err, StorageError)
            return
        for name in listing.files:
            docket.remark(f"bundles/{name}", "not a bundle; it is not looked at")
        for name in listing.others:
            why = "something among the bundles that is not a bundle"
            docket.found(BUNDLES, f"bundles/{name}", "a directory", "something else", why)
        for name in listing.directories:
            self._bundle(name)
        files = sum(bundle.files for bundle in self.verified.values())
        docket.shown(BUNDLES, f"bundles: {len(self.verified)}, files: {files}")

    def _bundle(self, name: str) -> None:
        docket, path = self._docket, f"bundles/{name}"
        done_files = sum(bundle.files for bundle in self.verified.values())
        done_bytes = sum(bundle.bytes for bundle in self.verified.values())

        def progress(files: int, size: int, of_files: int | None, of_bytes: int | None) -> None:
            self._progress(
                done_files + files,
                done_bytes + size,
                None if of_files is None else done_files + of_files,
                None if of_bytes is None else done_bytes + of_bytes,
            )

        try:
            bundle = verify_bundle(
                self._path / path, self._trust, ledger=self._time, now=self._now, progress=progress
            )
        except UnknownFormatError as err:
            docket.left(BUNDLES, f"{path}: {err.why}")
            docket.remark(path, err.why)
            return
        except CustodyError as err:
            docket.trouble(BUNDLES, path, "a bundle", err)
            return
        gaps = [replace(gap, bundle=name) for gap in bundle.gap_list[: self._room]]
        self._room -= len(gaps)
        self.verified[name] = bundle = replace(bundle, gap_list=tuple(gaps))
        self.unlisted += bundle.unlisted
        for finding in bundle.findings:
            docket.add(BUNDLES, replace(finding, path=f"{path}/{finding.path}"))
        for remark in bundle.remarks:
            docket.remark(f"{path}/{remark.path}", remark.message)
        for check in bundle.checks:
            if check.required and check.status == "not-checked":
                docket.left(BUNDLES, f"{path}: {check.name}: {check.detail}")
        # (5) under its own name
        if not bundle.bundle_id and bundle.is_forbidden:
            docket.left(BUNDLES, f"{path}: its name cannot be read")
        elif bundle.bundle_id != name:
            why = "the directory's name is not the bundle's"
            docket.found(BUNDLES, path, bundle.bundle_id or "its name", name, why)
