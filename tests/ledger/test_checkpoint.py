"""Checkpoint texts: three lines, one spelling."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.errors import FormatError
from custody.ledger import checkpoint
from custody.ledger.checkpoint import Checkpoint

ROOT = base64.b64encode(bytes(range(32))).decode()
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1)
CHECKPOINTS = st.builds(
    Checkpoint,
    LINES,
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(LINES, max_size=3).map(tuple),
)


def test_published_bodies(vectors: Path) -> None:
    """What the published Go parser refuses is refused; so is what the stricter text forbids."""
    for case in json.loads((vectors / "checkpoint/bodies.json").read_text())["cases"]:
        # None of the accepted cases has a root of 32 bytes except by the length of its words.
        lines = case["m"].split("\n")
        try:
            strict = len(base64.b64decode(lines[2], validate=True)) == 32 and all(lines[:-1])
        except (ValueError, IndexError):
            strict = False
        if case["go_ok"] and strict:
            assert checkpoint.dump(checkpoint.load(case["m"])) == case["m"]
        else:
            with pytest.raises(FormatError):
                checkpoint.load(case["m"])


@settings(deadline=None)
@given(CHECKPOINTS)
def test_prints_what_it_reads(tree: Checkpoint) -> None:
    """Whatever prints reads back the same."""
    assert checkpoint.load(checkpoint.dump(tree)) == tree


@settings(deadline=None)
@given(st.lists(st.sampled_from(["o", "0", "1", "01", ROOT, ROOT[:-1], "", "x"]), max_size=6))
def test_reads_one_spelling_only(lines: list[str]) -> None:
    """Whatever is read prints back the same; all else is refused with one error."""
    text = "\n".join(lines)
    try:
        tree = checkpoint.load(text)
    except FormatError:
        return
    assert checkpoint.dump(tree) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "final newline"),
        ("\n", "fewer than three"),
        ("log\n1\n", "fewer than three"),
        (f"log\n1\n{ROOT}", "final newline"),
        (f"log\n1\n{ROOT}\n\n", "empty line"),
        (f"\n1\n{ROOT}\n", "empty line"),
        (f"log\n01\n{ROOT}\n", "plain decimal"),
        (f"log\n+1\n{ROOT}\n", "plain decimal"),
        (f"log\n-1\n{ROOT}\n", "plain decimal"),
        (f"log\n1_0\n{ROOT}\n", "plain decimal"),
        (f"log\n 1\n{ROOT}\n", "plain decimal"),
        (f"log\n\u0661\n{ROOT}\n", "plain decimal"),
        (f"log\n{2**63}\n{ROOT}\n", "not below 2"),
        (f"log\n{10**30}\n{ROOT}\n", "plain decimal"),
        (f"log\n{'9' * 5000}\n{ROOT}\n", "plain decimal"),
        (f"log\n1\n{ROOT[:-1]}\n", "not base64"),
        (f"log\n1\n{ROOT} \n", "not base64"),
        (f"log\n1\n{ROOT[:-2]}9=\n", "not canonical base64"),
        (f"log\n1\n{base64.b64encode(bytes(31)).decode()}\n", "31 bytes"),
        (f"log\n1\n{base64.b64encode(bytes(33)).decode()}\n", "33 bytes"),
    ],
)
def test_refuses(text: str, why: str) -> None:
    """A checkpoint in any other spelling is refused, and the reason is said."""
    with pytest.raises(FormatError, match=why):
        checkpoint.load(text)


@pytest.mark.parametrize(
    "tree",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint("log", -1, bytes(32)),
        Checkpoint("log", 2**63, bytes(32)),
        Checkpoint("log", 1, bytes(31)),
        Checkpoint("log", 1, bytes(32), ("",)),
        Checkpoint("log", 1, bytes(32), ("a\nb",)),
    ],
)
def test_does_not_print(tree: Checkpoint) -> None:
    """What would not read back the same is not printed."""
    with pytest.raises(FormatError):
        checkpoint.dump(tree)
