"""Number of weights of each system from the literature, and seconds per video.

    python benchmarks/system_costs.py [NAME ...]

The systems are built by `make_detector_pipeline(name, weights=None)`, and score random
noise. `benchmarks/preprocess.py` measures decoding and face detection.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from sklearn.ensemble import VotingClassifier

from skdeepfake._systems import SYSTEMS
from skdeepfake.features import FramePredictor, KerasFeaturizer
from skdeepfake.features._network import shared_network
from skdeepfake.pipeline import make_detector_pipeline


def measure(name: str) -> tuple[int, int, float]:
    """Return the number of slots per video, the number of weights and the seconds."""
    sampler, cropper, resizer, *steps = (
        step for _, step in make_detector_pipeline(name, weights=None).steps
    )
    regions = 1 if isinstance(cropper.region, str) else len(cropper.region)
    slots = sampler.n_frames * sampler.burst * cropper.max_faces * regions
    shape = (2, slots, *resizer.size, 3)
    X: Any = np.random.RandomState(0).randint(1, 256, shape).astype(np.uint8)
    n_weights = 0
    *before, detector = steps
    for step in before:
        if isinstance(step, FramePredictor):
            step.set_params(epochs=1).fit(X[:, : step.burst])
            n_weights += step.model_.count_params()
        elif isinstance(step, KerasFeaturizer):
            network = shared_network(step._recipe(), shape[2:])
            n_weights += network.model.count_params()
    features = X
    for step in before:
        features = step.transform(features)
    members = [detector]
    if isinstance(detector, VotingClassifier):
        members = [member for _, member in detector.estimators]
    for member in members:
        member.initialize(features, [0, 1])
        n_weights += member.model_.count_params()
        member.predict_proba(features[:1])  # compiles
    start = time.perf_counter()
    one = X[:1]
    for step in before:
        one = step.transform(one)
    for member in members:
        member.predict_proba(one)
    return slots, n_weights, time.perf_counter() - start


def main() -> None:
    """Print one line per system."""
    for name in sys.argv[1:] or SYSTEMS:
        slots, n_weights, seconds = measure(name)
        print(f"{name:18}{slots:4} slots {n_weights:12,} weights {seconds:8.2f} s")


if __name__ == "__main__":
    main()
