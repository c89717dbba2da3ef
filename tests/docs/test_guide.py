"""The code of each page of the guide runs from top to bottom."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import matplotlib
import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted([*DOCS.glob("guide/*.md"), *DOCS.glob("coming_from/*.md")])
# A block of code, and the reason not to run it, if there is one.
BLOCK = re.compile(
    r"^(?:% not run: (?P<reason>[^\n]+)\n\n)?```python\n(?P<code>.*?)^```", re.M | re.S
)


def blocks(page: Path) -> list[tuple[int, str, str | None]]:
    """Return the line, the code and the reason not to run it, for each block."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start("code")), match["code"], match["reason"])
        for match in BLOCK.finditer(text)
    ]


# Pages that train or search for a long time.
NIGHTLY = {
    *("caching", "clusters", "datasets", "detectors", "evaluation", "searching"),
    *("faces", "inspection", "motion", "persistence", "serving", "strangers"),
}
RUN = [
    pytest.param(page, marks=[pytest.mark.nightly] if page.stem in NIGHTLY else [])
    for page in PAGES
    if any(reason is None for *_, reason in blocks(page))
]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_code_of_the_guide_runs(page, rendered_videos, tmp_path, monkeypatch):
    # Use five pairs. A fake has the number of its real video.
    root = Path(rendered_videos.data[0]).parents[1]
    others = shutil.ignore_patterns("005*")
    shutil.copytree(root, tmp_path / "videos", ignore=others)
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    namespace: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # due to few videos and two epochs
        for line, code, reason in blocks(page):
            if reason is None:
                # Start with empty lines, so that tracebacks have the line of the page.
                exec(compile("\n" * line + code, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_block_is_found_with_its_own_reason(page):
    text = page.read_text(encoding="utf-8")
    found = blocks(page)
    assert len(found) == text.count("```python\n")
    reasons = [reason for *_, reason in found if reason is not None]
    assert len(reasons) == text.count("% not run:")
    assert not any("\n" in reason for reason in reasons)


def test_most_of_the_code_is_run():
    reasons = {
        f"{page.stem}:{line}": reason
        for page in PAGES
        for line, _, reason in blocks(page)
        if reason is not None
    }
    assert all("needs" in reason for reason in reasons.values())
    assert len(reasons) < sum(len(blocks(page)) for page in PAGES) / 3
