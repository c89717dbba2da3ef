"""Commands of the command-line interface."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import json
import os
import socket
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.utils.validation import has_fit_parameter

from . import persistence, pipeline
from ._arguments import FAILED, OK, SOME_FAILED
from ._atomic import write_atomically
from ._inputs import find_videos
from ._models import Model, is_safe, load_model
from ._predictions import VideoPredictions, predict_with_frames
from ._progress import progress
from .analysis import VideoAnalysis, analyze_videos
from .datasets import load_videos
from .evaluation import EvaluationReport
from .exceptions import NoFaceWarning, VideoReadError, VideoReadWarning
from .pretrained import load_detector


def demo(args: argparse.Namespace) -> int:
    """Run the demo."""
    from ._demo import run_demo

    return run_demo(args.output, seed=args.seed)


def serve(args: argparse.Namespace) -> int:
    """Serve the web page and the REST interface until interrupted."""
    from .serving import make_app

    if args.max_megabytes < 1:
        raise ValueError(
            f"--max-megabytes must be at least 1; got {args.max_megabytes}."
        )
    loopback = ("127.0.0.1", "localhost", "::1")
    app = make_app(
        args.model,
        thresholds=args.threshold,
        max_bytes=args.max_megabytes * 2**20,
        timeout=args.timeout,
        n_jobs=args.jobs,
        allowed_hosts=[*loopback, args.host, *args.allow_host],
    )
    import uvicorn

    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    with socket.create_server((args.host, args.port), family=family) as listener:
        host = f"[{args.host}]" if ":" in args.host else args.host
        address = f"http://{host}:{listener.getsockname()[1]}"
        if args.host not in loopback:
            _say("warning: other machines can reach this server, which has no password")
        _say(f"skdeepfake is running at {address} (press Ctrl-C to stop)")
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_graceful_shutdown=3
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    return OK


def train(args: argparse.Namespace) -> int:
    """Train and save a pipeline."""
    videos = load_videos(args.root, group=args.group)
    _check_writable(args.output)
    n_fake = int(videos.target.sum())
    _say(f"{len(videos.data) - n_fake} real and {n_fake} fake videos in {args.root}")
    given, nested = parse_params(args.params)
    params = {
        "memory": args.cache,
        "on_error": "skip" if args.skip else "raise",
        "n_jobs": args.jobs,
        "random_state": args.seed,
        "verbose": 0 if args.quiet else 1,
        **given,
    }
    try:
        model = pipeline.make_detector_pipeline(args.detector, **params)
        model.set_params(**nested)
    except TypeError as error:  # an unknown parameter
        raise ValueError(f"--set: {error}") from error
    if args.cv:
        _say(f"cross-validating with {args.cv} folds that keep groups together")
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
    params = {}
    if has_fit_parameter(model["detector"], "groups"):  # not for an ensemble
        params["detector__groups"] = videos.groups
    model.fit(videos.data, videos.target, **params)
    # Save the model without progress bars and without the cache folder.
    quiet = {"verbose": 0, "memory": None}
    for step in model.named_steps.values():
        step.set_params(**{k: v for k, v in quiet.items() if k in step.get_params()})
    dump(model, args.output)
    if hasattr(model["detector"], "history_"):
        _say(f"trained for {len(model['detector'].history_['loss'])} epochs")
    _say(f"wrote {args.output} ({args.output.stat().st_size / 2**20:.1f} MB)")
    return OK


def parse_params(texts: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parse NAME=VALUE texts as parameters of the pipeline and of its steps."""
    detectors = importlib.import_module("skdeepfake.detectors")
    objects = {
        ("aggregation", "top_k"): detectors.TopK,
        ("aggregation", "attention"): detectors.Attention,
        ("fake_source", "self_blended"): detectors.BlendedFakes,
        ("fake_source", "mixed"): lambda: detectors.BlendedFakes(share=0.25),
    }
    params: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.isidentifier() and equals):
            raise ValueError(
                f"--set expects NAME=VALUE, such as n_frames=16; got {text!r}."
            )
        try:
            params[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):  # an unquoted string
            params[name] = value
        if (name, value) in objects:
            params[name] = objects[name, value]()
    if isinstance(params.get("size"), int):
        params["size"] = (params["size"], params["size"])
    if os.path.isfile(str(params.get("weights"))):
        # The model may be loaded from another working directory.
        params["weights"] = os.path.abspath(params["weights"])
    nested = {name: params.pop(name) for name in list(params) if "__" in name}
    return params, nested


def predict(args: argparse.Namespace) -> int:
    """Print the verdict on each video, and optionally write HTML pages."""
    paths = find_videos(args.videos)
    if args.json and args.csv:
        raise ValueError("--json and --csv cannot be combined")
    detector = args.model
    if args.max_faces is not None:
        if detector is not None:
            raise ValueError(
                "--max-faces is only supported by the reference detector. Remove "
                "--max-faces or --model."
            )
        detector = load_detector(max_faces=args.max_faces, on_error="skip")
    found = analyze_videos(
        paths,
        detector,
        thresholds=args.threshold,
        heatmaps=args.html is not None,
        on_error="skip",
        resume=args.resume,
        n_jobs=args.jobs,
        verbose=int(len(paths) > 1),
    )
    if args.json or args.csv:
        print(found.to_json() if args.json else found.to_csv().rstrip())
    for analysis in found:
        if analysis.error is not None:
            _say(f"skdeepfake: error: {analysis.path!r}: {analysis.error}")
        for note in _remarks(analysis):
            _say(f"{analysis.path}: {note}")
        if not (args.json or args.csv):
            print(_line(analysis))
    if args.html is not None:
        index = found.to_html(args.html)
        _say(f"wrote {index} and one page per video")
    n_errors = sum(analysis.error is not None for analysis in found)
    return _exit_code(len(found) - n_errors, n_errors)


def _remarks(analysis: VideoAnalysis) -> list[str]:
    notes, record = analysis.notes, analysis.record
    if record and record["content_credentials"]["status"] not in ("none", "not read"):
        found = record["content_credentials"]
        notes.append(f"Content Credentials are {found['status']}. {found['message']}")
    return notes


def _line(analysis: VideoAnalysis) -> str:
    if analysis.error is not None:
        return f"  -    unreadable  {analysis.path}"
    proba, seen = analysis.probability, analysis.to_dict()["coverage"]
    score = "  -  " if np.isnan(proba) else f"{proba:.3f}"
    faces = f"{seen['frames_with_face']}/{seen['frames']} frames with a face"
    return f"{score}  {analysis.verdict:<10}  {faces}  {analysis.path}"


def evaluate(args: argparse.Namespace) -> int:
    """Evaluate a detector on labeled videos, and report the results."""
    model = load_model(args.model, on_error="skip")
    threshold = model.thresholds[1] if args.threshold is None else args.threshold
    videos = load_videos(args.root, group=args.group)
    if args.html:
        _check_writable(args.html)
    scores, errors, aggregation = [], {}, None
    for path, run in _predict_each(model, videos.data.tolist()):
        if isinstance(run, str):
            errors[path] = run
        else:
            missing = run.clips[0].missing
            scores.append((run.proba[0], run.frame_proba[0], missing))
            aggregation = run.aggregation
    for path, reason in errors.items():
        _say(f"skdeepfake: error: {path!r}: {reason}")
    kept = np.array([path not in errors for path in videos.data])
    if len(np.unique(videos.target[kept])) < 2:
        raise ValueError(
            "All readable videos belong to one class. Evaluation requires both classes."
        )
    proba, frame_proba, seconds_missing = map(np.array, zip(*scores, strict=True))
    report = EvaluationReport.from_predictions(
        videos.target[kept],
        proba,
        frame_proba=frame_proba,
        seconds_missing=seconds_missing,
        aggregation=aggregation,
        groups=videos.groups[kept],
        names=videos.data[kept].tolist(),
        threshold=threshold,
        n_resamples=args.resamples,
        random_state=args.seed,
    )
    if args.html:
        report.to_html(args.html)
        _say(f"wrote {args.html}")
    if args.json:
        print(json.dumps({**report.to_dict(), "failed": errors}, indent=2))
    else:
        print(report)
    if errors:
        _say(f"{len(errors)} of {len(videos.data)} videos could not be read")
    return _exit_code(len(scores), len(errors))


def _predict_each(
    model: Model, paths: Sequence[str]
) -> Iterator[tuple[str, VideoPredictions | str]]:
    """Yield the predictions per video, or the reason why it is unreadable."""
    column, verbose = model.column, int(len(paths) > 1)
    for path in progress(paths, desc="predicting", unit="video", verbose=verbose):
        try:
            with warnings.catch_warnings():
                # The result reports faces and missing seconds.
                warnings.simplefilter("ignore", NoFaceWarning)
                warnings.simplefilter("ignore", VideoReadWarning)
                run = predict_with_frames(model.pipeline, [path], column=column)
            if run.clips[0].error is not None:  # with on_error="skip"
                raise run.clips[0].error
        except VideoReadError as error:
            yield path, error.reason
        else:
            yield path, run


def _exit_code(n_scores: int, n_errors: int) -> int:
    if not n_errors:
        return OK
    return SOME_FAILED if n_scores else FAILED


def dump(model: Any, path: Path) -> None:
    """Write a model atomically."""
    if is_safe(path):
        persistence.save(model, path)
    else:
        write_atomically(path, lambda file: joblib.dump(model, file))


def _check_writable(path: Path) -> None:
    """Raise an error before training or evaluation if a file cannot be written."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir():
        raise ValueError(f"{path} must be a file in an existing folder.")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"The folder {folder} is not writable.")
    if is_safe(path):
        persistence.import_skops()


@contextlib.contextmanager
def brief_warnings() -> Iterator[None]:
    """Print each warning as one line, without its location."""
    shown = warnings.showwarning
    warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
    try:
        yield
    finally:
        warnings.showwarning = shown


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
