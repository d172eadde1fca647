"""`timestamp` and `collect --tsa`: asking authorities, good, bad and silent."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from authority import Authority, host_certificate, openssl_agrees, request_for, serving

REPLY = "application/timestamp-reply"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "a")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/auth.log").write_text("Accepted password\n", encoding="ascii")
    return tmp_path / "logs"


@pytest.fixture
def case(custody: Any, tmp_path: Path, authority: Authority) -> Path:
    """A case, its keys, and a trust folder that pins the authority."""
    case = tmp_path / "case"
    custody("init", case, "--number", "7", "--no-passphrase", exit_code=0)
    custody("trust", "add", "tsa", authority.folder / "root.pem", "--name", "example", exit_code=0)
    return case


def bundle_in(directory: Path) -> Path:
    return next(path for path in directory.iterdir() if (path / "bagit.txt").exists())


def tokens(bundle: Path) -> list[Path]:
    return sorted((bundle / "seal/timestamps").glob("*"))


def kinds(custody: Any, case: Path) -> list[str]:
    listed = custody("ledger", "list", "--case", case, "--json", exit_code=0).stdout
    return [json.loads(line)["type"] for line in listed.splitlines()]


def verified(custody: Any, path: Path, exit_code: int = 0) -> Any:
    return json.loads(custody("verify", path, "--json", exit_code=exit_code).stdout)


# ---- collect


def test_a_collection_into_a_case_is_stamped(
    custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """The token comes after the statement and before the entry, and is entered too."""
    with authority.serving() as url:
        done = custody("collect", logs, "--case", case, "--tsa", url, exit_code=0)
    assert "stamped " in done.stdout
    assert kinds(custody, case) == ["case-opened", "sealed", "timestamped"]
    bundle = bundle_in(case / "bundles")
    assert len(tokens(bundle)) == 1
    found = verified(custody, bundle)
    assert found["checks"][9]["status"] == "ok"
    assert found["clocks"]["authority"][0]["name"] == "example"
    whole = verified(custody, case)
    assert whole["verdict"] == "ok"
    assert not (bundle / "seal/events").exists()


def test_stamps_are_verified_without_a_network(
    custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """All that is needed lies in the bundle and in the trust folder."""
    alone = ["unshare", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network of its own is not allowed here")
    with authority.serving() as url:
        custody("collect", logs, "--case", case, "--tsa", url, exit_code=0)
    done = custody("verify", bundle_in(case / "bundles"), prefix=alone, exit_code=0)
    assert ", by example" in done.stdout
    custody("verify", case, prefix=alone, exit_code=0)
    # And a collection without one is sealed all the same.
    custody("collect", logs, "--case", case, "--tsa", url, prefix=alone, exit_code=0)


def test_https_asks_whom_the_host_believes(
    custody: Any, tmp_path: Path, logs: Path, authority: Authority
) -> None:
    """A server whose certificate the system does not know gets no request."""
    custody("collect", logs, "--output", tmp_path / "out", exit_code=0)
    bundle, certificate = bundle_in(tmp_path / "out"), host_certificate(tmp_path)
    asked = []

    def body(request: bytes) -> tuple[int, str, bytes]:
        asked.append(request)
        return 200, REPLY, authority.answer(request)

    with serving(body, tls=certificate) as url:
        done = custody("timestamp", bundle, "--tsa", url, exit_code=11)
        assert "certificate verify failed" in done.stderr
        assert asked == []
        known = {"SSL_CERT_FILE": str(certificate)}
        custody("timestamp", bundle, "--tsa", url, env=known, exit_code=0)
    assert len(tokens(bundle)) == 1


def test_the_environment_may_name_authorities(
    custody: Any, case: Path, logs: Path, authority: Authority, tmp_path: Path
) -> None:
    """CUSTODY_TSA_URL names one or several; nothing else in it leads the request anywhere."""
    other = Authority(tmp_path / "other", "Other")
    with authority.serving() as one, other.serving() as two:
        named = {"CUSTODY_TSA_URL": f"{one} {two}", "http_proxy": "http://127.0.0.1:9"}
        done = custody("collect", logs, "--case", case, env=named, exit_code=0)
        assert "CUSTODY_TSA_URL" in done.stderr
        assert len(tokens(bundle_in(case / "bundles"))) == 2
        shown = custody("collect", "--help", env={"CUSTODY_TSA_URL": one}, exit_code=0).stdout
        assert one not in shown


def test_a_host_without_keys_stamps_too(
    custody: Any, tmp_path: Path, logs: Path, authority: Authority
) -> None:
    """Without a trust folder the token is kept; who verifies later judges it."""
    with authority.serving() as url:
        done = custody("collect", logs, "--output", tmp_path / "out", "--tsa", url, "--json",
                       exit_code=0)  # fmt: skip
    (stamp,) = json.loads(done.stdout)["timestamps"]
    assert (stamp["outcome"], stamp["pinned"]) == ("stamped", False)
    bundle = bundle_in(tmp_path / "out")
    fingerprint = json.loads(done.stdout)["signer"]["fingerprint"]
    before = custody("verify", bundle, "--signer", fingerprint, "--json", exit_code=0).stdout
    assert json.loads(before)["checks"][9]["status"] == "not-checked"
    custody("trust", "add", "tsa", authority.folder / "root.pem", exit_code=0)
    after = custody("verify", bundle, "--signer", fingerprint, "--json", exit_code=0).stdout
    assert json.loads(after)["checks"][9]["status"] == "ok"


def answers(authority: Authority) -> dict[str, Any]:
    """What a bad server may answer, by its defect; each gets a real request."""

    def other_bytes(_: bytes) -> bytes:
        return authority.answer(request_for(b"other bytes"))

    def old_nonce(request: bytes) -> bytes:
        at = request.find(bytes.fromhex("0420")) + 2
        changed = bytearray(request)
        nonce_at = at + 32 + 2
        changed[nonce_at + 1] ^= 1
        return authority.answer(bytes(changed))

    html = b"<html><body>captive portal</body></html>"
    return {
        "HTML": lambda _: (200, "text/html", html),
        "HTML that claims to be a token": lambda _: (200, REPLY, html),
        "an error": lambda _: (503, "text/plain", b"later"),
        "a redirect": lambda _: (302, REPLY, b""),
        "nothing": lambda _: (200, REPLY, b""),
        "over 1 MiB": lambda _: (200, REPLY, bytes(50 << 20)),
        "other bytes": lambda request: (200, REPLY, other_bytes(request)),
        "another nonce": lambda request: (200, REPLY, old_nonce(request)),
        "a refusal": lambda _: (200, REPLY, bytes.fromhex("30053003020102")),
    }


@pytest.mark.parametrize(
    "defect",
    ["HTML", "HTML that claims to be a token", "an error", "a redirect", "nothing", "over 1 MiB",
     "other bytes", "another nonce", "a refusal"],
)  # fmt: skip
def test_a_bad_answer_is_no_stamp(
    defect: str, custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """The bundle is sealed and entered all the same, with the answer in a signed event."""
    with serving(answers(authority)[defect]) as url:
        done = custody("collect", logs, "--case", case, "--tsa", url, exit_code=0)
    assert f"no time stamp by {url}" in done.stderr
    bundle = bundle_in(case / "bundles")
    assert tokens(bundle) == []
    (event,) = (bundle / "seal/events").iterdir()
    payload = json.loads(event.read_bytes())["payload"]
    predicate = json.loads(base64.b64decode(payload))["predicate"]
    assert predicate["type"] == "not-timestamped"
    (asked,) = predicate["details"]["asked"]
    assert asked["authority"] == url
    assert asked["answer"]
    assert kinds(custody, case) == ["case-opened", "sealed"]
    assert verified(custody, case)["verdict"] == "ok"


def test_a_token_by_a_pinned_authority_must_be_good(
    custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """A token whose signature is wrong is refused at once where the authority is pinned."""

    def spoilt(request: bytes) -> tuple[int, str, bytes]:
        data = bytearray(authority.answer(request))
        data[-1] ^= 1
        return 200, REPLY, bytes(data)

    with serving(spoilt) as url:
        done = custody("collect", logs, "--case", case, "--tsa", url, exit_code=0)
    assert "signature is not good" in done.stderr
    assert tokens(bundle_in(case / "bundles")) == []


@contextmanager
def silent(drip: bytes = b"") -> Iterator[str]:
    """A server that takes a connection and says nothing, or a byte at a time."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def hold() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                held.append(peer)
                threading.Thread(target=trickle, args=[peer], daemon=True).start()

        def trickle(peer: socket.socket) -> None:
            for byte in drip:
                if stop.wait(0.05):
                    return
                try:
                    peer.send(bytes([byte]))
                except OSError:
                    return

        threading.Thread(target=hold, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        stop.set()
        for peer in held:
            peer.close()


@pytest.mark.parametrize(
    "drip",
    [b"", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
     b"HTTP/1.0 200 OK\r\nContent-Type: application/timestamp-reply\r\n\r\n" + bytes(9000)],
    ids=["silent", "dripping headers", "dripping body"],
)  # fmt: skip
def test_a_hanging_server_does_not_hang_us(
    drip: bytes, custody: Any, tmp_path: Path, logs: Path
) -> None:
    """Whoever takes a connection and does not answer in time is left, and the bundle is there."""
    start = time.monotonic()
    with silent(drip) as url:
        done = custody("collect", logs, "--output", tmp_path / "out", "--tsa", url,
                       "--tsa-timeout", "1", exit_code=0)  # fmt: skip
    assert "no time stamp" in done.stderr
    assert (bundle_in(tmp_path / "out") / "seal/statement.dsse.json").exists()
    assert time.monotonic() - start < 60  # and not the 450 seconds that the last would take


def test_a_dead_authority_beside_a_living_one(
    custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """Each is asked by itself: one token is kept, and the other answer is recorded."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with authority.serving() as url:
        done = custody("collect", logs, "--case", case, "--tsa", dead, "--tsa", url, exit_code=0)
    bundle = bundle_in(case / "bundles")
    assert (len(tokens(bundle)), len(list((bundle / "seal/events").iterdir()))) == (1, 1)
    assert dead in done.stderr
    assert verified(custody, case)["verdict"] == "ok"


@pytest.mark.parametrize(
    "url", ["ftp://tsa.example/", "tsa.example", "http://", "file:///etc/passwd", "http://a:b@c/"]
)
def test_an_address_that_cannot_be_asked_is_refused_before_any_work(
    url: str, custody: Any, tmp_path: Path, logs: Path
) -> None:
    """Only http and https, and no password on a command line; nothing is collected."""
    done = custody("collect", logs, "--output", tmp_path / "out", "--tsa", url, exit_code=2)
    assert "authority" in done.stderr
    assert ":b@" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_may_be_secret_in_an_address_is_not_recorded(
    custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """A query may hold an account's token; the record has the address without it."""
    with authority.serving() as url:
        secret = f"{url}?key=hunter2"
        custody("collect", logs, "--case", case, "--tsa", secret, exit_code=0)
    ledger = b"".join(path.read_bytes() for path in (case / "ledger").rglob("*") if path.is_file())
    payloads = [base64.b64decode(found) for found in re.findall(rb'"payload":"([^"]*)"', ledger)]
    assert any(url.encode() in payload for payload in payloads)
    assert not any(b"method" in payload and b"hunter2" in payload for payload in payloads)


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_a_day_off_is_told(
    days: int, custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """Ahead, it is said at once and at each verification; behind, a stamp cannot show it."""
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed")
    with authority.serving() as url:
        done = custody("collect", logs, "--case", case, "--tsa", url, exit_code=0,
                       prefix=["faketime", "-f", f"{days:+d}d"])  # fmt: skip
    bundle = bundle_in(case / "bundles")
    shown = custody("verify", bundle, exit_code=0)
    assert ("seconds ahead of the authority's" in done.stderr) == (days > 0)
    assert ("ran ahead" in shown.stderr) == (days > 0)
    word = "before" if days > 0 else "after"
    assert f"{word} the host's" in shown.stdout
    (reading,) = verified(custody, bundle)["clocks"]["authority"]
    assert abs(reading["after_host_seconds"] + days * 86_400) < 3_600


def test_a_revoked_key_keeps_what_was_stamped(
    custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """Bundle and entries before the stamp hold after a revocation; without a pin they do not."""
    with authority.serving() as url:
        custody("collect", logs, "--case", case, "--tsa", url, exit_code=0)
        custody("timestamp", "--ledger", "--tsa", url, "--case", case, exit_code=0)
    signers = custody.home / "trust/signers.toml"
    soon = datetime.now(UTC) + timedelta(seconds=5)
    text = signers.read_text(encoding="ascii")
    signers.write_text(f"{text}revoked_at = {soon:%Y-%m-%dT%H:%M:%SZ}\n", encoding="ascii")
    assert verified(custody, bundle_in(case / "bundles"))["checks"][8]["status"] == "ok"
    # The entry that tells of the last stamp comes after it, so one entry stays open.
    found = verified(custody, case, exit_code=11)
    assert [check["number"] for check in found["checks"] if check["status"] != "ok"] in (
        [4], [4, 9],
    )  # fmt: skip
    shown = json.loads(custody("ledger", "show", "1", "--case", case, "--json", exit_code=0).stdout)
    assert shown["signature"] == "trusted"
    custody("ledger", "verify", "--case", case, exit_code=11)
    (custody.home / "trust/tsa/example.pem").unlink()
    assert verified(custody, bundle_in(case / "bundles"), 11)["verdict"] == "cannot-verify"


# ---- timestamp


def test_a_bundle_is_stamped_later(
    custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """Over the same signature, entered, and told with the end of the certificate."""
    custody("collect", logs, "--case", case, exit_code=0)
    bundle = bundle_in(case / "bundles")
    with authority.serving() as url:
        refused = custody("timestamp", bundle, "--tsa", url, exit_code=2)
        assert "--case" in refused.stderr
        assert tokens(bundle) == []
        done = custody("timestamp", bundle, "--tsa", url, "--case", case, exit_code=0)
    assert f"certificate ends at {authority.end.year}" in done.stdout
    assert kinds(custody, case)[-1] == "timestamped"
    assert verified(custody, case)["bundles"][0]["checks"][9]["status"] == "ok"


def test_a_bundle_outside_a_case_is_stamped(
    custody: Any, tmp_path: Path, logs: Path, authority: Authority
) -> None:
    """It needs no key: the token speaks for itself."""
    custody("collect", logs, "--output", tmp_path / "out", exit_code=0)
    bundle = bundle_in(tmp_path / "out")
    with authority.serving() as url:
        done = custody("timestamp", bundle, "--tsa", url, "--tsa", url + "2", "--json", exit_code=0)
    document = json.loads(done.stdout)
    assert document["schema"] == "custody.timestamp/v1"
    assert [answer["outcome"] for answer in document["answers"]] == ["stamped", "stamped"]
    assert len(tokens(bundle)) == 2


def test_a_countersignature_is_stamped_too(
    custody: Any, tmp_path: Path, logs: Path, authority: Authority
) -> None:
    """Every signature in the bundle gets a stamp, and the additions only one."""
    for name in ("first", "second"):
        custody("key", "new", name, "--no-passphrase", exit_code=0)
    custody("collect", logs, "--output", tmp_path / "out", "--key", "first", exit_code=0)
    bundle = bundle_in(tmp_path / "out")
    custody("countersign", bundle, "--key", "second", exit_code=0)
    with authority.serving() as url:
        custody("timestamp", bundle, "--tsa", url, exit_code=0)
        assert len(tokens(bundle)) == 2
        custody("timestamp", bundle, "--tsa", url, exit_code=0)
        assert len(tokens(bundle)) == 3
    custody("trust", "add", "tsa", authority.folder / "root.pem", exit_code=0)
    found = verified(custody, bundle)
    assert (found["verdict"], len(found["clocks"]["authority"])) == ("ok", 2)


def test_a_link_in_a_bundle_leads_no_stamp_elsewhere(
    custody: Any, tmp_path: Path, logs: Path, authority: Authority
) -> None:
    """A bundle that somebody else prepared cannot have us write outside it."""
    custody("collect", logs, "--output", tmp_path / "out", exit_code=0)
    bundle = bundle_in(tmp_path / "out")
    (tmp_path / "elsewhere").mkdir()
    (bundle / "seal/timestamps").symlink_to(tmp_path / "elsewhere")
    with authority.serving() as url:
        done = custody("timestamp", bundle, "--tsa", url)
    assert done.returncode not in (0, 1)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_without_any_stamp_the_exit_says_so(custody: Any, tmp_path: Path, logs: Path,
                                            authority: Authority) -> None:  # fmt: skip
    """11 where no authority gave one, 3 where some did not; nothing else is written."""
    custody("collect", logs, "--output", tmp_path / "out", exit_code=0)
    bundle = bundle_in(tmp_path / "out")
    with serving(lambda _: (404, "text/plain", b"")) as bad, authority.serving() as good:
        custody("timestamp", bundle, "--tsa", bad, exit_code=11)
        assert not (bundle / "seal/timestamps").exists()
        custody("timestamp", bundle, "--tsa", bad, "--tsa", good, exit_code=3)
    assert len(tokens(bundle)) == 1
    custody("timestamp", bundle, exit_code=2)
    custody("timestamp", tmp_path, "--tsa", "http://127.0.0.1:9/", exit_code=12)
    custody("timestamp", "--tsa", "http://127.0.0.1:9/", exit_code=2)
    custody("timestamp", "--ledger", "--renew", "--tsa", "http://127.0.0.1:9/", exit_code=2)


def test_the_ledger_is_stamped(custody: Any, case: Path, logs: Path, authority: Authority) -> None:
    """The token lies in the case beside the checkpoint that it is over, and is entered."""
    custody("collect", logs, "--case", case, exit_code=0)
    with authority.serving() as url:
        custody("timestamp", "--ledger", "--tsa", url, "--case", case, exit_code=0)
    names = sorted(path.name for path in (case / "timestamps").iterdir())
    assert [name.partition("-")[0] for name in names] == ["2", "2"]
    assert [name.rpartition(".")[2] for name in names] == ["checkpoint", "tsr"]
    assert kinds(custody, case) == ["case-opened", "sealed", "timestamped"]
    checkpoint, token = (case / "timestamps" / name for name in names)
    text = b"".join(checkpoint.read_bytes().splitlines(keepends=True)[:3])
    now = datetime.now(UTC)
    assert openssl_agrees(case.parent, token.read_bytes(), text, authority.root, now)
    found = verified(custody, case)
    assert (found["verdict"], found["checks"][7]["status"]) == ("ok", "ok")
    assert found["clocks"]["authority"][0]["of"] == "checkpoint"
    (case.parent / "far").mkdir()
    bundle = bundle_in(case / "bundles")
    custody("copy", bundle, case.parent / "far", "--case", case, exit_code=0)
    alone = verified(custody, case.parent / "far" / bundle.name)
    assert [(each["of"], each["name"]) for each in alone["clocks"]["authority"]] == [
        ("checkpoint", found["clocks"]["authority"][0]["name"])
    ]
    assert not [remark for remark in found["remarks"] if "timestamps" in remark["path"]]


def test_renewal_waits_until_a_certificate_is_about_to_end(
    custody: Any, case: Path, logs: Path, authority: Authority, tmp_path: Path
) -> None:
    """`--renew` does nothing until then, and nothing again once a lasting stamp covers it."""
    now = datetime.now(UTC).replace(microsecond=0)
    short = Authority(tmp_path / "short", "Short", end=now + timedelta(days=30),
                      root_end=now + timedelta(days=900))  # fmt: skip
    custody("trust", "add", "tsa", short.folder / "root.pem", "--name", "short", exit_code=0)
    with short.serving() as soon, authority.serving() as late:
        renew = ("timestamp", "--renew", "--case", case)
        empty = custody(*renew, "--tsa", late, exit_code=0)
        assert "no time stamp at all" in empty.stderr
        custody("collect", logs, "--case", case, "--tsa", soon, exit_code=0)
        waiting = custody(*renew, "--within", "7", "--tsa", late, exit_code=0)
        assert "nothing to renew yet" in waiting.stdout
        assert not (case / "timestamps").exists()
        done = custody(*renew, "--tsa", late, exit_code=0)
        assert "checkpoint of 3 entries" in done.stdout
        again = custody(*renew, "--tsa", late, exit_code=0)
        assert "nothing to renew yet" in again.stdout
    assert verified(custody, case)["verdict"] == "ok"


def test_renewal_enters_what_was_not_entered(
    custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """A token whose entry was cut off by a crash gets it, because only entries are covered."""
    custody("collect", logs, "--case", case, exit_code=0)
    bundle = bundle_in(case / "bundles")
    with authority.serving() as url:
        elsewhere = bundle.rename(case.parent / bundle.name)
        custody("timestamp", elsewhere, "--tsa", url, exit_code=0)
        elsewhere.rename(bundle)
        assert kinds(custody, case) == ["case-opened", "sealed"]
        custody("timestamp", "--renew", "--case", case, "--tsa", url, exit_code=0)
    assert kinds(custody, case) == ["case-opened", "sealed", "timestamped"]


def test_a_ledger_put_back_is_not_stamped(
    custody: Any, case: Path, logs: Path, authority: Authority
) -> None:
    """Nobody is asked to stamp a checkpoint that is behind what was seen."""
    shutil.copytree(case / "ledger", case.parent / "old")
    custody("collect", logs, "--case", case, exit_code=0)
    shutil.rmtree(case / "ledger")
    (case.parent / "old").rename(case / "ledger")
    with authority.serving() as url:
        custody("timestamp", "--ledger", "--tsa", url, "--case", case, exit_code=10)
    assert not (case / "timestamps").exists()
