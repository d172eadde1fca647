"""Short-lived keys on hosts, certified by a desk before or after."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

FINGERPRINT = "1b4fdd5e8c0a2a4c7b1a6b6d2a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e"


class Place:
    """A desk with a key of its own, a host with another home, and somebody else who verifies."""

    def __init__(self, custody: Any, base: Path) -> None:
        self.custody = custody
        self.base = base
        self.host = {"CUSTODY_HOME": str(base / "host")}
        self.logs = base / "logs"
        self.logs.mkdir()
        (self.logs / "auth.log").write_text("Accepted password\n")
        new = ("key", "new", "ada", "--role", "desk", "--person", "Ada Example")
        self.desk = json.loads(custody(*new, "--no-passphrase", "--json", exit_code=0).stdout)
        self.trust = base / "verifier"
        add = ("trust", "add", "signer", self.desk["vkey"], "--role", "desk", "--name", "Ada")
        custody(*add, "--trust", self.trust, exit_code=0)

    def new_host_key(self, *more: str) -> dict[str, Any]:
        new = ("key", "new", "web01", "--for-host", "--no-passphrase", "--json", *more)
        return dict(json.loads(self.custody(*new, env=self.host, exit_code=0).stdout))

    def collect(self, *more: str) -> Path:
        done = self.custody(
            "collect", self.logs, "--output", self.base / "out", "--key", "web01", "--json", *more,
            env=self.host, exit_code=0,
        )  # fmt: skip
        return Path(json.loads(done.stdout)["path"])

    def verify(self, bundle: Path, exit_code: int) -> dict[str, Any]:
        done = self.custody("verify", bundle, "--trust", self.trust, "--json", exit_code=exit_code)
        return dict(json.loads(done.stdout))


@pytest.fixture
def place(custody: Any, tmp_path: Path) -> Place:
    return Place(custody, tmp_path)


def test_a_host_key_is_short_lived(place: Place) -> None:
    """Its end stands in its public half and in the host's own trust folder, and is printed."""
    new = ("key", "new", "web01", "--for-host", "--valid", "90m", "--no-passphrase")
    done = place.custody(*new, env=place.host, exit_code=0)
    assert "valid until" in done.stdout
    assert "custody key certify web01+" in done.stderr
    assert str(place.base / "host/certificates") in done.stderr
    shown = ("key", "show", "web01", "--json")
    document = json.loads(place.custody(*shown, env=place.host, exit_code=0).stdout)
    listed = json.loads(place.custody("trust", "list", "--json", env=place.host).stdout)
    assert listed["signers"][0]["valid_until"] == document["valid_until"] > document["created"]
    assert document["valid_until"] in place.custody("key", "list", env=place.host).stdout
    assert " until " not in place.custody("key", "list").stdout


def test_a_key_that_has_ended_signs_nothing(place: Place) -> None:
    """What it signed would count for nobody, so it is said before anything is read."""
    place.new_host_key()
    path = place.base / "host/keys/web01.json"
    document = json.loads(path.read_text())
    document["valid_until"] = "2026-01-01T00:00:00Z"
    path.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")
    collect = ("collect", place.logs, "--output", place.base / "out", "--key", "web01")
    done = place.custody(*collect, env=place.host, exit_code=2)
    assert "it counted until 2026-01-01T00:00:00Z" in done.stderr
    assert not (place.base / "out").exists()
    export = ("key", "export", "web01", "-o", place.base / "x")
    secret = place.base / "secret"
    secret.write_text("correct horse")
    place.custody(*export, "--new-passphrase-file", secret, env=place.host, exit_code=0)


def test_a_certificate_that_came_before_is_put_into_the_bundle(place: Place) -> None:
    """The desk signs it, the host keeps it, and who trusts the desk believes the bundle."""
    made = place.new_host_key()
    out = place.base / "web01.json"
    certify = ("key", "certify", made["vkey"], "--valid", "8h", "-o", out)
    done = place.custody(*certify, "--comment", "web01 of the port", exit_code=0)
    assert made["fingerprint"] in done.stdout
    folder = place.base / "host/certificates"
    folder.mkdir()
    shutil.copy(out, folder)
    (folder / "notes.txt").write_text("not a certificate")
    (folder / "broken.json").write_text("{}")
    bundle = place.collect()
    (laid,) = (bundle / "seal/events").iterdir()
    assert laid.read_bytes() == out.read_bytes()
    found = place.verify(bundle, 11)  # the key has an end, and there is no time stamp
    assert found["checks"][7]["status"] == "ok"
    assert found["signer"]["vouched_by"] == "Ada"
    laid.unlink()
    assert place.verify(bundle, 11)["checks"][7]["status"] == "not-checked"


def test_a_certificate_that_comes_after_is_for_one_bundle(place: Place) -> None:
    """Given the bundle, the desk vouches for its key there and nowhere else."""
    made = place.new_host_key()
    bundle, other = place.collect(), place.collect()
    certify = ("key", "certify", made["fingerprint"], "--bundle", bundle, "--json")
    document = json.loads(place.custody(*certify, exit_code=0).stdout)
    assert document["schema"] == "custody.key-certified/v1"
    assert (document["bundle"], document["laid_into"]) == (bundle.name, str(bundle))
    assert place.verify(bundle, 0)["signer"]["vouched_by"] == "Ada"
    shutil.copytree(bundle / "seal/events", other / "seal/events")
    assert place.verify(other, 11)["checks"][7]["status"] == "not-checked"


def test_an_old_certificate_is_not_put_into_a_bundle(place: Place) -> None:
    """It would help nobody: said, and the collection goes on."""
    made = place.new_host_key()
    out = place.base / "host/certificates/web01.json"
    out.parent.mkdir()
    certify = ("key", "certify", made["vkey"], "--bundle", "20260101T000000Z-x-000000", "-o", out)
    place.custody(*certify, exit_code=0)
    done = place.custody(
        "collect", place.logs, "--output", place.base / "out", "--key", "web01",
        env=place.host, exit_code=0,
    )  # fmt: skip
    assert "it is for the bundle 20260101T000000Z-x-000000 alone" in done.stderr
    (bundle,) = (path for path in (place.base / "out").iterdir() if path.name != "incoming")
    assert not (bundle / "seal/events").exists()


def test_a_certificate_is_entered_in_the_case(place: Place) -> None:
    """With --case it is an entry too, and the case verifies for who trusts the desk alone."""
    custody, case = place.custody, place.base / "case"
    custody("init", case, "--no-passphrase", "--key", "ada", exit_code=0)
    made = place.new_host_key()
    certify = ("key", "certify", made["vkey"], "--valid", "8h", "--case", case, "--json")
    assert json.loads(custody(*certify, exit_code=0).stdout)["entry"] == 1
    assert "key-added" in custody("ledger", "list", "--case", case, exit_code=0).stdout
    custody("verify", case, exit_code=0)


def test_a_case_may_need_two_desks(place: Place) -> None:
    """The second desk certifies on a machine of its own and sends the file, which is entered."""
    custody, case = place.custody, place.base / "case"
    custody("init", case, "--no-passphrase", "--key", "ada", "--key-quorum", "2", exit_code=0)
    second = {"CUSTODY_HOME": str(place.base / "second")}
    new = ("key", "new", "bob", "--role", "desk", "--no-passphrase", "--json")
    bob = json.loads(custody(*new, env=second, exit_code=0).stdout)
    made = place.new_host_key()
    out = place.base / "from-bob.json"
    certify = ("key", "certify", made["vkey"], "--valid", "8h")
    custody(*certify, "-o", out, env=second, exit_code=0)
    done = custody("key", "enter", out, "--case", case, exit_code=11)
    assert "nobody here trusts the key that signed it" in done.stderr
    custody("trust", "add", "signer", bob["vkey"], "--role", "desk", exit_code=0)
    done = custody("key", "enter", out, "--case", case, exit_code=0)
    assert "by 1 of the 2 desks that are needed" in done.stderr
    assert "entry 1: key-added" in done.stdout
    done = custody("key", "enter", out, "--case", case, exit_code=0)
    assert "it is entered already" in done.stderr
    custody(*certify, "--case", case, exit_code=0)
    assert "2 different" not in custody("verify", case, exit_code=0).stderr


REFUSED: dict[str, tuple[Sequence[str], int, str]] = {
    "without an end or a bundle": ((FINGERPRINT, "-o", "{x}"), 2, "say until when it counts"),
    "for nobody to see": ((FINGERPRINT, "--valid", "8h"), 2, "say where the certificate goes"),
    "no key": (("somebody", "--valid", "8h", "-o", "{x}"), 2, "64 hex digits"),
    "a span of no length": ((FINGERPRINT, "--valid", "0h", "-o", "{x}"), 2, "--valid"),
    "an end that is past": (
        (FINGERPRINT, "--until", "2026-01-01T00:00:00Z", "-o", "{x}"), 2, "has ended already",
    ),
    "an end before its beginning": (
        (FINGERPRINT, "--valid", "8h", "--valid-from", "2999-01-01T00:00:00Z", "-o", "{x}"),
        2, "ends before it begins",
    ),
    "two ends": (
        (FINGERPRINT, "--valid", "8h", "--until", "2999-01-01T00:00:00Z", "-o", "{x}"),
        2, "choose one",
    ),
    "onto a file": ((FINGERPRINT, "--valid", "8h", "-o", "{logs}"), 2, "nothing was overwritten"),
    "its own key": (("{own}", "--valid", "8h", "-o", "{x}"), 2, "nobody vouches for their own"),
    "a bundle that is not there": (
        (FINGERPRINT, "--bundle", "/nowhere/x", "-o", "{x}"), 12, "there is no such bundle",
    ),
    "a bundle by another key": ((FINGERPRINT, "--bundle", "{bundle}"), 11, "signed by the key"),
    "not a bundle": ((FINGERPRINT, "--bundle", "{logs}"), 12, "custody: error"),
    "into a case that is none": ((FINGERPRINT, "--valid", "8h", "--case", "{logs}"), 12, "case"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_request_vouches_for_nobody(place: Place, name: str) -> None:
    """Each has its exit code and one clear line; no file is written, in the bundle neither."""
    place.new_host_key()
    bundle = place.collect()
    args, code, words = REFUSED[name]
    places = {"x": place.base / "x", "logs": place.logs, "own": place.desk["vkey"],
              "bundle": bundle}  # fmt: skip
    done = place.custody("key", "certify", *(arg.format(**places) for arg in args), exit_code=code)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place.base / "x").exists()
    assert not (bundle / "seal/events").exists()


def test_only_a_desk_certifies(place: Place, tmp_path: Path) -> None:
    """A collector's certificate would be believed by nobody; a revoked key's not either."""
    custody = place.custody
    place.new_host_key()
    certify = ("key", "certify", FINGERPRINT, "--valid", "8h", "-o", tmp_path / "x")
    done = custody(*certify, env=place.host, exit_code=2)
    assert "only a desk's word about keys is believed" in done.stderr
    at = ("--at", "2026-01-01T00:00:00Z")
    custody("trust", "revoke", FINGERPRINT, *at, exit_code=0)
    assert "it was revoked at" in custody(*certify, exit_code=2).stderr
    custody("trust", "revoke", place.desk["vkey"], *at, exit_code=0)
    done = custody("key", "certify", "0" * 64, *certify[3:], exit_code=2)
    assert "you revoked it, from 2026-01-01T00:00:00Z on" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--valid", "8h"), "only a key --for-host has an end"),
        (("--for-host", "--valid", "soon"), "90m, 8h or 3"),
        (("--for-host", "--valid", "99999d"), "ten years"),
        (("--role", "boss"), "boss is none of"),
    ],
)
def test_a_wrong_new_key_is_not_made(custody: Any, args: Sequence[str], words: str) -> None:
    """Exit 2, and no file."""
    done = custody("key", "new", "web01", "--no-passphrase", *args, exit_code=2)
    assert words in done.stderr
    assert not custody.home.exists()


def test_an_intake_by_a_collector_is_warned_about(place: Place) -> None:
    """Vouching for the key on the paper form is a desk's part; it is said which line is missing."""
    custody, case = place.custody, place.base / "case"
    custody("key", "new", "sam", "--no-passphrase", exit_code=0)
    custody("init", case, "--no-passphrase", "--key", "sam", exit_code=0)
    fingerprint = place.new_host_key()["fingerprint"]
    bundle = place.collect()
    receive = ("receive", "--from", "Bo, Admin, Ex", "--fingerprint", fingerprint, "--case", case)
    done = custody(*receive, "--key", "sam", bundle)
    assert "custody: warning: nobody will believe the bundle on your word" in done.stderr
    assert 'write role = "desk"' in done.stderr


@pytest.mark.parametrize("number", ["0", "10", "-1", "two"])
def test_a_case_asks_for_one_desk_to_nine(custody: Any, tmp_path: Path, number: str) -> None:
    """Exit 2, and no case and no key."""
    init = ("init", tmp_path / "case", "--no-passphrase", "--key-quorum", number)
    done = custody(*init, exit_code=2)
    assert "--key-quorum" in done.stderr
    assert not (tmp_path / "case").exists()
    assert not custody.home.exists()
