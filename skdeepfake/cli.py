"""Command-line interface: predict, evaluate, train, serve and demo."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from ._arguments import FAILED, make_parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command-line interface.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Command-line arguments. None uses ``sys.argv[1:]``.

    Returns
    -------
    int
        Exit code: 0 on success, 1 if some videos could not be read, 2 on an error or if
        no video could be read, and 130 if interrupted. ``demo`` also returns 1 if the
        AUC of the detector that it trains is below 0.9.

    Raises
    ------
    SystemExit
        With exit code 2 if the arguments are invalid, 0 after ``--help`` or
        ``--version``, and 143 after SIGTERM.

    See Also
    --------
    skdeepfake.pipeline.make_detector_pipeline : Build an untrained pipeline.

    Examples
    --------
    >>> from skdeepfake.cli import main
    >>> main(["predict", "--model", "gone.skops", "a.mp4"])  # error on stderr
    2
    """
    args = make_parser().parse_args(argv)
    # Import it late, since it loads scikit-learn, which --help does not need.
    from .exceptions import SkdeepfakeError

    try:
        with _clean_termination():
            commands = importlib.import_module("skdeepfake._commands")
            with commands.brief_warnings():
                return getattr(commands, args.command)(args)
    except (SkdeepfakeError, ValueError, OSError, ImportError) as error:
        print(f"skdeepfake: error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("skdeepfake: interrupted", file=sys.stderr)
        return 130


@contextlib.contextmanager
def _clean_termination() -> Iterator[None]:
    """Exit with cleanup on SIGTERM, so that temporary files are deleted."""
    try:
        before = signal.signal(signal.SIGTERM, _exit)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
