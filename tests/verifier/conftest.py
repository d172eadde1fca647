"""The masters of tests/verify, and the checker as it is handed out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_BESIDE = Path(__file__).resolve().parent.parent / "verify"
sys.path.insert(0, str(_BESIDE))


def _masters() -> dict[str, object]:
    spec = importlib.util.spec_from_file_location("verify_masters", _BESIDE / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return vars(module)


made, bag, case, entered = (_masters()[name] for name in ("made", "bag", "case", "entered"))
