"""``custody collect --dry-run``: what would be read, by whose wish, and how much it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custody.cli import exit_codes
from custody.cli.terminal import console, figures
from custody.counted import counted
from custody.formats import inventory

from . import collect_journals

if TYPE_CHECKING:
    from custody.acquire.sources import Asked
    from custody.collect import Plan, Request

_KEPT = ("path", "path_b64", "outcome", "size", "remark", "error")


def show(request: Request, directory: Path | None, case_path: Path | None) -> int:
    """Show what a collection would read; nothing is written.

    :param directory: where it would go, if that is known.
    :param case_path: the case, which must be there, if it would go into one.
    """
    from custody import collect as workflow
    from custody.acquire import commands, volatile
    from custody.collect import Destination

    if case_path is not None:
        from custody import case as cases

        cases.open_case(case_path)
    rows: list[dict[str, Any]] = []
    plan = workflow.prepare(
        request, Destination(directory) if directory else None, each=rows.append
    )
    seen = plan.survey
    patterns = list(_patterns(plan, rows))
    items = [{field: row[field] for field in _KEPT if field in row} for row in rows]
    journals = collect_journals.planned(request, items)
    facts = [one.name for one in volatile.facts()] if request.volatile else []
    if request.volatile_commands:
        facts += [f"{one.name} ({' '.join(one.words)})" for one in commands.COMMANDS]
    if console.mode().json:
        counts = {"files": seen.files, "bytes": seen.bytes, "gaps": seen.gaps}
        unresolved = [
            {"set": name, "artifact": lost.artifact, "why": lost.why}
            for name, lost in plan.selection.unresolved
        ]
        sets = {"sets": patterns, "unresolved": unresolved} if plan.selection.sets else {}
        taken = {"facts": facts} if facts else {}
        run = {"journals": journals} if journals else {}
        console.result_json("dry-run", {**counts, "items": items, **sets, **taken, **run})
    else:
        if facts:
            console.result(f"first    {counted(len(facts), 'fact')} about this host:")
            for fact in facts:
                console.result("         ", fact)
        _table(items, patterns)
        if journals:
            collect_journals.show_planned(journals)
        console.result(
            f"{counted(seen.files, 'file')}, {figures.amount(seen.bytes)}; nothing was written"
        )
    for text in plan.remarks:
        console.warning(text)
    return exit_codes.GAPS if seen.gaps else exit_codes.OK


def _table(items: list[dict[str, Any]], patterns: list[dict[str, Any]]) -> None:
    shown = [item for item in items if item["outcome"] != "directory"]
    console.table(
        [(item["outcome"], item.get("size", ""), item["path"]) for item in shown],
        ("would be", "bytes", "path"),
    )
    if patterns:
        console.result("")
        console.table(
            [
                (
                    one["set"],
                    one["pattern"],
                    one["matches"] or "absent",
                    one["bytes"] if one["matches"] else "",
                    one.get("artifact", ""),
                )
                for one in patterns
            ],
            ("set", "pattern", "matches", "bytes", "definition"),
        )


def _patterns(plan: Plan, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each pattern of a set, with the paths that fit it and the bytes in and beneath them."""
    of_sets = [asked for asked in plan.sources.asked if asked.set]
    sizes = _sizes(of_sets, rows)
    for asked in of_sets:
        found = {
            "set": asked.set,
            "pattern": asked.text,
            "matches": len(asked.paths),
            "bytes": sum(sizes[path] for path in _outermost(asked)),
        }
        yield found | ({"artifact": asked.artifact} if asked.artifact else {})


def _sizes(of_sets: list[Asked], rows: list[dict[str, Any]]) -> Mapping[bytes, int]:
    """The bytes in and beneath each path that a pattern fits."""
    sizes = {path: 0 for asked in of_sets for path in asked.paths}
    for row in rows:
        size, path = row.get("size", 0), inventory.raw_path(row)
        while size:
            if path in sizes:
                sizes[path] += size
            if path in (b"/", b""):
                break
            path = path.rpartition(b"/")[0] or b"/"
    return sizes


def _outermost(asked: Asked) -> Iterator[bytes]:
    """The paths that do not lie beneath another of them."""
    there = set(asked.paths)
    for path in asked.paths:
        above = path.rpartition(b"/")[0]
        while above and above not in there:
            above = above.rpartition(b"/")[0]
        if not above:
            yield path
