"""A watch whose key a desk vouches for, and one whose key ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from watching import Watching, append

from custody import case as cases
from custody import certifying
from custody.collect import Collected, Request
from custody.errors import CustodyError
from custody.formats import vkey
from custody.formats.statement import Actor
from custody.identity.signers import TrustedSigner
from custody.identity.signing import Signer
from custody.identity.trust import Trust
from custody.keeping import Keeper
from custody.verify import verify_bundle
from custody.watch.running import Settings, Watch

Start = Callable[..., Watching]
NOW = datetime(2026, 11, 22, 3, 14, 5, tzinfo=UTC)


def test_the_desk_s_word_for_the_host_s_key_lies_in_every_bundle(
    watch: Start, custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """Whoever trusts the desk alone knows the signer of what a watch seals, as of a collection."""
    made = custody(
        "key", "new", "web01", "--for-host", "--valid", "8h", "--no-passphrase", "--json",
        exit_code=0,
    )  # fmt: skip
    host, desk = vkey.parse(json.loads(made.stdout)["vkey"]), Signer.generate("desk")
    certificate = certifying.certificate(
        desk, Actor(str(desk.key)), fingerprint=host.fingerprint(), now=NOW, key=str(host)
    )
    (custody.home / "certificates").mkdir()
    (custody.home / "certificates" / "web01.json").write_bytes(certificate)
    append(logs / "auth.log", b"one\n")
    it = watch("--key", "web01")
    it.sealed(4)
    append(logs / "auth.log", b"two\n")
    it.sealed(8)
    it.stop()
    assert any("the key ends at" in line for line in it.said)
    trust = Trust((TrustedSigner(desk.key.fingerprint(), desk.key, "desk", "desk"),))
    bundles = sorted((case / "bundles").iterdir())
    assert len(bundles) > 1
    for bundle in bundles:
        assert [path.read_bytes() for path in (bundle / "seal/events").iterdir()] == [certificate]
        found = verify_bundle(bundle, trust, now=datetime.now(UTC))
        assert found.signer is not None
        assert found.signer.vouched_by == "desk"
    own = json.loads(custody("key", "list", "--json", exit_code=0).stdout)["keys"]
    desk_key = next(
        each["name"] for each in own if each["name"] != "web01" and each["use"] == "signer"
    )
    words = ("--to", "E. Xample", "--purpose", "a look", "--authority", "order 9")
    words += ("--copy-to", str(tmp_path / "out"), "--case", str(case), "--key", desk_key)
    (tmp_path / "out").mkdir()
    custody("release", bundles[-1], *words, exit_code=11)  # the key ends, and nothing was stamped
    copy = tmp_path / "out" / bundles[-1].name
    assert [path.read_bytes() for path in (copy / "seal/events").iterdir()] == [certificate]
    page = custody("form", bundles[-1], "--json", exit_code=11)
    assert json.loads(page.stdout)["obtained"]["watch_seconds"] == 1


@dataclass
class Told:
    """Who remembers what was sealed."""

    bundles: list[Collected] = field(default_factory=list)

    def sealed(self, collected: Collected) -> None:
        self.bundles.append(collected)

    def alarm(self, alarm: object) -> None:
        """A host without watches to give, or with a clock that is set, is none of this test's."""

    def trouble(self, err: CustodyError) -> None:
        raise AssertionError(err)

    def state(self, watch: Watch) -> None:
        """Nobody looks."""


def test_a_watch_ends_before_its_key_does(tmp_path: Path) -> None:
    """What is signed after a key's end speaks against a case for ever, so all is sealed before."""
    signer, log, now = Signer.generate("web01"), Signer.generate("ledger.example/w"), [NOW]
    actor = Actor(str(signer.key))
    case = cases.create(
        tmp_path / "case", "7", "A test", log_key=log, signer=signer, actor=actor, now=NOW
    )
    (tmp_path / "log").mkdir()
    append(tmp_path / "log" / "a.log", b"one\n")
    ends = NOW + timedelta(minutes=3)

    class Later(Told):
        def state(self, watch: Watch) -> None:  # noqa: ARG002 - the protocol's
            append(tmp_path / "log" / "a.log", b"more\n")
            now[0] += timedelta(minutes=1)

    told = Later()
    request = Request((str(tmp_path / "log"),))
    settings = Settings(0.01, tmp_path / "notes.json", ends=ends)
    keeper = Keeper(case, signer, actor, log)
    running = Watch(request, keeper, settings, told, lambda: now[0])
    running.run()
    assert (running.is_over, now[0]) == (True, ends - timedelta(minutes=1))
    sealed = sum(each.bytes for each in told.bundles)
    assert sealed == (tmp_path / "log" / "a.log").stat().st_size
    assert all(each.sealed_at is not None and each.sealed_at < ends for each in told.bundles)
