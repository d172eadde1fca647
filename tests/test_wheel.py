"""What is installed: the wheel, built from a source distribution, away from the tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import custody as library


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the source distribution makes, without a network and without the tree."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tree)
    for name in ("custody", "cli"):
        shutil.copytree(root / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", ".", cwd=tree)
    (made,) = (tree / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_one_top_level_name(contents: set[str]) -> None:
    """The wheel puts `custody` and nothing else beside other people's packages."""
    version = library.__version__
    assert {name.split("/")[0] for name in contents} == {
        "custody",
        f"custody-{version}.dist-info",
    }


def test_nothing_is_forgotten(root: Path, contents: set[str]) -> None:
    """Every module, rule pack, page and fixed text is in the wheel, and no other module."""
    expected = set()
    for folder, package in (("custody", "custody"), ("cli", "custody/cli")):
        for path in (root / folder).rglob("*"):
            if path.suffix in {".py", ".yaml", ".txt", ".html", ".css"} or path.name == "py.typed":
                expected.add(f"{package}/{path.relative_to(root / folder).as_posix()}")
    assert {name for name in contents if name.startswith("custody/")} == expected


def test_the_installed_copy_runs(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment the wheel's own `custody` starts and tells its version."""
    fresh = tmp_path / "fresh"
    run(sys.executable, "-m", "venv", "--without-pip", fresh, cwd=tmp_path)
    scheme = {"base": str(fresh), "platbase": str(fresh)}
    python = Path(sysconfig.get_path("scripts", "venv", scheme)) / Path(sys.executable).name
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run(*pip, "--no-index", "--no-deps", wheel, cwd=tmp_path)
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    (packages / "the-libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    script = "import custody.cli, sys; sys.stdout.write(custody.cli.__file__)"
    assert Path(run(python, "-c", script, cwd=tmp_path)).is_relative_to(fresh)
    assert library.__version__ in run(python.parent / "custody", "--version", cwd=tmp_path)
