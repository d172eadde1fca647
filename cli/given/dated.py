"""Before a bundle leaves its case: receipts with the time stamps that its ledger has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from custody.cli.terminal import console
from custody.errors import CustodyError, LockedError
from custody.keeping import WAIT_SECONDS

from . import options

if TYPE_CHECKING:
    from custody.case import Case
    from custody.identity.trust import Trust


def receipts(bundle: Path, case: Case, believed: Trust) -> int:
    """Lay receipts under stamped checkpoints into a bundle of *case*; says how many are new.

    One that could not be had is told, and holds nothing up.

    :raises LockedError: if another process keeps the case.
    """
    from custody import receipting

    if Path(os.path.realpath(bundle)).parent != Path(os.path.realpath(case.bundles)):
        return 0
    try:
        with case.locked(options.wait_seconds(WAIT_SECONDS)):
            return len(receipting.give_dated(bundle, case, believed.anchors, case.incoming))
    except LockedError:
        raise
    except CustodyError as err:  # what is wrong here, the verification that follows says
        console.warning(f"no time stamp of the ledger goes along: {err}")
        return 0
