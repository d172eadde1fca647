"""The README's command lines name only what the program has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer import main as typer_main

from custody.cli.main import COMMANDS

_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-zA-Z])(?![\w-])")


def command_lines(text: str) -> Iterator[list[str]]:
    """The words after ``custody`` of every command in an indented block, continued lines joined."""
    joined, first = [""], 0
    for line in text.split("\n"):
        said, indent = line.strip().partition("  #")[0], len(line) - len(line.lstrip())
        if indent > first and joined[-1]:
            joined[-1] += " " + said
        else:
            joined.append(said if indent >= 4 else "")
            first = indent
    for line in joined:
        # not the value in CUSTODY_HOME=/etc/custody, but the program in /mnt/custody/custody
        for part in re.split(r"(?:^|[\s/])custody (?!custody )(?=[a-z])", line)[1:]:
            yield part.split("|")[0].replace("\\", " ").split()


def named(words: list[str]) -> Any:
    """The command that a line names: a verb, or a verb of a noun."""
    module = import_module(f"custody.cli.{COMMANDS[words[0]][0]}")
    command: Any = typer_main.get_command(module.app)
    for word in words[1:]:
        inside = getattr(command, "commands", {})
        if word not in inside:
            break
        command = inside[word]
    return command


@pytest.mark.parametrize("page", ["README.md", "docs/stick.md", "docs/watching.md"])
def test_every_option_on_a_page_is_one_of_its_command(root: Path, page: str) -> None:
    """A command that is copied from a page is taken by the program."""
    lines = list(command_lines((root / page).read_text(encoding="utf-8")))
    assert lines
    wrong = []
    for words in lines:
        known = {name for item in named(words).params for name in item.opts}
        typed = set(_OPTION.findall(" ".join(words)))
        wrong += [f"custody {' '.join(words[:3])}: {name}" for name in sorted(typed - known)]
    assert wrong == []
