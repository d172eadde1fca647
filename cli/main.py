"""The entry point, and the table of commands.

``--version`` is answered before anything heavy is imported, and a command's module is imported
only when that command is used: on an affected host every start counts.
"""

from __future__ import annotations

import sys

import custody

# verb -> (module, what it does); the order is that of a case's life
COMMANDS = {
    "init": ("init", "Open a case: its directory, its ledger, its first entry."),
    "collect": ("collect", "Preserve logs in a sealed bundle."),
    "verify": ("verify", "Check a bundle or a whole case, and say what was found."),
    "compare": ("compare", "Hold a copy against its original, and say what differs."),
    "copy": ("copy", "Make a verified copy of a bundle."),
    "history": ("history", "Say everything that ever happened to an item."),
    "incident": ("incident", "Write an incident record, check one, enter it."),
    "obligations": ("obligations", "Say who must be told, by when, and why."),
    "notice": ("notice", "Draft a notice, and enter what was sent."),
    "hold": ("hold", "Enter a law-enforcement hold on notices, and its end."),
    "ledger": ("ledger", "Look into the ledger of a case, and check it."),
    "key": ("key", "Make and show signing keys."),
    "trust": ("trust", "Say whose keys to believe, and since when."),
}

FIRST_COMMANDS = """\
custody preserves logs as signed evidence and keeps the chain of custody.

  on the affected host    custody collect /var/log --output DIR
  at the evidence desk    custody ledger list --case DIR
  for the investigator    custody verify PATH
  for counsel             custody obligations incident.yaml

custody --help lists every command."""


def main() -> int:
    """Run the command line and return the exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(f"custody {custody.__version__}")
        return 0
    try:
        from .frame import run

        return run(arguments)
    except KeyboardInterrupt:  # while loading, or a second time while the first was told
        return 130


if __name__ == "__main__":
    sys.exit(main())
