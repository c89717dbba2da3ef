"""Train the paper's discriminator on face images, alone and with a generator.

    python benchmarks/gan.py [--data FOLDER] [--size 56] [--epochs 50] [--seeds 0 1]

Images and their split are the same as in `accuracy.py`. "alone" is the discriminator of
`GANDetector`, trained as an ordinary classifier. "generated 0" and "generated 1" are
`GANDetector` with `generated_label=0` and `generated_label=1`. All select the epoch
with the best validation AUC. With the same seed, they have the same initial weights,
validation set and order of images.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import _report
import cv2
import keras
import numpy as np
from _gan_loop import reachable_filters
from accuracy import load_faces, scores

from skdeepfake.detectors import (
    BaseDetector,
    GANDetector,
    Generator,
    PlateauCallbacks,
)
from skdeepfake.evaluation import evaluate
from skdeepfake.exceptions import AdversarialImbalanceWarning
from skdeepfake.preprocessing import Resizer


class Discriminator(GANDetector):
    """The discriminator alone, trained like the other detectors."""

    _networks = ("model_",)
    _build_networks = BaseDetector._build_networks
    _ensure_compiled_model = BaseDetector._ensure_compiled_model
    _make_callbacks = BaseDetector._make_callbacks
    _gives_finite_numbers = BaseDetector._gives_finite_numbers
    _check_training = BaseDetector._check_training

    def _build_adversarial(self, classifier: keras.Model, *_: Any) -> keras.Model:
        return classifier


TRAININGS = {
    "alone": (Discriminator, {}),
    "generated 0": (GANDetector, {"generated_label": 0}),
    "generated 1": (GANDetector, {"generated_label": 1}),
}


def measure(
    name: str,
    X: np.ndarray,
    y: np.ndarray,
    test: np.ndarray,
    pictures: Path | None,
    **params: Any,
) -> dict[str, Any]:
    """Train once and evaluate on the test images."""
    kind, how = TRAININGS[name]
    detector = kind(**how, **params)
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AdversarialImbalanceWarning)
        detector.fit(X[~test], y[~test])
    seconds = time.perf_counter() - began
    if pictures is not None and "generator_" in vars(detector):
        draw(detector.generate(32, random_state=0), pictures / f"{name}.png")
    report = evaluate(detector, X[test], y[test], random_state=0)
    won = [w for w in caught if w.category is AdversarialImbalanceWarning]
    return {
        "training": name,
        "size": X.shape[1],
        "seed": params["random_state"],
        "epochs": len(detector.history_["loss"]),
        "best epoch": int(np.argmax(detector.history_["val_roc_auc"])) + 1,
        "seconds": round(seconds),
        **scores(report),
        "imbalance": "yes" if won else "no",
    }


def draw(images: np.ndarray, path: Path) -> None:
    """Write images as one picture with eight images per row."""
    sheet = np.concatenate([np.hstack(row) for row in np.split(images, 4)])
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), sheet[..., ::-1])


def main() -> None:
    data = Path(os.environ.get("SKDEEPFAKE_DATA", "../shared/data"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=data / "faces")
    parser.add_argument(
        "--size", type=int, default=56, help="image size in pixels, an even number"
    )
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--patience", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--trainings", nargs="+", choices=TRAININGS, default=list(TRAININGS)
    )
    parser.add_argument(
        "--pictures", type=Path, help="write generated images to this folder"
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    args = parser.parse_args()

    faces, y, test = load_faces(args.data)
    X = Resizer((args.size, args.size)).fit_transform(faces)
    print(f"{(~test).sum()} training images, {test.sum()} test images", flush=True)
    rows = []
    for seed in args.seeds:
        for name in args.trainings:
            rows.append(
                measure(
                    name,
                    X,
                    y,
                    test,
                    args.pictures,
                    generator=Generator(filters=reachable_filters(args.size)),
                    epochs=args.epochs,
                    callbacks=PlateauCallbacks(
                        monitor="val_roc_auc", patience=args.patience
                    ),
                    random_state=seed,
                )
            )
            print(rows[-1], file=sys.stderr, flush=True)
    _report.print_table(rows)
    if args.json:
        _report.write(rows, args.json)


if __name__ == "__main__":
    main()
