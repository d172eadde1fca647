"""Which file system a collection is about: this host's, or a mounted image's (``--root``)."""

from __future__ import annotations

import os

from custody.acquire import mounts
from custody.acquire.image import Image
from custody.collect.destination import Destination
from custody.collect.request import Request
from custody.errors import UsageError


def image(request: Request, destination: Destination | None) -> Image:
    """The file system that *request* is about.

    :raises UsageError: if the root is no directory, a source is not absolute, or what is
        collected would be written into the image.
    """
    if request.root is None:
        return _with_mounts(b"/")
    if request.volatile:
        why = "--volatile is about the running host, and --root is not; nothing was written"
        raise UsageError("collect", request.root, why, hint="leave one of the two out")
    root = os.path.realpath(os.fsencode(request.root))
    if root == b"/":
        return _with_mounts(root)
    if not os.path.isdir(root):
        why = "no directory is there; nothing was written"
        raise UsageError("collect", request.root, why, hint="mount the image, and name that place")
    for source in request.sources:
        if not source.startswith("/"):
            raise UsageError(
                "collect", source, "with --root, sources are absolute paths in the image",
                hint=f"custody collect --root {request.root} /var/log",
            )  # fmt: skip
    if destination is not None:
        home = os.path.realpath(os.fsencode(destination.directory))
        if home == root or home.startswith(root + b"/"):
            raise UsageError(
                "collect", destination.directory,
                f"it lies in the image {request.root}, which is evidence; nothing was written",
                hint="name a place outside it",
            )  # fmt: skip
    return _with_mounts(root)


def _with_mounts(root: bytes) -> Image:
    """With the mounts in it that sets do not look into; its own root is looked at all the same."""
    found = mounts.beneath(root, mounts.read()).items()
    remote = (point for point, one in found if mounts.may_hang(one.kind) and point != b"/")
    return Image(root, frozenset(remote))
