"""Running the tests of custody's own verify with a second judge beside it.

Where the two may differ stands in :data:`DIFFERENT`, test by test, with the reason: the checker in
one file does less, and says so.  The list is exact: a test that is named there must differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from agreeing import differs

from custody.identity.trust import Trust

_JUDGES = ("check", "check_case", "verify", "verify_bundle", "verify_case")

_LIES = "test_an_inventory_that_lies_fails"
_NAMES = "test_a_payload_name_that_its_path_does_not_make_fails"
_DIGEST = "25cf65a5b5ef94091f2ec73b34e803c6ed94d42b83a4f9295726f2a14a1228dd"  # of /auth.log
_OTHER = "test_a_signed_statement_about_something_else_fails"
_WHY = {
    "a trusted signer sealed an inventory that tells no walk, or outcomes that do not fit": [
        f"{_LIES}[a directory entered again]",
        f"{_LIES}[no record of a directory]",
        f"{_LIES}[a relative path]",
        f"{_LIES}[a path with dots]",
        f"{_LIES}[another path]",
        f"{_LIES}[a payload of a link]",
        f"{_LIES}[collected, and not to the end]",
        f"{_LIES}[grown, and not larger]",
        f"{_LIES}[empty, and not empty]",
        f"{_LIES}[collected, and no payload]",
        f"{_LIES}[a missing source in the middle]",
        f"{_LIES}[a field that is not known]",
    ],
    "a trusted signer sealed payload names that the paths do not make": [
        f"{_NAMES}[/auth.log-auth2.log]",
        f"{_NAMES}[/auth.log-auth=2Elog]",
        f"{_NAMES}[/auth.log-auth.log=~530fce1edf3480d6f9f3a3a4fb6422c9]",
        f"{_NAMES}[/messages-messages]",
        f"{_NAMES}[/sub/deep/x.log-data/x.log]",
        f"{_NAMES}[/auth.log-data/=~long/{_DIGEST}]",
        "test_a_readable_path_written_as_its_digest_fails",
    ],
    "a trusted signer signed other words than the acquisition record has": [
        f"{_OTHER}[another case]",
        f"{_OTHER}[another authority]",
        f"{_OTHER}[no gaps where there are some]",
        f"{_OTHER}[another host]",
        f"{_OTHER}[another start]",
        f"{_OTHER}[another collector]",
        "test_an_acquisition_record_of_something_else_fails[host]",
    ],
    "time stamps are not read": ["test_events_and_tokens_are_named_by_their_digest"],
    "each entry must be signed by the key in it, which the ledger's own check does not ask": [
        "test_damage_is_found[an entry that its actor did not sign]",
    ],
}
DIFFERENT = {name: why for why, names in _WHY.items() for name in names}
"""Why the two differ, by the name of the test; all of them are about what a trusted key signed."""


@contextmanager
def doubled(module: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """Let each judgement that the test *name* of *module* asks for be compared with the checker's.

    They must agree every time, or, where a difference is named, differ at least once.
    """
    seen: list[str] = []
    for judge in _JUDGES:
        if hasattr(module, judge):
            monkeypatch.setattr(module, judge, _doubled(getattr(module, judge), seen))
    yield
    if name in DIFFERENT:
        assert seen, f"{name} does not differ any more: take it off the list"
    else:
        assert not seen, seen[0]


def _doubled(judge: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    def judged(path: Path, *arguments: Any, **named: Any) -> Any:
        trusts = [item for item in (*arguments, *named.values()) if isinstance(item, Trust)]
        if (path / "bagit.txt").exists() or (path / "ledger").exists():
            how = differs(path, *trusts[:1], expect=named.get("expect"))
            seen.extend([how] if how else [])
        return judge(path, *arguments, **named)

    return judged
