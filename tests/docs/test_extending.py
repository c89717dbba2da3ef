"""The code of the page on extending skdeepfake runs, and its examples are correct."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import joblib
import numpy as np
import pytest
from common import checks
from common.estimators import Case
from sklearn.utils._param_validation import StrOptions

from skdeepfake import persistence
from skdeepfake._backbones import BACKBONES
from skdeepfake._keras._logits import last_layer
from skdeepfake.detectors import TransferDetector
from skdeepfake.exceptions import (
    DatasetError,
    DatasetWarning,
    LeakageError,
    UntrustedModelError,
)
from skdeepfake.features import KerasFeaturizer
from skdeepfake.model_selection import check_no_leakage
from skdeepfake.perturbations import DISTORTIONS, VideoPerturber, distort
from skdeepfake.perturbations import _clip as clips
from skdeepfake.perturbations import _distortions as distortions

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "development" / "extending.md"
SECTIONS = ["A backbone", "A detector", "A dataset layout", "A perturbation"]


def blocks_of(text: str) -> dict[str, str]:
    """Return the Python code of each section, with the line numbers of the page."""
    section, is_python, found = "", False, {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("```"):
            is_python = line == "```python"
        elif line.startswith("## "):
            section = line.removeprefix("## ")
        elif is_python:
            found.setdefault(section, [""] * len(lines))[number] = line
    return {section: "\n".join(code) for section, code in found.items()}


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModuleType]:
    """Return a function that runs a section as a module in a temporary folder."""
    code = blocks_of(PAGE.read_text(encoding="utf-8"))
    patched = pytest.MonkeyPatch()

    @functools.cache
    def run(title: str) -> ModuleType:
        module = ModuleType(re.sub(r"\W", "_", f"page {title}".lower()))
        patched.setitem(sys.modules, module.__name__, module)  # for pickle
        module.folder_ = tmp_path_factory.mktemp("page")
        with pytest.MonkeyPatch.context() as here:
            here.chdir(module.folder_)
            exec(compile(code[title], str(PAGE), "exec"), module.__dict__)
        return module

    yield run
    patched.undo()


@pytest.mark.parametrize("title", SECTIONS)
def test_section_runs_as_it_stands(section: Any, title: str) -> None:
    assert section(title).__name__ in sys.modules


def test_all_blocks_are_run() -> None:
    text = PAGE.read_text(encoding="utf-8")
    code = blocks_of(text)
    assert list(code) == SECTIONS
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) >= 12
    run = [line for block in code.values() for line in block.splitlines() if line]
    assert run == [line for line in "".join(blocks).splitlines() if line]
    for title, block in code.items():
        assert len(re.findall(r"^assert ", block, re.M)) >= 4, title


def test_no_block_needs_a_private_name() -> None:
    for title, block in blocks_of(PAGE.read_text(encoding="utf-8")).items():
        assert re.findall(r"(?<!\w)_[a-z]\w*", block) == [], title


def test_files_and_names_of_which_the_page_speaks_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:skdeepfake|tests|benchmarks)/[\w/]+\.py)`", text))
    # Files that readers create.
    own = {
        "skdeepfake/detectors/_residual.py",
        "tests/detectors/test_residual.py",
        "skdeepfake/datasets/_interviews.py",
        "tests/datasets/test_interviews.py",
    }
    assert own < paths
    assert [path for path in paths - own if not (ROOT / path).is_file()] == []
    assert not [path for path in own if (ROOT / path).exists()]
    said = re.findall(r"`(\w+)`(?:\s+and `(\w+)`)?\s+(?:of|in)\s+`([\w/]+\.py)`", text)
    assert len(said) >= 9
    for *names, path in said:
        source = (ROOT / path).read_text(encoding="utf-8")
        for name in filter(None, names):
            assert re.search(rf"\b{name}\b", source), f"{name} in {path}"


# -- a backbone ------------------------------------------------------------------


def test_backbone_gives_the_same_features_wherever_it_is_built(section: Any) -> None:
    page = section("A backbone")
    again = KerasFeaturizer(page.SmallBackbone()).fit_transform(page.faces)
    np.testing.assert_array_equal(again, page.features)
    models = [page.SmallBackbone()() for _ in range(2)]
    for one, other in zip(*[model.get_weights() for model in models], strict=True):
        np.testing.assert_array_equal(one, other)
    assert page.SmallBackbone() == page.SmallBackbone(8) != page.SmallBackbone(4)


def test_detector_of_the_backbone_is_pickled_with_it(section: Any, tmp_path) -> None:
    page = section("A backbone")
    joblib.dump(page.detector, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    assert again.backbone == page.SmallBackbone()
    np.testing.assert_array_equal(
        again.predict_proba(page.faces), page.detector.predict_proba(page.faces)
    )


def test_names_of_backbones_come_from_the_table_alone() -> None:
    for estimator in (KerasFeaturizer, TransferDetector):
        known = estimator._parameter_constraints["backbone"]
        (names,) = [each.options for each in known if isinstance(each, StrOptions)]
        assert names == set(BACKBONES)
    assert "efficientnet_b5" not in BACKBONES  # the page's example


# -- a detector ------------------------------------------------------------------

# Checks that train at most once. The others would take too long.
CHECKS = [
    "check_parameters_are_those_of_the_constructor",
    "check_parameters_are_stored_as_they_are",
    "check_unknown_parameters_are_refused",
    "check_pickle_gives_the_same_answers",
    "check_answers_do_not_depend_on_the_other_samples",
]


@pytest.mark.parametrize("name", CHECKS)
def test_detector_passes_our_checks(section: Any, tmp_path: Path, name: str) -> None:
    page = section("A detector")
    case = Case(page.detector, page.X, page.y)
    case.__dict__["fitted"] = page.detector  # where the property `fitted` caches it
    getattr(checks, name)(case, tmp_path)


def test_signature_of_the_detector_shows_the_parameters_of_its_bases(
    section: Any,
) -> None:
    parameters = inspect.signature(section("A detector").ResidualDetector).parameters
    assert parameters.keys() > {"filters", "blur", "augment", "epochs"}
    assert parameters["learning_rate"].default == 1e-3


def test_detector_takes_fifty_lines() -> None:
    text = PAGE.read_text(encoding="utf-8")
    (source,) = re.findall(r"```python\n([^`]*class ResidualDetector[^`]*)```", text)
    assert source.count("\n") <= 50


def test_detector_ends_in_what_attention_and_grad_cam_ask(section: Any) -> None:
    network = section("A detector").detector.model_
    assert last_layer(network).units == 1
    assert last_layer(network).dtype_policy.name == "float32"


def test_safe_file_wants_the_class_named_as_well(section: Any, tmp_path: Path) -> None:
    page = section("A detector")
    with pytest.raises(UntrustedModelError, match=page.name):
        persistence.save(
            page.detector, tmp_path / "model.skops", trusted=["keras.layers.Subtract"]
        )


# -- a dataset layout ------------------------------------------------------------


def test_loader_gives_what_load_videos_gives_and_more(section: Any, tmp_path) -> None:
    page = section("A dataset layout")
    videos = page.videos
    assert videos.keys() == {
        *("data", "target", "target_names", "groups", "split", "details")
    }
    assert videos.details.source.tolist() == [None] * 3 + ["bert", "anna"]
    check_no_leakage([0, 1, 3, 4], [2], videos.groups)
    with pytest.raises(LeakageError):
        check_no_leakage([0, 2, 3], [1, 4], videos.groups)
    with pytest.raises(DatasetError, match="the folders in `parts`"):
        page.load_interviews(tmp_path / "elsewhere")


def test_loader_leaves_out_whom_nobody_knows(section: Any, tmp_path: Path) -> None:
    page = section("A dataset layout")
    names = ["originals/anna_01", "originals/take two"]
    names += [f"swaps/{method}/anna_bert_01" for method in page.METHODS]
    for name in names:
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.warns(DatasetWarning, match=r"take two.*ignored") as caught:
        videos = page.load_interviews(tmp_path)
    assert caught[0].filename == str(PAGE)
    assert videos.target.tolist() == [0, 1, 1]


# -- a perturbation --------------------------------------------------------------


def test_clips_are_distorted_in_any_order_of_steps(
    section: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = section("A perturbation")
    monkeypatch.chdir(page.folder_)
    gray = VideoPerturber("CS", 5).transform(page.plain)
    first = page.VideoPixelator(5).transform(gray)
    frame = next(iter(first[1]))
    expected = page.pixelate(distort(next(iter(page.plain[1])), "CS", 5), 32, None)
    np.testing.assert_array_equal(frame, expected)
    found = first[1].map(lambda: lambda frame: frame)
    np.testing.assert_array_equal(found[0], expected)
    assert first[1].identity != page.VideoPixelator(4).transform(gray)[1].identity


def test_row_and_function_are_all_that_an_eighth_distortion_needs(
    section: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = section("A perturbation")
    monkeypatch.chdir(page.folder_)
    assert "PX" not in DISTORTIONS
    eight = MappingProxyType({**DISTORTIONS, "PX": page.row})
    for module in (distortions, clips):
        monkeypatch.setattr(module, "DISTORTIONS", eight)
    for mode in distortions.MODES:
        monkeypatch.setitem(distortions._FUNCTIONS[mode], "PX", page.function)
    known = VideoPerturber._parameter_constraints
    (names,) = known["distortion"]
    assert names.options == set(DISTORTIONS)  # read from the table
    monkeypatch.setitem(known, "distortion", [StrOptions(set(eight))])

    clip = VideoPerturber("PX", 4).fit_transform(page.plain)[0]
    np.testing.assert_array_equal(next(iter(clip)), page.after)
    assert clip.identity != page.plain[0].identity
