"""docs/sets.md, made from the sets themselves: python tests/sets/page.py > docs/sets.md."""

from __future__ import annotations

import sys

from custody import sets

PAGE = "docs/sets.md"
HEAD = """\
# Sets: what to collect, by name

    custody sets list
    custody sets show NAME
    custody collect --set linux-logs --set linux-accounts --output DIR --dry-run

A set is a small YAML file that names paths. What it names and a host does not have is recorded in
`custody/acquisition.json` (a source without paths) and is no gap. `--set FILE.yaml` takes a set of
your own:

    format: custody.set/1
    name: our-app                 # a-z, 0-9 and -
    version: 1
    title: What our application writes down
    includes: [linux-web]         # other sets that come with it
    artifacts: [LinuxAuthLogs]    # definitions of ForensicArtifacts, if they are installed
    files:
      - what: its logs
        paths: [/srv/app/**2/*.log, "%%users.homedir%%/.app/log"]

Paths are absolute, or begin with `%%users.homedir%%/`: the homes in `/etc/passwd`, whatever is in
`/home`, and `/root`. `*`, `?` and `[...]` match within one component, hidden names only where the
pattern begins with a dot; `**` passes up to three directories, `**5` up to five. A directory is
collected with all that is in it. Links that stand in a path before its first pattern are followed,
and so is a path without a pattern that is itself one. A pattern follows none, and none is followed
in a home.

Definitions of ForensicArtifacts add to that where the package `artifacts` is installed
(`pip install custody[sets]`) or the program carries a frozen copy. They are read as data. Commands
in them are never run, and a variable other than the one above is not resolved: both are recorded.
No set takes password hashes (`/etc/shadow`) or private keys, and `collect` leaves out the key that
seals a journal (`fss` beside it), wherever that lies.

`custody watch --set NAME` follows what a set names, looked for anew at every pass, so that what
comes later is followed too. Files that are written over instead of appended to are no logs
(docs/watching.md): leave them out with `--exclude '*.journal' --exclude lastlog`.

"""
FOOT = """\
This page is made from the sets (`python tests/sets/page.py > docs/sets.md`); a test compares it.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name in sets.names():
        one = sets.load(name)
        parts.append(f"## `{name}`, version {one.version}\n\n{one.title}.\n\n")
        for group in one.files:
            paths = "\n".join(f"  - `{path}`" for path in group.paths)
            parts.append(f"- {group.what}:\n{paths}\n")
        named = ", ".join(f"`{artifact}`" for artifact in one.artifacts)
        parts.append(f"\nDefinitions: {named}.\n\n")
    return "".join([*parts, FOOT])


if __name__ == "__main__":
    sys.stdout.write(page())
