"""The systemd unit for a watch: what it may do is as little as it needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from . import console, options

_UNIT = """\
[Unit]
Description=Preserve what is appended to logs (custody watch)
After=local-fs.target

[Service]
Type=simple
Environment=CUSTODY_HOME={home}
ExecStart={program} watch {sources} --every {every} --case {case} --passphrase-file %d/passphrase
LoadCredential=passphrase:{passphrase}
Restart=on-failure
RestartSec=10
TimeoutStopSec=120
KillSignal=SIGTERM

Nice=10
IOSchedulingClass=idle
LimitNOFILE=16384
UMask=0077

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={case} {home}
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


def show(sources: Sequence[str], every: str, passphrase_file: Path | None) -> None:
    """Print the unit for watching *sources* into the case that is named."""
    case = options.needed_case("watch SOURCE... --print-unit")
    passphrase = passphrase_file or options.home() / "passphrase"
    text = _UNIT.format(
        home=_word(str(options.home().absolute())),
        program=_word(str(Path(sys.argv[0]).absolute())),
        sources=" ".join(_word(source) for source in sources),
        every=_word(every),
        case=_word(str(case.absolute())),
        passphrase=_word(str(passphrase.absolute())),
    )
    console.result_bytes(text.encode())


def _word(text: str) -> str:
    """One word of a unit file: quoted, with nothing that systemd would expand."""
    doubled = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return doubled if text.isascii() and not set(text) & set(" \t'\"\\") else f'"{doubled}"'
