"""Nothing that came from evidence can act in a page, hide in it, or reach out of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from custody.forms import page as pages

HOSTILE = (
    '--></style></title><script>document.title="RAN"</script>'
    '<img src=x onerror="document.title=1"><svg onload=alert(1)>"\'&amp;{{ 7*7 }}{% raw %}'
)
BIDI = "log\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe\N{ZERO WIDTH SPACE}"
CSS = '"; } body { display: none } @import url(https://example.org/x.css); /* \\'


class Reader(HTMLParser):
    """Every tag with its attributes, and all text outside the style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag == "style" else ""

    def handle_endtag(self, _tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "style":
            self.style += data
        else:
            self.text += data


@pytest.fixture
def hostile(custody: Any, masters: dict[str, Path], tmp_path_factory: Any) -> Path:
    """A case whose every text tries something, with a bundle of files that do, and its pages."""
    if "hostile" not in masters:
        base = tmp_path_factory.mktemp("hostile")
        logs = base / "logs"
        (logs / "--></style>").mkdir(parents=True)
        for name in ("<script>document.title='RAN'<_script>.log", BIDI, "\x1b[2Jline\nbreak.log"):
            (logs / name).write_text("x\n")
        case, run = base / "case", type(custody)(base)
        run("init", case, "--no-passphrase", "--number", CSS, "--title", HOSTILE,
            "--person", f"Eve {HOSTILE}", "--organization", HOSTILE, exit_code=0)  # fmt: skip
        run("collect", logs, logs / "<b>gone", "--case", case, "--evidence-number", CSS,
            "--note", HOSTILE, "--authority", HOSTILE, exit_code=3)  # fmt: skip
        (bundle,) = (case / "bundles").iterdir()
        for name in ("form", "certificate"):
            run(name, bundle, "-o", base / f"{name}.html", exit_code=0)
        done = run("form", bundle, "--json", exit_code=0)
        (base / "form.json").write_text(done.stdout, encoding="utf-8")
        masters["hostile"] = base
    return masters["hostile"]


@pytest.fixture(params=["form", "certificate"])
def made(request: pytest.FixtureRequest, hostile: Path) -> str:
    """Each of the two pages about it."""
    return (hostile / f"{request.param}.html").read_text(encoding="utf-8")


def test_hostile_text_is_text(made: str) -> None:
    """Markup, templates and quotes in names and descriptions stand in the page as they are."""
    found = Reader(made)
    assert HOSTILE in found.text
    assert "<b>gone" in found.text
    assert not [tag for tag, _ in found.tags if tag in ("script", "img", "iframe", "object")]
    events = [name for _, attributes in found.tags for name in attributes if name.startswith("on")]
    assert events == []


def test_what_would_hide_is_visible(made: str) -> None:
    """Control, invisible and direction-changing characters are written out."""
    if "Exhibit A" in made:  # the certificate names each file
        assert r"log\u202egpj.exe\u200b" in made
        assert r"\x1b[2Jline\x0abreak.log" in made
    for char in ("\N{RIGHT-TO-LEFT OVERRIDE}", "\N{ZERO WIDTH SPACE}", "\x1b", "\x00"):
        assert char not in made


def test_the_page_reaches_for_nothing(made: str) -> None:
    """No attribute names another resource, and the style sheet imports none."""
    found = Reader(made)
    for tag, attributes in found.tags:
        for name in ("src", "href", "data", "action", "srcset", "background", "poster", "style"):
            assert name not in attributes, (tag, name)
    assert "url(" not in found.style
    assert "@import" not in found.style
    assert "display: none" not in found.style


def test_the_policy_allows_the_one_style_sheet(made: str) -> None:
    """The page forbids itself everything but its own style sheet, which it names by digest."""
    import base64
    import hashlib

    found = Reader(made)
    (policy,) = [
        attributes["content"]
        for tag, attributes in found.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(found.style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("text", [CSS, HOSTILE, BIDI, "a\\b", "</style>", "x" * 500, "\n}"])
def test_a_text_in_the_style_sheet_is_only_a_text(text: str) -> None:
    """What stands on every sheet's margin is a string of letters, digits and numbers of others."""
    printed = pages.css_text(text)
    assert re.fullmatch(r'"(?:[A-Za-z0-9 ]|\\[0-9a-f]{6} )*"', printed)
    told = re.sub(r"\\([0-9a-f]{6}) ", lambda match: chr(int(match[1], 16)), printed[1:-1])
    assert told[:40] == pages.visible(text)[:40]
    assert len(told) <= 70


def browser(page: Path, profile: Path) -> str:
    """The page as a real browser has it after it ran whatever it lets run."""
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
               "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}",
               page.resolve().as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    return done.stdout.decode()


def test_no_script_runs_in_a_browser(made: str, tmp_path: Path) -> None:
    """A browser runs nothing of it, nor of a script that somebody adds to the page."""
    page = tmp_path / "page.html"
    page.write_text(made, encoding="utf-8")
    seen = browser(page, tmp_path / "one")
    assert "<h1" in seen
    assert "<title>RAN" not in seen
    script = '<script>document.title="RAN"</script>'
    added = tmp_path / "added.html"
    added.write_text(made.replace("</body>", f"{script}</body>"), encoding="utf-8")
    assert "<title>RAN" not in browser(added, tmp_path / "two")
    control = tmp_path / "control.html"
    control.write_text(f"<title>no</title>{script}", encoding="utf-8")
    assert "<title>RAN" in browser(control, tmp_path / "three")


def test_json_gives_the_exact_text(hostile: Path) -> None:
    """The facts as JSON are not escaped for a page."""
    found = json.loads((hostile / "form.json").read_text(encoding="utf-8"))
    assert found["item"]["description"] == HOSTILE
    assert found["item"]["evidence_number"] == CSS
