"""From what was named on the command line to the two sides of a comparison."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from custody.compare import bundled
from custody.compare.bundled import Bundle
from custody.compare.sides import Side, Single, Walked, single_or_walked
from custody.errors import DifferenceError, NotFoundError, UsageError


@dataclass(frozen=True, slots=True)
class Chosen:
    """The two sides.

    :ivar remarks: what the user should know about how they were matched.
    """

    copy: Side
    original: Side
    remarks: tuple[str, ...] = ()


def choose(copy: Path, original: Path) -> Chosen:
    """Two paths: each a file, a directory or a bundle.

    :raises NotFoundError: if one is not there.
    :raises UsageError: if they are the same, or do not go together.
    """
    if os.path.realpath(copy) == os.path.realpath(original):
        raise UsageError("compare", copy, "copy and original are one and the same path")
    of_copy, of_original = bundled.is_bundle(copy), bundled.is_bundle(original)
    if of_copy and of_original:
        return Chosen(Bundle(copy, facts=True), Bundle(original, facts=True))
    if of_copy:
        bundle, side, remarks = _with_bundle(copy, original)
        return Chosen(bundle, side, remarks)
    if of_original:
        bundle, side, remarks = _with_bundle(original, copy)
        return Chosen(side, bundle, remarks)
    one, other = single_or_walked(copy), single_or_walked(original)
    if isinstance(one, Single) and isinstance(other, Single):
        label = os.fsencode(os.path.basename(os.path.realpath(original)))
        return Chosen(single_or_walked(copy, label), single_or_walked(original, label))
    if isinstance(one, Single) or isinstance(other, Single):
        why = "one is a directory and the other is not"
        raise UsageError("compare", copy, why, hint="name two files, or two directories")
    return Chosen(one, other)


def live(bundle: Path) -> Chosen:
    """A bundle against the paths that it came from, on this host.

    :raises NotFoundError: if there is no bundle.
    :raises UsageError: if it was collected from a mounted image.
    """
    if not bundled.is_bundle(bundle):
        why = "there is no bundle" if bundle.exists() else "it is not there"
        raise NotFoundError("compare bundle", bundle, why)
    remarks = []
    host, here = bundled.host_of(bundle), os.uname().nodename if hasattr(os, "uname") else ""
    if host and here and host != here:
        remarks.append(f"the bundle was collected on {host}, and this host is called {here}")
    record = bundled.acquisition(bundle)
    if "root" in record:
        raise UsageError(
            "compare bundle", bundle,
            f"it is of an image that was mounted at {record['root']}, not of this host",
            hint="mount the image, and name that place instead of --live",
        )  # fmt: skip
    exclude = record.get("exclude", [])
    if not isinstance(exclude, list) or not all(isinstance(glob, str) for glob in exclude):
        why = "its acquisition record does not say what was excluded as it should"
        raise DifferenceError("compare bundle", bundle, why)
    side = Walked(
        Path("/"),
        bundled.source_paths(bundle),
        kind="live",
        exclude=tuple(exclude),
        one_file_system=record.get("one_file_system") is True,
    )
    return Chosen(Bundle(bundle), side, tuple(remarks))


def _with_bundle(bundle: Path, other: Path) -> tuple[Bundle, Side, tuple[str, ...]]:
    """A bundle and something else, matched by the raw paths in the inventory."""
    side = single_or_walked(other)
    real = os.fsencode(os.path.realpath(other))
    if isinstance(side, Single):
        raw = _record_for(bundle, real)
        label = os.path.basename(real)
        remarks = () if raw == real else (_matched(raw),)
        return Bundle(bundle, only=raw, label=label), single_or_walked(other, label), remarks
    sources = bundled.source_paths(bundle)
    if any(_is_beneath(real, source) for source in sources):
        return Bundle(bundle, _base(real)), side, ()
    inside = [source for source in sources if _is_beneath(source, real)]
    if inside:
        return Bundle(bundle, _base(real)), Walked(Path(os.fsdecode(real)), inside), ()
    beneath = [real.rstrip(b"/") + source for source in sources]
    if any(os.path.lexists(path) for path in beneath):
        walked = Walked(Path(os.fsdecode(real)), beneath)
        return Bundle(bundle), walked, (_matched(b"/"),)
    base = _common(sources)
    return Bundle(bundle, _base(base)), side, (_matched(base),)


def _matched(raw: bytes) -> str:
    return f"matched with {raw.decode('utf-8', 'backslashreplace')} in the bundle"


def _base(raw: bytes) -> bytes:
    return b"" if raw == b"/" else raw


def _is_beneath(path: bytes, directory: bytes) -> bool:
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def _common(sources: Sequence[bytes]) -> bytes:
    """The directory that all sources lie in; one source by itself may be that directory."""
    if not sources:
        return b"/"
    if len(sources) == 1:
        return sources[0]
    return os.path.commonpath([os.path.dirname(source) for source in sources])


def _record_for(bundle: Path, real: bytes) -> bytes:
    """The raw path in the bundle that a single file is to be compared with.

    :raises UsageError: if it is not clear which.
    """
    name = os.path.basename(real)
    named: list[bytes] = []
    first: bytes | None = None
    count = 0
    for line in bundled.lines(bundle):
        brief = bundled.parse(bundle, line)
        if brief.payload is None:
            continue
        if brief.raw == real:
            return real
        count += 1
        first = brief.raw if first is None else first
        if os.path.basename(brief.raw) == name and len(named) < 2:
            named.append(brief.raw)
    if len(named) == 1:
        return named[0]
    if count == 1 and first is not None:
        return first
    why = "several files in the bundle have its name" if named else "the bundle has no such file"
    hint = f"custody compare {bundle} --live"
    raise UsageError("compare", os.fsdecode(real), why, hint=hint)
