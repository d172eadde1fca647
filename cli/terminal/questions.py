"""Questions for a new incident record: only what decides, and nothing twice."""

from __future__ import annotations

import sys
from datetime import date

from custody.errors import CustodyError
from custody.obligations import interview
from custody.obligations.record import Facts, change

from . import console


def answers(today: date) -> dict[str, str]:
    """Ask on the terminal until nothing that decides is open; values as YAML, by field."""
    console.remark("an empty answer leaves a fact open; Ctrl-D ends the questions")
    facts, asked = Facts({}), set[str]()
    while (question := interview.next_question(facts, asked, today)) is not None:
        asked.add(question.fact)
        try:
            facts = _ask(question, facts)
        except EOFError:
            break
    return interview.as_yaml(facts)


def _ask(question: interview.Question, facts: Facts) -> Facts:
    while True:
        sys.stderr.write(f"{question.text}\n  [{question.allowed}] ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        text = line.strip()
        if not text:
            return facts
        try:
            return change(facts, f"{question.fact}={question.value(text)}")[1]
        except CustodyError as err:
            console.warning(" ".join(str(err).split()))
