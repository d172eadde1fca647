"""Time stamps at a collection: after the statement, before the ledger's entry.

An authority that cannot be reached keeps nothing from being sealed: what it answered is kept,
signed, in the bundle, and ``custody timestamp`` asks again later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from custody.cli.given import stamping
from custody.cli.terminal import console
from custody.errors import CustodyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from custody.collect import Collected, Destination
    from custody.formats.statement import Actor
    from custody.identity.signing import Signer
    from custody.identity.trust import Anchor
    from custody.stamping.ask import Answer


class Stamps:
    """The authorities that one collection asks, and what they answered."""

    def __init__(
        self, urls: Sequence[str], seconds: float, destination: Destination, signer: Signer,
        actor: Actor,
    ) -> None:  # fmt: skip
        self.answers: list[Answer] = []
        self._urls = urls
        self._seconds = seconds
        self._destination = destination
        self._signer = signer
        self._actor = actor
        # Read before the collection: a mistake in the trust folder is said before any work.
        self._anchors: tuple[Anchor, ...] = stamping.anchors(None) if urls else ()

    def put(self, collected: Collected) -> None:
        """Ask, and keep in the published bundle what was answered.

        :raises StorageError: if that cannot be written.
        """
        if not self._urls:
            return
        from custody import clock
        from custody.stamping import ask, places, telling

        sealed = places.statement_of(collected.path)
        console.remark(f"asking for time stamps: {len(self._urls)}")
        self.answers = ask.ask_all(
            self._urls, sealed.signature, self._anchors, seconds=self._seconds
        )
        for _, token in stamping.kept(self.answers):
            places.keep(collected.path, token)
        refusals = [(each.authority, each.detail) for each in self.answers if each.token is None]
        if refusals:
            case = self._destination.case
            words = {"item": collected.bundle_id, "case": "" if case is None else case.case}
            telling.keep_refusals(
                collected.path, refusals, signer=self._signer, actor=self._actor, words=words,
                now=clock.now(),
            )  # fmt: skip
        stamping.warn(self.answers, collected.sealed_at)

    def enter(self, collected: Collected) -> None:
        """Enter what was kept in the ledger of the case; a failure is told, and no loss."""
        case, log_key = self._destination.case, self._destination.log_key
        stamped = stamping.kept(self.answers)
        if case is None or log_key is None or not stamped:
            return
        from custody import clock
        from custody.cli.given.desk import Desk
        from custody.stamping import places, telling

        desk = Desk(case, self._signer, self._actor, log_key)
        sealed = places.statement_of(collected.path)
        for answer, token in stamped:
            told = telling.of_bundle(collected.bundle_id, sealed, token, answer.authority)
            try:
                desk.enter(
                    telling.STAMPED, clock.now(), digests=told.digests, words=told.words,
                    details=told.details,
                )  # fmt: skip
            except CustodyError as err:
                console.warning(
                    f"the time stamp is in the bundle and was not entered: {stamping.said(err)};"
                    " custody timestamp --renew enters it"
                )
                return

    def show(self) -> None:
        """Say what was stamped."""
        from custody import clock

        for answer, token in stamping.kept(self.answers):
            console.result(f"stamped  {clock.rfc3339(token.moment)} ", answer.authority)
