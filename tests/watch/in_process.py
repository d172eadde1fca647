"""A watch in this process: with a clock of the test's own, and one look at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import case as cases
from custody.acquire import sources
from custody.acquire.metadata import Accounts
from custody.acquire.rules import Rules
from custody.collect import Request
from custody.identity.keys import KeyFolder
from custody.keeping import Keeper
from custody.ledger.memory import Memory
from custody.watch.alarms import Alarm
from custody.watch.follower import Follower
from custody.watch.passing import Passes
from custody.watch.running import Settings, Watch


class Listener:
    """Is told what a watch says, and stops it when its first round is over."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []
        self.troubles: list[str] = []
        self.watch: Watch | None = None

    def sealed(self, collected: Any) -> None:
        """Nothing to be done."""

    def alarm(self, alarm: Alarm) -> None:
        """One alarm."""
        self.alarms.append(alarm)

    def trouble(self, err: Any) -> None:
        """What could not be done."""
        self.troubles.append(str(err))

    def state(self, watch: Watch) -> None:
        """A round is over."""
        watch.stop()


def keeper(home: Path, case: Path, memory: Memory | None = None) -> Keeper:
    """Whoever keeps the case, with keys that have no passphrase."""
    folder = KeyFolder(home / "keys")

    def nothing(*_: object) -> bytes:
        raise AssertionError("the keys have no passphrase")

    by_use = {stored.use: stored for stored in folder.list()}
    signer, log = (folder.unlock(by_use[use].name, nothing).signer for use in ("signer", "log"))
    return Keeper(cases.open_case(case, memory), signer, by_use["signer"].actor(), log)


def watch_once(
    home: Path, case: Path, logs: Path, when: datetime, memory: Memory | None = None
) -> Listener:
    """Watch until one round is over, by a clock that stands at *when*."""
    return watch_with(Listener(), home, case, logs, when, memory)


def watch_with(
    told: Listener, home: Path, case: Path, logs: Path, when: datetime, memory: Memory | None = None
) -> Listener:
    """The same, for a listener of the test's own."""
    settings = Settings(every=1.0, notes=home / "notes.json")
    request = Request(sources=(str(logs),))
    Watch(request, keeper(home, case, memory), settings, told, lambda: when).run()
    return told


class Looking:
    """What is followed below one directory; each call of :meth:`look` is one pass over it."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.follower = Follower()
        self.passes = Passes(self.follower, Accounts.read())

    def look(self, times: int = 2) -> list[str]:
        """Look so often, and take all that is there for sealed; returns the kinds of alarm."""
        kinds = []
        for _ in range(times):
            self.passes.run(sources.resolve([str(self.logs)]), Rules())
            kinds += [alarm.kind for alarm in self._alarms()]
            for item in self.follower.files.values():
                item.sealed_path = item.path
        return kinds

    def _alarms(self) -> Iterator[Alarm]:
        while self.follower.alarms:
            yield self.follower.alarms.pop(0)
