"""Time that `memory=` saves in a grid search with 3 folds and 6 candidates.

The same search runs on the same clips without a cache and with an initially empty
cache, in turn. With the cache, each video is decoded once. Results are medians.
`cores s` is the CPU time, which is affected least by other processes. Candidates differ
only in the classifier: learning rate and dropout of a small CNN, or the penalty of a
logistic regression on mean colors, which trains almost instantly. Every second clip is
labeled as fake. The scores are meaningless, but must be the same with and without a
cache.

Example: ``python benchmarks/grid_search.py --clips 6 --json grid_search.json``
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from typing import Any

import numpy as np
from _clips import add_arguments, names, prepare, work_folder
from _report import print_table, write
from _timing import seconds
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdeepfake import make_detector_pipeline
from skdeepfake.preprocessing import _clip

N_FOLDS = 3
CANDIDATES: dict[str, dict[str, list]] = {
    "cnn": {
        "detector__learning_rate": [1e-3, 1e-4],
        "detector__dropout": [0.0, 0.25, 0.5],
    },
    "logistic": {
        "detector__logisticregression__C": [1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0]
    },
}


def mean_colors(faces: np.ndarray) -> np.ndarray:
    """Return the mean color of each video."""
    return faces.mean(axis=(1, 2, 3))


def search(classifier: str, **how: Any) -> GridSearchCV:
    """Return the grid search over the candidates of a classifier."""
    how["size"] = (32, 32)
    if classifier == "cnn":
        network = {"filters": (8,), "dense_units": 8, "epochs": 2}
        fixed = {"validation_fraction": None, "random_state": 0}
        pipeline = make_detector_pipeline("cnn", **how, **network, **fixed)
    else:
        logistic = make_pipeline(
            FunctionTransformer(mean_colors), LogisticRegression(max_iter=1000)
        )
        pipeline = make_detector_pipeline(logistic, **how)
    return GridSearchCV(
        pipeline,
        CANDIDATES[classifier],
        cv=N_FOLDS,
        scoring="neg_log_loss",
        refit=False,
        error_score="raise",
    )


class CountingReader(_clip.VideoReader):
    """A reader that counts how often videos are read."""

    n_decodes = 0

    def __init__(self, *arguments: Any) -> None:
        CountingReader.n_decodes += 1
        super().__init__(*arguments)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument(
        "--classifiers", nargs="+", choices=CANDIDATES, default=list(CANDIDATES)
    )
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument(
        "--duration",
        type=float,
        default=10.0,
        help="seconds of each clip that are sampled",
    )
    parser.add_argument("--n-jobs", type=int, help="n_jobs of the preprocessing")
    options = parser.parse_args()
    _clip.VideoReader = CountingReader
    rows: list[dict[str, Any]] = []
    with work_folder(options) as work:
        found = prepare(options, work)
        paths = np.array([path for group in found.values() for path in group])
        y = np.arange(len(paths)) % 2
        for classifier in options.classifiers:
            took: dict[str, list[float]] = defaultdict(list)
            cores: dict[str, list[float]] = defaultdict(list)
            decodes: dict[str, int] = {}
            scores: dict[str, np.ndarray] = {}
            for _ in range(options.repeats):
                with tempfile.TemporaryDirectory(dir=work) as folder:
                    for name, memory in (("no cache", None), ("memory=", folder)):
                        searched = search(
                            classifier,
                            memory=memory,
                            duration=options.duration,
                            n_jobs=options.n_jobs,
                        )
                        CountingReader.n_decodes = 0
                        worked = time.process_time()
                        took[name].append(seconds(lambda s=searched: s.fit(paths, y)))
                        cores[name].append(time.process_time() - worked)
                        decodes[name] = CountingReader.n_decodes
                        scores[name] = searched.cv_results_["mean_test_score"]
                        print(
                            *(classifier, name, took[name][-1], decodes[name]),
                            file=sys.stderr,
                            flush=True,
                        )
            np.testing.assert_array_equal(*scores.values())
            without, cores_without = (
                statistics.median(runs["no cache"]) for runs in (took, cores)
            )
            for name, runs in took.items():
                rows.append(
                    {
                        "classifier": classifier,
                        "": name,
                        "seconds": statistics.median(runs),
                        "cores s": statistics.median(cores[name]),
                        "decodes": decodes[name],
                        "decodes a video": decodes[name] / len(paths),
                        "times faster": without / statistics.median(runs),
                        "cores": cores_without / statistics.median(cores[name]),
                    }
                )
    if options.json:
        write(
            rows,
            options.json,
            clips=names(found),
            repeats=options.repeats,
            duration=options.duration,
        )
    print_table(rows)


if __name__ == "__main__":
    main()
