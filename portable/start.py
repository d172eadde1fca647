"""What the interpreter in the portable folder runs: the command line, from this folder alone."""

import sys
from pathlib import Path

_APP = Path(__file__).absolute().parent
sys.path.append(str(_APP))
sys.argv[0] = str(_APP.parent / "custody")  # what to type again, and what a unit file starts

from custody.cli.main import main  # noqa: E402 - found by the line above

sys.exit(main())
