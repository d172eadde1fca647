"""The systemd unit for a watch: what it may do is as little as it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from custody.cli.given import options
from custody.cli.terminal import console

_UNIT = """\
[Unit]
Description=Preserve what is appended to logs (custody watch)
After=local-fs.target

[Service]
Type=simple
Environment={environment}
ExecStart={command}
{credential}Restart=on-failure
RestartSec=10
# A wrong PIN that is tried again and again locks a token; a key that has ended counts no more.
RestartPreventExitStatus=14
TimeoutStopSec=120
KillSignal=SIGTERM

Nice=10
IOSchedulingClass=idle
LimitNOFILE=16384
UMask=0077

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
PrivateTmp=yes
PrivateDevices=yes
PrivateNetwork=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_FOWNER

[Install]
WantedBy=multi-user.target
"""


def show(
    sources: Sequence[str], given: Sequence[tuple[str, str]], passphrase_file: Path | None
) -> None:
    """Print the unit for watching *sources* into the case that is named.

    :param given: the other options of this very command, with their values; no value, no word.
    """
    case = str(options.needed_case("watch SOURCE... --print-unit").absolute())
    home = str(options.home().absolute())
    words = [str(Path(sys.argv[0]).absolute()), "watch", *map(os.path.abspath, sources)]
    for name, value in given:
        words += [name, value] if value else [name]
    words += ["--case", case]
    passphrase = (passphrase_file or options.home() / "passphrase").absolute()
    credential = ""
    if passphrase_file or passphrase.exists():
        credential = f"LoadCredential={_word(f'passphrase:{passphrase}')}\n"
    command = " ".join(_word(word, command=True) for word in words)
    text = _UNIT.format(
        environment=_word(f"CUSTODY_HOME={home}"),
        command=command + (" --passphrase-file %d/passphrase" if credential else ""),
        credential=credential,
        writable=f"{_word(case)} {_word(home)}",
    )
    console.result_bytes(os.fsencode(text))


def _word(text: str, *, command: bool = False) -> str:
    """One word of a unit file: quoted, with nothing that systemd would expand.

    :param command: whether it stands in a command line, where systemd expands variables, too.
    """
    doubled = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    # systemd takes no line that is not UTF-8, and none that is broken.
    doubled = "".join(
        char if char.isprintable() and not "\udc80" <= char <= "\udcff" else _escaped(char)
        for char in doubled
    )
    if command:
        doubled = doubled.replace("$", "$$")
    plain = text.isascii() and text.isprintable() and not set(text) & set(" '\"\\;")
    return doubled if plain and text else f'"{doubled}"'


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
