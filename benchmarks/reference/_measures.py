"""Metrics for selecting the reference detector, on held-out faces and their fakes.

The data consists of held-out images with self-blended and swapped fakes, swaps between
held-out clips with gradient blending, and re-encoded real clips. It shows no person of
the training data.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
from _data import MARGIN, Faces, is_held_out, list_clips
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[1]))

from _swaps import make_swaps

from skdeepfake._face_mask import filled_slots
from skdeepfake.augmentation import RandomVideoCompression
from skdeepfake.synthesis import FaceSwapper, SelfBlender

#: Frames per clip.
N_FRAMES = 8

#: Encodings of the crops of swapped and original clips: scale and CRF of H.264.
CONDITIONS: dict[str, tuple[float, float | None]] = {
    "as is": (1, None),
    "crf 28": (1, 28),
    "crf 35": (1, 35),
    "half, crf 28": (0.5, 28),
}


class Measures:
    """AUCs and false alarms on held-out data."""

    def __init__(
        self,
        faces: Faces,
        data: Path,
        cache: Path,
        landmarks: str,
        *,
        margin: float = MARGIN,
    ) -> None:
        memory = joblib.Memory(cache, verbose=0)
        held_out = np.flatnonzero(faces.held_out & (faces.encodings == "image"))[:250]
        self.images = memory.cache(_fakes_of_images)(
            faces.X[held_out], landmarks, margin
        )
        self.clips, self.clip_groups, self.pair = memory.cache(_clips)(
            data, landmarks, faces.X.shape[1], margin
        )
        held_out = np.flatnonzero(faces.held_out & (faces.encodings != "image"))[::2]
        self.real = faces.X[held_out]
        self.of_real = np.stack([faces.names[held_out], faces.encodings[held_out]])

    def __call__(self, network: Any) -> dict[str, float]:
        """Return the metrics of a network that predicts probabilities."""
        found = {}
        for name, (X, y) in self.images.items():
            found[name] = roc_auc_score(y, scores(network, X))
        pooled, target = [], []
        for name, (X, y) in self.clips.items():
            score = video_scores(network, X)
            found[f"clips {name}"] = roc_auc_score(y, score)
            pooled.append(score)
            target.append(y)
        found["clips pooled"] = roc_auc_score(np.hstack(target), np.hstack(pooled))
        real = scores(network, self.real)
        clips = {
            key: real[(self.of_real == np.array(key)[:, None]).all(axis=0)].mean()
            for key in set(zip(*self.of_real, strict=True))
        }
        by_encoding: dict[str, list[float]] = {}
        for (_, encoding), score in clips.items():
            by_encoding.setdefault(encoding, []).append(score)
        medians = {k: float(np.median(v)) for k, v in by_encoding.items()}
        found["real spread"] = max(medians.values()) - min(medians.values())
        found["real median"] = medians["original"]
        # Share of fakes that are detected if one in twenty real clips is flagged.
        threshold = np.quantile(list(clips.values()), 0.95)
        fake = np.hstack([p[t == 1] for p, t in zip(pooled, target, strict=True)])
        found["found at 5%"] = float((fake > threshold).mean())
        found["pair"] = float(np.diff(video_scores(network, self.pair))[0])
        parts = ("blends", "blends h264", "swaps", "swaps h264", "clips pooled")
        found["choice"] = float(np.mean([found[name] for name in parts]))
        return found


def scores(network: Any, X: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the logits of faces."""
    proba = [
        np.ravel(network.predict_on_batch(X[start : start + 64]))
        for start in range(0, len(X), 64)
    ]
    return logit(np.clip(np.hstack(proba).astype(float), 1e-7, 1 - 1e-7))


def log_odds(detector: Any, X: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the scores of a fitted detector for images or videos."""
    proba = detector.predict_proba(X)[:, 1]
    return logit(np.clip(proba, 1e-12, 1 - 1e-12))


def changed(
    X: NDArray[np.uint8], change: Callable[..., Any], *arguments: Any
) -> NDArray[np.uint8]:
    """Apply a change to all faces of videos. Empty slots remain empty."""
    filled = filled_slots(X)
    result = np.zeros_like(X)
    result[filled] = change(X[filled], *arguments)
    return result


def video_scores(network: Any, X: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean logit of the frames with a face, per video."""
    filled = filled_slots(X)
    score = np.full(filled.shape, np.nan)
    score[filled] = scores(network, X[filled])
    return np.nanmean(score, axis=1)


def _fakes_of_images(
    X: NDArray[np.uint8], landmarks: str, margin: float
) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int_]]]:
    common: dict[str, Any] = {"margin": margin, "landmarks": landmarks}
    compress = RandomVideoCompression((20, 38), probability=1)
    found = {}
    y = np.repeat([0, 1], len(X))
    for name, blender in (
        ("blends", SelfBlender(**common)),
        ("swaps", FaceSwapper(**common)),
    ):
        pair = np.concatenate([X, blender.blend(X, 1)])
        found[name] = pair, y
        # Use the same rate factors for a face and its fake.
        seen = [compress(part, 2) for part in np.split(pair, 2)]
        found[f"{name} h264"] = np.concatenate(seen), y
    return found


def _clips(
    data: Path, landmarks: str, size: int, margin: float
) -> tuple[
    dict[str, tuple[NDArray[np.uint8], NDArray[np.int_]]],
    NDArray[np.str_],
    NDArray[np.uint8],
]:
    with tempfile.TemporaryDirectory(prefix="skdeepfake-") as folder:
        real = Path(folder) / "videos" / "real"
        real.mkdir(parents=True)
        for clip in list_clips(data):
            if is_held_out(clip.stem, "clip"):
                (real / clip.name).symlink_to(clip.resolve())
        (real.parent / "fake").symlink_to((data / "videos" / "fake").resolve())
        swaps = make_swaps(
            Path(folder),
            size=size,
            n_frames=N_FRAMES,
            margin=margin,
            partners=3,
            landmarks=landmarks,
        )
    found = {
        name: (changed(swaps.X, _seen, *condition), swaps.y)
        for name, condition in CONDITIONS.items()
    }
    return found, swaps.groups, swaps.pair.X


def _seen(X: NDArray[np.uint8], scale: float, crf: float | None) -> NDArray[np.uint8]:
    if crf is None:
        return X
    side = X.shape[1]
    size = round(side * scale), round(side * scale)
    small = np.stack([cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in X])
    small = RandomVideoCompression((crf, crf), probability=1)(small, 0)
    return np.stack([cv2.resize(x, (side, side)) for x in small])
