"""The documentation, docstrings, comments and messages are in plain English.

CONTRIBUTING.md describes the style. Each pattern is a phrase to avoid.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Pattern: what to write instead.
BANNED = {
    r"\b(probabilit(y|ies)|scores?|frames?|faces?|images?|videos?|crops?) an? "
    r"(video|frame|clip|face|image|batch|second|class|person)\b": "per",
    r"\b(seconds|minutes|hours|megabytes|MB|ms) an? (video|frame|clip|face|image)\b": (
        "per"
    ),
    r"\bdata sets?\b": "dataset",
    r"\b(labell|modell|travell)(ed|ing)\b": "labeled, modeled, traveled",
    r"\b(colour|grey|behaviour|neighbour|centre)(s|ed|ing)?\b(?!\.|=)|"
    r"\b(normalis|analys)(ed|ing)\b": "American spelling",
    r"\bsub-folders?\b": "subfolder",
    r"\bthe way of\b": "the pipeline of, the order of",
    r"\b(lives?|rooms?|doors?|house) (in|of) (the|this|it)\b": "no metaphors",
    r"\b(says?|tells?|knows?) nothing\b": "does not show, is not supported",
    r"\bso many\b(?! as)": "the number of, this many",
    r"\bof (its|their|one's) own (making|kind)\b": "own, similar",
    r"\bis of no (use|worth)\b": "is meaningless",
    r"\b(cannot be had|for want of|by custom|give or take)\b": "is not available",
    r"\bwhoever\b|\bnobody\b|\bsomebody\b": "a user, no one, someone",
    r"\banew\b|\bthereafter\b|\bwherein\b|\bthereof\b": "again, afterwards",
    r"\bdearest\b": "most expensive",
    r"\bbears? distortions?\b": "is robust to distortions",
    r"\bgive(s)? away\b|\bgiven away\b": "reveals",
    r"\bthe reals\b": "the real videos",
    r"\bhands? (it|them|what) (on|over)\b": "passes",
    r"\btell(s)? (real|fakes?) from\b": "separates real from",
    r"\bwhat is (trained|called|written|asked)\b": "a noun",
    r"\blargest number of\b": "maximum number of",
    r"\bis no (video|number|function|proof|sandbox)\b": "is not a",
    r"\botherwise than\b": "unlike",
    r"\bplain (types|values)\b|\bof (one's|his|her) own\b": "JSON types, custom",
    r"\bgo(es)? away\b|\boutlives?\b(?! (it|its))": "is removed, remains after",
    r"\bto the last (digit|bit)\b": "exactly, bitwise",
    r"\b(at the most|lest|but for|slot by slot|by custom|in no time)\b": (
        "at most, so that ... not, except, per slot, usually, quickly"
    ),
    r"\b(says?|tells?) (how|what|which|who|whether)\b": "describes, names, reports",
    r"\bgives? back\b|\bcarr(y|ies) over to\b|\bcome(s)? out\b": "returns, holds for",
    r"\btold (apart|from|whatever)\b|\bknown by\b": "distinguished, recognized from",
    r"\b(that|it) says so\b|\bas (it|they) stands?\b|\bwhat stands for\b": "a noun",
    r'"""(Give|Say|Tell|Ask|Let|See|What|Whether|Which|Whose)\b': (
        "Return, Describe, Check, or a noun"
    ),
    r"^ {4,8}(?-i:Whether|What|Which|Whose) ": "a noun phrase, or 'If True, ...'",
}
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "benchmarks").rglob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(
        path
        for folder in ("guide", "coming_from", "development", "reference", "examples")
        for path in (ROOT / "docs" / folder).glob("*.*")
    ),
    *(ROOT / "skdeepfake").rglob("*.md"),
    *(
        path
        for folder in ("skdeepfake", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != Path(__file__).name
    ),
]


@pytest.mark.parametrize("pattern", BANNED)
def test_phrase_is_not_used(pattern):
    expression = re.compile(pattern, re.M | re.I)
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in expression.finditer(text):
            number = text.count("\n", 0, match.start()) + 1
            found.append(f"{page.relative_to(ROOT)}:{number}: {match[0]!r}")
    assert not found, f"Write {BANNED[pattern]!r} instead in\n" + "\n".join(found)
