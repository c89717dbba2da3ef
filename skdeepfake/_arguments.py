"""Arguments and exit codes of the command-line interface."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import __version__

OK, SOME_FAILED, FAILED = 0, 1, 2

_EXIT_CODES = """\
exit codes:
  0    success
  1    some videos could not be read (predict and evaluate), or the AUC is below
       0.9 (demo)
  2    error, or no video could be read
  130  interrupted
"""
_PREDICT = """\
Classify videos with the reference detector, which is included in skdeepfake, or
with your own model. The verdict is real, fake, uncertain, no face or unreadable.
Files do not leave this machine.
"""
_PREDICT_EXAMPLES = """\
examples:
  skdeepfake predict interview.mp4
  skdeepfake predict interview.mp4 portrait.jpg --html report
  skdeepfake predict clips/ 'more/*.mov' --csv --resume done > table.csv
"""
_TRAIN_EXAMPLES = r"""
examples:
  skdeepfake train videos -o model.joblib --group '\d{3}' --cv 5
  skdeepfake train videos -o model.skops --detector transfer \
      --set n_frames=16 size=160 augment=strong fake_source=self_blended
  skdeepfake train videos -o model.joblib --set cropper__max_faces=2
"""
_DEMO = """\
Train a detector on rendered clips, and compare it with the reference detector. The
exit code is 1 if the AUC of the trained detector is below 0.9.
"""
_EVALUATE_EXAMPLES = """\
examples:
  skdeepfake evaluate held_out --html report.html
  skdeepfake evaluate held_out --model model.joblib --json
"""
_SERVE_EXAMPLES = """\
examples:
  skdeepfake serve
  skdeepfake serve --model model.skops --port 8080
"""
_THRESHOLD = (
    "probability above which the verdict is fake, and below which it is real. By "
    "default, the reference detector uses two thresholds (real below 0.1, fake above "
    "0.5, uncertain in between), and other models use 0.5"
)


def make_parser() -> argparse.ArgumentParser:
    """Return a parser whose `command` is the name of a function in `_commands`."""
    parser = argparse.ArgumentParser(
        prog="skdeepfake",
        description="Detect deepfakes in video.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"skdeepfake {__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")

    def add_command(
        name: str, text: str, examples: str = "", description: str = ""
    ) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=text,
            description=description or f"{text[0].upper()}{text[1:]}.",
            epilog=f"{examples.lstrip()}\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    predict = add_command(
        "predict", "classify videos as real or fake", _PREDICT_EXAMPLES, _PREDICT
    )
    predict.add_argument(
        "videos",
        nargs="+",
        metavar="VIDEO",
        help="video, picture, folder of videos and pictures, or pattern such as "
        "'clips/*.mp4'",
    )
    _add_model(predict)
    predict.add_argument(
        "--max-faces",
        type=int,
        metavar="N",
        help="maximum number of people to track per video (default: 1). This option "
        "requires the reference detector",
    )
    _add_threshold(predict, _THRESHOLD)
    predict.add_argument("--json", action="store_true", help="print the result as JSON")
    predict.add_argument("--csv", action="store_true", help="print the result as CSV")
    predict.add_argument(
        "--html",
        type=Path,
        metavar="FOLDER",
        help="write an HTML page per video and an index page to FOLDER",
    )
    predict.add_argument(
        "--resume",
        type=Path,
        metavar="FOLDER",
        help="store finished analyses in FOLDER, and reuse the analyses stored there",
    )
    _add_jobs(predict)

    evaluate = add_command(
        "evaluate", "evaluate a detector on labeled videos", _EVALUATE_EXAMPLES
    )
    _add_root(evaluate)
    _add_model(evaluate)
    text = "smallest probability at which a video is classified as fake (default: 0.5)"
    _add_threshold(evaluate, text)
    evaluate.add_argument(
        "--json", action="store_true", help="print the report as JSON"
    )
    evaluate.add_argument(
        "--html", type=Path, metavar="FILE", help="write the report to FILE as HTML"
    )
    evaluate.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="number of bootstrap resamples for confidence intervals; 0 disables them "
        "(default: 1000)",
    )
    _add_seed(evaluate, "random seed of the bootstrap", 0)

    train = add_command("train", "train a detector on labeled videos", _TRAIN_EXAMPLES)
    _add_root(train)
    train.add_argument(
        *("-o", "--output"),
        type=Path,
        required=True,
        metavar="MODEL",
        help="model file to write. A *.skops file runs no code when loaded and needs "
        "the extra 'safe'. With other names, a joblib file is written",
    )
    train.add_argument(
        "--detector",
        default="cnn",
        metavar="NAME",
        help="name of a detector, as in make_detector_pipeline, such as cnn, cnn_rnn, "
        "gan, optical_flow or transfer (default: cnn). The most accurate is transfer",
    )
    train.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        dest="params",
        help="parameters of make_detector_pipeline (such as n_frames, duration, margin "
        "or size), of the detector (such as epochs, augment, aggregation or "
        "fake_source), or of a step (such as sampler__spacing). For aggregation, "
        "you can also set top_k or attention, and for fake_source, self_blended "
        "(replaces all fakes) or mixed (replaces a quarter of the fakes)",
    )
    train.add_argument(
        "--cv",
        type=int,
        metavar="K",
        default=0,
        help="before training, cross-validate with K folds that keep groups together",
    )
    train.add_argument(
        "--cache",
        metavar="FOLDER",
        help="cache face crops and features in FOLDER for later runs",
    )
    train.add_argument(
        "--skip",
        action="store_true",
        help="skip unreadable videos and print a warning",
    )
    _add_jobs(train)
    _add_seed(train, "random seed of training", None)
    train.add_argument("--quiet", action="store_true", help="hide progress bars")

    serve = add_command(
        "serve",
        "start a web page for analyzing videos on this machine",
        _SERVE_EXAMPLES,
    )
    _add_model(serve)
    _add_threshold(serve, _THRESHOLD)
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on (default: 127.0.0.1, which other machines cannot "
        "reach). The server has no password",
    )
    serve.add_argument(
        "--port",
        type=int,
        default=8000,
        metavar="N",
        help="port to listen on; 0 selects a free port (default: 8000)",
    )
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name of this server to accept in the Host header of requests, in "
        "addition to localhost and the address in --host (can be repeated)",
    )
    serve.add_argument(
        "--max-megabytes",
        type=int,
        default=1024,
        metavar="N",
        help="maximum size of an upload in MB (default: 1024)",
    )
    serve.add_argument(
        "--timeout",
        type=float,
        default=300.0,
        metavar="S",
        help="time limit in seconds, applied separately to the upload and to the "
        "decoding of a video (default: 300)",
    )
    serve.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="number of videos analyzed in parallel (default: 1)",
    )

    demo = add_command(
        "demo", "train and compare detectors on rendered clips", description=_DEMO
    )
    demo.add_argument(
        *("-o", "--output"),
        type=Path,
        default=Path("skdeepfake-demo"),
        metavar="FOLDER",
        help="new or empty folder to write to (default: skdeepfake-demo)",
    )
    _add_seed(demo, "random seed of the clips and of training", 0)
    return parser


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "root",
        type=Path,
        metavar="VIDEOS",
        help="folder with the subfolders real and fake",
    )
    parser.add_argument(
        "--group",
        metavar="PATTERN",
        help=r"regular expression, such as '\d{3}', that matches the identities in a "
        "file name. Videos that share an identity form a group",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="model file (default: the reference detector)",
    )


def _add_threshold(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--threshold", type=float, metavar="P", help=text)


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="number of videos processed in parallel (default: 1)",
    )


def _add_seed(parser: argparse.ArgumentParser, text: str, default: int | None) -> None:
    shown = "" if default is None else " (default: %(default)s)"
    parser.add_argument(
        "--seed", type=int, metavar="N", default=default, help=text + shown
    )
