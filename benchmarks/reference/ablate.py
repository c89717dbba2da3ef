"""Train the reference detector with one setting changed at a time, and compare.

    python benchmarks/reference/ablate.py --landmarks FILE --cache FOLDER --out FOLDER
        [--data FOLDER] [--steps 500] [--seeds 0 1] [--variants NAME ...]

Runs are short and have the same number of steps. They are evaluated on held-out real
faces and on fakes made from them (see `_measures.py`). Runs with a log in FOLDER are
not repeated. The script prints a table of means over the seeds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from _data import make_parser

#: Settings of each variant.
VARIANTS: dict[str, dict[str, object]] = {
    "recipe": {},
    "no H.264": {"h264": 0.0},
    "no swaps": {"swaps": 0.0},
    "half swaps": {"swaps": 0.5},
    "no landmarks": {"landmarks": False},
    "clips as they are": {"compressed_clips": False},
    "residual input": {"residual": True},
    "batch normalization alone": {"norm_only": True},
    "less noise and blur": {"noise": 0.1, "blur": 0.15},
    "no warp": {"warp": 0.0},
    "source altered": {"altered": "source"},
    "margin 0.15": {"margin": 0.15},
    "margin 0.5": {"margin": 0.5},
    "224 pixels": {"size": 224},
    "rate 2e-4": {"learning_rate": 2e-4},
    "dropout 0.5": {"dropout": 0.5},
}

MEASURES = (
    *("blends", "blends h264", "swaps", "swaps h264", "clips as is", "clips crf 35"),
    *("clips half, crf 28", "clips pooled", "found at 5%", "real spread", "choice"),
)


def main() -> None:
    """Run the variants."""
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=[*VARIANTS])
    args = parser.parse_args()

    print("| variant | minutes |", " | ".join(MEASURES), "|")
    print("|---" * (len(MEASURES) + 2) + "|", flush=True)
    for name in args.variants:
        rows = [run(name, seed, args) for seed in args.seeds]
        means = [np.mean([row[key] for row in rows]) for key in ("minutes", *MEASURES)]
        cells = [f"{means[0]:.1f}", *(f"{mean:.3f}" for mean in means[1:])]
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


def run(name: str, seed: int, args: argparse.Namespace) -> dict[str, float]:
    """Train a variant, unless its log exists, and return its last metrics."""
    folder = args.out / f"{name.replace(' ', '-')}-{args.steps}-{seed}"
    log = folder / "log.json"
    if log.exists():
        last = json.loads(log.read_text())[-1]
        if last["step"] >= args.steps:
            return last
    command = [
        *(sys.executable, str(Path(__file__).with_name("train.py"))),
        *("--landmarks", args.landmarks, "--data", str(args.data)),
        *("--cache", str(args.cache), "--out", str(folder), "--seed", str(seed)),
        *("--steps", str(args.steps), "--every", str(args.steps)),
        *("--set", *(f"{key}={value!r}" for key, value in VARIANTS[name].items())),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.txt").open("w") as output:
        subprocess.run(command, check=True, stdout=output, stderr=subprocess.STDOUT)
    return json.loads(log.read_text())[-1]


if __name__ == "__main__":
    main()
