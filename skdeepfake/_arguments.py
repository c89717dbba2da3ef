"""Arguments and exit codes of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import __version__

OK, SOME_FAILED, FAILED = 0, 1, 2

# Named here, since `skdeepfake.pipeline` loads video libraries, which --help must not.
_DETECTORS = ("cnn", "cnn_rnn", "gan", "transfer")


def make_parser() -> argparse.ArgumentParser:
    """Make the parser, which sets `command` to the name of a function."""
    parser = argparse.ArgumentParser(
        prog="skdeepfake",
        description="Detect deepfakes in video.",
        epilog="Exit codes: 0 success, 1 some videos failed, 2 nothing could be done.",
    )
    version = f"skdeepfake {__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")

    model = argparse.ArgumentParser(add_help=False)
    model.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="a trained model; default: the reference detector, which comes with "
        "skdeepfake",
    )
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("--json", action="store_true", help="print JSON")
    output.add_argument(
        "--threshold",
        type=float,
        help="fake above this probability, else real; default: 0.5, and for the "
        "reference detector those of its card, with uncertain videos between them",
    )
    videos = argparse.ArgumentParser(add_help=False)
    videos.add_argument("root", type=Path, metavar="ROOT", help="has real/ and fake/")
    videos.add_argument(
        "--group",
        metavar="PATTERN",
        help=r"regular expression of the identities in the name of a file, such as "
        r"'\d{3}': videos that share one are in one group",
    )

    demo = commands.add_parser(
        "demo", help="train and test a detector on rendered clips, without any data"
    )
    demo.add_argument("-o", "--output", type=Path, default=Path("skdeepfake-demo"))
    demo.add_argument("--seed", type=int, default=0)

    train = commands.add_parser(
        "train",
        parents=[videos],
        argument_default=argparse.SUPPRESS,
        help="train a detector on a folder of videos",
    )
    _add_training_options(train)

    predict = commands.add_parser(
        "predict", parents=[model, output], help="tell whether videos are fake"
    )
    predict.add_argument("videos", nargs="+", metavar="VIDEO")

    evaluate = commands.add_parser(
        "evaluate",
        parents=[model, videos, output],
        help="score a detector on labelled videos",
    )
    add = evaluate.add_argument
    add("--report", type=Path, metavar="FILE", help="write a page, *.html, or *.json")
    resamples = "resamples of the groups for the intervals; 0 for none"
    add("--resamples", type=int, default=1000, metavar="N", help=resamples)
    add("--seed", type=int, default=0, help="seed of the resamples")
    return parser


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add options that are named as the parameters of `make_detector_pipeline`.

    Those without a default are left to the detector.
    """
    add: Callable[..., Any] = parser.add_argument
    add(
        *("-o", "--output"),
        type=Path,
        required=True,
        metavar="MODEL",
        help="*.skops loads without running code (extra safe); otherwise joblib",
    )
    add("--detector", choices=_DETECTORS, default="cnn")
    add(
        "--weights",
        default="imagenet",
        metavar="FILE",
        help="weights of VGG16, for cnn_rnn and transfer; the default is downloaded",
    )
    frames = "frames per video"
    add("--frames", dest="n_frames", type=int, default=10, metavar="N", help=frames)
    duration = "seconds per video; 0 for the whole video"
    add("--duration", type=_float_or_none, default=10.0, help=duration)
    add("--size", type=int, default=224, help="side of a face in pixels")
    add("--margin", type=float, default=0.0, help="margin around the face")
    add("--epochs", type=int, help="largest number; default: 50, and 20 for transfer")
    add("--batch-size", type=int, default=32, help="frames per step")
    add("--learning-rate", type=float, help="default: that of the detector")
    add(
        "--trainable",
        type=lambda text: int(text) if text.isdigit() else text,
        metavar="{all,top,N}",
        help="for transfer: all layers (default), the new one, or N blocks in addition",
    )
    add(
        "--augment",
        choices=["flip", "light", "strong", "video"],
        help="augmentation preset, not for cnn_rnn; strong is for unknown sources",
    )
    add(
        "--fake-source",
        choices=["labels", "self_blended", "mixed"],
        help="train on the fakes of ROOT (default), on self-blended real faces, or on "
        "both; not for cnn_rnn",
    )
    add(
        "--aggregation",
        choices=["mean", "median", "max", "logit_mean", "top_k", "attention"],
        help="how frame scores become the score of a video; default: mean",
    )
    balanced = {"const": "balanced", "help": "give both classes equal weight"}
    add("--balanced", dest="class_weight", action="store_const", **balanced)
    add(
        "--validation-fraction",
        type=_float_or_none,
        default=0.1,
        help="share of the videos for early stopping; 0 trains for all epochs",
    )
    folds = "cross-validate in K folds by group first"
    add("--cv", type=int, metavar="K", default=0, help=folds)
    cache = "keep crops and features for the next run"
    add("--cache", dest="memory", metavar="FOLDER", help=cache)
    skip = {"const": "skip", "help": "leave out and name videos that cannot be read"}
    add("--skip", dest="on_error", action="store_const", **skip)
    add("--jobs", dest="n_jobs", type=int, metavar="N", help="videos read in parallel")
    seed = "makes training reproducible"
    add("--seed", dest="random_state", type=int, metavar="N", help=seed)
    quiet = {"const": 0, "default": 1, "help": "no progress"}
    add("--quiet", dest="verbose", action="store_const", **quiet)


def _float_or_none(text: str) -> float | None:
    return float(text) or None
