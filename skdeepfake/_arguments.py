"""Arguments and exit codes of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import __version__

OK, SOME_FAILED, FAILED = 0, 1, 2

_EXIT_CODES = """\
exit codes:
  0    success
  1    some videos could not be read, the others were answered
  2    nothing could be done
  130  interrupted
"""
_PREDICT = """\
Say whether videos are real or fake, by the reference detector, which comes with
skdeepfake, or by a model of yours. The answer is real, fake, uncertain or no face.
Files are read on this machine and sent nowhere.
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
    """Make the parser, which sets `command` to the name of a function."""
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
        "predict", "say whether videos are real or fake", _PREDICT_EXAMPLES, _PREDICT
    )
    predict.add_argument(
        "videos",
        nargs="+",
        metavar="VIDEO",
        help="videos and pictures: files, folders, or patterns such as 'clips/*.mp4'",
    )
    _add_model(predict)
    predict.add_argument(
        "--max-faces",
        type=int,
        metavar="N",
        help="number of people that the reference detector follows (default: 1)",
    )
    _add_output(predict)
    predict.add_argument("--csv", action="store_true", help="print a table as CSV")
    predict.add_argument(
        "--html",
        type=Path,
        metavar="FOLDER",
        help="write a page per video and an index",
    )
    predict.add_argument(
        "--resume",
        type=Path,
        metavar="FOLDER",
        help="keep finished answers in FOLDER, and do not repeat those that are there",
    )
    _add_jobs(predict)

    evaluate = add_command(
        "evaluate", "score a detector on labeled videos", _EVALUATE_EXAMPLES
    )
    _add_root(evaluate)
    _add_model(evaluate)
    _add_output(evaluate)
    evaluate.add_argument(
        "--html", type=Path, metavar="FILE", help="write the report as a page"
    )
    evaluate.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="resamples of the groups for the intervals; 0 for none (default: 1000)",
    )
    _add_seed(evaluate, "seed of the resamples", 0)

    train = add_command("train", "train a detector on labeled videos", _TRAIN_EXAMPLES)
    _add_root(train)
    train.add_argument(
        *("-o", "--output"),
        type=Path,
        required=True,
        metavar="MODEL",
        help="file to write: *.skops loads without running code (extra safe); any "
        "other name is a joblib file",
    )
    train.add_argument(
        "--detector",
        default="cnn",
        metavar="NAME",
        help="a name of make_detector_pipeline, such as cnn (default), cnn_rnn, gan, "
        "optical_flow or transfer, which is the most accurate",
    )
    train.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        dest="params",
        help="parameters of make_detector_pipeline and of the detector, such as "
        "n_frames, duration, margin, size, weights, epochs, augment, aggregation "
        "(top_k and attention too) and fake_source (self_blended and mixed too), or "
        "of a step, such as sampler__spacing",
    )
    train.add_argument(
        "--cv",
        type=int,
        metavar="K",
        default=0,
        help="cross-validate in K folds by group first",
    )
    train.add_argument(
        "--cache",
        metavar="FOLDER",
        help="keep crops and features in FOLDER for the next run",
    )
    train.add_argument(
        "--skip",
        action="store_true",
        help="leave out and name videos that cannot be read",
    )
    _add_jobs(train)
    _add_seed(train, "makes the training reproducible", None)
    train.add_argument("--quiet", action="store_true", help="show no progress")

    serve = add_command(
        "serve", "analyze videos in the browser, on this machine", _SERVE_EXAMPLES
    )
    _add_model(serve)
    _add_threshold(serve)
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at (default: 127.0.0.1, which only this machine "
        "reaches); there are no passwords",
    )
    serve.add_argument(
        "--port",
        type=int,
        default=8000,
        metavar="N",
        help="port to listen at, 0 for any that is free (default: 8000)",
    )
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which browsers may reach the server, besides localhost",
    )
    serve.add_argument(
        "--max-megabytes",
        type=int,
        default=1024,
        metavar="N",
        help="largest upload (default: 1024)",
    )
    serve.add_argument(
        "--timeout",
        type=float,
        default=300.0,
        metavar="S",
        help="seconds that an upload and its decoding may each take (default: 300)",
    )
    serve.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="videos analyzed at once (default: 1)",
    )

    demo = add_command(
        "demo", "try detectors on rendered clips, without any data of yours"
    )
    demo.add_argument(
        *("-o", "--output"),
        type=Path,
        default=Path("skdeepfake-demo"),
        metavar="FOLDER",
        help="where clips, pictures and pages are written (default: skdeepfake-demo)",
    )
    _add_seed(demo, "seed of the clips and of the training", 0)
    return parser


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "root",
        type=Path,
        metavar="VIDEOS",
        help="folder with the sub-folders real and fake",
    )
    parser.add_argument(
        "--group",
        metavar="PATTERN",
        help=r"regular expression of the identities in the name of a file, such as "
        r"'\d{3}': videos that share one are in one group",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="a trained model; default: the reference detector, which comes with "
        "skdeepfake",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_threshold(parser)


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="fake above this probability, else real; default: 0.5, and for the "
        "reference detector 0.2 and 0.5, with uncertain videos between them",
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
