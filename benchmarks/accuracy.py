"""Train a detector on labelled face images and score it on others.

    python benchmarks/accuracy.py [--data FOLDER] [--size 224] [--set NAME=VALUE ...]

`FOLDER/real` and `FOLDER/fake` hold one face an image. A hash of the file name
puts every fifth image into the test set, so the split is the same for everyone;
the detector takes its validation set from the rest.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import time
from pathlib import Path

import _report
import cv2
import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from skdeepfake.detectors import CNNDetector
from skdeepfake.preprocessing import Resizer


def load_faces(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read images (object array, RGB), targets and whether each is for the test."""
    images, target, test = [], [], []
    for label, name in enumerate(("real", "fake")):
        for path in sorted((folder / name).iterdir()):
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


def main() -> None:
    data = Path(os.environ.get("SKDEEPFAKE_DATA", "../shared/data"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data / "faces")
    parser.add_argument("--size", type=int, default=224, help="pixels, square")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the detector that differ from its defaults",
    )
    parser.add_argument("--json", type=Path, help="write the result to this file")
    args = parser.parse_args()
    params = {
        name: ast.literal_eval(value)
        for name, value in (text.split("=") for text in args.set)
    }

    faces, y, test = load_faces(args.data)
    X = Resizer((args.size, args.size)).fit_transform(faces)
    print(f"{(~test).sum()} images to train on, {test.sum()} to test", flush=True)
    detector = CNNDetector(random_state=args.seed, verbose=1, **params)
    began = time.perf_counter()
    detector.fit(X[~test], y[~test])
    seconds = time.perf_counter() - began
    detector.set_params(verbose=0)
    proba = detector.predict_proba(X[test])[:, 1]
    row = {
        "detector": " ".join(["cnn", *args.set]),
        "size": args.size,
        "epochs": len(detector.history_["loss"]),
        "best epoch": int(np.argmin(detector.history_["val_loss"])) + 1,
        "seconds": round(seconds),
        "AUC": round(roc_auc_score(y[test], proba), 4),
        "accuracy": round(accuracy_score(y[test], proba > 0.5), 4),
        "log loss": round(log_loss(y[test], proba), 4),
    }
    _report.print_table([row])
    if args.json:
        _report.write([row], args.json)


if __name__ == "__main__":
    main()
