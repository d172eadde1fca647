"""The options that say what is read from a host, for whoever collects or watches."""

from __future__ import annotations

from typing import Annotated

import typer

SourceArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="SOURCE...", help="Files, directories, globs.", show_default=False),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Leave out; with a slash it matches whole paths, without one any name. Repeatable.",
        show_default=False,
    ),
]
OneFileSystemOption = Annotated[
    bool, typer.Option("--one-file-system", help="Leave out other file systems below a source.")
]
NoteOption = Annotated[str, typer.Option(metavar="TEXT", help="What this is.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME",
        help="Also what this set names (custody sets list), or a file with one. Repeatable.",
        show_default=False,
    ),
]
