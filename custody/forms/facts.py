"""The facts that the form and the certificate share, as plain JSON.

What comes from the acquisition record is what the host and the collector said; a field of another
kind than it should be counts as not said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from custody import clock
from custody.acquire.outcomes import GAPS
from custody.formats import note, vkey
from custody.formats.statement import Actor
from custody.forms import chain
from custody.forms.item import Item
from custody.forms.standing import NOT_HERE, Standing
from custody.history.values import Timeline
from custody.verify import Check

MOST_GAPS = 40
MOST_FINDINGS = 40
_MOST_REMARKS = 20
_MOST_SOURCES = 40
_MOST_PATHS = 10

NOT_PROVEN = tuple(
    """\
that the logs were true before they were collected, or that the host was clean;
that nobody else used a signing key, or watched its passphrase;
when something was signed, beyond the word of whoever signed it, unless a trusted time is given;
that no other history was ever made, by somebody who holds every key, the ledger's too, unless a \
checkpoint of the ledger was kept elsewhere: compare the one that is given here;
where a thing was, and who held it, between the moments that are entered;
anything that is written here by hand.
""".splitlines()
)


def item(found: Item, standing: Standing, timeline: Timeline | None) -> dict[str, Any]:
    """What the thing is: names, description, how much."""
    event, record, bundle = found.event, found.acquisition, standing.bundle
    words, details = {} if event is None else event.words, found.details
    number = _text(details, "evidence_number") or _text(record, "evidence_number")
    case = words.get("case", "") or _text(record, "case")
    if timeline is not None:
        case = timeline.case or case
        number = next((one.evidence_number for one in timeline.bundles), "") or number
    return {
        "bundle": found.bundle,
        "evidence_number": number,
        "case": case,
        "description": words.get("comment", "") or _text(record, "description"),
        "files": bundle.files if bundle is not None else _number(details, "files"),
        "bytes": bundle.bytes if bundle is not None else _number(details, "bytes"),
        "attachments": 0 if bundle is None else len(bundle.attachments),
    }


def gaps(found: Item, standing: Standing) -> dict[str, Any]:
    """What was asked for and could not be collected whole: counts, and the first of them."""
    bundle = standing.bundle
    if bundle is None:
        details = found.details
        outcomes = _object(details, "outcomes")
        counted = {name: count for name, count in outcomes.items() if name in GAPS}
        return {"count": _number(details, "gaps"), "outcomes": counted, "listed": []}
    return {
        "count": bundle.gaps,
        "outcomes": {name: count for name, count in bundle.outcomes.items() if name in GAPS},
        "listed": [gap.as_json() for gap in bundle.gap_list[:MOST_GAPS]],
    }


def source(found: Item) -> dict[str, Any]:
    """The host, as it described itself; texts, and lists of texts."""
    host = _object(found.acquisition, "host")
    names = ("hostname", "fqdn", "machine_id", "boot_id", "os", "kernel", "time_zone")
    said = {name: _text(host, name) for name in names}
    if not said["hostname"] and found.event is not None:
        said["hostname"] = _text(found.event.details, "host")
    return {**said, "macs": _texts(host, "macs"), "ips": _texts(host, "ips")}


def obtained(found: Item) -> dict[str, Any]:
    """From where, when, by whom, why, by what, as the collector stated it."""
    record, event = found.acquisition, found.event
    details = {} if event is None else event.details
    tool = _object(record, "tool")
    return {
        "by": chain.person(Actor("") if event is None else event.actor),
        "started": _text(record, "started") or _text(details, "started"),
        "finished": _text(record, "finished") or _text(details, "finished"),
        "sealed": "" if event is None else clock.rfc3339(event.time),
        "authority": ("" if event is None else event.words.get("authority", "")),
        "sources": [_source(one) for one in _list(record, "sources")[:_MOST_SOURCES]],
        "sources_omitted": max(len(_list(record, "sources")) - _MOST_SOURCES, 0),
        "excluded": _texts(record, "exclude"),
        "command": _texts(record, "command"),
        "clock": _clock(record),
        "watch_seconds": _number(_object(record, "watch"), "every") or None,
        "tool": {
            **{name: _text(tool, name) for name in
               ("name", "version", "sha256", "python", "platform")},
            "stated": _text(details, "tool"),
        },
    }  # fmt: skip


def clocks(found: Item, standing: Standing) -> dict[str, Any]:
    """Three clocks, side by side: the signer's, an authority's, a witness's."""
    if standing.bundle is None:
        host = None if found.event is None else clock.rfc3339(found.event.time)
        return {"host": host, "authority": [], "witness": []}
    return standing.bundle.clocks.as_json()


def _source(one: Any) -> dict[str, Any]:
    said = one if isinstance(one, dict) else {}
    paths = [_text(path, "path") for path in _list(said, "paths") if isinstance(path, dict)]
    left_out = _number(said, "paths_omitted") + max(len(paths) - _MOST_PATHS, 0)
    return {"asked": _text(said, "asked"), "paths": paths[:_MOST_PATHS], "paths_omitted": left_out}


def _clock(record: Mapping[str, Any]) -> dict[str, Any]:
    said = _object(record, "clock")
    offset = said.get("utc_offset_seconds")
    error = said.get("estimated_error_microseconds")
    return {
        "utc_offset": _offset(offset) if type(offset) is int else "",
        "ntp": _text(said, "ntp"),
        "estimated_error_microseconds": error if type(error) is int else None,
    }


def _offset(seconds: int) -> str:
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def hashes(found: Item, standing: Standing) -> dict[str, Any]:
    """The digests, as they were sealed and as they are now, and the key that signed."""
    bundle = standing.bundle
    claimed = "" if found.event is None else found.event.actor.key
    trusted = None if bundle is None else bundle.signer
    return {
        "algorithm": "SHA-256",
        "statement": found.statement_sha256,
        "tag_manifest_sealed": found.sealed,
        "tag_manifest_now": found.pinned,
        "payload_manifest": found.manifest,
        "signature_algorithm": algorithm(claimed),
        "key": claimed,
        "fingerprint": fingerprint(claimed) or _text(found.intake, "signer"),
        "trusted": trusted is not None,
        "trusted_as": "" if trusted is None or trusted.vouched_by else trusted.name,
        "vouched_by": "" if trusted is None else trusted.vouched_by,
        "role": "" if trusted is None else trusted.role,
    }


def algorithm(key: str) -> str:
    """What a verifier key signs with; a key that cannot be read is taken for the usual one."""
    try:
        is_ecdsa = vkey.parse(key).kind == vkey.ECDSA
    except ValueError:
        is_ecdsa = False
    return "ECDSA P-256 with SHA-256" if is_ecdsa else "Ed25519"


def fingerprint(key: str) -> str:
    """The fingerprint of a verifier key; empty where it is none."""
    try:
        return vkey.parse(key).fingerprint()
    except ValueError:
        return ""


def verified(found: Item, standing: Standing, timeline: Timeline | None) -> dict[str, Any]:
    """The verdict of the moment, the checks, findings and remarks behind it."""
    bundle = standing.bundle
    absent = Check(0, "bundle", "not-checked", NOT_HERE, required=True)
    own = (absent,) if bundle is None else bundle.checks
    checks = [_check("bundle", check) for check in own]
    checks += [_check("ledger", check) for check in standing.checks]
    findings = [finding.as_json() for finding in standing.findings[:MOST_FINDINGS]]
    return {
        "verdict": standing.verdict,
        "sentence": _sentence(found, standing),
        "hint": standing.hint,
        "checks": checks,
        "findings": findings,
        "finding_count": len(standing.findings) + standing.unlisted,
        "remarks": _remarks(standing, timeline)[:_MOST_REMARKS],
    }


def _remarks(standing: Standing, timeline: Timeline | None) -> list[dict[str, str]]:
    """What is worth knowing and changes no verdict, of the bundle and of the ledger."""
    said = (
        [] if standing.bundle is None else [remark.as_json() for remark in standing.bundle.remarks]
    )
    if timeline is not None:
        said += [
            {"path": f"ledger/{remark.path}", "message": remark.message}
            for remark in timeline.ledger.remarks
        ]
        said += [{"path": "ledger", "message": text} for text in timeline.remarks]
    return said


def _check(of: str, check: Check) -> dict[str, Any]:
    return {"of": of, **check.as_json()}


def _sentence(found: Item, standing: Standing) -> str:
    if standing.verdict == "failed":
        return (
            "This is not as it was sealed, entered or expected. Do not rely on this copy before"
            " every finding is explained."
        )
    if standing.verdict == "cannot-verify":
        return (
            "Nothing was found wrong, but something needed to be sure is missing. This is not a"
            " sign of tampering, and it is no proof of the opposite."
        )
    ledger = "; the ledger has it, agrees, and was derived again" if standing.checks else ""
    name = "the holder of the key in section 3"
    if found.event is not None and found.event.actor.name:
        name = found.event.actor.name
    return f"This copy is, byte for byte, what {name} sealed{ledger}."


def ledger(timeline: Timeline | None) -> dict[str, Any] | None:
    """The ledger that was consulted, and its checkpoint as text; None where none was."""
    if timeline is None:
        return None
    report = timeline.ledger
    data = b"" if report.published is None else report.published.data
    return {
        "origin": report.origin or "",
        "size": report.size,
        "root": None if report.root is None else report.root.hex(),
        "verdict": report.verdict,
        "checkpoint": checkpoint_text(data),
        "cosigned": sorted(report.cosigned),
        "remembered": report.remembered,
    }


def checkpoint_text(data: bytes) -> str:
    """A checkpoint as text; empty where it is not one, or none."""
    try:
        note.load(data)
    except ValueError:
        return ""
    return data.decode()


# ---- reading what may be anything


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _number(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name)
    return value if type(value) is int else 0


def _object(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    value = record.get(name)
    return value if isinstance(value, list) else []


def _texts(record: Mapping[str, Any], name: str) -> list[str]:
    return [value for value in _list(record, name) if isinstance(value, str)]
