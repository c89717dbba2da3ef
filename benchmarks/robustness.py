"""Train on rendered clips, and evaluate on distorted clips.

    python benchmarks/robustness.py [--picture robustness.png]

A small CNN is trained on rendered clips, and evaluated on clips of other recordings
with seven distortions at five levels each.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import _report

from skdeepfake.datasets import make_videos
from skdeepfake.evaluation import RobustnessDisplay, robustness_curve
from skdeepfake.pipeline import make_detector_pipeline


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", type=Path, help="write a plot to this PNG file")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--train", type=int, default=10, help="training recordings")
    parser.add_argument("--test", type=int, default=30, help="test recordings")
    parser.add_argument("--epochs", type=int, default=12)
    modes = ["corrected", "faithful"]
    parser.add_argument("--mode", choices=modes, default=modes[0])
    args = parser.parse_args()

    import matplotlib

    matplotlib.use("Agg")  # a server has no display
    print("environment:", _report.environment(), flush=True)
    with tempfile.TemporaryDirectory() as work:
        train, test = (
            make_videos(
                Path(work) / name, n_real=number, n_fake=number, random_state=seed
            )
            for seed, (name, number) in enumerate(
                {"train": args.train, "test": args.test}.items()
            )
        )
        pipeline = make_detector_pipeline(
            "cnn",
            n_frames=6,
            duration=None,
            margin=0.1,
            size=(64, 64),
            learning_rate=1e-3,
            momentum=0.9,
            epochs=args.epochs,
            batch_size=16,
            validation_fraction=None,
            random_state=0,
        ).fit(train.data, train.target)
        began = time.perf_counter()
        curve = robustness_curve(pipeline, test.data, test.target, mode=args.mode)
        print(f"\n{curve}\n\n{time.perf_counter() - began:.0f} s")
    if args.picture:
        RobustnessDisplay(curve).plot().figure_.savefig(args.picture, dpi=100)
    if args.json:
        _report.write([curve.to_dict()], args.json)


if __name__ == "__main__":
    main()
