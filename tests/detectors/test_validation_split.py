"""The validation split keeps groups together and has both classes in both subsets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils import Bunch

from skdeepfake.detectors import CNNDetector
from skdeepfake.detectors._validation_split import stratified_group_split


def paired(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and groups of n real videos, each in a group with its fake."""
    return np.repeat([0, 1], n), np.tile(np.arange(n), 2)


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides(seed: int) -> None:
    y, groups = paired(20)
    train, validation = stratified_group_split(y, groups, 0.1, seed)
    assert not set(groups[train]) & set(groups[validation])
    assert sorted([*train, *validation]) == list(range(40))
    assert np.bincount(y[validation]).tolist() == [2, 2]


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2, 0.25, 0.5])
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_size_and_classes_are_near_those_asked_for(
    fraction: float, share: float
) -> None:
    y = np.random.RandomState(0).permutation(np.arange(200) < 200 * share).astype(int)
    train, validation = stratified_group_split(y, None, fraction, 0)
    assert len(validation) / 200 == pytest.approx(fraction, abs=0.02)
    assert y[validation].mean() == pytest.approx(share, abs=0.06)
    assert set(y[train]) == set(y[validation]) == {0, 1}


def test_groups_of_uneven_size_come_near_the_fraction() -> None:
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(40), rng.randint(1, 9, 40))
    y = (groups % 2).astype(int)
    train, validation = stratified_group_split(y, groups, 0.2, 0)
    assert len(validation) / len(y) == pytest.approx(0.2, abs=0.05)
    assert not set(groups[train]) & set(groups[validation])
    assert set(y[train]) == set(y[validation]) == {0, 1}


@pytest.mark.parametrize("seed", range(5))
def test_few_groups_make_the_validation_set_larger_but_whole(seed: int) -> None:
    # Each subset needs one of the two fakes.
    y = np.array([0] * 8 + [1] * 2)
    train, validation = stratified_group_split(y, None, 0.1, seed)
    assert y[train].tolist().count(1) == y[validation].tolist().count(1) == 1


def test_same_seed_gives_the_same_split_and_another_another() -> None:
    y, groups = paired(30)

    def split(seed: int) -> list[int]:
        return stratified_group_split(y, groups, 0.1, seed)[1].tolist()

    assert split(7) == split(7)
    assert len({tuple(split(seed)) for seed in range(6)}) > 1


def test_groups_may_be_names() -> None:
    y, groups = paired(10)
    names = np.array([f"actor {g}" for g in groups])
    train, validation = stratified_group_split(y, names, 0.2, 0)
    assert not set(names[train]) & set(names[validation])


@pytest.mark.parametrize(
    ("y", "groups", "counts"),
    [
        ([0, 0, 0, 1], None, "3 of class 0, 1 of class 1"),
        ([0, 0, 1, 1], [0, 1, 2, 2], "2 of class 0, 1 of class 1"),
        ([0, 1, 0, 1], [5, 5, 5, 5], "1 of class 0, 1 of class 1"),
    ],
)
def test_too_few_groups_are_told_with_the_parameter_to_change(
    y: list[int], groups: list[int] | None, counts: str
) -> None:
    groups_ = None if groups is None else np.array(groups)
    with pytest.raises(ValueError, match=counts) as error:
        stratified_group_split(np.array(y), groups_, 0.1, 0)
    assert "validation_fraction=None" in str(error.value)


def test_half_is_a_fraction() -> None:
    y = np.arange(100) % 2
    train, validation = stratified_group_split(y, None, 0.5, 0)
    assert len(train) == len(validation) == 50


@pytest.mark.parametrize("fraction", [0.7, 0.9])
def test_fraction_too_large_to_honour_is_refused_as_such(fraction: float) -> None:
    """The error must not ask for more videos."""
    X, y = np.ones((100, 4, 4, 3), np.uint8), np.arange(100) % 2
    detector = CNNDetector(filters=(), validation_fraction=fraction)
    with pytest.raises(ValueError, match="'validation_fraction' parameter"):
        detector.fit(X, y)


@pytest.fixture
def numbered() -> Bunch:
    """Forty one-frame videos whose pixels are the number of the group plus one."""
    y, groups = paired(20)
    X = (
        np.ones((40, 1, 4, 4, 3), np.uint8)
        * (groups + 1).astype(np.uint8)[:, None, None, None, None]
    )
    return Bunch(X=X, y=y, groups=groups)


def groups_on_each_side(training: Bunch) -> tuple[set[int], set[int]]:
    held_out = training.validation_data
    validation = np.concatenate(
        [held_out[number][0] for number in range(held_out.num_batches)]
    )
    return set(training.frames.ravel().tolist()), set(validation.ravel().tolist())


@pytest.mark.parametrize("seed", range(3))
def test_fit_keeps_groups_together(
    seed: int, numbered: Bunch, trainings: list[Bunch]
) -> None:
    detector = CNNDetector(filters=(), random_state=seed, validation_fraction=0.2)
    detector.fit(numbered.X, numbered.y, groups=numbered.groups)
    train, validation = groups_on_each_side(trainings[0])
    assert len(validation) == 4
    assert train | validation == set(range(1, 21))
    assert not train & validation


def test_fit_splits_at_random_by_its_seed(
    numbered: Bunch, trainings: list[Bunch]
) -> None:
    for seed in (0, 0, 1):
        detector = CNNDetector(filters=(), random_state=seed)
        detector.fit(numbered.X, numbered.y, groups=numbered.groups.tolist())
    first, same, other = (groups_on_each_side(t)[1] for t in trainings)
    assert first == same != other


def test_only_videos_with_a_face_count_for_the_split(
    tiny, faceless: Bunch, trainings: list[Bunch]
) -> None:
    y = np.zeros(10, int)
    y[[2, 7, 9]] = 1  # two of the three fakes have no face
    with (
        pytest.warns(UserWarning, match=r"\[2, 7\]"),
        pytest.raises(ValueError, match=r"validation_fraction.*8 training samples"),
    ):
        tiny(validation_fraction=0.1).fit(faceless.X, y)
    assert not trainings


def test_groups_of_another_length_are_refused(numbered: Bunch) -> None:
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples.*40, 39"):
        CNNDetector(filters=()).fit(numbered.X, numbered.y, groups=numbered.groups[:-1])
