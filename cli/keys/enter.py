"""``custody key enter``: another desk's word about a key, entered in a case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.given import ledger_where, options
from custody.cli.terminal import console
from custody.errors import FormatError, InputError, NotFoundError, TrustError

if TYPE_CHECKING:
    from custody.case import Case
    from custody.cli.given.desk import Desk
    from custody.identity.trust import Trust

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The certificate that the other desk signed.")
]


def enter(
    file: FileArgument,
    signing_key: options.KeyOption = None,
    trust: options.TrustOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter another desk's certificate in a case.

    Where a case asks for two desks, the second one signs on a machine of its own and sends the
    file.  It is entered only if you trust that desk.
    """
    from custody import certifying, reading
    from custody.certifying import held
    from custody.cli.given import desk, passphrase
    from custody.formats import dsse
    from custody.identity import trust as store
    from custody.keeping import WAIT_SECONDS

    try:
        data = reading.read_regular(file, dsse.LARGEST_ENVELOPE)
        event = held.load(data)
    except (NotFoundError, FormatError) as err:
        raise InputError("read key event", file, err.why) from err
    folder = options.trust_directory(trust)
    believed = store.load(folder)
    why = certifying.why_not_by_desk(believed, event)
    if why:
        raise TrustError("enter key event", file, f"{why}; nothing was entered")
    secret = passphrase.source(passphrase_file, passphrase_fd)
    ready = desk.ready("key enter FILE", signing_key, secret)
    with ready.writing(options.wait_seconds(WAIT_SECONDS)) as writing:
        index = ready.case.ledger.find(data)
        is_new = index is None
        if index is None:
            _lay(ready, event.bundle, data)
            index = writing.append([data])
    ledger_where.tell_troubles(ready.case.memory)
    tell(ready.case, believed, index)
    if console.mode().json:
        document = {"fingerprint": event.fingerprint, "type": event.kind, "entry": index,
                    "added": is_new}  # fmt: skip
        console.result_json("key-entered", document)
        return
    if not is_new:
        console.remark("nothing to do: it is entered already")
    console.result(f"entry {index}: {event.kind} ", event.fingerprint)


def tell(case: Case, believed: Trust, index: int) -> None:
    """Say what an entry about a key comes to: where two desks are needed, one is not enough."""
    from custody import certifying
    from custody.history.dating import Dating

    dated = Dating(case, case.ledger, believed).latest
    for where, text in certifying.believe_ledger(believed, case.ledger, dated).said:
        if where == f"ledger: entry {index}":
            console.remark(text)


def _lay(desk: Desk, bundle: str, data: bytes) -> None:
    from custody.certifying import held

    if bundle in desk.case.bundle_names():
        held.lay(desk.case.bundles / bundle, data)
