"""The links between the files of the repository are valid.

The links between pages of the site are checked when the site is built.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
FILES.append(ROOT / "benchmarks" / "README.md")


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w -]", "", t).strip().lower().replace(" ", "-") for t in titles}


def broken(page: Path, text: str) -> list[str]:
    """Return the broken links in the text of a page."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", FILES, ids=lambda page: page.parent.name + page.name)
def test_links_lead_somewhere(page):
    assert broken(page, page.read_text("utf-8")) == []


def test_broken_links_are_found():
    readme = ROOT / "README.md"
    text = "[a](docs/guide/index.md) [b](gone.md) [c](docs/guide/media.md#gone)"
    assert broken(readme, text) == ["gone.md", "docs/guide/media.md#gone"]
