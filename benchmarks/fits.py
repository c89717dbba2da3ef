"""Memory that remains after each fit, as in a long search in one process.

In a new process, each detector is trained, predicts and is deleted several times. MB
are the anonymous memory of the process after the first fits and after the last fit.
`MB a fit` is the increase per fit. `held` is this increase after the C library has
released freed memory (`malloc_trim`). `graphs` is the number of TensorFlow graphs in
memory at the end. With "as Keras does", gradients are summed over replicas. Linux and
TensorFlow only.

Example: ``python benchmarks/fits.py --fits 30 --json fits.json``
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
from pathlib import Path
from typing import Any

import numpy as np
from _report import environment, print_table, write
from _timing import Worker, available_cores
from memory import status

FIRST = 3  # fits after which everything is loaded

DETECTORS = {
    "cnn": ("CNNDetector", {}),
    "gan": (
        "GANDetector",
        {"generator__filters": (32, 16, 8), "discriminator_filters": (16, 32)},
    ),
}


def measure(name: str, size: int, n_fits: int, as_keras_does: bool) -> dict[str, float]:
    """Train detectors, and return the memory that remains after each fit."""
    from skdeepfake import detectors
    from skdeepfake._keras import _optimizers

    if as_keras_does:
        _optimizers.of_one_replica = lambda optimizer: optimizer
    kind, params = DETECTORS[name]
    X = np.random.RandomState(0).randint(1, 255, size=(16, 2, size, size, 3))
    X, y = X.astype(np.uint8), np.array([0, 1] * 8)
    trim = ctypes.CDLL("libc.so.6").malloc_trim
    taken, held = {}, {}
    for fit in range(1, n_fits + 1):
        detector = getattr(detectors, kind)(
            epochs=1, validation_fraction=0.25, random_state=0
        )
        detector.set_params(**params)
        detector.fit(X, y).predict_proba(X)
        del detector
        gc.collect()
        if fit in (FIRST, n_fits):
            taken[fit] = status("RssAnon")
            trim(0)
            held[fit] = status("RssAnon")
    graphs = sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())
    between = n_fits - FIRST
    return {
        f"MB after {FIRST}": taken[FIRST],
        f"after {n_fits}": taken[n_fits],
        "MB a fit": round((taken[n_fits] - taken[FIRST]) / between, 2),
        "held": round((held[n_fits] - held[FIRST]) / between, 2),
        "graphs": graphs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS)
    )
    parser.add_argument("--fits", type=int, default=30)
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    if options.fits < FIRST + 2:
        parser.error(f"--fits must be at least {FIRST + 2}")
    print("environment:", environment(), flush=True)
    rows: list[dict[str, Any]] = []
    for name in options.detectors:
        for as_keras_does in (True, False):
            with Worker(available_cores(), warm=False) as worker:
                found = worker(measure, name, options.size, options.fits, as_keras_does)
            how = "as Keras does" if as_keras_does else "ours"
            rows.append({"detector": name, "gradients": how, **found})
            print(rows[-1], file=sys.stderr, flush=True)
    if options.json:
        write(rows, options.json, size=options.size)
    print_table(rows)


if __name__ == "__main__":
    main()
