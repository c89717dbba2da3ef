"""Arguments and exit codes of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import __version__

OK, SOME_FAILED, FAILED = 0, 1, 2

_EXIT_CODES = """\
exit codes:
  0    success
  1    some videos could not be read
  2    no result
  130  interrupted
"""
_PREDICT = """\
Classify videos with the reference detector, which comes with skdeepfake, or with
your own model. The verdict is real, fake, uncertain or no face. Files stay on this
machine.
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


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; `command` is the name of a function in `_commands`."""
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
        help="videos and pictures: files, folders or patterns such as 'clips/*.mp4'",
    )
    _add_model(predict)
    predict.add_argument(
        "--max-faces",
        type=int,
        metavar="N",
        help="number of people followed by the reference detector (default: 1)",
    )
    _add_output(predict)
    predict.add_argument("--csv", action="store_true", help="print a table as CSV")
    predict.add_argument(
        "--html",
        type=Path,
        metavar="FOLDER",
        help="write one page per video and an index to FOLDER",
    )
    predict.add_argument(
        "--resume",
        type=Path,
        metavar="FOLDER",
        help="store finished analyses in FOLDER and reuse those already there",
    )
    _add_jobs(predict)

    evaluate = add_command(
        "evaluate", "evaluate a detector on labeled videos", _EVALUATE_EXAMPLES
    )
    _add_root(evaluate)
    _add_model(evaluate)
    _add_output(evaluate)
    evaluate.add_argument(
        "--html", type=Path, metavar="FILE", help="write the report as an HTML page"
    )
    evaluate.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="bootstrap resamples for the intervals, 0 for none (default: 1000)",
    )
    _add_seed(evaluate, "seed of the bootstrap", 0)

    train = add_command("train", "train a detector on labeled videos", _TRAIN_EXAMPLES)
    _add_root(train)
    train.add_argument(
        *("-o", "--output"),
        type=Path,
        required=True,
        metavar="MODEL",
        help="model file to write: *.skops runs no code when loaded (extra safe), any "
        "other name is a joblib file",
    )
    train.add_argument(
        "--detector",
        default="cnn",
        metavar="NAME",
        help="name known to make_detector_pipeline, such as cnn (default), cnn_rnn, "
        "gan, optical_flow or transfer, which is the most accurate",
    )
    train.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        dest="params",
        help="parameters of make_detector_pipeline and of the detector (n_frames, "
        "duration, margin, size, weights, epochs, augment, aggregation, also top_k or "
        "attention, fake_source, also self_blended or mixed), or of a step "
        "(sampler__spacing)",
    )
    train.add_argument(
        "--cv",
        type=int,
        metavar="K",
        default=0,
        help="first cross-validate with K folds by group",
    )
    train.add_argument(
        "--cache",
        metavar="FOLDER",
        help="cache crops and features in FOLDER for later runs",
    )
    train.add_argument(
        "--skip",
        action="store_true",
        help="skip videos that cannot be read, with a warning",
    )
    _add_jobs(train)
    _add_seed(train, "seed of the training", None)
    train.add_argument("--quiet", action="store_true", help="show no progress")

    serve = add_command(
        "serve", "analyze videos in a browser, on this machine", _SERVE_EXAMPLES
    )
    _add_model(serve)
    _add_threshold(serve)
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on (default: 127.0.0.1, reachable from this machine "
        "only); there is no password",
    )
    serve.add_argument(
        "--port",
        type=int,
        default=8000,
        metavar="N",
        help="port to listen on, 0 for any free port (default: 8000)",
    )
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="additional host name of the server, besides localhost",
    )
    serve.add_argument(
        "--max-megabytes",
        type=int,
        default=1024,
        metavar="N",
        help="largest upload in MB (default: 1024)",
    )
    serve.add_argument(
        "--timeout",
        type=float,
        default=300.0,
        metavar="S",
        help="time limit in seconds for an upload, and for decoding (default: 300)",
    )
    serve.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="number of videos analyzed in parallel (default: 1)",
    )

    demo = add_command("demo", "try detectors on rendered clips; no data needed")
    demo.add_argument(
        *("-o", "--output"),
        type=Path,
        default=Path("skdeepfake-demo"),
        metavar="FOLDER",
        help="folder for clips, pictures and pages (default: skdeepfake-demo)",
    )
    _add_seed(demo, "seed of the clips and the training", 0)
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
        help=r"regular expression of the identities in a file name, such as '\d{3}'; "
        "videos that share an identity are in one group",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="trained model (default: the reference detector)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_threshold(parser)


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="fake above this probability, else real (default: 0.5; for the reference "
        "detector real below 0.2, fake above 0.5, uncertain in between)",
    )


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="videos read in parallel (default: 1)"
    )


def _add_seed(parser: argparse.ArgumentParser, text: str, default: int | None) -> None:
    told = "" if default is None else f" (default: {default})"
    parser.add_argument(
        "--seed", type=int, metavar="N", default=default, help=f"{text}{told}"
    )
