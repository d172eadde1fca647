"""A small bundle and a small case, made once by the real collector; each test works on a copy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from verify_bench import ACTOR, LOG, NOW, SIGNER, gather

from custody import case as cases
from custody.collect import Destination


@dataclass(frozen=True)
class Made:
    """The masters that every test copies."""

    bundle: Path
    case: Path


FILES = {
    b"auth.log": b"Nov 22 03:14:05 web01 sshd[7]: Accepted password\n",
    b"empty.log": b"",
    b"Messages": b"upper\n",
    b"messages": b"lower\n",
    b"odd =%\xff\n\x1b[31m.log": b"odd\n",
    b"sub/" + b"l" * 230: b"long component\n",
    b"sub/deep/x.log": b"deep\n",
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    base = tmp_path_factory.mktemp("masters")
    source = base / "log"
    for name, data in FILES.items():
        path = source / Path(str(name, "utf-8", "surrogateescape"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (source / "link").symlink_to("auth.log")
    bundle = gather(source, Destination(base / "out"))
    directory = base / "case"
    case = cases.create(directory, "7", "A test", log_key=LOG, signer=SIGNER, actor=ACTOR, now=NOW)
    for _ in range(2):
        gather(source / "sub", Destination(directory, case, LOG, [SIGNER.key]))
    return Made(bundle, directory)


@pytest.fixture
def bag(made: Made, tmp_path: Path) -> Path:
    """A copy of a bundle without a ledger."""
    return Path(shutil.copytree(made.bundle, tmp_path / "copy", symlinks=True))


@pytest.fixture
def case(made: Made, tmp_path: Path) -> Path:
    """A copy of a case with two bundles."""
    return Path(shutil.copytree(made.case, tmp_path / "case-copy", symlinks=True))


@pytest.fixture
def entered(case: Path) -> Path:
    """A bundle with a receipt: one of those in the case."""
    return min((case / "bundles").iterdir())
