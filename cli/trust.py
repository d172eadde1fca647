"""``custody trust``: whose keys to believe, and since when."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from custody.errors import FormatError, InputError, NotFoundError, UsageError

from . import console, options
from .frame import Verb

app = Verb("Say whose keys to believe, and since when.")
add = Verb("Believe somebody: only after comparing the key over a channel that you trust.")
app.add_typer(add, name="add")

VkeyArgument = Annotated[
    str, typer.Argument(metavar="VKEY", help="The verifier key: name+hhhhhhhh+base64.")
]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="Certificates of the authority, PEM.")
]
PersonOption = Annotated[
    str, typer.Option("--name", metavar="TEXT", help="Whose key it is.", show_default=False)
]
RoleOption = Annotated[
    str,
    typer.Option(metavar="ROLE", help="collector, examiner, desk or auditor.", show_default=True),
]
OrganizationOption = Annotated[str, typer.Option(metavar="TEXT", help="Whom they work for.")]
TitleOption = Annotated[str, typer.Option(metavar="TEXT", help="That person's title.")]
FromOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Valid from: 2026-11-22T03:14:05Z.")
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="No longer valid from this moment on.")
]
WitnessNameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The witness's name in the policy.")
]
AnchorNameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="What to call it here.")
]


@add.command()
def signer(
    key: VkeyArgument,
    name: PersonOption = "",
    role: RoleOption = "collector",
    organization: OrganizationOption = "",
    title: TitleOption = "",
    valid_from: FromOption = None,
    valid_until: UntilOption = None,
    trust: options.TrustOption = None,
) -> None:
    """Believe what this key signs."""
    from custody.identity import trust as store
    from custody.identity.signers import TrustedSigner

    public = options.verifier_key(key)
    for option, text in (("--name", name), ("--organization", organization), ("--title", title)):
        options.plain_text(option, text)
    added = TrustedSigner(
        public.fingerprint(),
        public,
        name=name or public.name,
        role=role,
        organization=organization,
        title=title,
        valid_from=_moment("--valid-from", valid_from),
        valid_until=_moment("--valid-until", valid_until),
    )
    folder = options.trust_directory(trust, must_exist=False)
    is_new = store.add_signer(folder, added)
    _say(folder, "signer", public.name, {**added.as_json(), "added": is_new})


@add.command()
def ledger(key: VkeyArgument, trust: options.TrustOption = None) -> None:
    """Believe the checkpoints of the ledger with this key."""
    from custody.identity import trust as store

    public = options.verifier_key(key)
    folder = options.trust_directory(trust, must_exist=False)
    is_new = store.add_log(folder, public)
    fields = {"vkey": str(public), "fingerprint": public.fingerprint(), "added": is_new}
    _say(folder, "ledger", public.name, fields)


@add.command()
def witness(
    key: VkeyArgument, name: WitnessNameOption = None, trust: options.TrustOption = None
) -> None:
    """Know a witness; whether its word is required says the quorum line of ledger.policy."""
    from custody.identity import trust as store

    public = options.verifier_key(key)
    folder = options.trust_directory(trust, must_exist=False)
    is_new = store.add_witness(folder, public, name or public.name)
    fields = {"vkey": str(public), "fingerprint": public.fingerprint(), "added": is_new}
    _say(folder, "witness", name or public.name, fields)


@add.command()
def tsa(
    file: FileArgument, name: AnchorNameOption = None, trust: options.TrustOption = None
) -> None:
    """Pin the certificates of a time stamp authority."""
    from custody import reading
    from custody.identity import trust as store

    try:
        pem = reading.read_regular(file, store.LARGEST_FILE)
    except (NotFoundError, FormatError) as err:
        raise InputError("read certificates", file, err.why) from err
    folder = options.trust_directory(trust, must_exist=False)
    is_new = store.add_anchor(folder, name or file.stem, pem)
    _say(folder, "tsa", name or file.stem, {"added": is_new})


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


def _rows(known: Any) -> list[tuple[str, ...]]:
    rows = [
        ("signer", item.name, item.role, _validity(item), str(item.key)) for item in known.signers
    ]
    rows += [("ledger", log.name, "", "", str(log)) for log in known.logs]
    rows += [
        ("witness", name, "", "", str(item.key)) for name, item in known.policy.witnesses.items()
    ]
    return rows + [("tsa", anchor.name, "", "", "") for anchor in known.anchors]


def _validity(item: Any) -> str:
    fields = item.as_json()
    words = {"valid_from": "from", "valid_until": "until", "revoked_at": "REVOKED"}
    return ", ".join(f"{said} {fields[word]}" for word, said in words.items() if word in fields)


def _document(folder: Path, known: Any) -> dict[str, Any]:
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
        "require_timestamp": known.require_timestamp,
    }


def _say(folder: Path, kind: str, name: str, fields: dict[str, Any]) -> None:
    if console.mode().json:
        named = {"kind": kind, "key_name": name, "path": str(folder), **fields}
        console.result_json("trust-added", named)
        return
    if not fields["added"]:
        console.remark(f"nothing to do: {folder} says so already")
    console.result(f"{kind} ", name, " is trusted")
    if "fingerprint" in fields:
        console.result("fingerprint ", fields["fingerprint"])
        if fields["added"]:
            console.remark("compare the fingerprint with the paper form before you rely on it")


def _moment(option: str, text: str | None) -> datetime | None:
    from custody import clock

    try:
        return None if text is None else clock.parse_rfc3339(text)
    except FormatError as err:
        raise UsageError("read the command line", option, err.why) from err
