"""docs/api.md tells the truth: what it calls missing is, and every operator stands in it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("api_page", ROOT / "tools" / "api_page.py")
api_page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(api_page)

ROW = re.compile(r"^\| (torch[\w.]*) \| (\d+) \| (\d+) \| (.*) \|$", re.M)
ROWS = ROW.findall(api_page.PAGE.read_text())


def test_the_page_has_every_namespace():
    assert {row[0] for row in ROWS} == set(api_page.SPACES)


@pytest.mark.parametrize("path, count, here, missing", ROWS, ids=[row[0] for row in ROWS])
@pytest.mark.filterwarnings("ignore")
def test_what_is_called_missing_is_missing(path, count, here, missing):
    home = api_page.ours(path)
    names = re.findall(r"`(\w+)`", missing)
    if missing == "all":
        assert home is None, f"{path} is here: run tools/api_page.py"
        return
    assert len(names) == int(count) - int(here)
    found = [name for name in names if api_page.has(home, name)]
    assert not found, f"{path} has {found}: run tools/api_page.py"


def test_every_operator_stands_in_the_page():
    api_page.load_all()
    assert "\n".join(api_page.operator_lines()) in api_page.PAGE.read_text(), (
        "run tools/api_page.py"
    )
