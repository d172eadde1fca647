"""`custody compare` through the command line: statuses, exit codes, what is entered."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def logs(logs: Path) -> Path:
    """The same with one more file and a link, which not every disk can hold."""
    (logs / "syslog").write_text("three\nfour\n")
    (logs / "current").symlink_to("auth.log")
    return logs


def compared(custody: Any, *args: Any, exit_code: int = 0) -> dict[str, Any]:
    done = custody("compare", *args, "--json", exit_code=exit_code)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["schema"] == "custody.comparison/v1"
    return found


def statuses(found: dict[str, Any]) -> dict[str, str]:
    """Path and status of what is not identical."""
    items = {item["path"]: item["status"] for item in found["items"]}
    assert sum(found["totals"].values()) == len(found["items"])
    return {path: status for path, status in items.items() if status != "identical"}


def detail(found: dict[str, Any], path: str) -> str:
    return next(str(item["detail"]) for item in found["items"] if item["path"] == path)


def inside(bundle: Path, path: Path) -> str:
    """How a path of the host is named in a comparison with a bundle."""
    assert bundle.is_dir()
    return str(path).lstrip("/")


def test_a_faithful_copy_is_identical(custody: Any, copied: Path, logs: Path) -> None:
    """A copy with the same content and metadata is identical, and the exit is 0."""
    found = compared(custody, copied, logs)
    assert found["identical"] is True
    assert found["totals"]["identical"] == len(found["items"]) == 4


def test_every_status(custody: Any, copied: Path, logs: Path) -> None:
    """Each kind of difference gets its own status, with the offset or the names in the detail."""
    for name in ("cut", "shifted", "gone", "touched"):
        for side in (copied, logs):
            (side / name).write_text(f"the log {name}\n")
            os.utime(side / name, (1, 1))
    with (logs / "auth.log").open("a") as stream:
        stream.write("more\n")
    (logs / "cut").write_text("the")
    (logs / "syslog").write_text("three\nFour\n")
    (logs / "shifted").rename(logs / "shifted.1")
    (copied / "gone").unlink()
    (copied / "new").write_text("nobody has this")
    os.utime(logs / "touched", (2, 2))
    found = compared(custody, copied, logs, exit_code=10)
    assert statuses(found) == {
        "auth.log": "grown",
        "cut": "truncated",
        "syslog": "modified",
        "shifted": "moved",
        "gone": "missing",
        "new": "extra",
        "touched": "metadata",
    }
    assert detail(found, "auth.log") == "the original continues 5 bytes past the copy"
    assert detail(found, "syslog").startswith("first difference at byte 6")
    assert detail(found, "touched") == "differs in modification time"
    assert "shifted.1" in detail(found, "shifted")
    assert found["identical"] is False


@pytest.mark.parametrize("change", ["grown", "moved", "metadata"])
def test_no_lost_content_is_no_failure(custody: Any, copied: Path, logs: Path, change: str) -> None:
    """Grown, moved and metadata alone exit 0 and are said; with --strict the exit is 10."""
    if change == "grown":
        with (logs / "syslog").open("a") as stream:
            stream.write("more\n")
    elif change == "moved":
        (logs / "syslog").rename(logs / "syslog.1")
    else:
        (logs / "syslog").chmod(0o640)
    found = compared(custody, copied, logs)
    assert set(statuses(found).values()) == {change}
    compared(custody, copied, logs, "--strict", exit_code=10)


def test_the_header_says_which_side_is_which(custody: Any, copied: Path, logs: Path) -> None:
    """The first two lines name the copy and the original, in that order."""
    lines = custody("compare", copied, logs, exit_code=0).stdout.splitlines()
    assert lines[0] == f"copy      {copied}  (directory)"
    assert lines[1] == f"original  {logs}  (directory)"


def test_a_swapped_pair_is_recognised(custody: Any, tmp_path: Path) -> None:
    """A log that would have grown the other way round is truncated, and the swap is suggested."""
    copy, original = tmp_path / "copy.log", tmp_path / "live.log"
    copy.write_bytes(b"x" * 10)
    original.write_bytes(b"x" * 3_122)
    done = custody("compare", copy, original, exit_code=0)
    assert "the original continues 3,112 bytes past the copy" in done.stdout
    done = custody("compare", original, copy, exit_code=10)
    assert "the copy continues 3,112 bytes past the original" in done.stdout
    assert f"custody compare {copy} {original}" in done.stderr


def test_fifos_and_links_are_never_opened(custody: Any, copied: Path, logs: Path) -> None:
    """A FIFO does not block, and a link is compared by where it leads, not by what is there."""
    for side in (copied, logs):
        os.mkfifo(side / "pipe")
        os.utime(side / "pipe", (1, 1))
    (copied / "current").unlink()
    (copied / "current").symlink_to("syslog")
    found = compared(custody, copied, logs, exit_code=10)
    assert statuses(found) == {"current": "modified"}
    assert detail(found, "current") == "leads to auth.log, in the copy to syslog"


def test_another_kind_is_a_difference(custody: Any, copied: Path, logs: Path) -> None:
    """A file in one place and a link or a directory in the other is modified, in those words."""
    (copied / "syslog").unlink()
    (copied / "syslog").symlink_to("auth.log")
    (copied / "auth.log").unlink()
    (copied / "auth.log").mkdir()
    found = compared(custody, copied, logs, exit_code=10)
    assert statuses(found) == {"syslog": "modified", "auth.log": "modified"}
    assert detail(found, "auth.log") == "a directory in the copy, a file in the original"


def test_names_that_are_not_text(custody: Any, copied: Path, logs: Path) -> None:
    """A name with bytes that are no UTF-8 has them in base64, and is escaped in the table."""
    (logs / os.fsdecode(b"bad\xff\x1b[31m")).write_text("x")
    found = compared(custody, copied, logs, exit_code=10)
    (item,) = [item for item in found["items"] if item["status"] == "missing"]
    assert base64.b64decode(item["path_b64"]) == b"bad\xff\x1b[31m"
    assert "\x1b" not in custody("compare", copied, logs, exit_code=10).stdout


def test_a_disk_that_lost_case(custody: Any, copied: Path, logs: Path) -> None:
    """A copy whose names differ only in case has lost metadata, and no content."""
    (copied / "nginx").rename(copied / "NGINX")
    found = compared(custody, copied, logs)
    assert statuses(found) == {"NGINX": "metadata", "NGINX/access.log": "metadata"}
    assert "nginx/access.log" in detail(found, "NGINX/access.log")


def test_what_cannot_be_read_is_said(custody: Any, tmp_path: Path, ordinary_user: Any) -> None:
    """A file that may not be read is no difference: it is listed as such, and the exit is 3."""
    for side in ("copy", "original"):
        (ordinary_user.home / side).mkdir()
        (ordinary_user.home / side / "secret.log").write_text("secret")
        (ordinary_user.home / side / "open.log").write_text("open")
    for path in (ordinary_user.home, *ordinary_user.home.rglob("*")):
        os.utime(path, (1, 1))
        os.chown(path, ordinary_user.uid, ordinary_user.gid)
    os.chown(ordinary_user.home / "original" / "secret.log", 0, 0)
    (ordinary_user.home / "original" / "secret.log").chmod(0)
    home = ordinary_user.home
    done = custody("compare", home / "copy", home / "original", "--json", user=ordinary_user)
    found = json.loads(done.stdout)
    assert [item["path"] for item in found["not_compared"]] == ["secret.log"]
    assert statuses(found) == {}
    assert found["identical"] is False
    assert done.returncode == 3


@pytest.mark.parametrize(
    "args",
    [("copy",), ("copy", "--live", "logs"), ("copy", "copy"), ("copy", "logs/syslog"),
     ("copy", "logs", "--purpose", "no record")],
)  # fmt: skip
def test_a_request_without_sense(
    custody: Any, copied: Path, logs: Path, tmp_path: Path, args: tuple[str, ...]
) -> None:
    """Two sides that do not go together are refused before anything is read."""
    custody("compare", *args, cwd=tmp_path, exit_code=2)


def test_what_is_not_there(custody: Any, copied: Path, tmp_path: Path) -> None:
    """A path that is not there, or no bundle, is exit 12."""
    custody("compare", copied, tmp_path / "nothing", exit_code=12)
    custody("compare", copied, "--live", exit_code=12)


def test_a_bundle_against_the_live_paths(custody: Any, bundle: Path, logs: Path) -> None:
    """A bundle is compared with where it came from: what went on, rotated and is new is told."""
    assert compared(custody, bundle, "--live")["identical"] is True
    with (logs / "auth.log").open("a") as stream:
        stream.write("three\n")
    (logs / "syslog").rename(logs / "syslog.1")
    (logs / "syslog").write_text("a new day\n")
    (logs / "nginx" / "error.log").write_text("oh\n")
    found = compared(custody, bundle, "--live", exit_code=10)
    told = [(Path(item["path"]).name, item["status"]) for item in found["items"]]
    assert sorted(one for one in told if one[1] != "identical") == [
        ("auth.log", "grown"),
        ("error.log", "missing"),
        ("syslog", "missing"),
        ("syslog", "moved"),
    ]
    (gone,) = [item for item in found["items"] if item["status"] == "moved"]
    assert gone["original_path"] == inside(bundle, logs / "syslog.1")


def test_what_was_excluded_is_not_missing(custody: Any, logs: Path, tmp_path: Path) -> None:
    """What a collection left out on request is passed over on the live side too."""
    done = custody("collect", logs, "--output", logs / "own", "--exclude", "*.log", "--json",
                   exit_code=0)  # fmt: skip
    bundle = json.loads(done.stdout)["path"]
    assert compared(custody, bundle, "--live")["identical"] is True


def test_a_bundle_against_copies_of_its_paths(
    custody: Any, bundle: Path, copied: Path, logs: Path, tmp_path: Path
) -> None:
    """A bundle is matched by its raw paths with a directory, a part of it, a file, a restored
    tree, or another bundle, on either side."""
    restored = tmp_path / "restored"
    shutil.copytree(logs, restored / str(logs).lstrip("/"), symlinks=True)
    done = custody("collect", logs, "--output", tmp_path / "again", "--json", exit_code=0)
    for other in (copied, logs, logs / "nginx", logs / "syslog", copied / "syslog", restored,
                  Path(json.loads(done.stdout)["path"])):  # fmt: skip
        for pair in ((bundle, other), (other, bundle)):
            found = compared(custody, *pair)
            assert set(found["totals"]) >= {"identical"}
            assert found["totals"]["identical"] > 0
            assert set(statuses(found).values()) <= {"metadata"}


def test_a_bundle_that_lies_is_told(custody: Any, bundle: Path, logs: Path) -> None:
    """A payload changed together with the original is not identical: its inventory disagrees."""
    payload = next(bundle.glob("data/**/syslog"))
    payload.write_text("THREE\nfour\n")
    (logs / "syslog").write_text("THREE\nfour\n")
    found = compared(custody, bundle, "--live", exit_code=10)
    assert "not what its bundle's inventory says" in detail(found, inside(bundle, logs / "syslog"))


def test_a_payload_name_that_leads_out(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """An inventory that names a file outside of the bundle makes nobody read it."""
    path = bundle / "custody" / "inventory.jsonl"
    data = path.read_bytes()
    name = next(line for line in data.splitlines() if b"syslog" in line)
    payload = json.loads(name)["payload"]
    rewritten(bundle, data.replace(payload.encode(), b"data/../../../secret"))
    found = compared(custody, bundle, "--live", exit_code=3)
    assert len(found["not_compared"]) == 1


def rewritten(bundle: Path, inventory: bytes) -> None:
    """Another inventory, and a tag manifest that agrees with it."""
    path, tags = bundle / "custody" / "inventory.jsonl", bundle / "tagmanifest-sha256.txt"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(inventory)
    tags.write_text(tags.read_text().replace(before, hashlib.sha256(inventory).hexdigest()))


def test_a_damaged_inventory_is_exit_10(custody: Any, bundle: Path) -> None:
    """A bundle whose inventory cannot be read differs from what was sealed."""
    (bundle / "custody" / "inventory.jsonl").write_text("{}\n")
    done = custody("compare", bundle, "--live", exit_code=10)
    assert "custody verify" in done.stderr


def test_record_enters_both_digests(custody: Any, logs: Path, tmp_path: Path) -> None:
    """--record enters a `verified` event with the digest of each side and the result."""
    case = tmp_path / "case"
    custody("init", case, "--no-passphrase", "--person", "A desk", exit_code=0)
    copy = tmp_path / "copy.log"
    copy.write_bytes((logs / "syslog").read_bytes())
    with (logs / "syslog").open("a") as stream:
        stream.write("five\n")
    custody("compare", copy, logs / "syslog", "--record", "--case", case, "--purpose", "Tuesday",
            exit_code=0)  # fmt: skip
    done = custody("ledger", "show", "1", "--json", "--case", case, exit_code=0)
    payload = json.loads(done.stdout)["payload"]
    assert payload["predicate"]["type"] == "verified"
    assert payload["predicate"]["purpose"] == "Tuesday"
    assert payload["predicate"]["details"]["result"] == "intact"
    assert payload["predicate"]["details"]["totals"] == {"grown": 1}
    assert {item["name"]: item["digest"]["sha256"] for item in payload["subject"]} == {
        "copy": hashlib.sha256(copy.read_bytes()).hexdigest(),
        "original": hashlib.sha256((logs / "syslog").read_bytes()).hexdigest(),
    }


def test_record_without_a_case_reads_nothing(custody: Any, copied: Path, logs: Path) -> None:
    """Without a case to record in, the comparison is not begun."""
    done = custody("compare", copied, logs, "--record", exit_code=2)
    assert done.stdout == ""


def test_nothing_is_touched(custody: Any, bundle: Path, logs: Path) -> None:
    """Neither side is written to, and where the system allows, not even an access time changes."""
    paths = [path for side in (bundle, logs) for path in (side, *side.rglob("*"))]
    for path in paths:
        os.utime(path, (1, 1), follow_symlinks=False)
    before = {path: path.lstat() for path in paths}
    custody("compare", bundle, "--live")
    after = {path: path.lstat() for path in paths}  # before listing, which is a touch itself
    assert {path for side in (bundle, logs) for path in (side, *side.rglob("*"))} == set(paths)
    for path, status in before.items():
        assert after[path].st_mtime_ns == status.st_mtime_ns
        if path.is_relative_to(logs) and not path.is_symlink():
            assert after[path].st_atime_ns == status.st_atime_ns
