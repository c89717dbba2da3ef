"""Train detectors on labeled face images, and evaluate them on others.

    python benchmarks/accuracy.py [--rows NAME ...] [--data FOLDER] [--size 224]
        [--weights FILE] [--memory FOLDER] [--seeds 0 1 2] [--set NAME=VALUE ...]
        [--blend-once] [--swaps] [--curve FILE] [--json FILE]

`FOLDER/faces/real` and `FOLDER/faces/fake` contain images of one face each. A hash of
the file name assigns about a fifth of the images to the test set, so that the split is
always the same. Detectors use a part of the others for validation. Confidence intervals
are by bootstrap over images, since identities are unknown.

By default, all rows are run, which takes several days on two cores:

- `cnn`, `gan` and `cnn_rnn` are the paper's detectors. The last one uses VGG16 features
  at 49 positions. `logistic` is a logistic regression on the means of these features.
- `transfer` trains all of VGG16 with strong augmentation, and `transfer_flips` with
  flips only. `last_block` trains only the last block, and `last_block_strong` adds
  strong augmentation.
- In `mixed_25` and `mixed_50`, a quarter and a half of the fakes are self-blended. In
  `self_blended`, all of them are. `--set trainable=1` trains only the last block.
  `--blend-once` draws the blends once before training instead of for each batch. With
  `augment=None`, the output of frozen blocks is then computed once.
- `face_size` is a logistic regression on the relative width of dlib's box in the image.
  It shows how much the margins of the images may contribute to an AUC.
- `vote` is the mean of the probabilities of the first row and of `self_blended`.

`--swaps` also evaluates on the clips in `FOLDER/videos`, with and without faces swapped
between them (see `_swaps.py`), and on the pair of SDFVD. Feature extraction is the most
expensive step. `--memory` keeps features and swaps for the next run.

`--curve` plots the AUC on swaps over the AUC on test images for each row of this size,
including rows of earlier commands in the `--json` file.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _report
import cv2
import numpy as np
from _swaps import Swaps, make_swaps
from numpy.typing import NDArray
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    StandardScaler,
)

from skdeepfake._face_mask import filled_slots
from skdeepfake.detectors import (
    BlendedFakes,
    CNNDetector,
    CNNRNNDetector,
    GANDetector,
    TransferDetector,
)
from skdeepfake.evaluation import EvaluationDisplay, EvaluationReport, evaluate
from skdeepfake.evaluation._measures import with_interval
from skdeepfake.features import VGG16Featurizer
from skdeepfake.metrics import group_bootstrap
from skdeepfake.preprocessing import Resizer
from skdeepfake.preprocessing._faces import DlibFinder
from skdeepfake.preprocessing._following import FaceFollower
from skdeepfake.synthesis import SelfBlender

# Margins around dlib's box in the real face images, and in swaps, which are cropped
# like the fake face images.
MARGIN_OF_REAL, MARGIN_OF_SWAPS = 0.75, 0.5


def load_faces(
    folder: Path, *, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (object array, RGB), targets and a mask of the test set.

    `limit` is the maximum number of images per class. None reads all of them.
    """
    images, target, test = [], [], []
    for label, name in enumerate(("real", "fake")):
        for path in sorted((folder / name).iterdir())[:limit]:
            image = cv2.imread(str(path))
            if image is None:
                raise SystemExit(f"{path} is not an image")
            images.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            target.append(label)
            test.append(
                int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % 5 == 0
            )
    faces = np.empty(len(images), dtype=object)
    faces[:] = images
    return faces, np.array(target), np.array(test)


# -- rows --------------------------------------------------------------------


def a_detector(kind: type, **params: Any) -> Callable[..., Pipeline]:
    """Return a factory of image detectors with given parameters."""

    def make(args: argparse.Namespace, seed: int) -> Pipeline:
        own = {"weights": str(args.weights)} if kind is TransferDetector else {}
        detector = kind(random_state=seed, verbose=1, **own, **params)
        return make_pipeline(detector.set_params(**settings(args)))

    return make


def with_cnn_rnn(args: argparse.Namespace, seed: int) -> Pipeline:
    """Return the paper's CNN+RNN."""
    detector = CNNRNNDetector(random_state=seed, verbose=1)
    detector.set_params(**settings(args))
    return make_pipeline(featurizer(args), detector)


def with_logistic(args: argparse.Namespace, seed: int) -> Pipeline:
    """Return a logistic regression on features."""
    classifier = LogisticRegression(
        **{"max_iter": 1000, "random_state": seed, **settings(args)}
    )
    return make_pipeline(featurizer(args, pooling="avg"), StandardScaler(), classifier)


def face_widths(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the relative width of dlib's box in each image, or 0 without a face."""
    faces = (FaceFollower(DlibFinder()).find(image)[0] for image in images)
    widths = [0 if face is None else face.right - face.left for face in faces]
    return np.array(widths)[:, None] / images.shape[2]


def with_face_size(args: argparse.Namespace, seed: int) -> Pipeline:
    """Return a classifier that uses only the size of the face.

    Widths are binned, since their effect may not be monotonic.
    """
    return make_pipeline(
        FunctionTransformer(face_widths),
        KBinsDiscretizer(10, strategy="uniform"),
        LogisticRegression(**{"random_state": seed, **settings(args)}),
    )


BLENDER = SelfBlender(margin=MARGIN_OF_REAL)


def with_blends(share: float | None) -> Callable[..., Pipeline]:
    """Return a factory of detectors that are trained on self-blended fakes."""
    fakes = BlendedFakes(BLENDER, share=share)
    return a_detector(TransferDetector, fake_source=fakes, augment="strong")


LAST_BLOCK = {"trainable": 1, "learning_rate": 5e-5}
ROWS: dict[str, Callable[[argparse.Namespace, int], Pipeline]] = {
    "cnn": a_detector(CNNDetector),
    "gan": a_detector(GANDetector),
    "cnn_rnn": with_cnn_rnn,
    "logistic": with_logistic,
    "transfer": a_detector(TransferDetector, augment="strong"),
    "transfer_flips": a_detector(TransferDetector, augment="flip"),
    "last_block": a_detector(TransferDetector, **LAST_BLOCK),
    "last_block_strong": a_detector(TransferDetector, augment="strong", **LAST_BLOCK),
    "mixed_25": with_blends(0.25),
    "mixed_50": with_blends(0.5),
    "face_size": with_face_size,
    "self_blended": with_blends(None),
}
VOTE = "vote"


def blended_once(
    detector: TransferDetector, X: NDArray, y: NDArray, seed: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Draw blends once, and configure the detector to use them as labeled fakes.

    The third array contains the index of the source image, which keeps images and their
    blends on the same side of the validation split.
    """
    rng = np.random.default_rng(seed)
    real, fake = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    share = detector.fake_source.share
    if share is None:
        kept, blended = real, real
    else:
        n_blended = round(share * len(fake))
        kept = np.concatenate([real, rng.permutation(fake)[n_blended:]])
        blended = rng.choice(real, n_blended, replace=n_blended > len(real))
    blends = detector.fake_source.blender.blend(X[blended], rng)
    detector.set_params(fake_source="labels")
    return (
        np.concatenate([X[kept], blends]),
        np.concatenate([y[kept], np.ones_like(blended)]),
        np.concatenate([kept, blended]),
    )


def fit(
    model: Pipeline, X: NDArray, y: NDArray, args: argparse.Namespace, seed: int
) -> Pipeline:
    """Train a row."""
    name, detector = model.steps[-1]
    if not args.blend_once or getattr(detector, "fake_source", "labels") == "labels":
        return model.fit(X, y)
    X, y, groups = blended_once(detector, X, y, seed)
    return model.fit(X, y, **{f"{name}__groups": groups})


def featurizer(args: argparse.Namespace, **params: Any) -> VGG16Featurizer:
    """Return the featurizer with the weights and cache of the arguments."""
    weights = str(args.weights)
    return VGG16Featurizer(weights=weights, memory=args.memory, verbose=1, **params)


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters passed as NAME=VALUE."""
    pairs = (text.split("=") for text in args.set)
    return {name: ast.literal_eval(value) for name, value in pairs}


# -- scores ------------------------------------------------------------------


def scores(report: EvaluationReport) -> dict[str, Any]:
    """Return the metrics of a report for the table."""
    names = ("AUC", "accuracy", "equal error rate", "log loss")
    return {name: with_interval(report.row(name)) for name in names}


def score_videos(estimator: Any, X: NDArray) -> NDArray[np.float64]:
    """Return the mean probability of the faces of each video."""
    filled = filled_slots(X)
    proba = np.full(filled.shape, np.nan)
    if filled.any():
        proba[filled] = estimator.predict_proba(X[filled])[:, 1]
    return np.nanmean(proba, axis=1)


def scores_elsewhere(swaps: Swaps, found: NDArray, pair: NDArray) -> dict[str, Any]:
    """Return the metrics for swapped clips and for the pair of SDFVD.

    The confidence interval is by bootstrap over target clips.
    """
    interval = group_bootstrap(
        roc_auc_score, swaps.y, found, groups=swaps.groups, random_state=0
    )
    of_pair = " and ".join(
        f"{score:.2f}" for _, score in sorted(zip(swaps.pair.y, pair, strict=True))
    )
    return {
        "AUC on swaps": f"{interval.estimate:.3f} ({interval.low:.3f} to "
        f"{interval.high:.3f})",
        "real and fake of SDFVD": of_pair or "-",
    }


def write(report: EvaluationReport, path: Path, title: str) -> None:
    """Write a report as an HTML page, and its plot in the same folder."""
    import matplotlib

    matplotlib.use("Agg")  # a server has no display
    report.to_html(path, title=title)
    picture = EvaluationDisplay(report).plot().figure_
    picture.savefig(path.with_suffix(".png"), dpi=100)


AXES = ("AUC", "AUC on swaps")
# In order of the share of self-blended fakes.
CURVE = ("last_block", "mixed_25", "mixed_50", "self_blended")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Plot the AUC of each row on swaps over the AUC on the test images."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    # Estimate and interval per axis. If a row was run twice, use the last run.
    known = {}
    for row in rows:
        figures = [re.findall(r"\d\.\d+", row[axis]) for axis in AXES]
        known[row["row"]] = np.array(figures, float)
    figure_, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    on_curve = [known[name][:, 0] for name in CURVE if name in known]
    if len(on_curve) > 1:
        axes.plot(*np.transpose(on_curve), color="0.5", zorder=1)
    for name, scores_ in known.items():
        (x, y), (low, high) = scores_[:, 0], scores_[:, 1:].T
        reach = ([x - low[0]], [high[0] - x]), ([y - low[1]], [high[1] - y])
        axes.errorbar(x, y, reach[1], reach[0], fmt="o", elinewidth=0.6, label=name)
    axes.axhline(0.5, color="0.8", zorder=0)
    axes.axvline(0.5, color="0.8", zorder=0)
    axes.set(xlabel="AUC on faces of the same source", ylabel="AUC on swapped faces")
    axes.legend(loc="upper center")
    figure_.savefig(path, dpi=100)


# -- the run -----------------------------------------------------------------


def main() -> None:
    data = Path(os.environ.get("SKDEEPFAKE_DATA", "../shared/data"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", nargs="+", choices=[*ROWS, VOTE], default=[*ROWS, VOTE]
    )
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--size", type=int, default=224, help="image size in pixels")
    parser.add_argument(
        "--weights",
        default=data.parent / "weights" / "vgg16_notop.weights.h5",
        help="weights of VGG16: a file or imagenet",
    )
    parser.add_argument("--memory", help="folder for caching features and swaps")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the detectors, which override those of the rows",
    )
    parser.add_argument(
        "--blend-once", action="store_true", help="draw blends once before training"
    )
    parser.add_argument(
        "--swaps", action="store_true", help="evaluate on swapped faces, too"
    )
    parser.add_argument(
        "--curve", type=Path, help="plot the scores on images and swaps to this file"
    )
    parser.add_argument(
        "--report", type=Path, help="write a report of the last model to this HTML file"
    )
    parser.add_argument("--json", type=Path, help="append the results to this file")
    args = parser.parse_args()
    if args.curve and not args.swaps:
        parser.error("--curve needs --swaps")
    if VOTE in args.rows and args.rows[-1] != VOTE:
        parser.error(f"{VOTE} must be the last row")

    faces, y, test = load_faces(args.data / "faces")
    X = Resizer((args.size, args.size)).fit_transform(faces)
    print(f"{(~test).sum()} training images, {test.sum()} test images", flush=True)
    swaps = None
    if args.swaps:
        swaps = make_swaps(
            args.data, size=args.size, margin=MARGIN_OF_SWAPS, memory=args.memory
        )
    rows = []
    for seed in args.seeds:
        fitted: dict[str, Any] = {}
        for name in args.rows:
            began = time.perf_counter()
            if name == VOTE:
                voters = list(dict.fromkeys([args.rows[0], "self_blended"]))
                if len(voters) < 2 or not all(voter in fitted for voter in voters):
                    print("vote needs self_blended and another row", flush=True)
                    continue
                model = VotingClassifier(
                    [(voter, FrozenEstimator(fitted[voter])) for voter in voters],
                    voting="soft",
                ).fit(X[~test], y[~test])
            else:
                model = fit(ROWS[name](args, seed), X[~test], y[~test], args, seed)
            seconds = time.perf_counter() - began
            fitted[name] = model
            row, report = measured(model, X[test], y[test], swaps)
            about = {"row": name, "size": args.size, "seed": seed}
            rows.append({**about, **trained(model), "seconds": round(seconds), **row})
            _report.print_table(rows[-1:])
            if args.json:  # write each row, since the next one may take hours
                once = ["--blend-once"] if args.blend_once else []
                settings_ = " ".join([*args.set, *once])
                _report.append({**rows[-1], "set": settings_}, args.json)
    _report.print_table(rows)
    if args.report and rows:
        write(report, args.report, f"{name} on {test.sum()} face images")
    if args.curve and rows:
        known = _report.read(args.json) if args.json else rows
        draw([r for r in known if r["size"] == args.size and AXES[1] in r], args.curve)


def measured(
    model: Any, X: NDArray, y: NDArray, swaps: Swaps | None
) -> tuple[dict[str, Any], EvaluationReport]:
    """Evaluate a fitted model."""
    report = evaluate(model, X, y, random_state=0)
    found = scores(report)
    if swaps is not None:
        of_clips = score_videos(model, swaps.X)
        found |= scores_elsewhere(swaps, of_clips, score_videos(model, swaps.pair.X))
    return found, report


def trained(model: Any) -> dict[str, Any]:
    """Return the number of epochs of a model and its best epoch."""
    last = model[-1] if isinstance(model, Pipeline) else model
    history = getattr(last, "history_", None)
    if not history:
        return {"epochs": "-", "best epoch": "-"}
    monitored = history.get("val_loss", history["loss"])
    return {"epochs": len(monitored), "best epoch": int(np.argmin(monitored)) + 1}


if __name__ == "__main__":
    main()
