"""Train a detector on labelled face images and score it on others.

    python benchmarks/accuracy.py [--detector cnn] [--data FOLDER] [--size 224]
        [--weights FILE] [--memory FOLDER] [--seeds 0 1 2] [--set NAME=VALUE ...]

`FOLDER/real` and `FOLDER/fake` hold one face an image. A hash of the file name
puts every fifth image into the test set, so the split is the same for everyone;
the detector takes its validation set from the rest.

Intervals are by bootstrap over the images, whose identities are not known.

The detectors: `cnn`; `cnn_rnn`, over VGG16's features of 49 positions; `logistic`,
scikit-learn's logistic regression over VGG16's features averaged over the positions.
Features take the most time: `--memory` keeps them for the next run.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import _report
import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepfake.detectors import CNNDetector, CNNRNNDetector
from skdeepfake.evaluation import EvaluationReport, evaluate
from skdeepfake.evaluation._report import figure
from skdeepfake.features import VGG16Featurizer
from skdeepfake.plotting import EvaluationDisplay
from skdeepfake.preprocessing import Resizer


def load_faces(
    folder: Path, *, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read images (object array, RGB), targets and whether each is for the test.

    `limit` is how many of each class are read, None for all.
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


def with_cnn(args: argparse.Namespace, seed: int) -> Pipeline:
    """Make the paper's first model."""
    return make_pipeline(CNNDetector(random_state=seed, verbose=1, **settings(args)))


def with_cnn_rnn(args: argparse.Namespace, seed: int) -> Pipeline:
    """Make the paper's second model."""
    detector = CNNRNNDetector(random_state=seed, verbose=1, **settings(args))
    return make_pipeline(featurizer(args), detector)


def with_logistic(args: argparse.Namespace, seed: int) -> Pipeline:
    """Make the plainest classifier of features."""
    classifier = LogisticRegression(
        **{"max_iter": 1000, "random_state": seed, **settings(args)}
    )
    return make_pipeline(featurizer(args, pooling="avg"), StandardScaler(), classifier)


DETECTORS = {"cnn": with_cnn, "cnn_rnn": with_cnn_rnn, "logistic": with_logistic}


def featurizer(args: argparse.Namespace, **params: Any) -> VGG16Featurizer:
    """Make the featurizer that the arguments ask for."""
    weights = str(args.weights)
    return VGG16Featurizer(weights=weights, memory=args.memory, verbose=1, **params)


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Read the parameters given as NAME=VALUE."""
    pairs = (text.split("=") for text in args.set)
    return {name: ast.literal_eval(value) for name, value in pairs}


def scores(report: EvaluationReport) -> dict[str, Any]:
    """Pick the figures of a report that a table has room for."""
    names = ("AUC", "accuracy", "equal error rate", "log loss")
    return {name: figure(report.row(name)) for name in names}


def write(report: EvaluationReport, path: Path, title: str) -> None:
    """Write a report as a page, and its picture beside it."""
    import matplotlib

    matplotlib.use("Agg")  # a server has no display
    report.to_html(path, title=title)
    picture = EvaluationDisplay(report).plot().figure_
    picture.savefig(path.with_suffix(".png"), dpi=100)


def main() -> None:
    data = Path(os.environ.get("SKDEEPFAKE_DATA", "../shared/data"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", choices=sorted(DETECTORS), default="cnn")
    parser.add_argument("--data", type=Path, default=data / "faces")
    parser.add_argument("--size", type=int, default=224, help="pixels, square")
    parser.add_argument(
        "--weights",
        default=data.parent / "weights" / "vgg16_notop.weights.h5",
        help="of VGG16: a file, or imagenet",
    )
    parser.add_argument("--memory", help="folder of a cache of features")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the detector that differ from its defaults",
    )
    parser.add_argument(
        "--report", type=Path, help="write this page, and a picture, of the last seed"
    )
    parser.add_argument("--json", type=Path, help="write the result to this file")
    args = parser.parse_args()

    faces, y, test = load_faces(args.data)
    X = Resizer((args.size, args.size)).fit_transform(faces)
    print(f"{(~test).sum()} images to train on, {test.sum()} to test", flush=True)
    rows = []
    for seed in args.seeds:
        pipeline = DETECTORS[args.detector](args, seed)
        began = time.perf_counter()
        pipeline.fit(X[~test], y[~test])
        seconds = time.perf_counter() - began
        report = evaluate(pipeline, X[test], y[test], random_state=0)
        history = getattr(pipeline[-1], "history_", None)
        monitored = history and history["val_loss"]
        rows.append(
            {
                "detector": " ".join([args.detector, *args.set]),
                "size": args.size,
                "seed": seed,
                "epochs": len(monitored) if monitored else "-",
                "best epoch": int(np.argmin(monitored)) + 1 if monitored else "-",
                "seconds": round(seconds),
                **scores(report),
            }
        )
        _report.print_table(rows[-1:])
        if args.report:
            write(report, args.report, f"{args.detector} on {test.sum()} face images")
    _report.print_table(rows)
    if args.json:
        _report.write(rows, args.json)


if __name__ == "__main__":
    main()
