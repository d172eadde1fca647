"""Making payload files below a bag that is being written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from custody import durable

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECT = getattr(os, "O_DIRECT", 0)


class Payload:
    """The writing side of a bag's payload; safe to use from several threads.

    Callers hold :func:`custody.durable.private_umask`.
    """

    def __init__(self, bag: Path) -> None:
        self._bag = os.open(bag, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let the bag go."""
        os.close(self._bag)

    def create(self, name: str, large: bool) -> int:
        """Make the new file *name* (``data/...``), with its directories; the caller closes it.

        :param large: whether to bypass the page cache where the file system can.
        :raises StorageError: if it cannot be made.
        """
        try:
            if large and _DIRECT:
                try:
                    return self._open(name, _FLAGS | _DIRECT)
                except OSError as err:
                    if err.errno != errno.EINVAL:
                        raise
                    # A file system without O_DIRECT may have made the file before it refused.
                    return self._open(name, (_FLAGS & ~os.O_EXCL) | os.O_TRUNC)
            return self._open(name, _FLAGS)
        except OSError as err:
            raise durable.storage_error("write", name, err) from err

    def reopen(self, name: str) -> int:
        """Open the finished payload file *name* for reading; the caller closes it.

        :raises StorageError: if it cannot be read back.
        """
        try:
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._bag)
        except OSError as err:
            raise durable.storage_error("read back", name, err) from err

    def _open(self, name: str, flags: int) -> int:
        try:
            return os.open(name, flags, durable.PRIVATE_FILE, dir_fd=self._bag)
        except FileNotFoundError:
            self.make_directories(name)
            return os.open(name, flags, durable.PRIVATE_FILE, dir_fd=self._bag)

    def make_directories(self, name: str) -> None:
        """Make the directories that the file *name* lies in, as far as they are missing."""
        parts = name.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            try:
                os.mkdir("/".join(parts[:end]), durable.PRIVATE_DIRECTORY, dir_fd=self._bag)
            except FileExistsError:
                continue
