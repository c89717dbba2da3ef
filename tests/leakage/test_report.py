"""Tests of leakage_report."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold
from sklearn.utils import Bunch

from skdeepfake.exceptions import VideoReadWarning
from skdeepfake.leakage import LeakageReport, leakage_report
from skdeepfake.model_selection import OfficialSplit, check_no_leakage

N = 40


@pytest.fixture
def bunch() -> Bunch:
    """Return a real video and a fake of each of 20 people, without files."""
    return Bunch(
        data=np.array([f"{i}.mp4" for i in range(N)]),
        target=np.tile([0, 1], N // 2),
        target_names=["real", "fake"],
        groups=np.repeat(np.arange(N // 2), 2),
    )


@pytest.fixture
def files(tmp_path: Path, bunch: Bunch) -> Bunch:
    """Return eight files, of which 1 and 6 are identical and 2 and 5 equally large."""
    contents = {1: b"same", 6: b"same", 2: b"ab", 5: b"ba"}
    for i in range(8):
        (tmp_path / f"{i}.mp4").write_bytes(contents.get(i, b"x" * (i + 10)))
    bunch = Bunch(**{name: bunch[name][:8] for name in ("target", "groups")})
    bunch.data = np.array([str(tmp_path / f"{i}.mp4") for i in range(8)])
    return bunch


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use fewer trees to save time."""
    monkeypatch.setattr("skdeepfake.leakage._feature_aucs._N_TREES", 5)


def report(bunch: Bunch, split: Any = None, **features: Any) -> LeakageReport:
    settings = {"n_resamples": 50, "random_state": 0}
    return leakage_report(bunch, split, features=features, **settings)


def by_name(found: LeakageReport) -> dict[str, Any]:
    return {feature.name: feature for feature in found.features}


# -- shared groups and identical files -------------------------------------------


@pytest.mark.parametrize("kind", [list, np.array, tuple])
def test_groups_on_both_sides_are_counted(bunch: Bunch, kind: Any) -> None:
    train, test = kind(range(1, 9)), kind([0, 9, 8, 20, 21])
    (split,) = report(bunch, (train, test)).splits
    assert (split.name, split.n_train, split.n_test) == ("split 0", 8, 5)
    # Videos 0 and 1 show the same person, as do 8 and 9.
    assert split.groups == [0, 4]
    assert split.n_affected == 3
    assert split.share_affected == 0.6
    assert split.copies == [("8.mp4", "8.mp4")]


def test_masks_are_sides_too(bunch: Bunch) -> None:
    train = np.arange(N) < 9
    (split,) = report(bunch, (train, ~train)).splits
    assert (split.n_train, split.n_test, split.groups) == (9, N - 9, [4])


def test_all_folds_of_a_splitter_are_looked_at(bunch: Bunch) -> None:
    found = report(bunch, KFold(3)).splits
    folds = list(KFold(3).split(bunch.data))
    assert [split.name for split in found] == ["split 0", "split 1", "split 2"]
    assert [split.groups for split in found] == [[], [13], [13]]
    assert found == report(bunch, folds).splits
    assert found[:2] == report(bunch, iter(folds[:2])).splits
    assert found[1:2] != report(bunch, folds[1:2]).splits  # names differ
    assert report(bunch, folds[1]).splits == report(bunch, folds[1:2]).splits
    clean = report(bunch, GroupKFold(2))
    assert [split.groups for split in clean.splits] == [[], []]
    assert clean.findings == []
    assert "no shared groups or identical files (split 0, split 1)" in str(clean)


def test_names_that_suggest_the_same_people_in_two_groups_are_found() -> None:
    names = ["183", "253", "183_253", "253_183", "500", "500"]
    bunch = Bunch(
        data=[f"{k}/{name}.mp4" for k, name in enumerate(names)],
        target=[0, 0, 1, 1, 0, 1],
        groups=[1, 2, 1, 2, 3, 3],  # from the first three characters of a name
    )
    found = leakage_report(bunch, ([0, 2], [1, 3]), features=[])
    assert found.related_names == [
        ("1/253.mp4", "2/183_253.mp4"),
        ("0/183.mp4", "3/253_183.mp4"),
    ]
    (finding,) = found.findings
    assert finding.startswith(
        "2 file names are part of a name in another group: '1/253.mp4' and "
        "'2/183_253.mp4', '0/183.mp4' and '3/253_183.mp4'. "
    )
    assert found.to_dict()["related_names"][0] == ["1/253.mp4", "2/183_253.mp4"]
    bunch.groups = [1, 1, 1, 1, 3, 4]
    (same,) = leakage_report(bunch, features=[]).related_names
    assert same == ("4/500.mp4", "5/500.mp4")


def test_official_lists_are_compared_each_with_each(bunch: Bunch) -> None:
    assert report(bunch).splits == []
    bunch.split = np.array([None] * N, dtype=object)
    bunch.split[[0, 4]] = "test"
    bunch.split[[2, 5]] = "val"
    bunch.split[1:2] = "train"
    found = report(bunch).splits
    assert [(each.name, each.groups, each.n_affected) for each in found] == [
        ("train / val", [], 0),
        ("train / test", [0], 1),
        ("val / test", [2], 1),
    ]
    bunch.split[:] = "train"
    assert report(bunch).splits == []


def test_leak_of_a_splitter_that_raises_is_reported(bunch: Bunch) -> None:
    (split,) = report(bunch, OfficialSplit(test=["0.mp4", "2.mp4"])).splits
    assert (split.groups, split.n_affected) == ([0, 1], 2)


def test_copies_under_other_names_are_found(files: Bunch) -> None:
    a, b = files.data[1], files.data[6]
    found = report(files, ([0, 1, 2, 3], [4, 5, 6, 7]))
    assert found.splits[0].groups == []
    assert found.splits[0].copies == found.copies == [(a, b)]
    found = report(files, GroupKFold(2))
    assert found.copies == [(a, b)]
    files.groups[6] = files.groups[1]
    assert report(files).copies == []


def test_links_are_the_files_that_they_lead_to(files: Bunch) -> None:
    if not hasattr(os, "symlink") or sys.platform == "win32":
        pytest.skip("no links without rights")
    folder = Path(files.data[0]).parent
    links = [str(folder / f"link_{i}.mp4") for i in range(3)]
    os.symlink(files.data[0], links[0])
    os.symlink(folder / "elsewhere.mp4", links[1])  # the file is missing,
    os.symlink(folder / "elsewhere.mp4", links[2])  # so its content cannot be compared
    files.data = np.array([*files.data[:5], links[1], links[2], links[0]])
    assert report(files).copies == [(links[1], links[2]), (files.data[0], links[0])]


def test_only_files_of_one_size_are_read(
    files: Bunch, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    module = "skdeepfake.leakage._overlap._digest"
    monkeypatch.setattr(module, lambda path: read.append(path) or path.encode())
    report(files)
    names = [os.path.basename(path) for path in read]
    assert sorted(names) == ["1.mp4", "2.mp4", "5.mp4", "6.mp4"]


@pytest.mark.parametrize("split", [3, "train", [1, 2, 3], [([0], [1], [2])], [[0, 1]]])
def test_what_is_no_split_is_refused(bunch: Bunch, split: Any) -> None:
    with pytest.raises(ValueError, match=r"^split[= ]"):
        report(bunch, split)


def test_numbers_must_fit_to_the_videos(bunch: Bunch) -> None:
    with pytest.raises(IndexError, match="40 is out of bounds"):
        report(bunch, ([0], [40]))


# -- trivial features ------------------------------------------------------------


def test_feature_that_tells_is_told_of(bunch: Bunch) -> None:
    rng = np.random.default_rng(0)
    bit_rate = np.where(bunch.target == 1, 8e5, 1.2e6) + rng.normal(0, 1e5, N)
    # Fakes have a medium duration, so no single threshold separates them.
    duration = np.where(bunch.target == 1, 10, rng.choice([1.0, 30.0], N))
    width = np.repeat(rng.random(N // 2), 2)
    found = report(bunch, bit_rate=bit_rate, duration=duration, width=width)
    aucs = by_name(found)
    assert list(aucs) == ["bit_rate", "duration", "width", "all"]
    assert aucs["bit_rate"].auc > 0.95
    assert aucs["duration"].auc == 1
    assert aucs["width"].auc == 0.5  # equal within each pair
    assert aucs["all"].auc > 0.95
    gives_away = [each.name for each in found.features if each.gives_away]
    assert gives_away == ["bit_rate", "duration", "all"]
    assert aucs["bit_rate"].low <= aucs["bit_rate"].auc <= aucs["bit_rate"].high
    assert len(found.findings) == 2


def test_noise_is_not_told_of() -> None:
    n = 200
    bunch = Bunch(data=[f"{i}.mp4" for i in range(n)], target=np.tile([0, 1], n // 2))
    noise = np.random.default_rng(1).random(n)
    found = report(bunch, noise=noise)
    assert found.n_groups == n  # without groups, each video is its own group
    assert found.features[0].auc == pytest.approx(0.5, abs=0.1)
    assert found.findings == []
    assert found.features[0].low < 0.5 < found.features[0].high


def test_people_of_a_fold_are_not_trained_on() -> None:
    # The feature identifies a person, and thus the label, but does not generalize.
    who = np.repeat(np.arange(6), 20)
    bunch = Bunch(data=[f"{i}.mp4" for i in range(120)], target=who % 2, groups=who)
    settings = {"n_splits": 3, "n_resamples": 10, "random_state": 0}
    (found,) = leakage_report(bunch, features={"who": who}, **settings).features
    assert found.auc < 0.5
    bunch.groups = None
    (leaky,) = leakage_report(bunch, features={"who": who}, **settings).features
    assert leaky.auc > 0.95


def test_verdict_does_not_change_between_calls(bunch: Bunch) -> None:
    noise = {"noise": np.random.default_rng(0).random(N)}
    first, again = (
        leakage_report(bunch, features=noise, n_resamples=20) for _ in range(2)
    )
    assert first.features == again.features


def test_few_groups_are_not_judged(bunch: Bunch) -> None:
    note = (
        "No feature is reported as a problem, because one class has only 6 groups. The "
        "AUCs are unreliable with fewer than 20 groups."
    )
    few = Bunch(**{name: bunch[name][:12] for name in ("data", "target", "groups")})
    fakes_of_few = Bunch(**bunch)
    fakes_of_few.groups = np.where(bunch.target == 1, bunch.groups % 6, bunch.groups)
    for each in (few, fakes_of_few):
        found = report(each, bit_rate=each.target)
        assert found.features[0].low > 0.5
        assert (found.features[0].n_groups, found.features[0].gives_away) == (6, False)
        assert (found.findings, found.notes) == ([], [note])
        assert str(found).endswith(f"\n\n- {note}")
    assert report(bunch, bit_rate=bunch.target).notes == []


def test_codecs_are_names(bunch: Bunch) -> None:
    codec = np.where(bunch.target == 1, "mpeg4", "h264").astype(object)
    codec[:4] = None
    for column in (codec, codec.tolist(), [each or np.nan for each in codec]):
        (found,) = report(bunch, codec=column).features
        assert (found.n_known, found.gives_away) == (N - 4, True)
        assert 0.8 < found.auc < 1


def test_what_is_not_known_may_tell_too(bunch: Bunch) -> None:
    face_size = np.where(bunch.target == 1, np.nan, 100.0)
    unknown = np.full(N, np.nan)
    found = by_name(report(bunch, face_size=face_size, codec=[None] * N, mine=unknown))
    assert (found["face_size"].auc, found["face_size"].n_known) == (1, N // 2)
    for name in ("codec", "mine"):
        assert math.isnan(found[name].auc)
        assert (found[name].n_known, found[name].gives_away) == (0, False)
    assert (found["all"].auc, found["all"].n_known) == (1, N // 2)


def test_seed_gives_the_same_figures_whatever_is_asked_besides(bunch: Bunch) -> None:
    noise, other = np.random.default_rng(0).random((2, N))
    (alone,) = report(bunch, noise=noise).features
    assert report(bunch, other=other, noise=noise).features[1] == alone
    (again,) = leakage_report(bunch, features={"noise": noise}, random_state=1).features
    assert again != alone


def test_features_of_real_files_are_measured(
    write_clip: Callable[..., Path], numbered_frames: Callable[..., list]
) -> None:
    real = write_clip(numbered_frames(4), "a.avi", "-c:v", "mpeg4")
    fake = write_clip(numbered_frames(8), "b.mp4")
    missing = str(real.with_name("no.mp4"))
    bunch = Bunch(
        data=[str(real)] * 4 + [str(fake)] * 4 + [missing],
        target=["real"] * 4 + ["fake"] * 5,
        groups=[0, 1, 2, 3, 0, 1, 2, 3, 3],
    )
    with pytest.warns(VideoReadWarning, match=r"no\.mp4"):
        found = leakage_report(
            bunch,
            features=["codec", "frame_rate"],
            n_splits=4,
            n_resamples=10,
            random_state=0,
        )
    assert found.values.codec.tolist() == ["mpeg4"] * 4 + ["h264"] * 4 + [None]
    assert by_name(found)["codec"].n_known == 8
    assert by_name(found)["codec"].auc == 1
    # The same clip is used for four people.
    assert len(found.copies) == 6


def test_too_few_groups_are_an_error_that_says_what_to_pass(bunch: Bunch) -> None:
    size = np.zeros(N)
    bunch.groups = np.where(bunch.target == 1, bunch.groups % 3, bunch.groups)
    expected = (
        r"^n_splits=5 exceeds the number of groups \(3\) of the videos of class 1: "
        r"pass n_splits=3 or fewer, or a bunch with other groups, such as "
        r"bunch.details\['target'\], or features=\[\] to skip the features\.$"
    )
    with pytest.raises(ValueError, match=expected):
        report(bunch, size=size)
    bunch.groups = np.zeros(N, int)
    with pytest.raises(
        ValueError, match=r"groups \(1\) of .*: pass a bunch with other"
    ):
        report(bunch, size=size)
    assert leakage_report(bunch, features=[]).features == []


def test_bunch_must_be_that_of_a_loader(bunch: Bunch) -> None:
    with pytest.raises(
        ValueError, match="bunch has no 'target': pass the result of a loader"
    ):
        report(Bunch(data=bunch.data))
    with pytest.raises(ValueError, match=r"must contain two classes, .*; got 0"):
        report(Bunch(data=["a.mp4"], target=[0]))
    with pytest.raises(
        ValueError, match=r"features\['x'\] must have one .* got \(3,\)"
    ):
        report(bunch, x=[1, 2, 3])
    groups = [None, *range(1, N)]
    with pytest.raises(ValueError, match="groups contains NaN or None for samples 0"):
        report(Bunch(**{**bunch, "groups": groups}))
    with pytest.raises(ValueError, match="'n_splits' parameter of leakage_report must"):
        leakage_report(bunch, n_splits=1)
    with pytest.raises(ValueError, match=r"features=\['size'\] must be 'all' or"):
        leakage_report(bunch, features=["size"])


# -- text and tables ---------------------------------------------------------------


@pytest.fixture
def leaky(bunch: Bunch) -> LeakageReport:
    bit_rate = np.where(bunch.target == 1, 8e5, 1.2e6)
    return report(bunch, (range(9), range(7, N)), bit_rate=bit_rate, mine=bit_rate)


def test_findings_say_what_to_do(leaky: LeakageReport) -> None:
    assert leaky.findings == [
        "2 groups are in the training set and in the test set: 3, 4. This affects 3 of "
        "33 test videos (9%). Split by group, or by identity with IdentityKFold.",
        "2 test videos are also in the training set. Identical files: '7.mp4' and "
        "'7.mp4', '8.mp4' and '8.mp4'. Remove one file of each pair, or put both into "
        "one group.",
        "The bit rate alone separates real from fake with an AUC of 1.00 (1.00 to "
        "1.00). Transcode all videos with VideoTranscoder.",
        "The mine alone separates real from fake with an AUC of 1.00 (1.00 to 1.00). "
        "Make it similar in both classes.",
    ]


def test_text_holds_figures_and_findings(leaky: LeakageReport) -> None:
    lines = str(leaky).splitlines()
    assert lines[:6] == [
        "40 videos in 20 groups",
        "",
        "feature    AUC  95% interval     videos",
        "bit rate  1.00  1.00 to 1.00         40",
        "mine      1.00  1.00 to 1.00         40",
        "all       1.00  1.00 to 1.00         40",
    ]
    assert lines[7:] == [f"- {text}" for text in leaky.findings]


def test_worst_split_is_named(bunch: Bunch) -> None:
    splits = [([0], [1, 2, 3]), ([4], [5]), ([6], [8])]
    (finding,) = report(bunch, splits).findings
    assert finding.startswith(
        "2 of 3 splits are affected. In split 1, the worst, 1 group is in the training "
        "set and in the test set: 2. This affects 1 of 1 test videos (100%). "
    )
    text = str(report(bunch))
    assert text.startswith("40 videos in 20 groups\nno split was checked\n")
    assert text.endswith("\n- No problem was found.")


def test_features_that_tell_together_only_are_told_of(bunch: Bunch) -> None:
    # A video is real if both features are equal, so a single feature is useless.
    a = np.arange(N) // 2 % 2
    found = report(bunch, a=a, b=np.where(bunch.target == 0, a, 1 - a))
    assert [each.gives_away for each in found.features] == [False, False, True]
    assert found.findings[-1].startswith(
        "All features together separate real from fake with an AUC"
    )


def test_figures_go_into_json_and_a_table(bunch: Bunch) -> None:
    bit_rate = np.where(bunch.target == 1, 8e5, 1.2e6)
    found = report(bunch, ([0], [1]), bit_rate=bit_rate, face_size=[np.nan] * N)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert list(told) == [
        *("n_videos", "n_groups", "splits", "copies", "related_names", "features"),
        *("findings", "notes"),
    ]
    assert told["splits"] == [
        {
            "name": "split 0",
            "n_train": 1,
            "n_test": 1,
            "groups": [0],
            "n_affected": 1,
            "copies": [],
            "share_affected": 1.0,
        }
    ]
    first = {"auc": 1.0, "low": 1.0, "high": 1.0, "n_known": N, "n_groups": N // 2}
    first["gives_away"] = True
    assert told["features"][0] == {"name": "bit_rate", **first}
    assert told["features"][1]["auc"] is None
    frame = found.to_frame()
    assert frame.columns.tolist() == ["name", *first]
    assert frame["name"].tolist() == ["bit_rate", "face_size", "all"]
    np.testing.assert_equal(frame["auc"].tolist(), [1, math.nan, 1])


def test_table_needs_pandas(
    leaky: LeakageReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_frame needs pandas: pip install pandas"):
        leaky.to_frame()


def test_report_and_check_agree(bunch: Bunch) -> None:
    for train, test in GroupKFold(3).split(bunch.data, groups=bunch.groups):
        check_no_leakage(train, test, bunch.groups)
        assert report(bunch, (train, test)).findings == []


def test_page_has_what_the_report_has(bunch: Bunch, tmp_path: Path) -> None:
    found = report(bunch, file_size=np.arange(len(bunch.target)))
    html = found.to_html()
    assert html is not None
    for sentence in found.findings + found.notes:
        assert escape(sentence) in html
    for each in found.features:
        assert f"<td>{each.name.replace('_', ' ')}</td>" in html
    assert found._repr_html_() in html
    assert "http" not in html
    path = tmp_path / "report.html"
    assert found.to_html(path) is None
    assert path.read_text(encoding="utf-8") == html
