"""Images per second through VGG16: the featurizer compared with `predict` of Keras.

Each variant processes the same batch in turn, several times. Results are for the
fastest pass, which other processes affect least. `times` is the speed relative to
`keras.applications.VGG16(...).predict` on preprocessed images. The last table shows the
largest difference from the features of `predict`, divided by the largest feature.

Example: ``python benchmarks/featurize.py --engines keras onnxruntime``
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from _report import print_table, write
from _timing import seconds
from accuracy import load_faces

from skdeepfake.features import VGG16Featurizer
from skdeepfake.features._engines import ENGINES
from skdeepfake.preprocessing import Resizer

KERAS = "keras predict"
BATCH_SIZES = [1, 2, 4, 8, 16, 32]


def main() -> None:
    data = Path(os.environ.get("SKDEEPFAKE_DATA", "../shared/data"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=data / "faces")
    parser.add_argument(
        "--weights", default=data.parent / "weights" / "vgg16_notop.weights.h5"
    )
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    parser.add_argument(
        "--engines", nargs="+", choices=list(ENGINES), default=["keras"]
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()

    faces, *_ = load_faces(options.data, limit=max(options.batch_sizes))
    images = Resizer((224, 224)).fit_transform(faces)
    plain = keras.applications.VGG16(weights=str(options.weights), include_top=False)
    prepared = keras.applications.vgg16.preprocess_input(images.astype("float32"))
    rows: list[dict[str, Any]] = []
    errors: dict[str, float] = {}
    for size in options.batch_sizes:
        ways = {
            KERAS: lambda n=size: plain.predict(prepared[:n], verbose=0, batch_size=n)
        }
        for engine in options.engines:
            featurizer = VGG16Featurizer(
                weights=str(options.weights), batch_size=size, engine=engine
            )
            ways[engine] = lambda n=size, f=featurizer: f.transform(images[:n])
        results = {name: way() for name, way in ways.items()}  # also compiles
        expected = results.pop(KERAS).reshape(size, 49, 512)
        for name, result in results.items():
            errors[name] = float(np.abs(result - expected).max() / expected.max())
        took: dict[str, list[float]] = defaultdict(list)
        for _ in range(options.repeats):
            for name, way in ways.items():
                took[name].append(seconds(way))
        best = {name: size / min(times) for name, times in took.items()}
        row: dict[str, Any] = {"batch": size}
        for name, speed in best.items():
            row[f"{name}, images/s"] = speed
            if name != KERAS:
                row[f"{name}, times"] = speed / best[KERAS]
        rows.append(row)
        print(row, flush=True)
    print_table(rows)
    print("\nLargest difference from Keras, divided by the largest feature:")
    print_table([errors])
    if options.json:
        write(rows, options.json, repeats=options.repeats, differences=errors)


if __name__ == "__main__":
    main()
