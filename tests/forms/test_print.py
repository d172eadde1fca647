"""The pages as a real browser prints them: what is on which sheet, and what a phone reads."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TRANSFERS = 60
LONG = (
    "Handed over in person in a sealed envelope; the seal number was read aloud by both sides,"
    " compared with the delivery note and found the same."
)


def need(*programs: str) -> None:
    """Skip where one of these is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@pytest.fixture
def printed(tmp_path: Path) -> Callable[[Path], Path]:
    """Prints a page with a headless Chromium that reaches nothing; gives the PDF."""
    need("chromium", "pdftotext", "pdftoppm")

    def run(page: Path) -> Path:
        pdf = page.with_suffix(".pdf")
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu",
                   "--no-pdf-header-footer", "--host-resolver-rules=MAP * ~NOTFOUND",
                   f"--user-data-dir={tmp_path / 'browser'}", f"--print-to-pdf={pdf}",
                   page.resolve().as_uri()]  # fmt: skip
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert pdf.is_file(), done.stderr.decode(errors="replace")
        return pdf

    return run


def sheets(pdf: Path) -> list[str]:
    """The text of each page."""
    done = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, check=True)
    return done.stdout.decode().split("\f")[:-1]


@pytest.fixture
def busy(custody: Any, office: Any, lab: Any, case: Path, tmp_path: Path) -> Path:
    """The form of a bundle that was handed over sixty times."""
    for number in range(TRANSFERS):
        _, release = office.release(
            lab.named, purpose=f"begin-{number:02d}", comment=LONG, place="Room 12",
            authority="Order 7", method="Courier",
        )  # fmt: skip
        office.receipt(release, lab.signer, lab.person, comment=f"end-{number:02d}")
    page = tmp_path / "form.html"
    custody("form", "E-003", "--case", case, "-o", page, exit_code=0)
    return page


def test_no_row_is_split_over_two_sheets(printed: Any, busy: Path) -> None:
    """Each of sixty hand-overs stands whole on one sheet, and every sheet of them has the head."""
    pages = sheets(printed(busy))
    for number in range(TRANSFERS):
        first = [at for at, text in enumerate(pages) if f"begin-{number:02d}" in text]
        last = [at for at, text in enumerate(pages) if f"end-{number:02d}" in text]
        assert len(first) == 1
        assert first == last
    of_the_chain = [text for text in pages if re.search(r"begin-\d\d", text)]
    assert len(of_the_chain) > 5
    for text in of_the_chain:
        assert "Released by" in text
        assert "Received by" in text
        assert "Chain of custody of item E-003, case STL-2026-014." in text


def test_every_sheet_says_what_it_is_of(printed: Any, busy: Path) -> None:
    """Item, case, verdict and page number are on each sheet, so that none can be exchanged."""
    pages = sheets(printed(busy))
    for number, text in enumerate(pages, 1):
        assert "CHAIN OF CUSTODY" in text
        assert "Item E-003, case STL-2026-014" in text
        assert "verified; made" in text
        assert f"Page {number} of {len(pages)}" in text


def test_a_phone_reads_the_checkpoint(
    printed: Any, custody: Any, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """The code on the printed sheet is the ledger's checkpoint, byte for byte."""
    need("zbarimg")
    page = tmp_path / "form.html"
    custody("form", bundle, "-o", page, exit_code=0)
    pdf = printed(page)
    subprocess.run(["pdftoppm", "-r", "150", "-png", pdf, tmp_path / "sheet"], check=True)
    images = sorted(tmp_path.glob("sheet-*.png"))
    command = ["zbarimg", "--quiet", "--raw", "-Sbinary", "-Sdisable", "-Sqrcode.enable"]
    # it also complains of the sheets without a code
    found = subprocess.run([*command, *images], capture_output=True, check=False).stdout
    assert found == (case / "ledger" / "checkpoint").read_bytes()


@pytest.mark.parametrize("size", ["A4", "Letter"])
def test_both_paper_sizes_hold_it(
    printed: Any, custody: Any, bundle: Path, tmp_path: Path, size: str
) -> None:
    """On A4 and on Letter nothing is cut off at the edges, also not a digest."""
    need("pdftotext")
    page = tmp_path / "form.html"
    custody("form", bundle, "-o", page, exit_code=0)
    done = custody("form", bundle, "--json", exit_code=0)
    digest = json.loads(done.stdout)["hashes"]["statement"]
    text = page.read_text(encoding="utf-8")
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    other = f"{style}@page {{ size: {size}; }}"
    policies = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()
                for each in (style, other)]  # fmt: skip
    page.write_text(text.replace(style, other).replace(*policies), encoding="utf-8")
    pdf = printed(page)
    assert " ".join(digest[at : at + 8] for at in range(0, 64, 8)) in " ".join(sheets(pdf))
    done = subprocess.run(["pdftotext", "-bbox", pdf, "-"], capture_output=True, check=True)
    width, height = {"A4": (595, 842), "Letter": (612, 792)}[size]
    boxes = re.findall(r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)"',
                       done.stdout.decode())  # fmt: skip
    assert len(boxes) > 200
    for left, top, right, bottom in (map(float, box) for box in boxes):
        assert left > 20
        assert top > 20
        assert right < width - 20
        assert bottom < height - 20


@pytest.mark.parametrize("verb", ["form", "certificate"])
def test_a_word_without_end_does_not_shrink_the_print(
    printed: Any, custody: Any, case: Path, logs: Path, tmp_path: Path, verb: str
) -> None:
    """Text that cannot be broken is broken all the same: a browser would make all of it small."""
    long = "x" * 600
    done = custody("collect", logs, "--case", case, "--evidence-number", long, "--note", long,
                   "--authority", long, "--json", exit_code=0)  # fmt: skip
    page = tmp_path / "long.html"
    custody(verb, json.loads(done.stdout)["path"], "-o", page, exit_code=0)
    pdf = printed(page)
    told = subprocess.run(["pdftotext", "-bbox", "-l", "1", pdf, "-"], capture_output=True,
                          check=True).stdout.decode()  # fmt: skip
    word = {"form": "Chain", "certificate": "CERTIFICATION"}[verb]
    heights = [
        float(bottom) - float(top)
        for top, bottom in re.findall(
            rf'yMin="([\d.]+)" xMax="[\d.]+" yMax="([\d.]+)">{word}<', told
        )
    ]
    assert max(heights) > {"form": 19, "certificate": 15}[verb]
    assert "".join(sheets(pdf)).count("x") >= 1800


def test_a_failed_form_cannot_be_taken_for_another(
    printed: Any, custody: Any, bundle: Path, tmp_path: Path
) -> None:
    """Each sheet of a failed form says so, and its first has it in letters of over 8 mm."""
    next(bundle.glob("data/**/auth.log")).write_text("changed\n")
    page = tmp_path / "form.html"
    custody("form", bundle, "-o", page, exit_code=10)
    pdf = printed(page)
    for text in sheets(pdf):
        assert "FAILED; made" in text
    done = subprocess.run(["pdftotext", "-bbox", "-l", "1", pdf, "-"], capture_output=True,
                          check=True)  # fmt: skip
    words = re.findall(r'yMin="([\d.]+)" xMax="[\d.]+" yMax="([\d.]+)">FAILED<',
                       done.stdout.decode())  # fmt: skip
    assert max(float(bottom) - float(top) for top, bottom in words) > 8 * 72 / 25.4


def test_the_certificate_prints(printed: Any, custody: Any, bundle: Path, tmp_path: Path) -> None:
    """Every sheet of the draft says that it is one, and the blanks are there to be filled."""
    page = tmp_path / "certificate.html"
    custody("certificate", bundle, "-o", page, exit_code=0)
    pages = sheets(printed(page))
    for text in pages:
        assert "DRAFT CERTIFICATION - NOT SIGNED" in text
    assert "NOT LEGAL ADVICE" in pages[0]
    whole = "\n".join(pages)
    assert re.search(r"Signature _{20,}", whole)
