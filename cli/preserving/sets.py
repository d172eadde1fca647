"""``custody sets``: what can be collected by name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.terminal import console

app = Verb("Say what can be collected by name.")


@app.command("list")
def list_() -> int:
    """List the sets that come with the program."""
    from custody import sets

    found = [sets.load(name) for name in sets.names()]
    if console.mode().json:
        rows = [
            {"name": one.name, "version": one.version, "title": one.title, "sha256": one.sha256}
            for one in found
        ]
        console.result_json("sets", {"sets": rows})
    else:
        console.table(
            [(one.name, one.version, one.title) for one in found], ("set", "version", "what")
        )
        console.result("next:     custody sets show NAME; custody collect --set NAME --output DIR")
    return exit_codes.OK


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="The set, or a file with one.", metavar="NAME")],
) -> int:
    """Show what a set names; nothing is looked up on this host."""
    from custody import sets
    from custody.sets import artifacts

    chosen = sets.choose([name])
    repository = artifacts.repository()
    resolved = {
        artifact: repository.resolve(artifact) if repository else ([], [])
        for one in chosen
        for artifact in one.artifacts
    }
    if console.mode().json:
        console.result_json("set", {"sets": [_document(one, resolved) for one in chosen]})
        return exit_codes.OK
    for one in chosen:
        console.result(f"{one.name} {one.version}: ", one.title)
        console.result(f"sha256 {one.sha256}")
        rows = [(group.what, path) for group in one.files for path in group.paths]
        rows += [(artifact, path) for artifact in one.artifacts for path in resolved[artifact][0]]
        console.table(rows, ("what, or definition", "pattern"))
    if repository is None and resolved:
        console.remark(f"{sets.NOT_INSTALLED}; named and not resolved: {', '.join(resolved)}")
    elif repository is not None:
        console.result("definitions: ", repository.source.name)
    for artifact, (_, lost) in resolved.items():
        for part in lost:
            console.warning(f"{artifact}: {part.why}")
    return exit_codes.OK


def _document(one: Any, resolved: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "title": one.title,
        "sha256": one.sha256,
        "includes": list(one.includes),
        "files": [{"what": group.what, "paths": list(group.paths)} for group in one.files],
        "artifacts": [
            {
                "name": artifact,
                "paths": resolved[artifact][0],
                "unresolved": [part.why for part in resolved[artifact][1]],
            }
            for artifact in one.artifacts
        ],
    }
