"""``custody trust add``: believe somebody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.frame import Verb
from custody.cli.given import event_options, options
from custody.cli.terminal import console, moments
from custody.errors import FormatError, InputError, NotFoundError

from . import anchors

if TYPE_CHECKING:
    from custody.formats.vkey import VerifierKey

app = Verb("Believe somebody, after comparing their key.")

SignerArgument = Annotated[
    str,
    typer.Argument(
        metavar="VKEY|FINGERPRINT",
        help="The verifier key, name+hhhhhhhh+base64; or its fingerprint, from a paper form.",
    ),
]
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


@app.command()
def signer(
    key: SignerArgument,
    name: PersonOption = "",
    role: RoleOption = "collector",
    organization: event_options.OrganizationOption = "",
    title: event_options.TitleOption = "",
    valid_from: FromOption = None,
    valid_until: UntilOption = None,
    trust: options.TrustOption = None,
) -> None:
    """Believe what this key signs.

    A fingerprint alone is enough for the bundles and entries that name their key.  A
    countersignature names none: for that, add the verifier key when you have it.
    """
    from custody.identity import trusting
    from custody.identity.signers import TrustedSigner
    from custody.identity.trust import read_fingerprint

    public = options.verifier_key(key) if "+" in key else None
    fingerprint = read_fingerprint(key) if public is None else public.fingerprint()
    for option, text in (("--name", name), ("--organization", organization), ("--title", title)):
        options.plain_text(option, text)
    key_name = fingerprint if public is None else public.name
    added = TrustedSigner(
        fingerprint,
        public,
        name=name or key_name,
        role=role,
        organization=organization,
        title=title,
        valid_from=moments.moment("--valid-from", valid_from),
        valid_until=moments.moment("--valid-until", valid_until),
    )
    folder = options.trust_directory(trust, must_exist=False)
    is_new = trusting.add_signer(folder, added)
    if "/" in key_name:
        said = f"{key_name} looks like a ledger's name, whose key signs checkpoints alone"
        console.warning(f"{said}; a ledger is added with: custody trust add ledger VKEY")
    _say(folder, "signer", key_name, {**added.as_json(), "added": is_new})


@app.command()
def ledger(key: VkeyArgument, trust: options.TrustOption = None) -> None:
    """Believe the checkpoints of the ledger with this key."""
    from custody.identity import trusting

    public = options.verifier_key(key)
    folder = options.trust_directory(trust, must_exist=False)
    is_new = trusting.add_log(folder, public)
    if not _is_origin(public.name):
        said = f"a ledger's key bears the ledger's name, and {public.name} looks like a person's"
        console.warning(f"{said}; a signer is added with: custody trust add signer VKEY")
    _say(folder, "ledger", public.name, _fields(public, is_new))


@app.command()
def witness(
    key: VkeyArgument, name: WitnessNameOption = None, trust: options.TrustOption = None
) -> None:
    """Know a witness of ledgers.

    Whether its word is required says the quorum line of ledger.policy.
    """
    from custody.identity import trusting

    public = options.verifier_key(key)
    folder = options.trust_directory(trust, must_exist=False)
    is_new = trusting.add_witness(folder, public, name or public.name)
    _say(folder, "witness", name or public.name, _fields(public, is_new))


@app.command()
def tsa(
    file: FileArgument, name: AnchorNameOption = None, trust: options.TrustOption = None
) -> None:
    """Pin the certificates of a time stamp authority."""
    from custody import reading
    from custody.identity import trusting
    from custody.identity.trust import LARGEST_FILE
    from custody.stamping import opinion

    try:
        pem = reading.read_regular(file, LARGEST_FILE)
    except (NotFoundError, FormatError) as err:
        raise InputError("read certificates", file, err.why) from err
    folder = options.trust_directory(trust, must_exist=False)
    is_new = trusting.add_anchor(folder, name or file.stem, pem)
    pinned = list(anchors.described(pem))
    _say(folder, "tsa", name or file.stem, {"added": is_new, "certificates": pinned})
    if not opinion.has_root(pem):
        console.warning(
            "none of these certificates is self-signed, so no stamp will count by them: add the"
            " authority's root certificate too"
        )


def _is_origin(name: str) -> bool:
    """Whether a key's name could be a ledger's: a path or a host, and no mail address."""
    return "/" in name or ("." in name and "@" not in name)


def _fields(key: VerifierKey, is_new: bool) -> dict[str, Any]:
    return {"vkey": str(key), "fingerprint": key.fingerprint(), "added": is_new}


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
            on_form = kind == "signer" and fields.get("role") == "collector"
            what = "the paper form" if on_form else "whoever holds the key, in another way"
            console.remark(f"compare the fingerprint with {what} before you rely on it")
    for certificate in fields.get("certificates", ()):
        console.result("subject     ", certificate["subject"])
        console.result(
            "valid       ", certificate["valid_from"], " to ", certificate["valid_until"]
        )
        console.result("sha256      ", certificate["sha256"])
    if "certificates" in fields and fields["added"]:
        console.remark("compare these digests with what the authority publishes elsewhere")
