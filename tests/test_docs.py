"""The documentation runs: tutorials print what they show, the mini-core and the examples work."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TUTORIALS = ["tutorial.md", "tutorial.zh-CN.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#]+)\)")


def blocks(name):
    """(language, text, line) of each fenced block of a page, in order."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return [(m[1], m[2], text.count("\n", 0, m.start()) + 2) for m in BLOCK.finditer(text)]


def pairs(name):
    """(code, line, output that the page shows) of each Python block."""
    found = []
    for language, text, line in blocks(name):
        if language == "python":
            found.append([text, line, ""])
        elif language == "output":
            assert found and not found[-1][2], f"{name}:{line}: output without code"
            found[-1][2] = text
    return found


def run_script(path, *argv, timeout=120):
    found = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": found, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", str(path), *argv],
        capture_output=True, text=True, timeout=timeout, env=environment,
    )  # fmt: skip


def design_pages():
    return sorted(f"design/{p.name}" for p in (ROOT / "docs" / "design").glob("*.md"))


def check_page(name, change=lambda code: code):
    """Run all blocks of a page in one namespace; tracebacks point at the page."""
    page = str(ROOT / "docs" / name)
    namespace = {"__name__": "page"}
    for code, line, shown in pairs(name):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile("\n" * (line - 1) + change(code), page, "exec"), namespace)
        assert said.getvalue() == shown, f"{name}:{line}"


@pytest.mark.parametrize("name", TUTORIALS + design_pages())
def test_the_page_prints_what_it_shows(name):
    check_page(name)


def for_torch(code):
    code = code.replace("import rushlight as torch", "import torch")
    code = code.replace("from rushlight import vision", "import torchvision as vision")
    return re.sub(r"^from rushlight\b", "from torch", code, flags=re.M)


def test_the_tutorial_prints_the_same_under_torch():
    pytest.importorskip("torchvision")
    check_page("tutorial.md", for_torch)


def without_comments(code):
    return re.sub(r"\s*#.*", "", code)


def test_both_tutorials_teach_the_same():
    english, chinese = (pairs(name) for name in TUTORIALS)
    assert len(english) == len(chinese) > 15
    for (a, line, shown_a), (b, _, shown_b) in zip(english, chinese, strict=True):
        assert without_comments(a) == without_comments(b), f"tutorial.md:{line}"
        assert shown_a == shown_b


def test_the_mini_core_holds():
    done = run_script(ROOT / "docs" / "core.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("every chapter holds\n")


def test_the_mini_core_is_short_and_names_files_that_exist():
    text = (ROOT / "docs" / "core.py").read_text()
    assert len(text.splitlines()) <= 600
    headings = re.findall(r"^# == \d+\. .*? ===+ (.*) ==$", text, re.M)
    assert len(headings) == 9
    for heading in headings:
        folder = heading.rpartition("/")[0] if heading.startswith("csrc") else ""
        for name in heading.split(", "):
            pattern = name if "/" in name else f"{folder.split(',')[0]}/{name}"
            assert list(ROOT.glob(pattern.rstrip("/"))), name


def pages():
    return [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "README.zh-CN.md"]


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", design_pages())
def test_design_pages_name_files_that_exist(name):
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    named = re.findall(r"`((?:csrc|rushlight|tests|bench|docs|tools)/[\w./-]+)`", text)
    assert named, "a design page says where the code is"
    for file in named:
        assert (ROOT / file).exists(), file
