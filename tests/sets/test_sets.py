"""Sets: what to collect, by name."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from forensic import definitions
from page import PAGE, page

from custody import sets
from custody.acquire.globs import Pattern
from custody.acquire.image import Image
from custody.sets import definition

OWN = """\
format: custody.set/1
name: own
version: 3
title: What is ours
files:
  - what: logs
    paths: [{paths}]
"""
FORENSIC = """\
# a comment
---
name: AuthLogs
doc: logs
sources:
- type: FILE
  attributes: {paths: ['/var/log/auth.log*', '/var/log/secret/../x', '%%users.sid%%/y']}
- type: COMMAND
  attributes: {cmd: /bin/ps, args: []}
- type: FILE
  attributes: {paths: ['/windows/only']}
  supported_os: [Windows]
supported_os: [Linux]
---
name: Group
doc: a group
sources:
- type: ARTIFACT_GROUP
  attributes: {names: [AuthLogs, Loop, Nowhere]}
---
name: Loop
doc: a loop
sources:
- type: ARTIFACT_GROUP
  attributes: {names: [Loop]}
---
name: Broken
doc: [
"""


def own(base: Path, text: str) -> Path:
    path = base / "own.yaml"
    path.write_text(text)
    return path


def test_the_page_of_sets_is_what_the_sets_say(root: Path) -> None:
    """docs/sets.md lists every set, path and definition as the program has them."""
    assert (root / PAGE).read_text() == page(), "python tests/sets/page.py > docs/sets.md"


def test_every_set_is_whole() -> None:
    """Each set that comes with the program parses, is called like its file, and names something."""
    assert sets.names() == ["database-logs", "linux-accounts", "linux-logs", "linux-web"]
    for name in sets.names():
        one = sets.load(name)
        assert one.name == name
        paths = [path for group in one.files for path in group.paths]
        assert len(paths) == len(set(paths)) > 10
        assert not any("shadow" in path for path in paths)  # no password hashes


def test_list_and_show(custody: Any) -> None:
    """The sets are listed with their versions, and shown with every pattern and digest."""
    listed = json.loads(custody("sets", "list", "--json", exit_code=0).stdout)
    assert [one["name"] for one in listed["sets"]] == sets.names()
    assert "linux-web" in custody("sets", "list", exit_code=0).stdout
    shown = custody("sets", "show", "linux-logs", exit_code=0).stdout
    assert "/run/log/journal" in shown
    assert sets.load("linux-logs").sha256 in shown
    (one,) = json.loads(custody("sets", "show", "linux-logs", "--json", exit_code=0).stdout)["sets"]
    assert one["version"] == sets.load("linux-logs").version


@pytest.mark.parametrize("verb", [("collect", "--set"), ("sets", "show")])
def test_an_unknown_name(verb: tuple[str, str], custody: Any, tmp_path: Path) -> None:
    """A set that is not there ends with the nearest names, and nothing is written."""
    more = ["--output", tmp_path / "out"] if verb[0] == "collect" else []
    done = custody(*verb, "linux-wbe", *more, exit_code=2)
    assert "linux-web" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (OWN.format(paths="/var/log/../../etc/x"), ".."),
        (OWN.format(paths="/var//log"), "empty component"),
        (OWN.format(paths="var/log"), "not absolute"),
        (OWN.format(paths='"%%users.sid%%/x"'), "unknown variable"),
        (OWN.format(paths='"/a/%%users.homedir%%/x"'), "unknown variable"),
        (OWN.format(paths='"%%users.homedir%%"'), "not absolute"),
        (OWN.format(paths=""), "required: paths"),
        (OWN.split("files:", maxsplit=1)[0], "empty set"),
        (OWN.format(paths="/a") + "files: []\n", "the same field again"),
        (OWN.format(paths="/a") + "more: x\n", "more"),
        (OWN.format(paths="/a").replace("set/1", "set/2"), "another format"),
        (OWN.format(paths="/a").replace("version: 3", "version: 0"), "1, 2, 3"),
        (OWN.format(paths="/a").replace("name: own", "name: ../own"), "a-z"),
        (OWN.format(paths="&x /a"), ""),
        ("", "documents"),
        ("[]", "a group of fields"),
    ],
)  # fmt: skip
def test_a_set_with_a_mistake(text: str, why: str, custody: Any, tmp_path: Path) -> None:
    """A set file with a mistake is refused with its line, and nothing is collected."""
    path = own(tmp_path, text)
    done = custody("collect", "--set", path, "--output", tmp_path / "out", exit_code=2)
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_set_file_that_is_none(custody: Any, tmp_path: Path) -> None:
    """A set file that is missing, a FIFO or too large is refused, and never waited for."""
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * (definition.LARGEST + 1))
    for name in ("fifo.yaml", "large.yaml", "nothing.yaml"):
        done = custody("sets", "show", tmp_path / name, exit_code=2)
        assert "Traceback" not in done.stderr


def test_includes(tmp_path: Path, collect: Any) -> None:
    """A set brings those that it includes, each named with its own version and digest."""
    text = "format: custody.set/1\nname: own\nversion: 1\ntitle: t\nincludes: [linux-web]\n"
    (tmp_path / "root").mkdir()
    bundle = collect("--root", tmp_path / "root", "--set", own(tmp_path, text))
    assert [one["name"] for one in bundle.acquisition["sets"]] == ["own", "linux-web"]
    assert bundle.acquisition["sets"][1]["sha256"] == sets.load("linux-web").sha256


def test_a_set_of_ones_own(tmp_path: Path, collect: Any, custody: Any) -> None:
    """Patterns find what is there, at most as deep as they say; what is absent is no gap."""
    logs = tmp_path / "logs"
    for name in ("a.log", "one/b.log", "one/two/c.log", "one/two/three/d.log", "w/x/y/z/e.log"):
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_text(name)
    (logs / "w/link").symlink_to(logs / "one")  # a pattern passes through no link
    text = OWN.format(paths=f"{logs}/**2/*.log, {logs}/none*, {logs}/**/e.log, {logs}/w/*/b.log")
    path = own(tmp_path, text)
    bundle = collect("--set", path, logs / "w/x/y/z/e.log")
    assert bundle.outcomes() == {
        f"{logs}/{name}": "collected"
        for name in ("a.log", "one/b.log", "one/two/c.log", "w/x/y/z/e.log")
    }
    assert bundle.asked()[f"{logs}/none*"] == []
    assert bundle.asked()[f"{logs}/**/e.log"] == bundle.asked()[f"{logs}/w/*/b.log"] == []
    (one,) = bundle.acquisition["sets"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert one == {"name": "own", "version": 3, "sha256": digest}

    done = custody("collect", "--set", path, "--dry-run", "--json", exit_code=0)
    rows = {row["pattern"]: row for row in json.loads(done.stdout)["sets"]}
    assert rows[f"{logs}/**2/*.log"]["matches"] == 3
    assert rows[f"{logs}/**2/*.log"]["bytes"] == len("a.logone/b.logone/two/c.log")
    assert rows[f"{logs}/none*"]["matches"] == 0
    shown = custody("collect", "--set", path, "--dry-run", exit_code=0).stdout
    assert "absent" in shown
    assert "nothing was written" in shown


def test_compare_with_the_live_host(tmp_path: Path, collect: Any, custody: Any) -> None:
    """What a set found is what a later comparison with the host looks at."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text("a")
    bundle = collect("--set", own(tmp_path, OWN.format(paths=f"{logs}/*.log, {logs}/none")))
    custody("compare", bundle.path, "--live", exit_code=0)
    (logs / "a.log").write_text("b")
    custody("compare", bundle.path, "--live", exit_code=10)


def test_definitions_that_are_not_there(tmp_path: Path, collect: Any) -> None:
    """Without the package the set's own paths are collected; the rest is said and recorded."""
    (tmp_path / "a").write_text("a")
    text = OWN.format(paths=tmp_path / "a") + "artifacts: [AuthLogs]\n"
    bundle = collect("--set", own(tmp_path, text), env={"PYTHONPATH": str(tmp_path / "nowhere")})
    if "definitions" in bundle.acquisition:
        pytest.skip("the package artifacts is installed here")
    assert "not installed" in collect.said.stderr
    (one,) = bundle.acquisition["sets"]
    assert [lost["artifact"] for lost in one["unresolved"]] == ["AuthLogs"]
    assert bundle.outcomes() == {str(tmp_path / "a"): "collected"}


def test_definitions_that_are_there(tmp_path: Path, image: Path, collect: Any) -> None:
    """Definitions are read as data; what in them says nothing here is recorded with its reason."""
    text = OWN.format(paths="/none") + "artifacts: [AuthLogs, Group, Broken]\n"
    env = definitions(tmp_path, FORENSIC)
    bundle = collect("--root", image, "--set", own(tmp_path, text), env=env)
    assert bundle.asked()["/var/log/auth.log*"] == ["/var/log/auth.log", "/var/log/auth.log.1"]
    (asked,) = (one for one in bundle.acquisition["sources"] if "artifact" in one)
    assert (asked["set"], asked["artifact"]) == ("own", "AuthLogs")
    (one,) = bundle.acquisition["sets"]
    said = "\n".join(f"{lost['artifact']}: {lost['why']}" for lost in one["unresolved"])
    for part in (
        "AuthLogs: /var/log/secret/../x", "unknown variable", "type COMMAND",
        "Nowhere: no such definition", "Loop: groups within groups", "Broken: the definition is",
    ):  # fmt: skip
        assert part in said
    assert "/windows/only" not in said
    assert bundle.acquisition["definitions"]["name"].startswith("ForensicArtifacts")


def test_two_sets_of_one_name(tmp_path: Path, custody: Any) -> None:
    """Two different sets of one name could not be told apart later, and are refused."""
    first = own(tmp_path, OWN.format(paths="/a"))
    other = tmp_path / "other.yaml"
    other.write_text(OWN.format(paths="/b"))
    custody("collect", "--set", first, "--set", other, "--output", tmp_path / "o", exit_code=2)
    assert not (tmp_path / "o").exists()


def test_mounts_of_other_machines(tmp_path: Path) -> None:
    """A pattern does not enter what another machine answers for, and says so: it could hang."""
    for name in ("near/a.log", "far/b.log", "near/deep/far/c.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    top = os.fsencode(tmp_path)
    remote = {top + b"/far", top + b"/near/deep/far"}
    image = Image(remote=frozenset(remote))
    for parts, expected, avoided in (
        ((b"*", b"*.log"), [b"/near/a.log"], {b"/far"}),
        ((b"**", b"*.log"), [b"/near/a.log"], {b"/far", b"/near/deep/far"}),
        ((b"**",), [b"/near/a.log"], {b"/far", b"/near/deep/far"}),
        ((b"far", b"b.log"), [], {b"/far"}),
        ((b"far",), [], {b"/far"}),
    ):
        found: set[bytes] = set()
        assert Pattern(top, parts).expand(image, found) == [top + path for path in expected]
        assert found == {top + path for path in avoided}
    found = set()
    assert Pattern(top + b"/far/x", (b"*",)).expand(image, found) == []
    assert found == {top + b"/far/x"}
