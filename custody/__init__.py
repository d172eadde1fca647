"""Preserve logs as signed evidence and keep the chain of custody.

The command line is in :mod:`custody.cli`; the workflows (``collect``, ``verify``) are the
library's front doors.  FORMAT.md describes what is written on disk, SECURITY.md what it proves.
"""

__version__ = "0.1.0"
