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
Classify videos with the reference detector, which is part of skdeepfake, or with
your own model. The verdict is real, fake, uncertain or no face. Files do not leave
this machine.
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
        help="videos or pictures, as files, folders or patterns such as 'clips/*.mp4'",
    )
    _add_model(predict)
    predict.add_argument(
        "--max-faces",
        type=int,
        metavar="N",
        help="number of people that the reference detector tracks (default: 1)",
    )
    _add_output(predict)
    predict.add_argument("--csv", action="store_true", help="print a CSV table")
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
        help="store finished analyses in FOLDER, and reuse stored ones",
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
        help="model file to write: *.skops, which runs no code when loaded (requires "
        "the extra safe), or a joblib file with any other name",
    )
    train.add_argument(
        "--detector",
        default="cnn",
        metavar="NAME",
        help="name of a detector in make_detector_pipeline, such as cnn (default), "
        "cnn_rnn, gan, optical_flow or transfer (most accurate)",
    )
    train.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        dest="params",
        help="parameters of make_detector_pipeline, such as n_frames, duration, "
        "margin, size and memory, of the detector, such as epochs, augment, "
        "aggregation (including top_k and attention) and fake_source (including "
        "self_blended and mixed), or of a step, such as sampler__spacing",
    )
    train.add_argument(
        "--cv",
        type=int,
        metavar="K",
        default=0,
        help="cross-validate with K folds by group before training",
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
    _add_seed(train, "random seed of the training", None)
    train.add_argument("--quiet", action="store_true", help="hide progress bars")

    serve = add_command(
        "serve",
        "start a web page for analyzing videos on this machine",
        _SERVE_EXAMPLES,
    )
    _add_model(serve)
    _add_threshold(serve)
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on (default: 127.0.0.1, which only this machine can "
        "reach); there is no password",
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
        help="host name to accept in addition to localhost; can be repeated",
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
        help="time limit for the upload and for the decoding of a video, in seconds "
        "(default: 300)",
    )
    serve.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="number of videos analyzed in parallel (default: 1)",
    )

    demo = add_command(
        "demo", "train and compare detectors on rendered clips, without any data"
    )
    demo.add_argument(
        *("-o", "--output"),
        type=Path,
        default=Path("skdeepfake-demo"),
        metavar="FOLDER",
        help="empty or new folder for clips, pictures and pages (default: "
        "skdeepfake-demo)",
    )
    _add_seed(demo, "random seed of the clips and the training", 0)
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
        help=r"regular expression for the identities in a file name, such as '\d{3}'; "
        "videos that share an identity belong to the same group",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="trained model (default: the reference detector)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    _add_threshold(parser)


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="probability above which a video is fake and below which it is real "
        "(default: 0.5; the reference detector is uncertain between 0.2 and 0.5)",
    )


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="number of videos read in parallel (default: 1)",
    )


def _add_seed(parser: argparse.ArgumentParser, text: str, default: int | None) -> None:
    shown = "" if default is None else " (default: %(default)s)"
    parser.add_argument(
        "--seed", type=int, metavar="N", default=default, help=text + shown
    )
