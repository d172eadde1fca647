"""``custody key``: make and show signing keys."""

from __future__ import annotations

import base64
import textwrap
from typing import Annotated, Any

import typer

from custody.cli.frame import Verb
from custody.cli.given import event_options, options
from custody.cli.terminal import console, moments
from custody.errors import UsageError
from custody.formats.vkey import ECDSA, VerifierKey

from . import certify, enter, moving, tokens

app = Verb("Make, keep and vouch for signing keys.")

_LIFE = "8h"

# An Ed25519 SubjectPublicKeyInfo (RFC 8410) is this and the 32 bytes of the key.
_SPKI = bytes.fromhex("302a300506032b6570032100")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="What the key is called, on file and in signatures.")
]
ShownArgument = Annotated[
    str, typer.Argument(metavar="NAME|VKEY", help="One of your keys, or any verifier key.")
]
PersonOption = Annotated[str, typer.Option(metavar="TEXT", help="Whose key it is.")]
NoPassphraseOption = Annotated[
    bool, typer.Option("--no-passphrase", help="Leave the key unencrypted. Think twice.")
]
PemOption = Annotated[
    bool, typer.Option("--pem", help="Print only the public key as PEM, for openssl.")
]


RoleOption = Annotated[
    str,
    typer.Option(
        metavar="ROLE",
        help="Your own role, in your own trust folder: collector, examiner, desk or auditor.",
        show_default=True,
    ),
]
ForHostOption = Annotated[
    bool, typer.Option("--for-host", help="A short-lived key, for a host that collects.")
]
ValidOption = Annotated[
    str | None,
    typer.Option(
        "--valid", metavar="SPAN", help=f"How long it lives: 90m, {_LIFE}, 3d. [default: {_LIFE}]",
        show_default=False,
    ),
]  # fmt: skip


@app.command()
def new(
    name: NameArgument,
    person: PersonOption = "",
    title: event_options.TitleOption = "",
    organization: event_options.OrganizationOption = "",
    role: RoleOption = "collector",
    for_host: ForHostOption = False,
    valid: ValidOption = None,
    pkcs11: tokens.ModuleOption = None,
    token: tokens.TokenOption = "",
    label: tokens.LabelOption = "",
    algorithm: tokens.AlgorithmOption = None,
    no_passphrase: NoPassphraseOption = False,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Make a signing key and trust it yourself.

    Give the printed verifier key, or its fingerprint, to everybody who will check what you sign.
    A key --for-host needs nobody's trust in advance: a desk certifies it.  With --pkcs11 the key
    is in a token, and never leaves it.
    """
    from dataclasses import replace

    from custody import clock
    from custody.cli.given import passphrase
    from custody.identity import trusting
    from custody.identity.keys import KeyFolder

    words = {"person": person, "title": title, "organization": organization}
    for word, text in words.items():
        options.plain_text(f"--{word}", text)
    _require_role(role)
    now = clock.now()
    if valid is not None and not for_host:
        why = "only a key --for-host has an end; others are ended with custody trust revoke"
        raise UsageError("read the command line", "--valid", why)
    until = now + moments.span("--valid", valid or _LIFE) if for_host else None
    home = options.home()
    folder = KeyFolder(home / "keys")
    folder.refuse_taken_name(name)
    trusting.refuse_taken_name(home / "trust", name)
    chosen = tokens.Chosen(pkcs11, token, label, algorithm)
    if chosen.is_token:
        if for_host or no_passphrase:
            why = "neither --for-host nor --no-passphrase goes with it"
            raise UsageError("read the command line", "--pkcs11", why)
        pins = passphrase.source(passphrase_file, passphrase_fd)
        stored = tokens.new(folder, name, chosen, pins, words, now)
        trusting.add_signer(home / "trust", trusting.own_signer(stored, role))
        _show(stored.as_json(), stored.key)
        return
    secret = None
    if no_passphrase:
        passphrase.refuse_any(passphrase_file, passphrase_fd)
    else:
        secret = passphrase.source(passphrase_file, passphrase_fd)(name, True)
    made = folder.new(
        name,
        use="signer",
        passphrase=secret,
        now=now,
        person=person,
        title=title,
        organization=organization,
        valid_until=until,
    )
    for text in made.remarks:
        console.remark(text)
    path = folder.path(name)
    if no_passphrase:
        console.warning(f"the key is not encrypted: whoever can read {path} can sign as {name}")
    mine = replace(trusting.own_signer(made.stored, role), valid_until=until)
    trusting.add_signer(home / "trust", mine)
    _show({**made.stored.as_json(), "path": str(path)}, made.stored.key)
    if for_host:
        certify.say_next(home, made.stored, valid or _LIFE)


def _require_role(role: str) -> None:
    from custody.identity.signers import ROLES

    if role not in ROLES:
        why = f"{role} is none of {', '.join(ROLES)}"
        raise UsageError("read the command line", "--role", why)


@app.command("list")
def list_() -> None:
    """List your keys."""
    from custody.identity.keys import KeyFolder

    folder = KeyFolder(options.home() / "keys")
    keys = folder.list()
    if console.mode().json:
        console.result_json("keys", {"keys": [stored.as_json() for stored in keys]})
        return
    if not keys:
        console.remark(f"no keys in {folder.directory}; make one: custody key new NAME")
        return
    rows: list[tuple[object, ...]] = [
        (
            stored.name,
            stored.use,
            _where(stored.as_json()),
            stored.as_json()["created"],
            stored.as_json().get("valid_until", ""),
            stored.key,
        )
        for stored in keys
    ]
    headers: tuple[str, ...] = ("name", "use", "on disk", "created", "until", "verifier key")
    if not any(stored.valid_until for stored in keys):
        rows, headers = [(*row[:4], row[5]) for row in rows], (*headers[:4], headers[5])
    console.table(rows, headers)


@app.command()
def show(key: ShownArgument, pem: PemOption = False) -> None:
    """Show the public half of a key.

    The verifier key, the fingerprint and, with --pem, what openssl reads.
    """
    from custody.identity.keys import KeyFolder

    if "+" in key:
        public = options.verifier_key(key)
        fields = {
            "name": public.name,
            "vkey": str(public),
            "fingerprint": public.fingerprint(),
        }
    else:
        stored = KeyFolder(options.home() / "keys").get(key)
        public, fields = stored.key, stored.as_json()
    if pem and console.mode().json:
        raise UsageError("read the command line", "--pem and --json", "choose one of them")
    if pem:
        for line in _pem(public).splitlines():
            console.result(line)
        return
    _show(fields, public)


app.command("certify")(certify.certify)
app.command("enter")(enter.enter)
app.command("export")(moving.export)
app.command("import")(moving.import_)
app.command("change-passphrase")(moving.change_passphrase)


def _show(fields: dict[str, Any], key: VerifierKey) -> None:
    if console.mode().json:
        console.result_json("key", {**fields, "pem": _pem(key)})
        return
    order = (
        "name", "vkey", "fingerprint", "use", "person", "title", "organization", "created",
        "valid_until",
    )  # fmt: skip
    labels = {"vkey": "verifier key", "valid_until": "valid until"}
    shown = {labels.get(word, word): fields[word] for word in order if fields.get(word)}
    if "encrypted" in fields:
        shown["on disk"] = _where(fields)
    if "path" in fields:
        shown["file"] = fields["path"]
    for label, value in shown.items():
        console.result(f"{label:<13} ", value)


def _where(fields: dict[str, Any]) -> str:
    """Where the secret is, and how it is kept there."""
    if "pkcs11" in fields:
        return f"in token {fields['pkcs11']['token']}"
    return "encrypted" if fields["encrypted"] else "NOT ENCRYPTED"


def _pem(key: VerifierKey) -> str:
    spki = key.public if key.kind == ECDSA else _SPKI + key.public
    lines = textwrap.wrap(base64.b64encode(spki).decode(), 64)
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])
