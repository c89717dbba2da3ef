"""Costs of loading a fitted detector and predicting with it in an application.

For each detector and number of videos, with 10 face crops each, a new process loads the
detector from its joblib file and predicts:

- `load s`: seconds from the start of the process until the detector is loaded. Except
  for the reference detector, this includes the imports of Keras and its backend.
- `first s`: seconds of the first prediction, which compiles the network.
- `second s`: seconds of the second prediction for the same videos.
- `warm ms`: median of further predictions. Videos per second are derived from it.
- `over network`: additional time compared with the compiled network alone, which
  predicts the same frames in the same batches in turn.
- `peak MB`: peak memory of the process, and its memory after loading.

Example: ``python benchmarks/serve.py --detectors cnn --videos 1 8 64``
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

N_FRAMES = 10
DETECTORS = {
    "cnn": "CNNDetector",
    "cnn_rnn": "CNNRNNDetector",
    "gan": "GANDetector",
    "reference": "PretrainedDetector",  # included in the package
}
REFERENCE_SIZE = 160
BUDGET = 8.0  # seconds of warm predictions, at least three


def faces(kind: str, n_videos: int, size: int) -> Any:
    """Return random inputs for a detector."""
    import numpy as np

    rng = np.random.RandomState(0)
    if kind == "cnn_rnn":
        return rng.rand(n_videos, N_FRAMES, 49, 512).astype(np.float32)
    if kind == "reference":
        size = REFERENCE_SIZE
    shape = (n_videos, N_FRAMES, size, size, 3)
    return rng.randint(1, 256, size=shape).astype(np.uint8)


def prepare(kind: str, size: int, folder: Path) -> Path:
    """Save a detector, with random weights unless the package includes it."""
    import joblib

    import skdeepfake.detectors

    if kind == "reference":
        detector = skdeepfake.load_detector()[-1]
    else:
        detector = getattr(skdeepfake.detectors, DETECTORS[kind])()
        detector.initialize(faces(kind, 2, size), [0, 1])
    path = folder / f"{kind}.joblib"
    joblib.dump(detector, path)
    return path


def ask(kind: str, path: str, n_videos: int, size: int, began: float) -> dict[str, Any]:
    """Load a detector and predict, in a new process."""
    import joblib

    detector = joblib.load(path)
    row: dict[str, Any] = {"detector": kind, "videos": n_videos}
    row["load s"] = time.time() - began
    loaded = peak_megabytes()
    X = faces(kind, n_videos, size)
    for name in ("first s", "second s"):
        row[name] = seconds(lambda: detector.predict_proba(X))
    network = detector._predict_batch if kind == "reference" else detector._compiled[1]
    frames = X.reshape(-1, *X.shape[2:])
    batches = [
        frames[i : i + detector.batch_size]
        for i in range(0, len(frames), detector.batch_size)
    ]
    ours, alone = [], []
    until = time.perf_counter() + BUDGET
    while len(ours) < 3 or time.perf_counter() < until:
        ours.append(seconds(lambda: detector.predict_proba(X)))
        alone.append(seconds(lambda: [network(batch) for batch in batches]))
    row["warm ms"] = 1000 * statistics.median(ours)
    row["videos/s"] = n_videos / statistics.median(ours)
    row["over network"] = statistics.median(ours) / statistics.median(alone) - 1
    row["over, best"] = min(ours) / min(alone) - 1
    row["peak MB"] = peak_megabytes()
    row["loaded MB"] = loaded
    return row


def seconds(function: Any) -> float:
    """Return the seconds of a call. Importing `_timing` would load OpenCV and dlib."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def peak_megabytes() -> float:
    """Return the peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS)
    )
    parser.add_argument("--videos", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--size", type=int, default=224, help="face size in pixels")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--ask", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        kind, path, n_videos, size, began = options.ask
        print(json.dumps(ask(kind, path, int(n_videos), int(size), float(began))))
        return
    from _report import print_table, write

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.detectors:
            path = prepare(kind, options.size, Path(folder))
            for n_videos in options.videos:
                question = [kind, path, n_videos, options.size, time.time()]
                answer = subprocess.run(
                    [sys.executable, __file__, "--ask", *map(str, question)],
                    check=True,
                    stdout=subprocess.PIPE,
                    env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
                )
                rows.append(json.loads(answer.stdout))
    print_table(rows)
    if options.json:
        write(rows, options.json, size=options.size)


if __name__ == "__main__":
    main()
