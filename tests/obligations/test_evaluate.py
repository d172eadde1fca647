"""The evaluator: three values, ranges, what is still needed; nothing decided ever flips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.obligations import library, scenarios
from custody.obligations.assess import Assessment, answer_of
from custody.obligations.conditions import All, Always, AnyOf, Fact, Not, RuleHolds, Trace, Truth
from custody.obligations.evaluate import Evaluator
from custody.obligations.kinds import Choice, Count, FieldType, Items, Money, Texts, YesNo
from custody.obligations.record import Facts
from custody.obligations.table import FIELDS, is_deeds
from custody.obligations.values import Range

YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
AS_OF = date(2026, 3, 10)
RULES = library.installed().rules_on(AS_OF)
CONDITIONS = {name: rule.when for name, rule in RULES.items()}
THREE: dict[Truth, dict[str, Any]] = {
    YES: {"entity.website": True},
    NO: {"entity.website": False},
    UNKNOWN: {},
}
A = Fact("entity.website", "is", True)
B = Fact("data.key_accessed", "is", True)


def outcome(condition: Any, known: dict[str, Any]) -> Trace:
    return Evaluator(Facts(known), AS_OF, {}).condition(condition)


def both(one: Truth, other: Truth) -> dict[str, Any]:
    second = {YES: {B.name: True}, NO: {B.name: False}, UNKNOWN: {}}
    return {**THREE[one], **second[other]}


@pytest.mark.parametrize(("one", "other"), list(product(Truth, repeat=2)))
def test_three_values(one: Truth, other: Truth) -> None:
    """A no decides ``all``, a yes decides ``any``, and what is left is unknown if anything is."""
    known, values = both(one, other), {one, other}
    every = NO if NO in values else UNKNOWN if UNKNOWN in values else YES
    some = YES if YES in values else UNKNOWN if UNKNOWN in values else NO
    opposite = {YES: NO, NO: YES, UNKNOWN: UNKNOWN}[one]
    assert outcome(All((A, B)), known).value is every
    assert outcome(AnyOf((A, B)), known).value is some
    assert outcome(Not(A), known).value is opposite


def test_needs_are_what_can_still_change_the_outcome() -> None:
    """When one known fact decides nothing is needed; otherwise only the unknown ones are."""
    assert outcome(All((A, B)), {A.name: False}).needs == ()
    assert outcome(All((A, B)), {A.name: True}).needs == (B.name,)
    assert outcome(AnyOf((A, B)), {A.name: False}).needs == (B.name,)
    assert outcome(All((A, B, A)), {}).needs == (A.name, B.name)
    assert outcome(Always(), {}).value is YES


LIMIT = 1000
RANGES = [
    (Range(1000, 1000), NO, YES), (Range(1001, 1001), YES, YES), (Range(999, 999), NO, NO),
    (Range(1001, None), YES, YES), (Range(1000, None), UNKNOWN, YES), (Range(0, 1000), NO, UNKNOWN),
    (Range(0, 999), NO, NO), (Range(0, None), UNKNOWN, UNKNOWN), (Range(0, 1001), UNKNOWN, UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("value", "more_than", "at_least"), RANGES)
def test_ranges(value: Range, more_than: Truth, at_least: Truth) -> None:
    """A range decides where all of it lies on one side; the mirrored words are the opposite."""
    opposite = {YES: NO, NO: YES, UNKNOWN: UNKNOWN}
    known = {"people.to_notify": value}
    for word, expected in (
        ("more_than", more_than),
        ("at_least", at_least),
        ("at_most", opposite[more_than]),
        ("fewer_than", opposite[at_least]),
    ):
        assert outcome(Fact("people.to_notify", word, LIMIT), known).value is expected


def test_a_rule_is_worked_out_once_and_shown_by_name() -> None:
    """A rule that others ask for is one tree, and they point at it."""
    trace = Evaluator(Facts({}), AS_OF, {"x": A}).condition(All((RuleHolds("x"), RuleHolds("x"))))
    assert trace.needs == (A.name,)
    assert trace.of[0].of[0] is trace.of[1].of[0]
    assert trace.as_json() == {
        "test": "all",
        "value": "unknown",
        "text": "all of these",
        "of": [{"test": "rule", "value": "unknown", "text": "x", "rule": "x"}] * 2,
    }


def values_of(kind: FieldType) -> list[Any]:
    """Values of a type that lie on all sides of the thresholds."""
    if isinstance(kind, YesNo):
        return [True, False]
    if isinstance(kind, Choice):  # the schema's version among them
        return list(kind.values)
    if isinstance(kind, Count):
        exact = (0, 1, 4, 5, 6, 1000, 1001, 150_000, 150_001)
        return [*(Range(n, n) for n in exact), Range(800, 1200), Range(1, None), Range(0, 0)]
    if isinstance(kind, Money):
        return [Decimal("100000.00"), Decimal("100000.01")]
    if isinstance(kind, Texts):
        return [("residents",), ("residents", "employees"), ()]
    return [AS_OF] if "Moment" in type(kind).__name__ else ["text"]


TYPES = YesNo | Choice | Count | Money | Texts
DECIDING = sorted(
    name
    for name, part in FIELDS.items()
    if (isinstance(part.type, TYPES) and name != "schema")
    or name in {"hold.officer", "hold.agency"}
)
ELEMENTS = FIELDS["data.elements"].type
assert isinstance(ELEMENTS, Items)


@st.composite
def elements(draw: st.DrawFn) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            part.name: value
            for part in ELEMENTS.parts
            if (value := draw(st.sampled_from([None, *values_of(part.type)]))) is not None
        }
        for _ in range(draw(st.integers(0, 2)))
    )


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """Facts of which some are known; conditions are met more often than by chance."""
    known: dict[str, Any] = {}
    for name in DECIDING:
        if draw(st.integers(0, 2)):
            known[name] = draw(st.sampled_from(values_of(FIELDS[name].type)))
    if draw(st.booleans()):
        known["data.elements"] = draw(elements())
    return known


@st.composite
def filled(draw: st.DrawFn, known: dict[str, Any]) -> dict[str, Any]:
    """The same facts with some unknowns filled in, also inside lists and ranges."""
    more = dict(known)
    for name in DECIDING:
        value = more.get(name)
        if value is None and draw(st.booleans()):
            more[name] = draw(st.sampled_from(values_of(FIELDS[name].type)))
        elif isinstance(value, Range) and draw(st.booleans()):
            most = value.at_most if value.at_most is not None else value.at_least + 200_000
            exact = draw(st.integers(value.at_least, most))
            more[name] = Range(exact, exact)
    if "data.elements" not in more:
        more["data.elements"] = draw(elements())
    else:
        more["data.elements"] = tuple(
            {**draw(elements_item()), **item} for item in more["data.elements"]
        )
    return more


@st.composite
def elements_item(draw: st.DrawFn) -> dict[str, Any]:
    return {part.name: draw(st.sampled_from(values_of(part.type))) for part in ELEMENTS.parts}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_filling_in_an_unknown_never_flips_what_was_decided(data: st.DataObject) -> None:
    """An answer given with facts missing is the answer given when they are known."""
    known = data.draw(records())
    more = data.draw(filled(known))
    before, after = (Evaluator(Facts(f), AS_OF, CONDITIONS) for f in (known, more))
    for name, rule in RULES.items():
        early, late = before.rule(name).value, after.rule(name).value
        assert early is UNKNOWN or early is late, name
        assert answer_of(rule, early) == "undetermined" or early is late


SCENARIOS = [
    one.facts
    for name, data in library.installed().data.items()
    for one in scenarios.load(data, name)
]
LARGE: dict[str, Any] = {
    "entity.maintains_data_for_others": True,
    "people.to_notify": Range(150_001, 150_001),
    "entity.kind": "city_contractor",
}
VARIANTS = [
    facts.replace({**large, **city})
    for facts in SCENARIOS
    for large in ({}, LARGE)
    for city in ({}, {"incident.city_held_data_affected": False},
                 {"incident.city_systems_affected": False})
]  # fmt: skip
ASKED = [
    (name, wanted)
    for name in RULES
    for wanted in Evaluator(Facts({}), AS_OF, CONDITIONS).rule(name).needs
]


@pytest.mark.parametrize(("rule", "wanted"), ASKED)
def test_each_need_can_decide(rule: str, wanted: str) -> None:
    """Every fact that an empty record is asked for can be the one fact that is left to decide."""
    without = (facts.replace({wanted: None}) for facts in VARIANTS)
    left = (Evaluator(facts, AS_OF, CONDITIONS).rule(rule).needs for facts in without)
    assert (wanted,) in left


def fact_names(assessment: Assessment) -> Iterator[str]:
    for duty in assessment.duties:
        yield from duty.needs


def test_the_empty_record_decides_nothing(judge: Callable[[str], Assessment]) -> None:
    """Without facts every rule that facts decide is undetermined and says what it needs."""
    found = judge("")
    always = {name for name, when in CONDITIONS.items() if isinstance(when, Always)}
    for duty in found.duties:
        if duty.rule.id in always:
            assert duty.answer == "information"
        else:
            assert (duty.answer, bool(duty.needs)) == ("undetermined", True), duty.rule.id
    assert set(fact_names(found)) <= set(FIELDS)


def test_only_deeds_may_be_absent_and_count_as_no() -> None:
    """The one place where absent means no is what has not been done yet."""
    lifted = Fact("hold.lifted_on", "happened", True)
    assert outcome(lifted, {}).value is NO
    assert outcome(lifted, {"hold.lifted_on": AS_OF}).value is YES
    assert {name for name in FIELDS if is_deeds(name)} == {
        "notices.consumers",
        "notices.state_auditor",
    }
