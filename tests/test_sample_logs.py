"""The sample logs: an invented incident that may be published, in the formats it claims."""

from __future__ import annotations

import gzip
import ipaddress
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

DOCUMENTATION = [
    ipaddress.ip_network(block)
    for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
EXAMPLE_DOMAINS = re.compile(r"(?:^|\.)(?:example|test|invalid|example\.(?:com|net|org))$")
UTMP = struct.Struct("<hxxi32s4s32s256shhiii16s20x")


@pytest.fixture(scope="module")
def samples(root: Path) -> Path:
    return root / "sample_logs"


@pytest.fixture(scope="module")
def texts(samples: Path) -> dict[str, str]:
    """Every file's content as text, byte for character, unpacked where it is packed."""
    found = {}
    for path in sorted(samples.rglob("*")):
        if path.is_file():
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            found[path.relative_to(samples).as_posix()] = data.decode("latin-1")
    return found


def addresses(text: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for token in re.findall(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:]*:"
                            r"[0-9a-fA-F:.]*)(?![\w:])", text):  # fmt: skip
        try:
            yield ipaddress.ip_address(token.rstrip(".:") if "::" not in token[-2:] else token)
        except ValueError:
            continue  # a time of day, a MAC address, a version


def test_only_documentation_addresses(texts: dict[str, str]) -> None:
    """Every address in the sample logs is from a range that nobody owns."""
    seen = {(name, address) for name, text in texts.items() for address in addresses(text)}
    strangers = {
        (name, str(address))
        for name, address in seen
        if not any(address in block for block in DOCUMENTATION)
    }
    assert strangers == set()
    assert {address.version for _, address in seen} == {4, 6}


@pytest.mark.parametrize("text", ["from 8.8.8.8 port 22", "[2606:4700::1111]:443", "client: ::1,"])
def test_a_real_address_would_be_seen(text: str) -> None:
    """The search finds an address in the places where logs have them."""
    assert len(list(addresses(text))) == 1


def test_only_example_mail_domains(texts: dict[str, str]) -> None:
    """Every mail address and web host in the sample logs is under an example domain."""
    pattern = re.compile(r"(?:[\w.+-]+@|https?://)([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
    hosts = {host for text in texts.values() for host in pattern.findall(text)}
    assert hosts
    assert {host for host in hosts if not EXAMPLE_DOMAINS.search(host)} == set()


def test_awkward_names_are_there(samples: Path) -> None:
    """The names that break careless tools are among the samples, as exactly these bytes."""
    names = {path.name for path in (samples / "var/log/permits").iterdir()}
    assert names >= {
        "batch report 2026-03.log",
        "r\u00e9sum\u00e9-import.log",
        "disk 80%.log",
        "level=debug.log",
        "-v.log",
    }


def test_rotated_logs_open_and_are_reproducible(samples: Path) -> None:
    """The packed logs unpack, and carry no time and no name of their making."""
    for name in ("access.log.2.gz", "access.log.3.gz"):
        data = (samples / "var/log/nginx" / name).read_bytes()
        assert data[:4] == b"\x1f\x8b\x08\x00"
        assert data[4:8] == bytes(4)
        assert gzip.decompress(data).startswith(b"192.0.2.30 - - [0")


def journal_entries(data: bytes) -> Iterator[dict[str, bytes]]:
    """The journal export format: `NAME=value` lines, or NAME, a 64-bit length and the bytes."""
    entry: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        line, at = data[at:end], end + 1
        if not line:
            yield entry
            entry = {}
        elif b"=" in line:
            name, _, value = line.partition(b"=")
            entry[name.decode()] = value
        else:
            (size,) = struct.unpack_from("<Q", data, at)
            entry[line.decode()] = data[at + 8 : at + 8 + size]
            at += 8 + size
            assert data[at : at + 1] == b"\n"
            at += 1
    assert entry == {}


def test_journal_export_parses(samples: Path) -> None:
    """The journal export is well formed, in order, and has messages that are not one line."""
    entries = list(journal_entries((samples / "var/log/journal/web01.export").read_bytes()))
    times = [int(entry["__REALTIME_TIMESTAMP"]) for entry in entries]
    assert times == sorted(times)
    assert all({"__CURSOR", "_BOOT_ID", "MESSAGE"} <= set(entry) for entry in entries)
    assert any(b"\n" in entry["MESSAGE"] for entry in entries)
    assert any(b"\x1b" in entry["MESSAGE"] for entry in entries)


def test_wtmp_is_whole_records(samples: Path) -> None:
    """The login records are whole utmp records, and the intruder's login is among them."""
    data = (samples / "var/log/wtmp").read_bytes()
    assert UTMP.size == 384
    assert len(data) % UTMP.size == 0
    logins = {
        (fields[4].rstrip(b"\0"), fields[5].rstrip(b"\0"))
        for fields in UTMP.iter_unpack(data)
        if fields[0] == 7
    }
    assert (b"deploy", b"203.0.113.45") in logins


def test_the_record_agrees_with_the_logs(samples: Path, texts: dict[str, str]) -> None:
    """The moments and counts of the incident record are those that the logs show."""
    record = yaml.safe_load((samples / "incident.yaml").read_text(encoding="utf-8"))
    assert record["schema"] == "custody.incident/v1"
    assert record["case"] == "STL-2026-014"
    assert "01/Mar/2026:02:10:00 -0600" in texts["var/log/nginx/access.log.3.gz"]
    assert "2026-03-03T23:58:41" in texts["var/log/auth.log"]
    assert "2026-03-04T08:37:12" in texts["var/log/permits/app.log"]
    assert f"rows={record['data']['records']['at_least']} " in texts["var/log/permits/app.log"]
    assert texts["var/log/mail.log"] == ""


def test_small_enough_to_carry(samples: Path) -> None:
    """The samples stay under 200 KiB, so that every clone and demo is quick."""
    assert sum(path.stat().st_size for path in samples.rglob("*") if path.is_file()) < 200 * 1024
