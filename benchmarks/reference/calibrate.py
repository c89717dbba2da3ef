"""Calibrate trained weights, choose the thresholds, and write the detector file.

    python benchmarks/reference/calibrate.py WEIGHTS.npz [...] --landmarks FILE
        --cache FOLDER --out FILE [--json FILE]

Several weights, such as those of several training steps, are averaged. A score is the
mean of the log-odds of the frames of a video. Calibration uses real clips and face
images that were held out, and fakes made from them, in several encodings. The slope is
estimated by logistic regression (Platt scaling). The offset is chosen so that, in each
encoding, at most one in twenty real videos has a probability above 0.5. The proportion
of fakes that this offset implies is printed and stored. False alarms are counted for
persons and images that were not used to choose the threshold (cross-fitting).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from _data import ENCODINGS, MARGIN, SIZE, Faces, load_faces, make_parser
from _measures import CONDITIONS, Measures, log_odds
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from skdeepfake._efficientnet_lite import HEAD
from skdeepfake.augmentation import RandomVideoCompression
from skdeepfake.detectors import PretrainedDetector
from skdeepfake.pretrained import write_detector
from skdeepfake.synthesis import FaceSwapper, SelfBlender

#: Number of frames per video.
N_FRAMES = 16

#: Number of frames of a clip made from a face image.
IMAGE_FRAMES = 3

FALSE_ALARMS = 0.05

#: Threshold of the probability below which videos are called real.
REAL_BELOW = 0.1

#: Encodings of clips made from face images: CRF, and the scale before encoding. None is
#: reduced to half size, since faces in the images are only about 105 pixels wide.
OF_IMAGES = {
    "crf18": (18, 1.0),
    "crf28": (28, 1.0),
    "crf35": (35, 1.0),
    "crf42": (42, 1.5),
}


class Scored(NamedTuple):
    """Scores of videos."""

    score: NDArray[np.float64]
    y: NDArray[np.int_]
    kind: NDArray[np.str_]  # "clip" or "image"
    encoding: NDArray[np.str_]
    group: NDArray[np.str_]  # the person, or the image


def score_all(
    detector: PretrainedDetector,
    faces: Faces,
    measures: Measures,
    *,
    landmarks: str,
    memory: joblib.Memory,
) -> Scored:
    """Score all held-out videos."""
    parts: list[Scored] = []

    def add(X: NDArray, y: int, kind: str, encoding: str, groups: Any) -> None:
        about = (np.full(len(X), value) for value in (y, kind, encoding))
        parts.append(Scored(log_odds(detector, X), *about, np.asarray(groups)))

    for name in np.unique(faces.names[faces.held_out & (faces.encodings != "image")]):
        for encoding in ENCODINGS:
            chosen = (faces.names == name) & (faces.encodings == encoding)
            if chosen.any():
                add(faces.X[chosen][np.newaxis], 0, "clip", encoding, [name])
    for condition in CONDITIONS:
        X, y = measures.clips[condition]
        groups = measures.clip_groups[y == 1]
        add(X[y == 1], 1, "clip", condition, groups)
    images = faces.held_out & (faces.encodings == "image")
    names = faces.names[images]
    clips = memory.cache(_clips_of_images)(faces.X[images], landmarks)
    for (what, encoding), X in clips.items():
        add(X, int(what != "real"), "image", encoding, names)
    return Scored(*map(np.concatenate, zip(*parts, strict=True)))


def _clips_of_images(
    X: NDArray[np.uint8], landmarks: str
) -> dict[tuple[str, str], NDArray[np.uint8]]:
    common: dict[str, Any] = {"margin": MARGIN, "landmarks": landmarks}
    kinds = {
        "real": X,
        "blend": SelfBlender(**common).blend(X, 3),
        "swap": FaceSwapper(**common).blend(X, 3),
    }
    found = {}
    for what, images in kinds.items():
        for encoding, (crf, scale) in OF_IMAGES.items():
            # The compression shifts images randomly, so that the frames differ.
            compress = RandomVideoCompression(
                (crf, crf), scale=(scale, scale), probability=1
            )
            frames = [compress(images, seed) for seed in range(IMAGE_FRAMES)]
            found[what, encoding] = np.stack(frames, axis=1)
    return found


def slope(scored: Scored) -> tuple[float, float]:
    """Fit a logistic regression with equal weight of both classes and both kinds."""
    weight = np.ones(len(scored.y))
    for y in (0, 1):
        for kind in ("clip", "image"):
            mine = (scored.y == y) & (scored.kind == kind)
            weight[mine] = 1 / mine.sum()
    weight *= len(weight) / weight.sum()
    fitted = LogisticRegression(C=1e6).fit(
        scored.score[:, np.newaxis], scored.y, sample_weight=weight
    )
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def threshold(scored: Scored, kind: str) -> float:
    """Return the threshold that limits false alarms in each encoding."""
    real = (scored.y == 0) & (scored.kind == kind)
    quantiles = [
        np.quantile(
            scored.score[real & (scored.encoding == encoding)],
            1 - FALSE_ALARMS,
            method="higher",
        )
        for encoding in np.unique(scored.encoding[real])
    ]
    return float(max(quantiles))


def cross_fitted(scored: Scored, kind: str, n_folds: int = 10) -> NDArray[np.bool_]:
    """Return a mask of the real videos above the threshold chosen on the others."""
    mine = np.flatnonzero((scored.y == 0) & (scored.kind == kind))
    groups = np.unique(scored.group[mine])
    order = np.random.default_rng(0).permutation(len(groups))
    fold = order[np.searchsorted(groups, scored.group[mine])] % min(
        n_folds, len(groups)
    )
    flagged = np.zeros(len(mine), bool)
    for number in np.unique(fold):
        others = Scored(*(column[mine[fold != number]] for column in scored))
        limit = threshold(others, kind)
        flagged[fold == number] = scored.score[mine[fold == number]] > limit
    return flagged


def interval(k: int, n: int) -> tuple[float, float]:
    """Return the 95% Clopper-Pearson interval of a proportion."""
    low = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
    return low, 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))


def report(scored: Scored, limit: float) -> dict[str, Any]:
    """Print and return the AUC, false alarms and fakes found."""
    found: dict[str, Any] = {}
    for kind in ("clip", "image"):
        mine = scored.kind == kind
        real, fake = mine & (scored.y == 0), mine & (scored.y == 1)
        found[f"{kind}: AUC"] = roc_auc_score(scored.y[mine], scored.score[mine])
        flagged = cross_fitted(scored, kind)
        encodings = scored.encoding[real]
        for encoding in dict.fromkeys(encodings):
            k, n = (
                int(flagged[encodings == encoding].sum()),
                int((encodings == encoding).sum()),
            )
            found[f"{kind}: false alarms, {encoding}"] = f"{k} of {n}"
        k, n = int(flagged.sum()), len(flagged)
        low, high = interval(k, n)
        found[f"{kind}: false alarms"] = f"{k} of {n} ({low:.3f} to {high:.3f})"
        found[f"{kind}: fakes found"] = float((scored.score[fake] > limit).mean())
    for name, value in found.items():
        print(
            f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {value}"
        )
    return found


def main() -> None:
    """Run the command."""
    parser = make_parser(__doc__)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    several = [dict(np.load(path)) for path in args.weights]
    arrays = {
        name: np.mean([each[name].astype(float) for each in several], axis=0)
        for name in several[0]
    }
    detector = PretrainedDetector()
    detector._set_fitted(arrays, classes=[0, 1], class_count=[1, 1], size=(SIZE, SIZE))
    memory = joblib.Memory(args.cache, verbose=0)
    faces = load_faces(args.data, args.cache)
    measures = Measures(faces, args.data, args.cache, args.landmarks)
    scored = score_all(
        detector, faces, measures, landmarks=args.landmarks, memory=memory
    )
    a, b = slope(scored)
    limit = max(threshold(scored, kind) for kind in ("clip", "image"))
    # sigmoid(a * score + b) is for equal class shares, which the offset changes.
    share = float(expit(-(a * limit + b)))
    print(f"slope {a:.3f}, threshold {limit:.3f}, share of fakes {share:.3f}")
    found = report(scored, limit)
    arrays[f"{HEAD}/kernel"] = arrays[f"{HEAD}/kernel"] * a
    arrays[f"{HEAD}/bias"] = (arrays[f"{HEAD}/bias"] - limit) * a
    facts = {
        "size": SIZE,
        "margin": MARGIN,
        "n_frames": N_FRAMES,
        "class_count": [round(1000 * (1 - share)), round(1000 * share)],
        "real_below": REAL_BELOW,
        "fake_above": 0.5,
    }
    sha256 = write_detector(args.out, arrays, facts)
    proba = expit(a * (scored.score - limit))
    for y, name in enumerate(("real", "fake")):
        mine = proba[scored.y == y]
        print(
            f"{name}: {(mine < REAL_BELOW).mean():.3f} called real, "
            f"{(mine >= 0.5).mean():.3f} called fake"
        )
    print(f"{args.out.name}: {args.out.stat().st_size / 1e6:.1f} MB, SHA-256 {sha256}")
    if args.json:
        args.json.write_text(json.dumps({"share": share, **found}, indent=1))


if __name__ == "__main__":
    main()
