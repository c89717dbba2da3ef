"""Seconds of `fit` and `predict_proba` of detectors, compared with plain Keras.

Plain Keras is the same network, compiled with the same settings. It runs `fit(X, y)`
and `predict(X)` on the same arrays. No seed is set, since TensorFlow would then use
deterministic operations, which are slower. Each training has four epochs without
validation. The first one, which compiles, is not counted. The detector and plain Keras
run in turn. `more` is the additional time of the detector for the median and for the
fastest epoch. `more, cores` is the additional CPU time, which other processes affect
least.

For the GAN, a step is compared with a step of the paper's eager loop (appendix 7.4) on
the same batch.

With "waiting", an EfficientNet-lite0 is trained on batches with ``augment="strong"``
and self-blended fakes. `waiting` is the share of the wall time in which the training
loop waits for the next batch. It is an upper bound, since Keras also prefetches batches
with TensorFlow, and other processes slow down the threads that compute batches.

Example: ``python benchmarks/fit.py --detectors cnn cnn_rnn waiting --repeats 5``
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import keras
import numpy as np
from _gan_loop import our_seconds_per_step, seconds_per_step
from _report import print_table, write

from skdeepfake.detectors import (
    BlendedFakes,
    CNNDetector,
    CNNRNNDetector,
    Head,
    TransferDetector,
)

N_IMAGES, N_FEATURES = 128, 1024
WHOSE = ("ours", "plain")
GAN_BATCH = 32


Times = list[tuple[float, float]]  # wall-clock and CPU seconds


def now() -> np.ndarray:
    """Return the wall-clock and CPU time."""
    return np.array([time.perf_counter(), time.process_time()])


class EpochTimes(keras.callbacks.Callback):
    """Record the time of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.times: Times = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Record the start."""
        self.began = now()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Record the duration."""
        self.times.append(tuple(now() - self.began))

    def __deepcopy__(self, memo: dict) -> EpochTimes:
        return self  # the detector copies callbacks, but this object is read later


def fit_times(fit: Any, watch: EpochTimes) -> Times:
    """Train, and return the times of all epochs except the first."""
    watch.times.clear()
    fit()
    return watch.times[1:]


def compare(kind: type, X: np.ndarray, y: np.ndarray, repeats: int) -> list[dict]:
    """Measure a detector and its network in plain Keras in turn."""
    watch = EpochTimes()
    detector = kind(epochs=4, validation_fraction=None, callbacks=[watch])
    plain = kind().initialize(X, y).model_
    took: dict[str, Times] = defaultdict(list)
    for _ in range(repeats):
        took["fit, ours"] += fit_times(lambda: detector.fit(X, y), watch)
        took["fit, plain"] += fit_times(
            lambda: plain.fit(X, y, epochs=4, callbacks=[watch], verbose=0), watch
        )
        for name, predict in (
            ("predict, ours", lambda: detector.predict_proba(X)),
            ("predict, plain", lambda: plain.predict(X, verbose=0)),
        ):
            predict()
            for _ in range(3):
                began = now()
                predict()
                took[name].append(tuple(now() - began))
    rows = []
    for job in ("fit", "predict"):
        ours, plain_ = (np.array(took[f"{job}, {whose}"]) for whose in WHOSE)
        medians = np.median(ours, axis=0), np.median(plain_, axis=0)
        more, more_cpu = medians[0] / medians[1] - 1
        rows.append(
            {
                "detector": kind.__name__,
                "job": job,
                "ours s": float(medians[0][0]),
                "plain Keras s": float(medians[1][0]),
                "more, medians": float(more),
                "more, best": float(ours[:, 0].min() / plain_[:, 0].min() - 1),
                "more, cores": float(more_cpu),
            }
        )
    return rows


def compare_steps(images: np.ndarray, y: np.ndarray, repeats: int) -> list[dict]:
    """Measure a step of the GAN and of the paper's eager loop in turn."""
    eager: list[float] = []
    ours: list[float] = []
    for _ in range(repeats):
        eager += seconds_per_step(images, y, 3)
        ours += our_seconds_per_step(images, y, 3)
    return [
        {
            "detector": "GANDetector",
            "size": images.shape[1],
            "batch": len(images),
            "ours s": statistics.median(ours),
            "eager s": statistics.median(eager),
            "times, medians": statistics.median(eager) / statistics.median(ours),
            "times, best": min(eager) / min(ours),
        }
    ]


def share_of_waiting(n_steps: int) -> dict:
    """Measure the share of time in which training waits for augmented batches."""
    rng = np.random.RandomState(0)
    coarse = rng.randint(1, 256, size=(64, 8, 8, 3)).astype(np.uint8)
    faces = np.stack([cv2.resize(face, (160, 160)) for face in coarse])
    detector = TransferDetector(
        backbone="efficientnet_lite0",
        augment="strong",
        fake_source=BlendedFakes(),
        head=Head(epochs=0),
        epochs=1,
        validation_fraction=None,
    )
    waiting: list[float] = []
    training: list[float] = []

    def fit(model: keras.Model, x: Any, **options: Any) -> keras.callbacks.History:
        for number in range(n_steps + 1):
            began = time.perf_counter()
            images, y, weight = x[number % x.num_batches]
            drawn = time.perf_counter()
            loss = model.train_on_batch(images, y, sample_weight=weight)
            waiting.append(drawn - began)
            training.append(time.perf_counter() - drawn)
        history = keras.callbacks.History()
        history.history = {"loss": [float(np.ravel(loss)[0])]}
        return history

    with mock.patch.object(keras.Model, "fit", fit):
        detector.fit(faces, np.zeros(len(faces), int))
    waited, trained = sum(waiting[1:]), sum(training[1:])  # the first step compiles
    return {
        "backbone": detector.backbone,
        "size": 160,
        "batch": detector.batch_size,
        "steps": n_steps,
        "s a step": (waited + trained) / n_steps,
        "waiting": waited / (waited + trained),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--detectors",
        nargs="+",
        choices=["cnn", "cnn_rnn", "gan", "waiting"],
        default=["cnn", "cnn_rnn", "gan"],
    )
    parser.add_argument("--size", type=int, default=112, help="image size in pixels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the result to this file")
    options = parser.parse_args()
    rng = np.random.RandomState(0)
    y = np.arange(N_FEATURES) % 2
    rows = []
    if "cnn" in options.detectors:
        shape = (N_IMAGES, options.size, options.size, 3)
        images = rng.randint(1, 256, size=shape).astype(np.uint8)
        rows += compare(CNNDetector, images, y[:N_IMAGES], options.repeats)
    if "cnn_rnn" in options.detectors:
        features = rng.rand(N_FEATURES, 49, 512).astype(np.float32)
        rows += compare(CNNRNNDetector, features, y, options.repeats)
    if rows:
        print_table(rows)
    steps = []
    if "gan" in options.detectors:
        shape = (GAN_BATCH, options.size, options.size, 3)
        images = rng.randint(1, 256, size=shape).astype(np.uint8)
        steps = compare_steps(images, y[:GAN_BATCH], options.repeats)
        print_table(steps)
    if "waiting" in options.detectors:
        steps.append(share_of_waiting(4 * options.repeats))
        print_table(steps[-1:])
    if options.json:
        write(
            rows + steps,
            options.json,
            size=options.size,
            repeats=options.repeats,
        )


if __name__ == "__main__":
    main()
