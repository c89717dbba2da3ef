"""Demo of the main tasks on rendered clips, without data or network access."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from ._arguments import FAILED, OK, SOME_FAILED
from ._models import load_model
from .analysis import analyze_videos
from .datasets import make_videos
from .metrics import choose_threshold
from .pipeline import make_detector_pipeline
from .plotting import FacesDisplay, HistoryDisplay

# Number of pairs, each of a real clip and its fake. The demo takes about a minute.
_N_TRAINING, _N_HELD_OUT = 18, 6
_N_FRAMES, _EPOCHS = 5, 15
# Minimum AUC on held-out pairs.
_LOWEST_AUC = 0.9


def run_demo(folder: Path, *, seed: int = 0) -> int:
    """Render clips, train a network, and compare it with the reference detector."""
    import matplotlib

    matplotlib.use("Agg")  # works without a display

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        print(
            f"skdeepfake: error: {folder} is not an empty folder. Delete it, or choose "
            "another folder with -o.",
            file=sys.stderr,
        )
        return FAILED
    began = time.perf_counter()
    n_pairs = _N_TRAINING + _N_HELD_OUT

    _say(f"1. Rendering {n_pairs} clips of a moving face, and a fake of each clip")
    videos = make_videos(
        folder / "videos",
        n_real=n_pairs,
        n_fake=n_pairs,
        duration=1.0,
        fps=10,
        random_state=seed,
    )
    training = videos.groups < _N_TRAINING
    paths, y = videos.data[training], videos.target[training]

    _say(f"2. Training a small network on {_N_TRAINING} pairs")
    pipeline = make_detector_pipeline(
        "cnn",
        n_frames=_N_FRAMES,
        duration=None,
        margin=0.15,
        size=(64, 64),
        filters=(16, 32, 64),
        dense_units=64,
        learning_rate=3e-3,
        momentum=0.9,
        epochs=_EPOCHS,
        batch_size=16,
        validation_fraction=None,
        n_jobs=2,
        random_state=seed,
    )
    pipeline.fit(paths, y)
    losses = pipeline[-1].history_["loss"]
    _say(f"   the loss fell from {losses[0]:.2f} to {losses[-1]:.2f}")
    threshold = choose_threshold(y, pipeline.predict_proba(paths)[:, 1])
    _say(f"   threshold chosen on the training clips: {threshold:.2f}")

    # Sort by pair, with the real clip first.
    order = np.lexsort((videos.target, videos.groups))
    held_out = order[~training[order]]
    _say(f"3. Analyzing the {_N_HELD_OUT} held-out pairs with both detectors")
    clips, truth = videos.data[held_out], videos.target[held_out]
    own = analyze_videos(
        clips, pipeline, thresholds=threshold, heatmaps=True, n_jobs=2, verbose=0
    )
    reference = analyze_videos(clips, n_jobs=2, verbose=0)
    print(f"\n   {'clip':<14}{'truth':<8}{'this network':<20}reference detector")
    for path, label, *found in zip(clips, truth, own, reference, strict=True):
        cells = [f"{each.probability:.2f} {each.verdict}" for each in found]
        print(
            f"   {Path(path).name:<14}{videos.target_names[label]:<8}{cells[0]:<20}"
            f"{cells[1]}"
        )
    scores = [each.probability for each in own]
    auc = roc_auc_score(truth, scores)
    names = np.array(videos.target_names)[truth]
    n_right = sum(a.verdict == b for a, b in zip(own, names, strict=True))
    print(f"\n   this network: {n_right} of {len(own)} verdicts correct, AUC {auc:.2f}")
    of_reference = load_model().thresholds
    print(
        f"   reference detector: real below {of_reference[0]:g}, fake above "
        f"{of_reference[1]:g}; it was not trained on rendered faces"
    )

    index = own.to_html(folder / "pages")
    titles = [f"{Path(p).name}: {name}" for p, name in zip(clips, names, strict=True)]
    pictures: dict[str, Any] = {
        "faces.png": FacesDisplay.from_estimator(
            pipeline, clips[:4], titles=titles[:4], max_frames=_N_FRAMES
        ),
        "history.png": HistoryDisplay.from_estimator(pipeline),
    }
    for name, display in pictures.items():
        display.figure_.savefig(folder / name, dpi=120, bbox_inches="tight")
    _say(f"4. Wrote {index}, and {', '.join(pictures)} in {folder}")
    print(
        f"\nDone in {time.perf_counter() - began:.0f} s. All clips show the same "
        "rendered face, and all fakes are made by\nthe same program. The demo tests "
        "the installation, not the accuracy on real deepfakes."
    )
    if auc < _LOWEST_AUC:
        print(
            f"skdeepfake: error: the AUC on held-out pairs is {auc:.2f}; expected at "
            f"least {_LOWEST_AUC:g}",
            file=sys.stderr,
        )
        return SOME_FAILED
    print("Now try your own video: skdeepfake predict VIDEO --html report")
    return OK


def _say(text: str) -> None:
    print(text, flush=True)
