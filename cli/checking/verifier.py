"""``custody verifier``: hand out the checker that needs no custody, or its digest."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.terminal import console

app = Verb("Print a program in one file that checks evidence without custody.")

DigestOption = Annotated[
    bool, typer.Option("--sha256", help="Print its SHA-256 alone, to be compared by hand.")
]


@app.command()
def verifier(digest: DigestOption = False) -> None:
    """Print a program in one file that checks evidence without custody.

    It needs Python 3.8 or newer and nothing else: custody verifier > check.py, then
    python3 -I check.py PATH --signer KEY --log KEY.  Take it from here, never from a bundle.
    """
    from custody import verifier as checker

    if digest:
        console.result(f"{checker.digest()}  check.py")
    elif console.mode().json:
        console.result_json(
            "verifier", {"sha256": checker.digest(), "program": checker.program().decode()}
        )
    else:
        console.result_bytes(checker.program())
