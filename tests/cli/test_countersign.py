"""`custody countersign`: a second person signs what was sealed, after checking it."""

from __future__ import annotations

import copy as copying
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


class Office:
    """The desk with its case and a bundle in it, and the examiner with a home of her own."""

    def __init__(self, custody: Any, base: Path) -> None:
        self.lies_in(custody, base)
        self.logs.mkdir()
        (self.logs / "auth.log").write_text("Accepted password\n")
        custody("init", self.case, "--no-passphrase", exit_code=0)
        done = custody("collect", self.logs, "--case", self.case, "--json", exit_code=0)
        self.name = json.loads(done.stdout)["bundle_id"]
        new = ("key", "new", "kim", "--person", "Kim Example", "--no-passphrase")
        done = custody(*new, "--json", env=self.kim, exit_code=0)
        self.kim_key = json.loads(done.stdout)["vkey"]
        self.fingerprint = json.loads(done.stdout)["fingerprint"]
        keys = json.loads(custody("key", "list", "--json", exit_code=0).stdout)["keys"]
        self.desk_key = next(item["vkey"] for item in keys if item["use"] == "signer")
        custody(
            "trust", "add", "signer", self.desk_key, "--role", "desk", env=self.kim, exit_code=0
        )
        shutil.copytree(self.bundle, self.copy)

    def lies_in(self, custody: Any, base: Path) -> None:
        """Where everything is."""
        self.custody = custody
        self.base = base
        self.logs = base / "logs"
        self.case = base / "case"
        self.kim_home = base / "kim-home"
        self.kim = {"CUSTODY_HOME": str(self.kim_home)}

    def moved(self, custody: Any, base: Path) -> Office:
        """The same, copied: making it takes a few seconds."""
        shutil.copytree(self.base, base, symlinks=True, dirs_exist_ok=True)
        other = copying.copy(self)
        other.lies_in(custody, base)
        return other

    @property
    def bundle(self) -> Path:
        return self.case / "bundles" / self.name

    @property
    def copy(self) -> Path:
        return self.base / "stick" / self.name

    def require(self) -> None:
        """The desk asks for an examiner, and knows Kim as one."""
        add = ("trust", "add", "signer", self.kim_key, "--role", "examiner")
        self.custody(*add, "--name", "Kim Example", exit_code=0)
        path = self.custody.home / "trust/signers.toml"
        path.write_text('require_roles = ["collector", "examiner"]\n' + path.read_text())

    def file(self, bundle: Path) -> Path:
        return bundle / f"seal/statements/{self.fingerprint}.dsse.json"


_MADE: list[Office] = []


@pytest.fixture
def office(custody: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Office:
    if not _MADE:
        base = tmp_path_factory.mktemp("office")
        _MADE.append(Office(type(custody)(base), base))
    return _MADE[0].moved(custody, tmp_path)


def test_the_examiner_signs_a_copy_and_the_desk_adds_it(office: Office) -> None:
    """From another machine and with another key, until the verifier's policy is met."""
    custody = office.custody
    office.require()
    done = custody("verify", office.bundle, exit_code=11)
    assert "lacks: examiner" in done.stdout
    assert f"custody countersign {office.bundle}" in done.stdout
    made = office.base / "kim.dsse.json"
    done = custody("countersign", office.copy, "-o", made, env=office.kim, exit_code=0)
    assert office.fingerprint in done.stdout
    assert not office.file(office.copy).exists()
    done = custody("countersign", office.bundle, "--from", made, "--case", office.case, exit_code=0)
    assert "entry 2" in done.stdout
    assert office.file(office.bundle).read_bytes() == made.read_bytes()
    custody("verify", office.bundle, exit_code=0)
    custody("verify", office.case, exit_code=0)
    listed = custody("ledger", "list", "--case", office.case, exit_code=0).stdout
    assert "verified" in listed
    assert "countersigned" in listed


def test_a_copy_is_countersigned_in_place(office: Office) -> None:
    """Twice by the same key is nothing to do: the file stays as it is."""
    custody = office.custody
    done = custody("countersign", office.copy, "--json", env=office.kim, exit_code=0)
    document = json.loads(done.stdout)
    assert document["schema"] == "custody.countersignature/v1"
    assert (document["added"], document["fingerprint"]) == (True, office.fingerprint)
    before = office.file(office.copy).read_bytes()
    done = custody("countersign", office.copy, env=office.kim, exit_code=0)
    assert "has countersigned it already" in done.stderr
    assert office.file(office.copy).read_bytes() == before
    office.require()
    custody("verify", office.copy, exit_code=0)


def test_what_could_not_be_checked_is_said_to_who_signs(office: Office) -> None:
    """A missing time stamp does not keep anybody from signing, and is not passed over."""
    path = office.kim_home / "trust/signers.toml"
    path.write_text("require_timestamp = true\n" + path.read_text())
    done = office.custody("countersign", office.copy, env=office.kim, exit_code=0)
    assert "not checked: time stamp" in done.stderr


def test_a_case_in_the_environment_is_no_matter_for_a_copy(office: Office) -> None:
    """CUSTODY_CASE counts where the bundle lies in that case, and nowhere else."""
    env = office.kim | {"CUSTODY_CASE": str(office.case)}
    made = office.base / "kim.dsse.json"
    office.custody("countersign", office.copy, "-o", made, env=env, exit_code=0)
    office.custody("countersign", office.copy, env=env, exit_code=0)
    office.require()
    at_desk = {"CUSTODY_CASE": str(office.case)}
    done = office.custody("countersign", office.bundle, "--from", made, env=at_desk, exit_code=0)
    assert "entry 2" in done.stdout


def test_in_a_case_it_is_entered_once(office: Office) -> None:
    """Also where the file was there and its entry was not: the same command enters it."""
    custody = office.custody
    office.require()
    custody("key", "new", "deputy", "--no-passphrase", exit_code=0)
    sign = ("countersign", office.bundle, "--case", office.case, "--key", "deputy", "--json")
    assert json.loads(custody(*sign, exit_code=0).stdout)["entry"] == 2
    assert json.loads(custody(*sign, exit_code=0).stdout)["entry"] is None
    shutil.copytree(office.bundle / "seal/statements", office.copy / "seal/statements")
    custody("countersign", office.copy, env=office.kim, exit_code=0)
    shutil.copy(office.file(office.copy), office.file(office.bundle))  # by hand, or by a crash
    add = ("--from", office.file(office.copy))
    assert json.loads(custody(*sign, *add, exit_code=0).stdout)["entry"] == 3
    custody("verify", office.case, exit_code=0)


def test_what_was_changed_is_never_countersigned(office: Office) -> None:
    """A bundle that is not as it was sealed: exit 10, and no file."""
    log = next(path for path in (office.copy / "data").rglob("*") if path.is_file())
    log.write_text("changed\n")
    done = office.custody("countersign", office.copy, env=office.kim, exit_code=10)
    assert "nothing was signed" in done.stderr
    assert not office.file(office.copy).exists()


def test_a_bundle_by_nobody_known_is_not_countersigned(office: Office) -> None:
    """Who countersigns says that it was sealed by somebody they trust: exit 11, with the hint."""
    (office.kim_home / "trust/signers.toml").unlink()
    done = office.custody("countersign", office.copy, env=office.kim, exit_code=11)
    assert "nobody that you trust has sealed it" in done.stderr
    assert "custody trust add signer" in done.stderr
    assert not office.file(office.copy).exists()
    fingerprint = json.loads(
        office.custody("key", "show", office.desk_key, "--json", exit_code=0).stdout
    )["fingerprint"]
    by_paper = ("countersign", office.copy, "--signer", fingerprint)
    office.custody(*by_paper, env=office.kim, exit_code=0)
    office.custody(*by_paper[:3], "0" * 64, env=office.kim, exit_code=10)


REFUSED: dict[str, tuple[Sequence[str], int, str]] = {
    "by the key that sealed it": (("{bundle}", "--case", "{case}"), 2, "no second signature"),
    "behind the case's back": (("{bundle}",), 2, "custody countersign {bundle} --case {case}"),
    "a copy, into the case": (("{copy}", "--case", "{case}"), 2, "does not lie in the case"),
    "from nothing": (("{copy}", "--from", "{base}/no"), 2, "{base}/no"),
    "from another file": (("{copy}", "--from", "{case}/case.json"), 2, "read countersignature"),
    "from an unknown key": (("{copy}", "--from", "{kim}"), 11, "trusted here by nobody"),
    "from one, and to another": (
        ("{copy}", "--from", "{kim}", "-o", "{base}/x"), 2, "neither --from nor --case",
    ),
    "no bundle": (("{base}/logs",), 12, "neither a bundle nor a case"),
    "a whole case": (("{case}",), 2, "custody countersign {case}/bundles/BUNDLE"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_request_signs_nothing(office: Office, name: str) -> None:
    """Each has its exit code and one clear line, and leaves the bundle as it was."""
    kim = office.base / "kim.dsse.json"
    office.custody("countersign", office.copy, "-o", kim, env=office.kim, exit_code=0)
    places = {"bundle": office.bundle, "case": office.case, "copy": office.copy,
              "base": office.base, "kim": kim}  # fmt: skip
    args, code, words = REFUSED[name]
    done = office.custody("countersign", *(arg.format(**places) for arg in args), exit_code=code)
    assert words.format(**places) in done.stderr
    assert "Traceback" not in done.stderr
    for bundle in (office.bundle, office.copy):
        assert not (bundle / "seal/statements").exists()


def test_one_over_another_statement_is_not_added(office: Office) -> None:
    """A countersignature belongs to one bundle."""
    custody = office.custody
    office.require()
    done = custody("collect", office.logs, "--case", office.case, "--json", exit_code=0)
    other = office.case / "bundles" / json.loads(done.stdout)["bundle_id"]
    made = office.base / "kim.dsse.json"
    custody("countersign", office.copy, "-o", made, env=office.kim, exit_code=0)
    done = custody("countersign", other, "--from", made, "--case", office.case, exit_code=2)
    assert "over another statement" in done.stderr
    broken = office.base / "broken.dsse.json"
    document = json.loads(made.read_text())
    document["signatures"][0]["sig"] = "A" * 86 + "=="
    broken.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")
    add = ("countersign", office.bundle, "--from", broken, "--case", office.case)
    done = custody(*add, exit_code=10)
    assert "has not signed it" in done.stderr
    assert not (office.bundle / "seal/statements").exists()


def test_a_key_that_has_ended_countersigns_nothing(office: Office) -> None:
    """Neither one's own, nor that of somebody whose file comes in."""
    custody = office.custody
    office.require()
    made = office.base / "kim.dsse.json"
    custody("countersign", office.copy, "-o", made, env=office.kim, exit_code=0)
    at = ("--at", "2026-01-01T00:00:00Z")
    custody("trust", "revoke", "kim", *at, exit_code=0)
    add = ("countersign", office.bundle, "--from", made, "--case", office.case)
    done = custody(*add, exit_code=11)
    assert "the key was revoked at 2026-01-01T00:00:00Z" in done.stderr
    custody("trust", "revoke", "kim", *at, env=office.kim, exit_code=0)
    done = custody("countersign", office.copy, env=office.kim, exit_code=2)
    assert "you revoked it, from 2026-01-01T00:00:00Z on" in done.stderr
    assert not (office.bundle / "seal/statements").exists()


def test_what_stands_there_is_never_overwritten(office: Office) -> None:
    """A file of another under this key's name is said, and stays."""
    path = office.file(office.copy)
    path.parent.mkdir()
    path.write_bytes((office.copy / "seal/statement.dsse.json").read_bytes())
    before = path.read_bytes()
    done = office.custody("countersign", office.copy, env=office.kim)
    assert done.returncode in (10, 11)
    assert path.read_bytes() == before
    out = office.base / "there"
    out.write_text("x")
    path.unlink()
    done = office.custody("countersign", office.copy, "-o", out, env=office.kim, exit_code=2)
    assert "nothing was overwritten" in done.stderr
    assert out.read_text() == "x"


def test_a_host_s_bundle_becomes_complete_after_it_was_taken_in(office: Office) -> None:
    """The desk vouches for the host's key although the examiner has not signed yet."""
    custody = office.custody
    office.require()
    out = office.base / "host"
    done = custody("collect", office.logs, "--output", out, "--json", exit_code=0)
    collected = json.loads(done.stdout)
    fingerprint = collected["signer"]["fingerprint"]
    receive = ("receive", "--from", "Bo, Admin, Example", "--case", office.case)
    custody(*receive, "--fingerprint", fingerprint, collected["path"], exit_code=11)
    bundle = office.case / "bundles" / collected["bundle_id"]
    assert "lacks: examiner" in custody("verify", bundle, exit_code=11).stdout
    made = office.base / "kim.dsse.json"
    by_paper = ("countersign", collected["path"], "--signer", fingerprint, "-o", made)
    custody(*by_paper, env=office.kim, exit_code=0)
    custody("countersign", bundle, "--from", made, "--case", office.case, exit_code=0)
    custody("verify", bundle, exit_code=0)
