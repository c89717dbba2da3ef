"""Train the reference detector on real faces.

    python benchmarks/reference/train.py --landmarks FILE --out FOLDER [--data FOLDER]
        [--steps 1600] [--seed 0] [--set NAME=VALUE ...]

FILE is dlib's shape_predictor_68_face_landmarks.dat from the package
face_recognition_models. It is only needed for training. The log, the weights of the
best evaluation and a checkpoint are written to FOLDER. The same command resumes
training from the checkpoint. Fakes are made from real faces during training (see
`make_fakes`).
"""

from __future__ import annotations

import argparse
import ast
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from _data import MARGIN, SIZE, Faces, load_faces, make_parser
from _measures import Measures
from numpy.typing import NDArray

from skdeepfake._efficientnet_lite import EfficientNetLite0, to_arrays
from skdeepfake.augmentation import (
    BaseAugmentation,
    RandomAffine,
    RandomBlur,
    RandomColor,
    RandomDownscale,
    RandomErasing,
    RandomFlip,
    RandomJPEG,
    RandomNoise,
    RandomVideoCompression,
)
from skdeepfake.detectors import BlendedFakes, Head, TransferDetector
from skdeepfake.synthesis import FaceSwapper, RandomBlender, SelfBlender

# Parts of the face to blend, repeated according to their frequency.
SHAPES = (
    *(("whole",) * 6 + ("without_forehead",) * 4 + ("lower",) * 3 + ("inner",) * 3),
    *(("eyes",) * 2 + ("mouth",) * 2),
)

# Settings that `--set` changes for ablations.
SETTINGS: dict[str, Any] = {
    "size": SIZE,
    "margin": MARGIN,
    "residual": False,  # if True, the input is the residual of a blur
    "norm_only": False,  # if True, only batch normalization is trained
    "blur": 0.25,
    "noise": 0.25,
    "swaps": 0.5,  # share of the fakes
    "h264": 0.3,  # share of the images
    "compressed_clips": True,  # if True, re-encoded clips are used, too
    "clip_frames": 16,  # per clip and encoding
    "landmarks": True,
    "altered": "either",
    "warp": 1.0,
    "erasing": 0.2,
    "rotation": 8,
    "recolored": 0.4,  # share of the images
    "learning_rate": 4e-4,
    "weight_decay": 0.02,
    "ema": 0.997,
    "dropout": 0.3,
    "scale": (0.9, 1.35),
    "batch_size": 32,  # real and fake faces
}


def make_fakes(landmarks: str | None, settings: dict[str, Any]) -> BlendedFakes:
    """Return the source of fakes: self-blended faces, and swaps between faces."""
    common: dict[str, Any] = {
        "margin": settings["margin"],
        "landmarks": landmarks if settings["landmarks"] else None,
        "warp": settings["warp"],
    }
    blender = RandomBlender(
        [
            SelfBlender(shapes=SHAPES, altered=settings["altered"], **common),
            FaceSwapper(**common),
        ],
        weights=[1 - settings["swaps"], settings["swaps"]],
    )
    return BlendedFakes(blender)


def make_augmentations(settings: dict[str, Any]) -> list[BaseAugmentation]:
    """Return the augmentations, which are the same for a face and its fake."""
    return [
        RandomFlip(),
        RandomAffine(
            rotation=settings["rotation"],
            scale=settings["scale"],
            shift=0.05,
            shear=0,
            probability=0.9,
        ),
        RandomColor(probability=settings["recolored"]),
        RandomErasing(probability=settings["erasing"]),
        RandomDownscale(min_scale=0.4, probability=0.35),
        RandomBlur(probability=settings["blur"]),
        RandomNoise(probability=settings["noise"]),
        RandomJPEG((40, 100), probability=0.2),
        RandomVideoCompression(
            (16, 40), scale=(0.7, 1.8), probability=settings["h264"]
        ),
    ]


def make_detector(
    args: argparse.Namespace, settings: dict[str, Any], callbacks: list[Any]
) -> TransferDetector:
    """Return the detector before training."""
    rate = keras.optimizers.schedules.CosineDecay(
        settings["learning_rate"] / 30,
        decay_steps=args.steps,
        alpha=0.02,
        warmup_target=settings["learning_rate"],
        warmup_steps=30,
    )
    backbone: Any = "efficientnet_lite0"
    if settings["residual"]:
        backbone = make_residual_backbone
    return TransferDetector(
        backbone=backbone,
        trainable="norm" if settings["norm_only"] else "all",
        head=Head(dropout=settings["dropout"], epochs=0),
        fake_source=make_fakes(args.landmarks, settings),
        augment=make_augmentations(settings),
        optimizer=keras.optimizers.AdamW(
            rate,
            weight_decay=settings["weight_decay"],
            use_ema=True,
            ema_momentum=settings["ema"],
        ),
        batch_size=settings["batch_size"],
        epochs=1000,
        validation_fraction=None,
        callbacks=callbacks,
        random_state=args.seed,
        verbose=1,
    )


def make_residual_backbone() -> keras.Model:
    """Return a backbone for the difference between an image and its blurred copy."""
    inputs = keras.Input((None, None, 3))
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[..., None, None] / 256
    blur = keras.layers.DepthwiseConv2D(
        5, padding="same", use_bias=False, trainable=False
    )
    x = keras.layers.Subtract()([inputs, blur(inputs)])
    blur.set_weights([np.broadcast_to(kernel, blur.kernel.shape)])
    x = keras.layers.Rescaling(1 / 16)(x)
    return keras.Model(inputs, EfficientNetLite0()(x))


class Evaluation(keras.callbacks.Callback):
    """Evaluate averaged weights at regular steps, keep the best, and stop training."""

    def __init__(self, args: argparse.Namespace, measures: Measures) -> None:
        super().__init__()
        self.args, self.measures = args, measures
        self.best = -np.inf
        self.rows: list[dict[str, float]] = []
        self.loss = np.nan

    def __deepcopy__(self, memo: Any) -> Evaluation:
        return self  # the detector copies callbacks, but the data is not needed twice

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock, and restore the log after an interruption."""
        self.began = time.perf_counter()
        log = self.args.out / "log.json"
        if log.exists():
            self.rows = json.loads(log.read_text())
            self.best = max(row["choice"] for row in self.rows)
            self.began -= 60 * self.rows[-1]["minutes"]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Evaluate at regular steps and at the end."""
        self.loss = float((logs or {}).get("loss", np.nan))
        step = int(self.model.optimizer.iterations)
        done = step >= self.args.steps
        if step % self.args.every == 0 or done:
            self.evaluate(step)
        if done:
            self.model.stop_training = True

    def evaluate(self, step: int) -> None:
        """Evaluate once."""
        swap = keras.callbacks.SwapEMAWeights()
        swap.set_model(self.model)
        swap.on_test_begin()
        try:
            began = time.perf_counter()
            found = self.measures(self.model)
            row = {
                "step": step,
                "minutes": (began - self.began) / 60,
                "loss": self.loss,
                **found,
            }
            self.rows.append(row)
            print(json.dumps({k: round(v, 3) for k, v in row.items()}), flush=True)
            (self.args.out / "log.json").write_text(json.dumps(self.rows, indent=1))
            arrays = {k: v.astype("float16") for k, v in to_arrays(self.model).items()}
            np.savez(self.args.out / f"weights-{step}.npz", **arrays)
            if found["choice"] > self.best:
                self.best = found["choice"]
                np.savez(self.args.out / "best.npz", **arrays)
        finally:
            swap.on_test_end()


def training_faces(faces: Faces, settings: dict[str, Any]) -> NDArray[np.uint8]:
    """Return the faces for training."""
    used = ~faces.held_out
    if not settings["compressed_clips"]:
        used &= np.isin(faces.encodings, ["image", "original"])
    is_clip = faces.encodings != "image"
    for name, encoding in set(zip(faces.names[is_clip], faces.encodings[is_clip])):  # noqa: B905
        frames = np.flatnonzero((faces.names == name) & (faces.encodings == encoding))
        kept = np.linspace(0, len(frames) - 1, settings["clip_frames"]).round()
        used[np.delete(frames, kept.astype(int))] = False
    return faces.X[used]


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a training."""
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--every", type=int, default=400, help="steps per evaluation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")


def read_settings(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> dict[str, Any]:
    """Return the settings of a training, and write them to its folder."""
    settings = dict(SETTINGS)
    for pair in args.set:
        name, _, value = pair.partition("=")
        if name not in settings:
            parser.error(f"--set {name}: must be one of {', '.join(settings)}")
        settings[name] = ast.literal_eval(value)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "settings.json").write_text(
        json.dumps({**settings, "seed": args.seed, "steps": args.steps}, indent=1)
    )
    return settings


def main() -> None:
    """Run the command."""
    parser = make_parser(__doc__)
    add_settings(parser)
    args = parser.parse_args()
    settings = read_settings(parser, args)
    cut = {"margin": settings["margin"]}
    faces = load_faces(args.data, args.cache, size=settings["size"], **cut)
    measures = Measures(faces, args.data, args.cache, args.landmarks, **cut)
    X = training_faces(faces, settings)
    print(f"{len(X)} training faces, {faces.held_out.sum()} held out", flush=True)
    backup = keras.callbacks.BackupAndRestore(
        str(args.out / "checkpoint"), save_freq=args.every, delete_checkpoint=False
    )
    callbacks = [Evaluation(args, measures), backup]
    make_detector(args, settings, callbacks).fit(X, np.zeros(len(X), int))


if __name__ == "__main__":
    main()
