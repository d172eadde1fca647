"""The rules of the house, read from the source itself: imports go down, and each deed has one room.

The layers are those of the design: the command line, the workflows, the rooms, the pure formats
and the ground floor.  A module of a new name at the top of `custody/` must be given its layer in
`LAYERS`, so that nobody adds one without deciding.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent

GROUND, PURE, ROOM, WORKFLOW, CLI = range(5)

# The longest matching prefix decides.
LAYERS = {
    "custody": GROUND,
    "custody.errors": GROUND,
    "custody.durable": GROUND,
    "custody.beside": GROUND,
    "custody.clock": GROUND,
    "custody.counted": GROUND,  # a number of things in words
    "custody.findings": GROUND,
    "custody.nearest": GROUND,  # the names that are most like one that is not there
    "custody.ordered": GROUND,
    "custody.pace": GROUND,  # so many bytes a second
    "custody.posting": GROUND,
    "custody.priority": GROUND,
    "custody.pump": GROUND,
    "custody.reading": GROUND,
    "custody.visible": GROUND,  # what came from evidence, harmless to look at
    "custody.formats": PURE,
    "custody.ledger": ROOM,  # log, reader, check, witness; what is arithmetic is named here:
    "custody.ledger.checkpoint": PURE,
    "custody.ledger.consistency": PURE,
    "custody.ledger.entry": PURE,
    "custody.ledger.export": PURE,
    "custody.ledger.growth": PURE,
    "custody.ledger.judge": PURE,
    "custody.ledger.merkle": PURE,
    "custody.ledger.policy": PURE,
    "custody.ledger.proof": PURE,
    "custody.ledger.receipt": PURE,
    "custody.ledger.tiles": PURE,
    "custody.ledger.witness_request": PURE,
    "custody.case": ROOM,
    "custody.entering": ROOM,
    "custody.attaching": ROOM,
    "custody.certifying": ROOM,  # a desk's key vouches for another
    "custody.countersigning": ROOM,  # a bundle's statement, signed by a second person
    "custody.keeping": ROOM,  # a case under its lock, and who signs what is entered
    "custody.intaken": ROOM,  # bundles that were taken in from elsewhere
    "custody.handover": ROOM,  # the papers of a hand-over
    "custody.history": ROOM,  # what happened to an item, folded from the ledger
    "custody.verifier": GROUND,  # the program that is handed out; nothing imports it
    "custody.stamping": ROOM,  # time stamps: asked for, kept, read
    "custody.pieces": ROOM,  # the pieces of watched files in a case
    "custody.receipting": ROOM,
    "custody.witnessing": ROOM,
    "custody.bundle": ROOM,
    "custody.acquire": ROOM,
    "custody.sets": ROOM,  # what to collect, by name
    "custody.identity": ROOM,
    "custody.identity.signing": PURE,  # signatures over bytes; the keys are values here
    "custody.identity.notes": PURE,
    "custody.obligations": ROOM,
    "custody.collect": WORKFLOW,
    "custody.verify": WORKFLOW,
    "custody.verify.clocks": PURE,  # the times that others than the signer say, as values
    "custody.verify.signed": PURE,  # what an envelope holds, and whether its own key signed it
    "custody.compare": WORKFLOW,
    "custody.restoring": WORKFLOW,
    "custody.transfer": WORKFLOW,
    "custody.watch": WORKFLOW,
    "custody.forms": WORKFLOW,
    "custody.stick": WORKFLOW,  # laid out at the desk for a responder
    "custody.report": WORKFLOW,
    "custody.cli": CLI,
}
# A watch is many collections; whoever hands evidence over or takes it in verifies it first, and
# so does a form, which says what that came to.
MAY_CALL = {
    ("custody.watch", "custody.collect"),
    ("custody.transfer", "custody.verify"),
    ("custody.forms", "custody.verify"),
}

IMPURE = {"os", "io", "pathlib", "socket", "subprocess", "shutil", "tempfile", "time", "logging"}
RENAMES_AND_SYNCS = {
    "os.rename", "os.renames", "os.replace", "os.link", "os.fsync", "os.fdatasync", "os.sync",
    "shutil.move",
}  # fmt: skip
SPEAKS_OR_LEAVES = {
    "print", "input", "exit", "quit", "breakpoint", "sys.exit", "sys.stdout", "sys.stderr",
    "sys.stdin", "sys.argv", "os.environ", "os.environb", "os.getenv", "os.getenvb", "os._exit",
    "getpass.getpass",
}  # fmt: skip
TERMINAL = {"typer", "click", "rich", "tabulate", "getpass"}


class Module:
    """One source file: its dotted name, what it imports, what it reaches for."""

    def __init__(self, name: str, text: str, *, package: bool = False) -> None:
        self.name = name
        self.tree = ast.parse(text)
        self.package = name if package else name.rpartition(".")[0]
        self.imports = dict(self._imports())

    def _imports(self) -> Iterator[tuple[str, int]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.package.split(".")
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, node.module] if node.module else parts)

    def reached(self) -> Iterator[tuple[str, int]]:
        """Every name as it is known outside: `from os import replace as r; r()` is os.replace."""
        known: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for a in node.names:
                    top = a.name.partition(".")[0]
                    known[a.asname or top] = a.name if a.asname else top
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                known |= {a.asname or a.name: f"{base}.{a.name}" for a in node.names}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute):
                head, _, rest = ast.unparse(node).partition(".")
                known_head = known.get(head, head)
                yield (f"{known_head}.{rest}" if rest else known_head), node.lineno


def layer(name: str) -> int | None:
    """The layer of a module, or None where nobody has decided."""
    prefix = name
    while prefix not in LAYERS:
        prefix = prefix.rpartition(".")[0]
        if not prefix:
            return None
    new_at_the_top = prefix == "custody" and name != "custody"
    return None if new_at_the_top else LAYERS[prefix]


def owner(name: str, modules: set[str]) -> str | None:
    """The module of ours that an imported dotted name belongs to."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def workflow(name: str) -> str:
    return ".".join(name.split(".")[:2])


def upward(module: Module, modules: set[str]) -> list[str]:
    """The imports of one module that do not go down."""
    found = []
    here = layer(module.name)
    for imported, line in module.imports.items():
        target = owner(imported, modules)
        if target is None or target == "custody" or here is None:
            continue
        there = layer(target)
        pair = (workflow(module.name), workflow(target))
        sideways = here == there == WORKFLOW and pair[0] != pair[1] and pair not in MAY_CALL
        if there is None or there > here or sideways:
            found.append(f"{module.name}:{line} imports {target}")
    return found


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    found = {}
    for folder, package in (("custody", "custody"), ("cli", "custody.cli")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            if parts == ("verifier", "check"):  # a program of its own; tests/verifier has its rules
                continue
            init = parts[-1] == "__init__"
            name = ".".join([package, *(parts[:-1] if init else parts)])
            found[name] = Module(name, path.read_text(encoding="utf-8"), package=init)
    return found


def test_every_module_has_a_layer(modules: dict[str, Module]) -> None:
    """Each module belongs to one layer that somebody chose."""
    assert [name for name in modules if layer(name) is None] == []


def test_imports_go_down(modules: dict[str, Module]) -> None:
    """A module imports only from its own layer or below, and workflows not from each other."""
    names = set(modules)
    assert [line for module in modules.values() for line in upward(module, names)] == []


def test_formats_do_no_input_or_output(modules: dict[str, Module]) -> None:
    """The pure layer turns bytes into values and touches no file, clock or socket."""
    found = [
        f"{module.name}:{line} reaches for {name}"
        for module in modules.values()
        if layer(module.name) == PURE
        for name, line in [
            *((n, at) for n, at in module.imports.items() if n.split(".")[0] in IMPURE),
            *(
                (n, at)
                for n, at in module.imports.items()
                if n.startswith(("custody.durable", "custody.reading"))
            ),
            *((n, at) for n, at in module.reached() if n == "open"),
        ]
    ]
    assert found == []


def test_only_the_command_line_speaks(modules: dict[str, Module]) -> None:
    """Only cli prints, prompts, reads the environment and exits."""
    found = [
        f"{module.name}:{line} uses {name}"
        for module in modules.values()
        if layer(module.name) != CLI
        for name, line in [*module.reached(), *module.imports.items()]
        if name in SPEAKS_OR_LEAVES or name.split(".")[0] in TERMINAL
    ]
    assert found == []


def test_only_durable_renames_links_and_syncs(modules: dict[str, Module]) -> None:
    """There is one room whose writes must survive a crash: custody/durable."""
    found = [
        f"{module.name}:{line} calls {name}"
        for module in modules.values()
        if not f"{module.name}.".startswith("custody.durable.")
        for name, line in module.reached()
        if name in RENAMES_AND_SYNCS
        or (name.endswith((".hardlink_to", ".rename")) and not name.startswith("custody."))
    ]
    assert found == []


def room_of_the_command_line(name: str) -> str:
    """The room below cli/ that a module stands in, or nothing."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["custody", "cli"] and len(parts) > 3 else ""


def test_the_rooms_of_the_command_line_stand_on_each_other(modules: dict[str, Module]) -> None:
    """Verbs import what is given to them and the terminal, never the verbs of another room."""
    stands_on = {"terminal": {""}, "given": {"", "terminal"}}
    found = [
        f"{module.name}:{line} imports {target}"
        for module in modules.values()
        if (here := room_of_the_command_line(module.name))
        for imported, line in module.imports.items()
        for target in [owner(imported, set(modules)) or ""]
        if room_of_the_command_line(target)
        not in {here} | stands_on.get(here, {"", "terminal", "given"})
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("custody.formats.note", "from custody.bundle import write"),
        ("custody.ledger.merkle", "import custody.ledger.log"),
        ("custody.case", "from custody import verify"),
        ("custody.verify", "from custody.collect import collect"),
        ("custody.collect", "from custody.watch import watch"),
        ("custody.verify", "def f():\n    from custody.cli import console"),
        ("custody.errors", "from .case import Case"),
    ],
)
def test_an_upward_import_is_seen(name: str, text: str) -> None:
    """The check of the imports finds each kind of import that the rule forbids."""
    ours = {
        "custody.bundle", "custody.ledger.log", "custody.verify", "custody.collect",
        "custody.watch", "custody.cli", "custody.case",
    }  # fmt: skip
    assert upward(Module(name, text), ours)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import os\nos.replace(a, b)", "os.replace"),
        ("from os import replace as r\nr(a, b)", "os.replace"),
        ("import os as o\no.environ['X']", "os.environ"),
        ("from sys import stderr\nstderr.write('')", "sys.stderr"),
        ("print('')", "print"),
    ],
)
def test_a_forbidden_name_is_seen(text: str, name: str) -> None:
    """The check of names sees through aliases."""
    assert name in dict(Module("custody.case", text).reached())


def test_every_number_of_things_is_counted_in_one_place(root: Path) -> None:
    """No text says "1 files": a number beside a noun is written by custody.counted."""
    nouns = "files|entries|bundles|pieces|records|paths|alarms|attachments|cosignatures|days"
    plural = re.compile(rf"\{{[^{{}}\"]+\}} (?:{nouns})\b")
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for folder in ("custody", "cli")
        for path in sorted((root / folder).rglob("*.py"))
        if path.name != "check.py" or path.parent.name != "verifier"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if plural.search(line)
    ]
    assert found == []


def test_no_two_files_of_tests_have_one_name(root: Path) -> None:
    """Pytest imports them by name alone, and would refuse the second."""
    names = [path.name for path in (root / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(set(names)) == sorted(names)


def test_every_test_says_its_rule(root: Path) -> None:
    """Each test has a docstring that says in words what rule it shows."""
    silent = [
        f"{path.name}:{node.lineno} {node.name}"
        for path in sorted((root / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test")
        and not ast.get_docstring(node)
    ]
    assert silent == []


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        pytest.skip("not a git checkout: which files are tracked is not known")
    paths = [ROOT / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_tracked_file_names_this_machine(tracked: list[Path]) -> None:
    """What is published holds no path of the machine that it was made on."""
    local = {str(ROOT), sys.prefix, sys.base_prefix}
    local = {path for path in local if path.count("/") >= 3} | {"/" + "work/"}
    found = [
        f"{path.relative_to(ROOT)}: {needle}"
        for path in tracked
        for needle in local
        if needle.encode() in path.read_bytes()
    ]
    assert found == []


def test_no_tracked_file_names_a_package_index(tracked: list[Path]) -> None:
    """Locks and settings name hashes and versions, never a place to fetch from."""
    hosts = {"pypi" + ".org", "python" + "hosted.org"}
    named = os.environ.get("PIP_INDEX_URL"), os.environ.get("UV_DEFAULT_INDEX")
    hosts |= {host for url in named if url and (host := urlsplit(url).hostname)}
    options = {
        "--index" + "-url",
        "--extra-index" + "-url",
        "--find" + "-links",
        "--trusted" + "-host",
    }
    found = [
        f"{path.relative_to(ROOT)}: {needle}"
        for path in tracked
        for needle in hosts | options
        if needle.encode() in path.read_bytes().replace(b"--no-emit-index-url", b"")
    ]
    assert found == []
    assert [path.name for path in tracked if path.name == "uv.lock"] == []


def test_locks_pin_every_line_with_a_hash(root: Path) -> None:
    """Each locked requirement has one exact version and at least one hash."""
    for lock in sorted((root / "requirements").glob("*.txt")):
        text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line.strip()]
        assert lines
        assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []
