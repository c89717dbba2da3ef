"""The command line: demo, train, predict, evaluate.

Exit codes: 0 when all went well, 1 when some videos failed and the others were
answered, 2 when nothing could be done.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from . import persistence
from ._atomic import write_atomically
from .exceptions import (
    NoFaceWarning,
    SkdeepfakeError,
    VideoReadError,
    VideoReadWarning,
)
from .pipeline import DETECTORS

__all__ = ["main"]

OK, SOME_FAILED, FAILED = 0, 1, 2


class Answer(NamedTuple):
    """What a model says of one video."""

    path: str
    probability: float  # of fake
    seconds: NDArray[np.float64]  # of each frame, NaN in empty slots
    frames: NDArray[np.float64]  # probability of each, NaN without a face

    @property
    def n_faces(self) -> int:
        """Number of frames with a face."""
        return int((~np.isnan(self.frames)).sum())

    @property
    def n_frames(self) -> int:
        """Number of frames sampled."""
        return int((~np.isnan(self.seconds)).sum())


class _CommandError(Exception):
    """What ends a command, said without a traceback."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0 all well, 1 some videos failed, 2 nothing could be done.

    Raises
    ------
    SystemExit
        If the arguments cannot be understood, with the code 2; after ``--help`` and
        ``--version``, with 0.

    See Also
    --------
    skdeepfake.pipeline.make_detector_pipeline : What is trained by it.

    Examples
    --------
    >>> from skdeepfake.cli import main
    >>> main(["predict", "gone.skops", "interview.mp4"])  # says why, on stderr
    2
    """
    args = _parser().parse_args(argv)
    try:
        _load_networks()
        return args.run(args)
    except (_CommandError, SkdeepfakeError, ValueError, OSError, ImportError) as error:
        print(f"skdeepfake: error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("skdeepfake: interrupted", file=sys.stderr)
        return 130


def _load_networks() -> None:
    """Load Keras and its backend without what they write while they start."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    # TensorFlow's first messages heed no setting: they go to the descriptor before
    # there is a logger. What goes wrong is raised, and so still seen.
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        importlib.import_module("skdeepfake.detectors")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


# -- commands ----------------------------------------------------------------


def _train(args: argparse.Namespace) -> int:
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

    from .datasets import load_videos
    from .pipeline import make_detector_pipeline

    videos = load_videos(args.root, group=args.group)
    _check_writable(args.output)
    n_fake = int(videos.target.sum())
    _say(f"{len(videos.data) - n_fake} real and {n_fake} fake videos in {args.root}")
    # The model is asked from other folders.
    named = args.weights == "imagenet"
    weights = args.weights if named else os.path.abspath(args.weights)
    # What is not given is left to the detector; some have no such parameter.
    asked = ("epochs", "learning_rate", "trainable", "augment", "fakes", "aggregation")
    given = {name: getattr(args, name) for name in asked}
    given = {name: value for name, value in given.items() if value is not None}
    detectors = importlib.import_module("skdeepfake.detectors")
    known = getattr(detectors, DETECTORS[args.detector])().get_params()
    for name in given.keys() - known.keys():
        raise _CommandError(f"--{name} says nothing to --detector {args.detector}")
    pipeline = make_detector_pipeline(
        args.detector,
        n_frames=args.frames,
        duration=args.duration or None,
        margin=args.margin,
        size=(args.size, args.size),
        weights=weights,
        memory=args.cache,
        on_error="skip" if args.skip else "raise",
        n_jobs=args.jobs,
        verbose=0 if args.quiet else 1,
        batch_size=args.batch_size,
        **given,
        class_weight="balanced" if args.balanced else None,
        validation_fraction=args.validation_fraction or None,
        random_state=args.seed,
    )
    if args.cv:
        _say(f"cross-validating in {args.cv} folds by group")
        scores = cross_val_score(
            clone(pipeline),
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
        pipeline.fit(videos.data, videos.target, detector__groups=videos.groups)
    # What is saved stays silent where it is used, and writes to no cache there.
    quiet = {"verbose": 0, "memory": None}
    for step in pipeline.named_steps.values():
        step.set_params(**{k: v for k, v in quiet.items() if k in step.get_params()})
    _dump(pipeline, args.output)
    size = args.output.stat().st_size / 2**20
    _say(
        f"trained for {len(pipeline['detector'].history_['loss'])} epochs; "
        f"wrote {args.output} ({size:.1f} MB)"
    )
    return OK


def _predict(args: argparse.Namespace) -> int:
    pipeline = _load(args.model)
    answers, errors = _ask(pipeline, args.videos)
    if args.json:
        rows: list[dict[str, Any]] = [_as_json(a, args.threshold) for a in answers]
        rows += [{"path": path, "error": reason} for path, reason in errors.items()]
        order = {path: i for i, path in enumerate(args.videos)}
        rows.sort(key=lambda row: order[row["path"]])
        print(json.dumps(rows, indent=2, allow_nan=False))
    else:
        lines = {answer.path: _as_line(answer, args.threshold) for answer in answers}
        for path in args.videos:  # why a video failed went to the standard error stream
            print(lines.get(path, f"  -    unreadable  {path}"))
    return _code(len(answers), len(errors))


def _evaluate(args: argparse.Namespace) -> int:
    from .datasets import load_videos
    from .evaluation import EvaluationReport
    from .evaluation._asking import aggregation_of

    pipeline = _load(args.model)
    videos = load_videos(args.root, group=args.group)
    if args.report:
        _check_writable(args.report)
    answers, errors = _ask(pipeline, videos.data.tolist())
    number = {path: i for i, path in enumerate(videos.data.tolist())}
    answered = [number[answer.path] for answer in answers]
    if len(np.unique(videos.target[answered])) < 2:
        raise _CommandError("no class but one could be read, so there is no score")
    report = EvaluationReport.from_predictions(
        videos.target[answered],
        np.array([answer.probability for answer in answers]),
        frame_proba=np.array([answer.frames for answer in answers]),
        aggregation=aggregation_of(pipeline[-1]),
        groups=videos.groups[answered],
        names=[answer.path for answer in answers],
        threshold=args.threshold,
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
    return _code(len(answers), len(errors))


def _demo(args: argparse.Namespace) -> int:
    from ._demo import run_demo

    return run_demo(args.output, seed=args.seed)


# -- what the commands share -------------------------------------------------


def ask(pipeline: Any, path: str) -> Answer:
    """Ask a fitted pipeline about one video, frame by frame.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with a step `sampler` and a detector at the end.
    path : str
        The video.

    Returns
    -------
    Answer
        Score of the video, times and scores of its frames.

    Raises
    ------
    VideoReadError
        If the video cannot be read, whatever the sampler's `on_error`.
    """
    sampled = list(pipeline.named_steps).index("sampler") + 1
    detector = pipeline[-1]
    classes = detector.classes_.tolist()
    fake = next((i for i, c in enumerate(classes) if c in (1, "fake")), None)
    if fake is None:
        raise _CommandError(
            f"the model's classes are {classes}; one must be 1 or 'fake'"
        )
    clips = pipeline[:sampled].transform([path])
    frames = detector.predict_frame_proba(pipeline[sampled:-1].transform(clips))
    if clips[0].error is not None:  # a pipeline that skips what it cannot read
        raise clips[0].error
    return Answer(
        path,
        float(detector.aggregate_proba(frames)[0, fake]),
        clips[0].timestamps,
        frames[0, :, fake],
    )


def _ask(pipeline: Any, paths: Sequence[str]) -> tuple[list[Answer], dict[str, str]]:
    """Ask about each video by itself, so that a broken one does not stop the rest."""
    answers: list[Answer] = []
    errors: dict[str, str] = {}
    for path in tqdm(paths, unit="video", disable=len(paths) < 2, leave=False):
        try:
            with warnings.catch_warnings():
                # The count of frames with a face says it already.
                warnings.simplefilter("ignore", NoFaceWarning)
                warnings.simplefilter("ignore", VideoReadWarning)  # an error here
                answers.append(ask(pipeline, path))
        except VideoReadError as error:
            errors[path] = error.reason
            tqdm.write(f"skdeepfake: error: {error}", file=sys.stderr)
    return answers, errors


def _as_line(answer: Answer, threshold: float) -> str:
    return (
        f"{answer.probability:.3f}  {_label(answer, threshold)}  "
        f"{answer.n_faces}/{answer.n_frames} frames with a face  {answer.path}"
    )


def _as_json(answer: Answer, threshold: float) -> dict[str, Any]:
    timeline = [
        {
            "seconds": round(float(seconds), 4),
            "probability": None if np.isnan(frame) else float(frame),
        }
        for seconds, frame in zip(answer.seconds, answer.frames, strict=True)
        if not np.isnan(seconds)
    ]
    return {
        "path": answer.path,
        "probability": answer.probability,
        "label": _label(answer, threshold),
        "frames": answer.n_frames,
        "frames_with_face": answer.n_faces,
        "timeline": timeline,
        "error": None,
    }


def _label(answer: Answer, threshold: float) -> str:
    if not answer.n_faces:
        return "no face"  # the probability is the share of fakes in the training set
    return "fake" if answer.probability > threshold else "real"


def _code(n_answers: int, n_errors: int) -> int:
    if not n_errors:
        return OK
    return SOME_FAILED if n_answers else FAILED


def _load(path: Path) -> Any:
    if not path.is_file():
        raise _CommandError(f"{path} is not a file; train a model first")
    try:
        pipeline = persistence.load(path) if _is_safe(path) else joblib.load(path)
    except SkdeepfakeError:
        raise  # says it all
    except Exception as error:  # a foreign pickle can raise anything
        raise _CommandError(f"{path} cannot be loaded as a model: {error}") from error
    if "sampler" not in getattr(pipeline, "named_steps", {}):
        raise _CommandError(f"{path} does not hold a pipeline that skdeepfake trained")
    return pipeline


def _dump(pipeline: Any, path: Path) -> None:
    """Write the model whole or not at all."""
    if _is_safe(path):
        persistence.save(pipeline, path)
    else:
        write_atomically(path, lambda file: joblib.dump(pipeline, file))


def _is_safe(path: Path) -> bool:
    """Tell by the suffix which kind of file a model is kept in."""
    return path.suffix == ".skops"


def _check_writable(path: Path) -> None:
    """Find out before hours of training that the model cannot be written."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise _CommandError(f"{path} cannot be written: it is or is in no such folder")
    if not os.access(path.absolute().parent, os.W_OK):
        raise _CommandError(f"{path.absolute().parent} is not writable")
    if _is_safe(path):
        persistence.import_skops()


@contextlib.contextmanager
def _brief_warnings() -> Iterator[None]:
    """Show warnings as a line each, without the place in the code."""
    shown = warnings.showwarning
    warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
    try:
        yield
    finally:
        warnings.showwarning = shown


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# -- arguments ---------------------------------------------------------------


def _trainable(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skdeepfake",
        description="Find deepfakes in video.",
        epilog="Exit codes: 0 all well, 1 some videos failed, 2 nothing could be done.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo", help="train and try a detector on rendered clips, without any data"
    )
    demo.add_argument("-o", "--output", type=Path, default=Path("skdeepfake-demo"))
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(run=_demo)

    train = commands.add_parser("train", help="train a detector on a folder of videos")
    train.add_argument("root", type=Path, metavar="ROOT", help="holds real/ and fake/")
    train.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="MODEL",
        help="*.skops loads without running code (extra safe); else joblib",
    )
    train.add_argument("--detector", choices=list(DETECTORS), default="cnn")
    train.add_argument(
        "--weights",
        default="imagenet",
        metavar="FILE",
        help="of VGG16, for cnn_rnn and transfer; imagenet (the default) is "
        "downloaded once",
    )
    train.add_argument("--frames", type=int, default=10, help="frames a video")
    train.add_argument(
        "--duration", type=float, default=10.0, help="seconds a video; 0 for all of it"
    )
    train.add_argument("--size", type=int, default=224, help="pixels of a face's side")
    train.add_argument("--margin", type=float, default=0.0, help="around the face")
    train.add_argument(
        "--epochs", type=int, help="at the most; default: 50, and 20 for transfer"
    )
    train.add_argument("--batch-size", type=int, default=32, help="frames a step")
    train.add_argument(
        "--learning-rate", type=float, help="default: that of the detector"
    )
    train.add_argument(
        "--trainable",
        type=_trainable,
        metavar="{all,top,N}",
        help="for transfer: all layers (the default), the new one, or N blocks more",
    )
    train.add_argument(
        "--augment",
        choices=["flip", "light", "strong", "video"],
        help="augment the faces in training; not for cnn_rnn",
    )
    train.add_argument(
        "--fakes",
        choices=["given", "self_blended", "mixed"],
        help="train on the fakes of ROOT (the default), on blends of its real faces, "
        "or on both; not for cnn_rnn",
    )
    train.add_argument(
        "--aggregation",
        choices=["mean", "median", "max", "logit_mean", "top_k", "attention"],
        help="how frames make the answer for a video; default: mean",
    )
    train.add_argument(
        "--balanced",
        action="store_true",
        help="weigh both classes alike, where one has more videos",
    )
    train.add_argument(
        "--validation-fraction",
        type=float,
        default=0.1,
        help="share of the videos for early stopping; 0 trains for all epochs",
    )
    _add_group_option(train)
    train.add_argument(
        "--cv", type=int, metavar="K", help="cross-validate in K folds by group first"
    )
    train.add_argument(
        "--cache", metavar="FOLDER", help="keeps crops and features for next time"
    )
    train.add_argument(
        "--skip",
        action="store_true",
        help="leave out videos that cannot be read, and name them",
    )
    train.add_argument("--jobs", type=int, metavar="N", help="videos read at once")
    train.add_argument("--seed", type=int, help="makes two trainings identical")
    train.add_argument("--quiet", action="store_true", help="no progress")
    train.set_defaults(run=_train)

    predict = commands.add_parser("predict", help="ask a model about videos")
    predict.add_argument("model", type=Path, metavar="MODEL")
    predict.add_argument("videos", nargs="+", metavar="VIDEO")
    _add_answer_options(predict)
    predict.set_defaults(run=_predict)

    evaluate = commands.add_parser("evaluate", help="score a model on labelled videos")
    evaluate.add_argument("model", type=Path, metavar="MODEL")
    evaluate.add_argument(
        "root", type=Path, metavar="ROOT", help="holds real/ and fake/"
    )
    _add_group_option(evaluate)
    evaluate.add_argument(
        "--report", type=Path, metavar="FILE", help="write a page, *.html, or *.json"
    )
    evaluate.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="of the groups, for the intervals; 0 for none",
    )
    evaluate.add_argument("--seed", type=int, default=0, help="of the resamples")
    _add_answer_options(evaluate)
    evaluate.set_defaults(run=_evaluate)
    return parser


def _add_group_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--group",
        metavar="PATTERN",
        help="regular expression that tells from a file's name which videos belong "
        "together, such as '^.{3}'",
    )


def _add_answer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--threshold", type=float, default=0.5, help="fake above this probability"
    )


def _version() -> str:
    from . import __version__

    return f"skdeepfake {__version__}"
