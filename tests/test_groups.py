"""Groups are the connected components of videos and identities."""

from __future__ import annotations

import numpy as np
import pytest

from skdeepfake._groups import connected_groups


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        ([["a"], ["b"], ["c"]], [0, 1, 2]),
        ([["a"], ["b"], ["a", "b"]], [0, 0, 0]),
        ([["c", "d"], ["a", "b"], ["x"], ["b", "c"]], [0, 0, 1, 0]),
        ([["z"], ["b"], ["a"], ["b"]], [0, 1, 2, 1]),
    ],
    ids=[
        "no shared identity",
        "a pair",
        "a chain that closes last",
        "numbers by order",
    ],
)
def test_videos_that_share_an_identity_are_one_group(identities, expected) -> None:
    groups = connected_groups(identities)
    assert groups.tolist() == expected
    assert groups.dtype.kind == "i"


def test_groups_agree_with_merging_by_hand() -> None:
    rng = np.random.default_rng(0)
    identities = [
        [f"{i}" for i in rng.choice(60, size=rng.integers(1, 3), replace=False)]
        for _ in range(50)
    ]
    merged = list(range(50))
    for i in range(50):
        for j in range(50):
            if set(identities[i]) & set(identities[j]):
                merged = [merged[i] if m == merged[j] else m for m in merged]
    numbers: dict[int, int] = {}
    expected = [numbers.setdefault(m, len(numbers)) for m in merged]
    assert connected_groups(identities).tolist() == expected
    assert 1 < max(expected) < 49
