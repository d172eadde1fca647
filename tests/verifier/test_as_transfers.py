"""The tests of hand-overs again: whatever they verify, the checker verifies too."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from agreeing import differs

from custody.identity import trust

_BESIDE = Path(__file__).resolve().parent.parent / "transfer"
sys.path.append(str(_BESIDE))

import hands  # noqa: E402
from test_intake import *  # noqa: E402, F403 - the tests themselves, run again
from test_receipts import *  # noqa: E402, F403
from test_release import *  # noqa: E402, F403

pytestmark = pytest.mark.full


def _fixtures() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("transfer_fixtures", _BESIDE / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return vars(module)


desk, case, receiver, host, logs, bundle, brought = (
    _fixtures()[name] for name in ("desk", "case", "receiver", "host", "logs", "bundle", "brought")
)


@pytest.fixture(autouse=True)
def _two_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    original = hands.Person.__call__

    def judged(self: Any, *arguments: Any, **named: Any) -> Any:
        if arguments[0] == "verify" and Path(arguments[1]).is_dir():
            assert not differs(Path(arguments[1]), trust.load(self.home / "trust"))
        return original(self, *arguments, **named)

    monkeypatch.setattr(hands.Person, "__call__", judged)
