"""Evaluate the paper's three detectors on one dataset with three kinds of splits.

    python benchmarks/paper.py ROOT [--faceforensics FF_ROOT] [--detectors cnn gan]
        [--weights FILE] [--memory FOLDER] [--size 224] [--epochs 50] [--folds 5]
    python benchmarks/paper.py --rendered 20 --size 64 --epochs 10

ROOT contains the folders `real` and `fake` with videos or face images, or the paper's
folders `Original` and `Manipulated`. With `--faceforensics`, ROOT is
DeeperForensics-1.0, and FF_ROOT contains its real videos. `--rendered N` renders N real
clips and one fake of each.

The paper splits frames randomly, 80 to 20, so that similar frames of one video are in
the training and the test set. This protocol is compared with two others, with the same
number of folds:

- `frames`: the paper's protocol.
- `video`: no video is on both sides of a split, but identities may be.
- `identity`: no identity is on both sides of a split.

Accuracy and AUC are for frames in all protocols. They are means over the folds, with
95% confidence intervals by bootstrap over identities. `flatters by` is the AUC of
`frames` minus the AUC of `identity` on the same frames.

`--control` uses only real videos, and randomly labels half of the identities as fake.
There are no cues, so any result above chance level is an artifact of the protocol.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import _report
import numpy as np
from accuracy import load_faces, settings
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    BaseCrossValidator,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline

from skdeepfake.datasets import (
    load_deeperforensics,
    load_paper_folders,
    load_videos,
    make_videos,
)
from skdeepfake.detectors import CNNDetector, CNNRNNDetector, GANDetector
from skdeepfake.features import VGG16Featurizer
from skdeepfake.metrics import group_bootstrap
from skdeepfake.model_selection import check_no_leakage
from skdeepfake.preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler

# Accuracy and AUC: section 5.
PAPER = {"cnn": (0.9437, 0.9891), "cnn_rnn": (0.9323, 0.9867), "gan": (0.8887, 0.953)}
PAPER_DATA = "FaceForensics++ against DeeperForensics-1.0"


class Data(NamedTuple):
    """Faces with their labels."""

    name: str
    X: np.ndarray  # (n_videos, n_frames, height, width, 3), zeros without a face
    y: np.ndarray  # (n_videos,)
    groups: np.ndarray | None  # (n_videos,), identities; None if unknown

    @property
    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the video and the slot of each face."""
        return np.nonzero(self.X.any(axis=(2, 3, 4)))


# -- data -------------------------------------------------------------------------


def load(args: argparse.Namespace, work: Path) -> Data:
    """Load the faces that the arguments select."""
    resizer = Resizer((args.size, args.size))
    if args.root and (args.root / "real").is_dir() and holds_images(args.root):
        faces, y, _ = load_faces(args.root, limit=args.limit)
        X = resizer.fit_transform(faces)[:, None]
        return Data(f"{len(y)} face images, identities unknown", X, y, None)
    if args.rendered:
        root = work / "rendered"
        videos = make_videos(
            root, n_real=args.rendered, n_fake=args.rendered, random_state=0
        )
        name = f"{args.rendered} rendered clips of one person and a fake of each"
    elif args.faceforensics:
        videos = load_deeperforensics(args.root, args.faceforensics)
        name = PAPER_DATA
    elif (args.root / "Original").is_dir():
        videos = load_paper_folders(args.root)
        name = "the paper's folders"
    else:
        videos = load_videos(args.root, group=args.group)
        name = f"{len(videos.data)} videos"
    steps = make_pipeline(
        VideoFrameSampler(args.frames),
        DlibFaceCropper(memory=args.memory, margin=args.margin, verbose=1),
        resizer,
    )
    X = steps.fit_transform(videos.data)
    return Data(name, X, videos.target, videos.groups)


def holds_images(root: Path) -> bool:
    """Return True if the first file is an image."""
    first = next((root / "real").iterdir(), None)
    return first is not None and first.suffix.lower() in {".jpg", ".jpeg", ".png"}


def by_chance(data: Data, seed: int) -> Data:
    """Keep the real videos, and randomly label half of the identities as fake."""
    real = data.y == 0
    assert data.groups is not None
    people = np.unique(data.groups[real])
    fake = np.random.RandomState(seed).permutation(people)[: len(people) // 2]
    groups = data.groups[real]
    name = f"{data.name}; only real videos, half of the identities labeled as fake"
    return Data(name, data.X[real], np.isin(groups, fake).astype(int), groups)


# -- protocols --------------------------------------------------------------------


class Fold(NamedTuple):
    """Indices of faces for training and testing."""

    train: np.ndarray
    test: np.ndarray


def protocols(data: Data, n_folds: int) -> dict[str, list[Fold]]:
    """Return the folds of each protocol that the data supports."""
    video, _ = data.filled
    how = {"shuffle": True, "random_state": 0}
    splits = {"frames": folds(StratifiedKFold(n_folds, **how), data.y[video])}
    if data.X.shape[1] > 1:
        by_video = StratifiedGroupKFold(n_folds, **how)
        splits["video"] = folds(by_video, data.y[video], video)
    if data.groups is not None:
        people = data.groups[video]
        by_identity = StratifiedGroupKFold(n_folds, **how)
        splits["identity"] = folds(by_identity, data.y[video], people)
        for fold in splits["identity"]:
            check_no_leakage(fold.train, fold.test, people)
    return splits


def folds(
    splitter: BaseCrossValidator, y: np.ndarray, groups: np.ndarray | None = None
) -> list[Fold]:
    """Return the folds of a splitter."""
    return [Fold(*fold) for fold in splitter.split(y, y, groups)]


# -- detectors --------------------------------------------------------------------


def detectors(args: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """Return a factory per detector, with the parameters of the arguments."""
    given = {"epochs": args.epochs, "random_state": args.seed, **settings(args)}
    kinds = {"cnn": CNNDetector, "cnn_rnn": CNNRNNDetector, "gan": GANDetector}
    makers = {}
    for name in args.detectors:
        known = kinds[name]().get_params()
        params = {key: value for key, value in given.items() if key in known}
        makers[name] = functools.partial(kinds[name], **params)
    return makers


def out_of_fold(
    make: Callable[[], Any], X: np.ndarray, y: np.ndarray, splits: list[Fold]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Score each face with a detector that was not trained on it.

    As in the paper, each face is a separate image. Only the split depends on the
    protocol. Return scores, the fold of each face, and the mean seconds per fit.
    """
    scores, number, seconds = np.empty(len(y)), np.empty(len(y)), []
    for k, (train, test) in enumerate(splits):
        began = time.perf_counter()
        detector = make().fit(X[train], y[train])
        seconds.append(time.perf_counter() - began)
        scores[test], number[test] = detector.predict_proba(X[test])[:, 1], k
    return scores, number, float(np.mean(seconds))


# -- figures ----------------------------------------------------------------------


def of_folds(
    figure: Callable[..., float], y: np.ndarray, score: np.ndarray, fold: np.ndarray
) -> float:
    """Return the mean of a metric over the folds that contain both classes."""
    parts = [fold == k for k in np.unique(fold)]
    return float(
        np.mean([figure(y[p], score[p]) for p in parts if len(np.unique(y[p])) == 2])
    )


def accuracy(y: np.ndarray, score: np.ndarray) -> float:
    """Return the accuracy at a threshold of 0.5."""
    return float(np.mean((score > 0.5) == y))


def both(y: np.ndarray, scored: np.ndarray) -> list[float]:
    """Return accuracy and AUC; `scored` contains scores and folds."""
    return [of_folds(f, y, *scored.T) for f in (accuracy, roc_auc_score)]


def flattery(y: np.ndarray, scored: np.ndarray) -> float:
    """Return the difference between the AUCs of two protocols on the same faces."""
    aucs = (of_folds(roc_auc_score, y, *pair) for pair in (scored.T[:2], scored.T[2:]))
    return float(np.subtract(*aucs))


def measure(
    data: Data, args: argparse.Namespace
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Yield rows per detector and protocol, and the difference between protocols."""
    video, slot = data.filled
    faces, y = data.X[video, slot], data.y[video]
    people = video if data.groups is None else data.groups[video]
    bootstrap = functools.partial(
        group_bootstrap, groups=people, n_resamples=args.resamples, random_state=0
    )
    splits = protocols(data, args.folds)
    for name, make in detectors(args).items():
        X = faces
        if name == "cnn_rnn":
            weights = None if args.weights == "none" else args.weights
            X = VGG16Featurizer(
                weights=weights, memory=args.memory, verbose=1
            ).fit_transform(faces)
        scored = {}
        for protocol, folds_ in splits.items():
            score, fold, seconds = out_of_fold(make, X, y, folds_)
            scored[protocol] = np.stack([score, fold], axis=1)
            interval = bootstrap(both, y, scored[protocol])
            texts = [
                f"{e:.3f} ({low:.3f} to {high:.3f})"
                for e, low, high in zip(*interval[:3], strict=True)
            ]
            row = {
                "detector": name,
                "protocol": protocol,
                "accuracy": texts[0],
                "AUC": texts[1],
                "paper's accuracy": PAPER[name][0] if protocol == "frames" else "",
                "paper's AUC": PAPER[name][1] if protocol == "frames" else "",
                "s a fit": seconds,
            }
            yield row, None
        if {"frames", "identity"} <= scored.keys():
            sides = np.hstack([scored["frames"], scored["identity"]])
            difference = bootstrap(flattery, y, sides)
            yield (
                row,
                {
                    "detector": name,
                    "flatters by": f"{difference.estimate:.3f} "
                    f"({difference.low:.3f} to {difference.high:.3f})",
                },
            )


def run(data: Data, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluate on one dataset, and print the results."""
    video, _ = data.filled
    people = "unknown" if data.groups is None else len(np.unique(data.groups))
    print(
        f"\n{data.name}: {len(video)} faces of {len(data.y)} videos, "
        f"{data.y.mean():.0%} of them fake; identities: {people}; "
        f"{args.size} x {args.size} pixels",
        flush=True,
    )
    rows, differences = [], []
    for row, difference in measure(data, args):
        if difference is None:
            rows.append({"data": data.name, **row})
            print(" ".join(str(value) for value in row.values()), flush=True)
        else:
            differences.append(difference)
    shown = [{k: v for k, v in row.items() if k != "data"} for row in rows]
    _report.print_table(shown)
    if differences:
        print()
        _report.print_table(differences)
    return [*rows, *({"data": data.name, **each} for each in differences)]


def main() -> None:
    shared = Path(os.environ.get("SKDEEPFAKE_DATA", "../shared/data")).parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", nargs="?", type=Path)
    parser.add_argument("--faceforensics", type=Path, metavar="FF_ROOT")
    parser.add_argument("--rendered", type=int, metavar="N")
    parser.add_argument("--group", help="parameter `group` of `load_videos`")
    parser.add_argument("--limit", type=int, help="maximum number of images per class")
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--detectors", nargs="+", choices=PAPER, default=list(PAPER))
    parser.add_argument("--frames", type=int, default=10, help="frames per video")
    parser.add_argument("--margin", type=float, default=0.0, help="margin of the crops")
    parser.add_argument("--size", type=int, default=224, help="face size in pixels")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument(
        "--folds",
        type=int,
        default=5,
        help="number of folds; 5 folds split 80 to 20, as in the paper",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument(
        "--weights",
        default=shared / "weights" / "vgg16_notop.weights.h5",
        help="weights of VGG16: a file, imagenet or none",
    )
    parser.add_argument("--memory", help="folder for caching crops and features")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    args = parser.parse_args()
    if (args.root is None) == (args.rendered is None):
        parser.error("pass either ROOT or --rendered N")

    print("environment:", _report.environment())
    with tempfile.TemporaryDirectory() as work:
        data = load(args, Path(work))
    if args.control:
        if data.groups is None:
            raise SystemExit("--control needs a dataset with known identities")
        data = by_chance(data, args.seed)
    rows = run(data, args)
    if not args.faceforensics:
        print(
            f"\nThe paper's results are for other data, {PAPER_DATA}. Compare "
            "differences between protocols, not values."
        )
    if args.json:
        _report.write(rows, args.json)


if __name__ == "__main__":
    main()
