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
    "sets": ("sets", "Say what can be collected by name."),
    "watch": ("watch", "Keep preserving what is appended to logs, until told to stop."),
    "restore": ("restore", "Put a watched file together again from its pieces."),
    "verify": ("verify", "Check a bundle or a whole case, and say what was found."),
    "compare": ("compare", "Hold a copy against its original, and say what differs."),
    "countersign": ("countersign", "Sign a bundle as a second person, after checking it."),
    "timestamp": ("timestamp", "Let an outside authority say when something existed."),
    "copy": ("copy", "Make a verified copy of a bundle."),
    "release": ("release", "Hand a copy, or the original, to somebody who signs for it."),
    "receive": ("receive", "Sign for what was released, and take bundles into a case."),
    "record": ("record", "Enter the receipt of what was released, signed or on paper."),
    "history": ("history", "Say everything that ever happened to an item."),
    "form": ("form", "Print the chain-of-custody form of a bundle."),
    "certificate": ("certificate", "Draft a certification under FRE 902(13) and (14)."),
    "note": ("note", "Enter a note about an item."),
    "correct": ("correct", "Enter what is right in place of an earlier entry."),
    "access": ("access", "Enter that somebody opened an item, and why."),
    "dispose": ("dispose", "Enter that an item was destroyed or returned."),
    "incident": ("incident", "Write an incident record, check one, enter it."),
    "obligations": ("obligations", "Say who must be told, by when, and why."),
    "notice": ("notice", "Draft a notice, and enter what was sent."),
    "hold": ("hold", "Enter a law-enforcement hold on notices, and its end."),
    "verifier": ("verifier", "Print a program in one file that checks evidence without custody."),
    "ledger": ("ledger", "Look into the ledger of a case, and check it."),
    "key": ("key", "Make and show signing keys."),
    "trust": ("trust", "Say whose keys to believe, and since when."),
}

FIRST_COMMANDS = """\
custody preserves logs as signed evidence and keeps the chain of custody.

  on the affected host    custody collect /var/log --output DIR
  at the evidence desk    custody receive --case DIR --from WHO PATH...
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
