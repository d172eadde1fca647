"""A ledger whose signers wrote nonsense is still told: nothing they say can stop a history."""

from __future__ import annotations

from typing import Any

from history_bench import (
    BUNDLE,
    CLERK,
    DESK,
    DIGEST,
    LOG,
    NUMBER,
    TRUST,
    Bench,
    at,
    sealed,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.cli.handing import history_markdown
from custody.formats import canonical, dsse
from custody.formats.dsse import Envelope
from custody.history import docket, register, timeline
from custody.history.values import Timeline

KINDS = (
    "case-opened", "sealed", "received", "refused", "released", "copied", "accessed", "noted",
    "corrected", "disposed", "timestamped", "key-added", "key-revoked", "verified", "attached",
    "of-tomorrow",
)  # fmt: skip
FIELDS = (
    "bundle", "copy", "label", "to", "from", "received_by", "received_at", "release", "receipt",
    "paper", "original", "already_held", "entry", "entry_sha256", "evidence_number", "expires",
    "person", "witness", "began", "path", "checkpoint", "fingerprint", "verdict", "disposed_at",
)  # fmt: skip
SIMPLE = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.just(BUNDLE), st.just("C1"), st.just(NUMBER),
    st.just("../.."), st.just("\x1b[31m\n|<b>"), st.text(max_size=5), st.just(DIGEST),
    st.just("2026-11-22T09:00:00Z"),
)  # fmt: skip
VALUES = st.one_of(
    SIMPLE,
    st.lists(SIMPLE, max_size=2),
    st.dictionaries(st.sampled_from(("name", "key", "size", "payload")), SIMPLE, max_size=3),
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6),
        st.integers(-10, 10),
    ),
    max_size=8,
)


def _told(bench: Bench, listed: list[tuple[str, dict[str, Any], int]]) -> list[Timeline]:
    data = [
        sealed(kind, canonical_details, at(minute), {"copy": DIGEST}, None, DESK, CLERK)
        for kind, details, minute in listed
        if (canonical_details := _writable(details)) is not None
    ]
    case = bench.case
    if data:
        with case.locked(0):
            case.log.append(data, LOG)
    about = register.read(docket.read(case.ledger)[0])
    return [timeline(case, item, TRUST, at(100)) for item in ("", *about.bundles)]


def _writable(details: dict[str, Any]) -> dict[str, Any] | None:
    try:
        canonical.dump(details)
    except ValueError:
        return None
    return details


@settings(max_examples=120, suppress_health_check=list(HealthCheck))
@given(EVENTS)
def test_any_details_are_told(tmp_path_factory: Any, listed: Any) -> None:
    """Whatever details an entry has, of whatever type, every history can be made and printed."""
    bench = Bench(tmp_path_factory.mktemp("hostile") / "case")
    for found in _told(bench, listed):
        found.as_json()
        page = history_markdown.page(found)
        assert "\x1b" not in page
        assert len(found.steps) <= 1 + len(listed)
        for gap in found.gaps:
            assert gap.sentence


def test_a_number_that_was_given_later(bench: Bench) -> None:
    """A bundle is found by every number it was given, and a copy by what is written on it."""
    bench.take_in()
    bench.copy()
    bench.take_in(details={"already_held": True, "evidence_number": "E-004"})
    for item in (NUMBER, "E-004", BUNDLE):
        assert bench.told(item).bundles[0].label == "E-004"
    for item in (f"{NUMBER}/C1", "E-004/C1", f"{BUNDLE}/C1"):
        assert bench.told(item).label == f"{NUMBER}/C1"


def test_bytes_that_are_no_entry(bench: Bench) -> None:
    """A foreign entry is shown in the case's history, in its place, and stops nothing."""
    payload = canonical.dump({"_type": "https://in-toto.io/Statement/v1", "predicate": {}})
    sig = DESK.sign(dsse.pae(dsse.IN_TOTO, payload))
    line = dsse.Signature(DESK.key.fingerprint(), sig)
    bench.append(dsse.dump(Envelope(dsse.IN_TOTO, payload, (line,))))
    bench.seal()
    found = bench.told("")
    assert [step.kind for step in found.steps] == ["case-opened", docket.UNKNOWN, "sealed"]
    assert "not known here" in found.steps[1].summary
    assert found.steps[1].signature.verdict == "trusted"
    assert found.verdict == "ok"


def test_a_label_cannot_be_borrowed(bench: Bench) -> None:
    """A copy is called by its own bundle and number, whatever label its entry gives it."""
    bench.seal()
    details = {"bundle": BUNDLE, "copy": "C1", "label": "E-999/C7"}
    bench.enter("copied", details, digests={"original": DIGEST, "copy": DIGEST})
    found = bench.told(f"{NUMBER}/C1")
    assert found.label == f"{NUMBER}/C1"
    assert found.steps[-1].label == f"{NUMBER}/C1"


def test_an_entry_that_cannot_be_read() -> None:
    """An unreadable entry is about nothing but the case."""
    entry = docket.entry(7, b"not an envelope")
    about = register.read([entry])
    assert about.about == {7: ""}
    assert (entry.kind, entry.event) == (docket.UNREADABLE, None)
