"""An assessment as files to attach: the record, the answers, the summary, and the packs.

The packs go along so that the assessment can be worked out again years later, whatever the
program's own packs say by then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from custody.errors import CustodyError, FormatError
from custody.obligations import blocks, library, output, record, summary
from custody.obligations.assess import EVALUATOR, Assessment, assess
from custody.obligations.record import Facts, Record

KIND = "obligations"
ANSWERS = "obligations.json"
SUMMARY = "obligations.md"
_RECORD_STEM = "incident."
_PACK_ENDING = ".pack.yaml"


def files(assessment: Assessment, packs: library.Library) -> dict[str, bytes]:
    """What is attached, by file name; the record's own name is not kept, it may name people."""
    suffix = assessment.record.name.rpartition(".")[2].lower()
    return {
        _RECORD_STEM + suffix: record_bytes(assessment),
        ANSWERS: answer_bytes(assessment),
        SUMMARY: summary_bytes(assessment),
        **{name.removesuffix(".yaml") + _PACK_ENDING: data for name, data in packs.data.items()},
    }


def record_bytes(assessment: Assessment) -> bytes:
    """The incident record, exactly as it was read."""
    return assessment.record.data


def answer_bytes(assessment: Assessment) -> bytes:
    """The answers as ``custody.obligations/v1``."""
    return output.dump(assessment)


def summary_bytes(assessment: Assessment) -> bytes:
    """The summary for people, as Markdown."""
    return blocks.markdown(summary.build(assessment)).encode()


def details(assessment: Assessment) -> dict[str, Any]:
    """What the signed statement says beside the digests: nothing about any person."""
    return {
        "kind": KIND,
        "evaluator": EVALUATOR,
        "as_of": assessment.as_of.isoformat(),
        "packs": {pack.id: f"{pack.version} sha256:{pack.sha256}" for pack in assessment.packs},
    }


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What working an attached assessment out again gave.

    :ivar same: the answers and the summary are the same bytes.
    :ivar evaluator: the evaluator's version that wrote the attached answers.
    :ivar differences: the files that came out otherwise.
    """

    same: bool
    evaluator: str
    differences: tuple[str, ...]

    @property
    def is_finding(self) -> bool:
        """A difference under the same evaluator is a finding; under another one a remark."""
        return not self.same and self.evaluator == EVALUATOR


def recompute(attached: Mapping[str, bytes]) -> Recomputed:
    """Work an assessment out again from its own record, packs and day.

    :raises FormatError: if the files are not those of an assessment.
    """
    try:
        document = json.loads(attached[ANSWERS])
        evaluator = str(document["evaluator"])
        again = _again(attached, document)
    except (CustodyError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        why = f"not an assessment: {err}"
        raise FormatError("read attached assessment", None, why) from err
    made = {ANSWERS: answer_bytes(again), SUMMARY: summary_bytes(again)}
    differences = tuple(name for name, data in made.items() if attached.get(name) != data)
    return Recomputed(not differences, evaluator, differences)


def _again(attached: Mapping[str, bytes], document: Mapping[str, Any]) -> Assessment:
    packs = {
        name.removesuffix(_PACK_ENDING) + ".yaml": data
        for name, data in attached.items()
        if name.endswith(_PACK_ENDING)
    }
    order = [f"{pack['id']}.yaml" for pack in document["packs"]]
    found = library.of({name: packs[name] for name in order})
    read = attached_record(attached)
    day = date.fromisoformat(document["as_of"])
    return assess(
        read, found, day, entered=tuple(document["entered"]), what_if=tuple(document["what_if"])
    )


def attached_record(attached: Mapping[str, bytes]) -> Record:
    """The incident record among the attached files.

    :raises FormatError: if there is none, or it does not parse.
    """
    for name, data in attached.items():
        if name.startswith(_RECORD_STEM):
            return record.parse(data, name)
    raise FormatError("read attached assessment", None, "there is no incident record")


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact or an answer that is not what it was in the assessment before."""

    name: str
    before: str
    after: str


def differences(
    older: Mapping[str, bytes], newer: Mapping[str, bytes]
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """What changed between two attached assessments: facts, and answers.

    :raises FormatError: if either is not an assessment.
    """
    facts, more = (_facts(attached_record(one).facts) for one in (older, newer))
    answers, others = _answers(older), _answers(newer)
    return tuple(_changed(facts, more, "unknown")), tuple(_changed(answers, others, "not there"))


def _facts(facts: Facts) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in facts.as_json().items()}


def _answers(attached: Mapping[str, bytes]) -> dict[str, str]:
    try:
        document = json.loads(attached[ANSWERS])
        return {str(duty["id"]): str(duty["answer"]) for duty in document["duties"]}
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise FormatError("read attached assessment", ANSWERS, str(err)) from err


def _changed(
    before: Mapping[str, str], after: Mapping[str, str], absent: str
) -> Iterator[Difference]:
    for name in {**before, **after}:
        one, other = before.get(name, absent), after.get(name, absent)
        if one != other:
            yield Difference(name, one, other)
