"""One list, four places: the docstring, the code, the output and FORMAT.md."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from verify_bench import check, check_case

from custody.verify import bundle as of_bundle
from custody.verify import case as of_case
from custody.verify.result import Check, verdict_of


@pytest.mark.parametrize("module", [of_bundle, of_case])
def test_the_docstring_has_the_names_of_the_checks(module: ModuleType) -> None:
    """The prose at the top of the module numbers and names the checks as the output does."""
    numbered = re.findall(r"^(\d+)\. ([A-Z][a-z ]+):", module.__doc__ or "", re.MULTILINE)
    assert {int(number): name.lower() for number, name in numbered} == module.CHECKS


@pytest.mark.parametrize(("heading", "module"), [("a bundle", of_bundle), ("a case", of_case)])
def test_the_formats_page_has_the_same_list(root: Path, heading: str, module: ModuleType) -> None:
    """FORMAT.md tells the same numbers and names."""
    text = (root / "FORMAT.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## Verifying {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^(\d+)\. \*\*([a-z ]+)\*\*", section, re.MULTILINE)
    assert {int(number): name for number, name in found} == module.CHECKS


def test_the_code_marks_each_check_where_it_happens(root: Path) -> None:
    """An auditor finds `# (n)` in the code for every number of both lists."""
    texts = {path.name: path.read_text() for path in (root / "custody/verify").glob("*.py")}
    rooms = (root / "custody/verify/case").glob("*.py")
    of_cases = "".join(path.read_text() for path in rooms) + texts["entries.py"]
    for number in of_bundle.CHECKS:
        assert any(f"# ({number}) " in text or f"({number})\n" in text for text in texts.values())
    for number in of_case.CHECKS:
        assert f"({number})" in of_cases


def test_the_output_has_the_same_list(bag: Path, case: Path) -> None:
    """Every check is told, in order, whatever became of it."""
    for found, module in ((check(bag), of_bundle), (check_case(case), of_case)):
        assert {item.number: item.name for item in found.checks} == module.CHECKS
        assert [item.number for item in found.checks] == sorted(module.CHECKS)


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (["ok", "ok!"], "ok"),
        (["not-checked", "ok!"], "ok"),
        (["not-checked!", "ok!"], "cannot-verify"),
        (["not-checked!", "fail"], "failed"),
        (["not-checked", "fail!"], "failed"),
        ([], "ok"),
    ],
)
def test_the_verdict_is_one_rule(statuses: list[str], verdict: str) -> None:
    """Any failure, else anything required that was not done, else all is well ("!": required)."""
    checks = [
        Check(number, "x", text.rstrip("!"), "", text.endswith("!"))  # type: ignore[arg-type]
        for number, text in enumerate(statuses)
    ]
    assert verdict_of(checks) == verdict
