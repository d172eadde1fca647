"""``custody trust``: whose keys to believe, and since when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.frame import Verb
from custody.cli.given import options
from custody.cli.terminal import console
from custody.counted import counted
from custody.errors import NotFoundError

from . import anchors, trust_add, trust_revoke

if TYPE_CHECKING:
    from custody.identity.signers import TrustedSigner
    from custody.identity.trust import Trust

app = Verb("Say whose keys to believe, and since when.")
app.add_typer(trust_add.app, name="add")
app.command("revoke")(trust_revoke.revoke)

ShownArgument = Annotated[
    str,
    typer.Argument(
        metavar="KEY|NAME",
        help="A verifier key, a fingerprint, or the name of whoever is listed.",
    ),
]


@app.command("list")
def list_(trust: options.TrustOption = None) -> None:
    """List whom you believe."""
    from custody.identity import trust as store

    folder = options.trust_directory(trust)
    known = store.load(folder)
    if console.mode().json:
        console.result_json("trust", _document(folder, known))
        return
    rows = _rows(known)
    if rows:
        console.table(rows, ("kind", "name", "role", "valid", "verifier key"))
    else:
        console.remark(f"nobody is trusted in {folder}; add one: custody trust add signer VKEY")
    for text in _required(known):
        console.result("required: ", text)


@app.command()
def show(name: ShownArgument, trust: options.TrustOption = None) -> None:
    """Show all that your trust folder says of one key."""
    from custody.identity import trust as store

    folder = options.trust_directory(trust)
    found = list(_named(store.load(folder), name))
    if not found:
        why = f"nobody of that name or key is in {folder}"
        raise NotFoundError("show trust", name, why, hint="custody trust list")
    if console.mode().json:
        console.result_json("trust-entries", {"path": str(folder), "entries": found})
        return
    for entry in found:
        for word, value in entry.items():
            console.result(f"{word.replace('_', ' '):<16} ", value)


def _named(known: Trust, text: str) -> Iterator[dict[str, str]]:
    """Every entry that *text* names."""
    from custody import clock
    from custody.identity.signers import key_name

    wanted = text.strip().removeprefix("sha256:").lower()
    for item in known.signers:
        names = (item.name, key_name(item), str(item.key))
        if text in names or wanted == item.fingerprint:
            yield {"kind": "signer", **item.as_json()}
    keys = [("ledger", log.key.name, log.key, log.url) for log in known.policy.logs]
    keys += [("witness", name, item.key, item.url) for name, item in known.policy.witnesses.items()]
    for kind, name, key, url in keys:
        if text in (name, str(key)) or wanted == key.fingerprint():
            fields = {"name": name, "vkey": str(key), "fingerprint": key.fingerprint()}
            yield {"kind": kind, **fields} | ({"url": url} if url else {})
    for anchor in known.anchors:
        if text == anchor.name:
            named = {"kind": "tsa", "name": anchor.name}
            yield from ({**named, **fields} for fields in anchors.described(anchor.pem))
    if wanted in _unlisted(known):
        moment = clock.rfc3339(known.revoked[wanted])
        yield {"kind": "revoked", "fingerprint": wanted, "revoked_at": moment}


def _unlisted(known: Trust) -> list[str]:
    """The fingerprints that are revoked without being listed."""
    return [key for key in known.revoked if known.signer_for(key) is None]


def _rows(known: Trust) -> list[tuple[str, ...]]:
    from custody import clock

    rows: list[tuple[str, ...]] = [
        ("signer", item.name, item.role, _validity(item), _key(item)) for item in known.signers
    ]
    rows += [("ledger", log.name, "", "", str(log)) for log in known.logs]
    rows += [
        ("witness", name, "", "", str(item.key)) for name, item in known.policy.witnesses.items()
    ]
    rows += [("tsa", anchor.name, "", "", "") for anchor in known.anchors]
    return rows + [
        ("revoked", "", "", f"REVOKED {clock.rfc3339(known.revoked[key])}", key)
        for key in _unlisted(known)
    ]


def _key(item: TrustedSigner) -> str:
    return item.fingerprint if item.key is None else str(item.key)


def _validity(item: TrustedSigner) -> str:
    fields = item.as_json()
    words = {"valid_from": "from", "valid_until": "until", "revoked_at": "REVOKED"}
    return ", ".join(f"{said} {fields[word]}" for word, said in words.items() if word in fields)


def _required(known: Trust) -> Iterator[str]:
    if known.require_timestamp:
        yield "a time stamp for every signature"
    if known.require_roles:
        yield f"of every bundle, a signature by each of: {', '.join(known.require_roles)}"
    if known.key_quorum > 1:
        yield f"{counted(known.key_quorum, 'desk')} for what is believed of a key"


def _document(folder: Path, known: Trust) -> dict[str, Any]:
    from custody import clock

    return {
        "path": str(folder),
        "signers": [item.as_json() for item in known.signers],
        "ledgers": [
            {"name": log.key.name, "vkey": str(log.key), "url": log.url}
            for log in known.policy.logs
        ],
        "witnesses": [
            {"name": name, "vkey": str(item.key), "url": item.url}
            for name, item in known.policy.witnesses.items()
        ],
        "quorum": known.policy.quorum,
        "tsa": [anchor.name for anchor in known.anchors],
        "revoked": [
            {"fingerprint": key, "revoked_at": clock.rfc3339(known.revoked[key])}
            for key in _unlisted(known)
        ],
        "require_timestamp": known.require_timestamp,
        "require_roles": list(known.require_roles),
        "key_quorum": known.key_quorum,
    }
