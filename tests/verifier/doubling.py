"""Running the tests of custody's own verify with a second judge beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from agreeing import both

from custody.identity.trust import Trust

_JUDGES = ("check", "check_case", "verify", "verify_bundle", "verify_case")


def double(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each judgement that *module* asks for be compared with the checker's first."""
    for name in _JUDGES:
        if hasattr(module, name):
            monkeypatch.setattr(module, name, _doubled(getattr(module, name)))


def _doubled(judge: Callable[..., Any]) -> Callable[..., Any]:
    def judged(path: Path, *arguments: Any, **named: Any) -> Any:
        trusts = [item for item in (*arguments, *named.values()) if isinstance(item, Trust)]
        if (path / "bagit.txt").exists() or (path / "ledger").exists():
            both(path, *trusts[:1], expect=named.get("expect"))
        return judge(path, *arguments, **named)

    return judged
