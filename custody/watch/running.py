"""The loop: look, hold, cry out, seal; until it is told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from custody import clock, collect, durable, entering, sets
from custody.acquire import mounts, sources
from custody.acquire.metadata import Accounts
from custody.acquire.rules import Rules
from custody.acquire.sources import Sources
from custody.acquire.survey import Survey
from custody.collect import Collected, Destination, Plan, Request, rooted
from custody.collect.destination import identities
from custody.errors import CustodyError, StorageError
from custody.keeping import Keeper
from custody.pace import Pace
from custody.watch import alarms, notes, resuming
from custody.watch.alarms import Alarm
from custody.watch.follower import Follower, Limits
from custody.watch.hints import Hints, directories_of
from custody.watch.passing import Passes
from custody.watch.places import Places
from custody.watch.sealing import Sealing
from custody.watch.stepping import Stepping

_TICK = 1.0
_BUSY_SHARE = 20  # a pass may come again after this many times as long as it took
_QUIET_SECONDS = 3_600.0
_MOST_OWED = 10_000
_WAIT_SECONDS = 2.0  # while another process writes to the case nobody looks at the logs
_PATIENT_SECONDS = 20.0
_MOST_SEALED = 256 << 20
_STAGING = "watch-"
_BEFORE_END = timedelta(seconds=60)  # for the last seal, while the key still counts


@dataclass(frozen=True, slots=True)
class Settings:
    """How to watch.

    :ivar every: seconds between two seals; *largest* seals sooner, at so many bytes held.
    :ivar rate: bytes a second to read at most; 0 for no limit.
    :ivar notes: where to write down how far each file is sealed.
    :ivar ends: when the key counts no longer; what it signed then would speak against the case.
    """

    every: float
    notes: Path
    largest: int = 32 << 20
    rate: int = 0
    files: int = 512
    ends: datetime | None = None


class Told(Protocol):
    """Who is told what happens."""

    def sealed(self, collected: Collected) -> None:
        """A bundle was sealed and entered."""

    def alarm(self, alarm: Alarm) -> None:
        """Something was seen that should not happen to a log."""

    def trouble(self, err: CustodyError) -> None:
        """Something could not be done, and will be tried again."""

    def state(self, watch: Watch) -> None:
        """A round is over."""


class Watch:
    """One watch, from its start to its end.

    :param beside: lays what belongs to a bundle, such as certificates, into one that has its name.
    :ivar bundles: how many were sealed, and *preserved* how many bytes; *alarms* how many.
    """

    def __init__(self, request: Request, keeper: Keeper, settings: Settings, told: Told,
                 now: Callable[[], datetime],
                 beside: Callable[[Collected], object] = lambda _: None) -> None:  # fmt: skip
        self.request = replace(request, watch_seconds=max(1, round(settings.every)))
        self.keeper = keeper
        self.settings = settings
        self.told = told
        self.now = now
        self.beside = beside
        self.accounts = Accounts.read()
        self.follower = Follower(Limits(settings.largest, settings.files))
        self.bundles = self.preserved = self.alarms = 0
        self.last_seal: datetime | None = None
        self._pace = Pace(settings.rate)
        self._stop = False
        self._left_over = False  # a bundle that could not be entered yet
        self._failure: CustodyError | None = None  # of the last seal: the next is an interval later
        self._is_cut = False  # more is there than one bundle was to have
        self._patience = _WAIT_SECONDS
        self._sources: Sources | None = None
        self._chosen = sets.choose(request.sets)
        self._selection = sets.NOTHING
        self._clock = Stepping(time.time() - time.monotonic(), time.monotonic())
        self._pass_took = self._next_pass = 0.0
        self._next_seal = self._quiet_since = time.monotonic()
        self._places = Places()
        self._hints = Hints()
        self._owed: list[tuple[str, dict[str, Any]]] = []

    def stop(self) -> None:
        """Ask it to end: it seals what is pending and returns from :meth:`run`."""
        self._stop = True
        self._hints.wake()

    @property
    def is_over(self) -> bool:
        """Whether the key ends within a minute."""
        return self.settings.ends is not None and self.now() >= self.settings.ends - _BEFORE_END

    def run(self) -> None:
        """Watch until :meth:`stop`, or until the key ends."""
        try:
            self._begin()
            passes = Passes(self.follower, self.accounts)
            while not self._stop and not self.is_over:
                self._round(passes)
                self._wait()
            self._last(passes)
        finally:
            self._hints.close()
            self.follower.close_all()

    def _last(self, passes: Passes) -> None:
        """Seal what is pending.

        :raises CustodyError: if that cannot be done; nobody will try it again.
        """
        self._patience, end = _PATIENT_SECONDS, time.monotonic() + _PATIENT_SECONDS
        passes.patience = 0.0
        self._pass(passes)
        self._cry()
        self._seal()
        while self._is_cut and self._failure is None and time.monotonic() < end:
            self._seal()
        if self._failure is not None:
            raise self._failure

    def _begin(self) -> None:
        # There is one watch of a case at a time: what is left here is a dead one's.
        for left in self.keeper.case.incoming.glob(f"{_STAGING}*"):
            durable.remove_unfinished(left)
        entering.enter_pending(
            self.keeper.case, self.keeper.log_key, [self.keeper.signer.key], _PATIENT_SECONDS
        )
        written = notes.load(self.settings.notes, self.keeper.case.ledger, self.keeper.signer.key)
        self.follower.before = resuming.followed_before(self.keeper.case, written)

    def _round(self, passes: Passes) -> None:
        now = time.monotonic()
        self._judge_clock()
        self.follower.tick()
        if now >= self._next_pass or (self.follower.wants_pass and self._may_pass(now)):
            self._pass(passes)
        cried = self._cry()
        full = self.follower.held >= self.settings.largest or self._is_cut
        full = full and self._failure is None
        if cried or full or time.monotonic() >= self._next_seal:
            self._seal()
            self._next_seal = time.monotonic() + self.settings.every
        self._say_quiet()
        memory = self.keeper.case.memory
        while memory is not None and memory.troubles:
            self.told.trouble(StorageError("append to", "the ledger", memory.troubles.pop(0)))
        self.told.state(self)

    def _wait(self) -> None:
        now = time.monotonic()
        until = min(self._next_seal, self._next_pass, now + min(_TICK, self.settings.every))
        if self._stop:
            return
        if self._hints.wait(max(0.01, until - now)):
            self.follower.wants_pass = True

    def _may_pass(self, now: float) -> bool:
        """Hints and suspicions bring a pass forward, but passes must not eat up a processor."""
        last = self._next_pass - self.settings.every
        return now >= last + self._pass_took * _BUSY_SHARE

    def _pass(self, passes: Passes) -> None:
        begun = time.monotonic()
        try:
            before = self._places.replaced
            found = self._sources = self._places.look(self.request.sources, self._resolve)
            for path in sorted(self._places.replaced - before):
                why = "a link was put in the place of what is watched; it is not followed"
                self.follower.alarms.append(Alarm(alarms.REPLACED, path, why))
            passes.run(found, self._rules(found))
            self._listen(directories_of(found))
        except OSError as err:  # such as too many open files: the next pass may be luckier
            self.follower.wants_pass = False
            self.told.trouble(_said(err, "look at", "the sources"))
        self._pass_took = time.monotonic() - begun
        self._next_pass = begun + self.settings.every

    def _resolve(self, requests: Sequence[str]) -> Sources:
        """The sources of this moment: what sets name is looked for anew, in new homes too."""
        if not self._chosen:
            return sources.resolve(requests)
        image = rooted.image(self.request, None)
        self._selection = sets.select(self._chosen, image)
        return sources.resolve(requests, self._selection.wanted, image)

    def _listen(self, directories: dict[bytes, bool]) -> None:
        before = self._hints.trouble
        self._hints.watch(directories)
        trouble = self._hints.trouble
        if trouble and trouble != before:
            every = f"everything is looked at every {self.settings.every:.0f} s all the same"
            why = f"the system does not tell what comes and goes ({trouble}); {every}"
            self.follower.alarms.append(Alarm(alarms.WATCH_LOST, b"", why))

    def _rules(self, found: Sources) -> Rules:
        request = self.request
        return Rules(
            exclude=tuple(request.exclude),
            max_size=request.max_size,
            one_file_system=request.one_file_system,
            destinations=identities([self.keeper.case.directory]),
            secrets=identities(request.secrets),
            mounts=mounts.read(),
            named=frozenset(path for asked in found.asked for path in asked.paths),
        )

    def _judge_clock(self) -> None:
        back = self._clock.back(time.time(), time.monotonic())
        if back:
            why = f"the host's clock went back by {back:.0f} seconds"
            self.follower.alarms.append(Alarm(alarms.CLOCK_BACK, b"", why))

    # ---- what goes into the ledger

    def _cry(self) -> bool:
        """Enter and tell every alarm that was seen; says whether there was one."""
        seen, self.follower.alarms = self.follower.alarms, []
        if not seen:
            return False
        self.alarms += len(seen)
        for alarm in seen:
            self.told.alarm(alarm)
        self._owed += [("alarm", alarm.as_json()) for alarm in alarms.bounded(seen)]
        self._enter_owed()
        return True

    def _say_quiet(self) -> None:
        now = time.monotonic()
        if now - self._quiet_since < _QUIET_SECONDS:
            return
        self._quiet_since = now
        files = len(self.follower.files)
        self._owed.append(("quiet", {"seconds": round(_QUIET_SECONDS), "files": files}))
        self._enter_owed()

    def _enter_owed(self) -> None:
        """Enter what has to be said; what cannot be entered now is, with the next seal."""
        if not self._owed:
            return
        words, now = {"item": self.keeper.case.case}, self.now()
        try:
            with self.keeper.writing(self._patience) as writing:
                writing.append(
                    [
                        writing.sign(kind, now, digests={}, words=words, details=details)
                        for kind, details in self._owed
                    ]
                )
        except (CustodyError, OSError) as err:
            self._fail(_said(err, "append to", "the ledger"))
            for _, details in self._owed:  # its entry will have a later time
                details.setdefault("seen", clock.rfc3339(now))
            lost = len(self._owed) - _MOST_OWED
            if lost > 0:
                self._owed = self._owed[lost:]
                why = f"too many wait, and the oldest {lost} are given up; the others wait"
                self._fail(StorageError("enter", "alarms", why))
        else:
            self._owed = []

    def _seal(self) -> None:
        """Seal what is pending; what could not be sealed stays pending."""
        self._enter_owed()
        sealing = Sealing(self.follower, self.accounts, self._pace, self._most())
        if self._sources is None or not sealing.is_due():
            self._enter_left_over()
            return
        done: list[Collected] = []

        def published(collected: Collected) -> None:
            sealing.commit(collected.bundle_id)
            done.append(collected)
            self.beside(collected)

        try:
            collect.run(
                self._plan(self._sources), self.keeper.signer, self.keeper.actor, now=self.now,
                published=published, source=sealing.records,
            )  # fmt: skip
            self._left_over = False
            self._succeed()
        except (CustodyError, OSError) as err:
            self._left_over = bool(done) or self._left_over
            self._fail(_said(err, "seal", "what is new"))
        self._is_cut = sealing.is_cut
        if not done:
            return
        self.bundles += 1
        self.preserved += sealing.size
        self.last_seal = done[0].sealed_at
        self._quiet_since = time.monotonic()
        self._write_notes()
        self.told.sealed(done[0])

    def _most(self) -> int:
        """How much to read for one bundle: at a slow rate no more than an interval gives."""
        slow = self.settings.rate * self.settings.every
        return int(min(_MOST_SEALED, slow)) if slow else _MOST_SEALED

    def _enter_left_over(self) -> None:
        """Enter what was sealed and could not be entered, though nothing new is to be sealed."""
        self._is_cut = False
        self._succeed()
        if not self._left_over:
            return
        keeper = self.keeper
        try:
            entering.enter_pending(keeper.case, keeper.log_key, [keeper.signer.key], self._patience)
            self._left_over = False
        except (CustodyError, OSError) as err:
            self._fail(_said(err, "enter in", "the ledger"))

    def _succeed(self) -> None:
        if not self._owed:
            self._failure = None

    def _fail(self, failure: CustodyError) -> None:
        self._failure = failure
        self.told.trouble(failure)

    def _plan(self, found: Sources) -> Plan:
        destination = Destination(
            self.keeper.case.directory, self.keeper.case, self.keeper.log_key,
            [self.keeper.signer.key], self._patience, alone=not self._left_over,
            staging=_STAGING,
        )  # fmt: skip
        return Plan(
            self.request, destination, found, self._rules(found), self.accounts, Survey(), "", (),
            self._selection,
        )  # fmt: skip

    def _write_notes(self) -> None:
        try:
            tree = self.keeper.case.ledger.checkpoint().checkpoint
            followed = self.follower.files.values()
            notes.save(self.settings.notes, tree, self.keeper.signer, followed)
        except CustodyError as err:
            self.told.trouble(err)


def _said(err: CustodyError | OSError, doing: str, what: str) -> CustodyError:
    return durable.storage_error(doing, what, err) if isinstance(err, OSError) else err
