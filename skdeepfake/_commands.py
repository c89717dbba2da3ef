"""Commands of the command line."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from tqdm import tqdm

from . import persistence, pipeline
from ._arguments import FAILED, OK, SOME_FAILED
from ._atomic import write_atomically
from ._json import plain
from ._predictions import VideoPredictions, predict_with_frames
from .datasets import load_videos
from .evaluation import EvaluationReport
from .exceptions import (
    NoFaceWarning,
    SkdeepfakeError,
    VideoReadError,
    VideoReadWarning,
)
from .pretrained import list_detectors, load_detector, verdict

# The line for a video that failed, and for one that was scored.
_LINES = (
    "  -    unreadable  {path}",
    "{probability:.3f}  {label}  {frames_with_face}/{frames} frames with a face"
    "  {path}",
)


def demo(args: argparse.Namespace) -> int:
    """Run the demo."""
    from ._demo import run_demo

    return run_demo(args.output, seed=args.seed)


def train(args: argparse.Namespace) -> int:
    """Train a pipeline, and save it."""
    videos = load_videos(args.root, group=args.group)
    _check_writable(args.output)
    n_fake = int(videos.target.sum())
    _say(f"{len(videos.data) - n_fake} real and {n_fake} fake videos in {args.root}")
    own = ("command", "detector", "root", "group", "output", "cv")
    params = {name: value for name, value in vars(args).items() if name not in own}
    params["size"] = (args.size, args.size)
    if args.weights != "imagenet":  # the model may be used from other folders
        params["weights"] = os.path.abspath(args.weights)
    detectors = importlib.import_module("skdeepfake.detectors")
    detector = getattr(detectors, pipeline.DETECTORS[args.detector])
    known = inspect.signature(pipeline.make_detector_pipeline).parameters
    for name in params.keys() - known.keys() - detector().get_params().keys():
        raise ValueError(
            f"--{name.replace('_', '-')} is not supported by --detector {args.detector}"
        )
    objects = {
        "top_k": detectors.TopK(),
        "attention": detectors.Attention(),
        "self_blended": detectors.BlendedFakes(),
        "mixed": detectors.BlendedFakes(share=0.25),
    }
    for name in {"aggregation", "fake_source"} & params.keys():
        params[name] = objects.get(params[name], params[name])
    model = pipeline.make_detector_pipeline(args.detector, **params)
    if args.cv:
        _say(f"cross-validating in {args.cv} folds by group")
        scores = cross_val_score(
            clone(model),
            videos.data,
            videos.target,
            groups=videos.groups,
            cv=StratifiedGroupKFold(args.cv),
            scoring="roc_auc",
            error_score="raise",
        )
        folds = ", ".join(f"{score:.3f}" for score in scores)
        _say(f"AUC {scores.mean():.3f} (folds: {folds})")
    with _brief_warnings():
        model.fit(videos.data, videos.target, detector__groups=videos.groups)
    # The saved model is silent, and writes to no cache where it is used.
    quiet = {"verbose": 0, "memory": None}
    for step in model.named_steps.values():
        step.set_params(**{k: v for k, v in quiet.items() if k in step.get_params()})
    dump(model, args.output)
    _say(
        f"trained for {len(model['detector'].history_['loss'])} epochs; wrote "
        f"{args.output} ({args.output.stat().st_size / 2**20:.1f} MB)"
    )
    return OK


def predict(args: argparse.Namespace) -> int:
    """Print the predictions for videos."""
    for path in args.videos:
        if Path(path).suffix in (".joblib", ".skops"):
            raise ValueError(f"{path} is a model, not a video: use --model {path}")
    model, thresholds = _load(args.model)
    if args.threshold is not None:
        thresholds = (args.threshold, args.threshold)
    rows = [
        {"path": path, "error": run}
        if isinstance(run, str)
        else _describe(path, run, thresholds)
        for path, run in _predict_each(model, args.videos)
    ]
    if args.json:
        print(json.dumps(rows, indent=2, allow_nan=False))
    else:
        for row in rows:
            print(_LINES[row["error"] is None].format(**row))
            if row.get("seconds_missing"):
                _say(
                    f"warning: {row['path']} is damaged or cut off: "
                    f"{row['seconds_missing']:.1f} s cannot be decoded"
                )
    n_errors = sum(row["error"] is not None for row in rows)
    return _exit_code(len(rows) - n_errors, n_errors)


def evaluate(args: argparse.Namespace) -> int:
    """Print or write a report on labelled videos."""
    model, (_, threshold) = _load(args.model)
    videos = load_videos(args.root, group=args.group)
    if args.report:
        _check_writable(args.report)
    scores, errors, aggregation = [], {}, None
    for path, run in _predict_each(model, videos.data.tolist()):
        if isinstance(run, str):
            errors[path] = run
        else:
            missing = run.clips[0].missing
            scores.append((run.proba[0], run.frame_proba[0], missing))
            aggregation = run.aggregation
    kept = np.array([path not in errors for path in videos.data])
    if len(np.unique(videos.target[kept])) < 2:
        raise ValueError("videos of only one class could be read: there is no score")
    proba, frame_proba, seconds_missing = map(np.array, zip(*scores, strict=True))
    report = EvaluationReport.from_predictions(
        videos.target[kept],
        proba,
        frame_proba=frame_proba,
        seconds_missing=seconds_missing,
        aggregation=aggregation,
        groups=videos.groups[kept],
        names=videos.data[kept].tolist(),
        threshold=threshold if args.threshold is None else args.threshold,
        n_resamples=args.resamples,
        random_state=args.seed,
    )
    if args.report:
        write = report.to_json if args.report.suffix == ".json" else report.to_html
        write(args.report)
        _say(f"wrote {args.report}")
    if args.json:
        print(json.dumps({**report.to_dict(), "failed": errors}, indent=2))
    else:
        print(report)
    if errors:
        _say(f"{len(errors)} of {len(videos.data)} videos could not be read")
    return _exit_code(len(scores), len(errors))


def _predict_each(
    model: Any, paths: Sequence[str]
) -> Iterator[tuple[str, VideoPredictions | str]]:
    """Predict each video separately; give the reason for a video that is unreadable."""
    classes = model.classes_.tolist()
    column = next((i for i, c in enumerate(classes) if c in (1, "fake")), None)
    if column is None:
        raise ValueError(f"the model's classes are {classes}; one must be 1 or 'fake'")
    for path in tqdm(paths, unit="video", disable=len(paths) < 2, leave=False):
        try:
            with warnings.catch_warnings():
                # Both are part of the result.
                warnings.simplefilter("ignore", NoFaceWarning)
                warnings.simplefilter("ignore", VideoReadWarning)
                run = predict_with_frames(model, [path], column=column)
            if run.clips[0].error is not None:  # a sampler that skips such videos
                raise run.clips[0].error
        except VideoReadError as error:
            tqdm.write(f"skdeepfake: error: {error}", file=sys.stderr)
            yield path, error.reason
        else:
            yield path, run


def _describe(
    path: str, run: VideoPredictions, thresholds: tuple[float, float]
) -> dict[str, Any]:
    """Return the predictions for one video as plain values."""
    score, frames, seconds = float(run.proba[0]), run.frame_proba[0], run.timestamps[0]
    has_face, is_filled = ~np.isnan(frames), ~np.isnan(seconds)
    return {
        "path": path,
        "probability": score,
        # Without a face, the probability is the share of fakes in the training set.
        "label": verdict(score if has_face.any() else np.nan, *thresholds),
        "frames": int(is_filled.sum()),
        "frames_with_face": int(has_face.sum()),
        # Damaged or cut off.
        "seconds_missing": round(run.clips[0].missing, 3),
        "timeline": plain(
            [
                {"seconds": round(seconds[k], 4), "probability": frames[k]}
                for k in np.flatnonzero(is_filled)
            ]
        ),
        "error": None,
    }


def _exit_code(n_scores: int, n_errors: int) -> int:
    if not n_errors:
        return OK
    return SOME_FAILED if n_scores else FAILED


def _load(path: Path | None) -> tuple[Any, tuple[float, float]]:
    """Load a model, and the probabilities below and above which a verdict is sure."""
    if path is None:
        info = list_detectors()[0]
        model = load_detector(info.name, on_error="skip")
        return model, (info.real_below, info.fake_above)
    if not path.is_file():
        raise ValueError(f"{path} is not a file; train a model first")
    try:
        model = persistence.load(path) if _is_safe(path) else joblib.load(path)
    except SkdeepfakeError:
        raise  # has a message of its own
    except Exception as error:  # a pickle of others can raise anything
        raise ValueError(f"{path} cannot be loaded as a model: {error}") from error
    if "sampler" not in getattr(model, "named_steps", {}):
        raise ValueError(f"{path} does not hold a pipeline that skdeepfake trained")
    return model, (0.5, 0.5)


def dump(model: Any, path: Path) -> None:
    """Write a model completely or not at all."""
    if _is_safe(path):
        persistence.save(model, path)
    else:
        write_atomically(path, lambda file: joblib.dump(model, file))


def _is_safe(path: Path) -> bool:
    return path.suffix == ".skops"


def _check_writable(path: Path) -> None:
    """Raise before hours of training if the file cannot be written."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir():
        raise ValueError(f"{path} cannot be written: it is or is in no such folder")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{folder} is not writable")
    if _is_safe(path):
        persistence.import_skops()


@contextlib.contextmanager
def _brief_warnings() -> Iterator[None]:
    """Show each warning as a line, without its place in the code."""
    shown = warnings.showwarning
    warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
    try:
        yield
    finally:
        warnings.showwarning = shown


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
