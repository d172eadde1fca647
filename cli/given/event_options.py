"""The free words of an entry as options, where several verbs ask for the same."""

from __future__ import annotations

from typing import Annotated

import typer

AuthorityOption = Annotated[str, typer.Option(metavar="TEXT", help="On whose authority.")]
CommentOption = Annotated[str, typer.Option(metavar="TEXT", help="A word on it.")]
PlaceOption = Annotated[str, typer.Option(metavar="TEXT", help="Where it was done.")]

# Of a hand-over.
HandedPlaceOption = Annotated[str, typer.Option(metavar="TEXT", help="Where it changes hands.")]
ViaOption = Annotated[str, typer.Option(metavar="TEXT", help="By hand, by which carrier.")]

# Of whoever holds a key.
TitleOption = Annotated[str, typer.Option(metavar="TEXT", help="That person's title.")]
OrganizationOption = Annotated[str, typer.Option(metavar="TEXT", help="Whom they work for.")]
