"""The entry point, and the table of commands.

``--version`` is answered before anything heavy is imported, and a command's module is imported
only when that command is used: on an affected host every start counts.
"""

from __future__ import annotations

import sys

import custody

# verb -> (module, what it does); the order is that of a case's life
COMMANDS = {
    "init": ("preserving.init", "Open a case: its directory, its ledger, its first entry."),
    "collect": ("preserving.collect", "Preserve logs in a sealed bundle."),
    "sets": ("preserving.sets", "Say what can be collected by name."),
    "watch": ("preserving.watch", "Keep preserving what is appended to logs, until told to stop."),
    "restore": ("preserving.restore", "Put a watched file together again from its pieces."),
    "verify": ("checking.verify", "Check a bundle or a whole case, and say what was found."),
    "compare": ("checking.compare", "Hold a copy against its original, and say what differs."),
    "countersign": ("checking.countersign", "Sign a bundle as a second person, after checking it."),
    "timestamp": ("checking.timestamp", "Let an outside authority say when something existed."),
    "copy": ("handing.copy", "Make a verified copy of a bundle."),
    "release": ("handing.release", "Hand a copy, or the original, to somebody who signs for it."),
    "receive": ("handing.receive", "Sign for what was released, and take bundles into a case."),
    "record": ("handing.record", "Enter the receipt of what was released, signed or on paper."),
    "history": ("handing.history", "Say everything that ever happened to an item."),
    "form": ("handing.form", "Print the chain-of-custody form of a bundle."),
    "certificate": ("handing.certificate", "Draft a certification under FRE 902(13) and (14)."),
    "note": ("handing.note", "Enter a note about an item."),
    "correct": ("handing.correct", "Enter what is right in place of an earlier entry."),
    "access": ("handing.access", "Enter that somebody opened an item, and why."),
    "dispose": ("handing.dispose", "Enter that an item was destroyed or returned."),
    "incident": ("duties.incident", "Write an incident record, check one, enter it."),
    "obligations": ("duties.obligations", "Say who must be told, by when, and why."),
    "notice": ("duties.notice", "Draft a notice, and enter what was sent."),
    "hold": ("duties.hold", "Enter a law-enforcement hold on notices, and its end."),
    "verifier": (
        "checking.verifier",
        "Print one file that checks evidence without custody.",
    ),
    "ledger": ("ledger.ledger", "Look into the ledger of a case, and check it."),
    "key": ("keys.key", "Make and show signing keys."),
    "trust": ("keys.trust", "Say whose keys to believe, and since when."),
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
