"""Watching what a set names: looked for anew at every pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watching import Watching, append

SET = """\
format: custody.set/1
name: apps
version: 3
title: logs of applications
files:
  - what: what they write
    paths: ["{base}/apps/*/app.log", "{base}/absent.log"]
"""


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    """A set, in a file; it names what lies below ``apps``."""
    path = tmp_path / "apps.yaml"
    path.write_text(SET.format(base=tmp_path))
    (tmp_path / "apps/one").mkdir(parents=True)
    return path


def test_what_a_set_names_is_followed_from_the_moment_it_comes(
    custody: Any, case: Path, apps: Path, tmp_path: Path,
    restored: Callable[[Path], list[bytes]], verified: Callable[[], None],
) -> None:  # fmt: skip
    """A match that comes later is followed too; the set stands in every bundle."""
    one, two = tmp_path / "apps/one/app.log", tmp_path / "apps/two/app.log"
    append(one, b"one\n")
    it = Watching(custody, case, "--set", apps)
    try:
        it.sealed(4)
        two.parent.mkdir()
        append(two, b"two\n")
        append(two.with_name("other.log"), b"of no set\n")
        it.sealed(8)
        append(one, b"more\n")
        it.sealed(13)
    finally:
        it.stop()
    assert it.kinds() == []
    assert not any("absent.log" in line for line in it.said)
    assert (restored(one), restored(two)) == ([b"one\nmore\n"], [b"two\n"])
    verified()
    assert len(list((case / "bundles").iterdir())) >= 2
    for bundle in (case / "bundles").iterdir():
        record = json.loads((bundle / "custody/acquisition.json").read_text())
        assert [(part["name"], part["version"]) for part in record["sets"]] == [("apps", 3)]
        asked = {part["asked"]: part["paths"] for part in record["sources"]}
        assert asked[f"{tmp_path}/absent.log"] == []
        assert asked[f"{tmp_path}/apps/*/app.log"]


def test_sets_that_cannot_be_watched(custody: Any, case: Path, apps: Path) -> None:
    """A set that nobody knows is refused before anything is written; a unit names a set's file."""
    done = custody("watch", "--set", "linux-lgos", "--case", case, exit_code=2)
    assert "did you mean linux-logs" in done.stderr
    assert list((case / "bundles").iterdir()) == []
    words = ("watch", "--set", apps.name, "--set", "linux-web", "--case", case, "--print-unit")
    text = custody(*words, exit_code=0, cwd=apps.parent).stdout
    assert f" --set {apps} --set linux-web " in text
    custody("watch", "--case", case, exit_code=2)
