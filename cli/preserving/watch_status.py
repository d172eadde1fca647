"""How a running watch is doing, and where it writes that down."""

from __future__ import annotations

import os
from pathlib import Path

from custody.cli import exit_codes
from custody.cli.given import options
from custody.cli.terminal import console
from custody.errors import CustodyError

_LARGEST_STATE = 1 << 20


def home(origin: str) -> Path:
    """The directory in which watches of the ledger *origin* keep notes."""
    import hashlib

    return options.home() / "watch" / hashlib.sha256(origin.encode()).hexdigest()[:32]


def show() -> int:
    """Show what the last watch of the case wrote."""
    import json

    from custody import case as cases
    from custody import reading
    from custody.errors import NotFoundError

    case = cases.open_case(options.needed_case("watch --status"))
    try:
        data = reading.read_regular(home(case.origin) / "status.json", _LARGEST_STATE)
        document = json.loads(data)
        is_running = document["running"] is True and _is_alive(document["pid"])
        document |= {"running": is_running}
    except (CustodyError, OSError, ValueError, TypeError, LookupError, RecursionError) as err:
        why = "no watch of this case was started by this user"
        raise NotFoundError("show the watch", case.directory, why) from err
    if console.mode().json:
        console.result_json("watch-status", document)
    else:
        for name, value in document.items():
            console.result(f"{name.replace('_', ' '):<16} ", value)
    return exit_codes.OK


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return pid > 0
