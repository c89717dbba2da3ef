"""The demo: all of the main job on rendered clips, without data or network."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from ._python import python_command
from .datasets import make_videos
from .pipeline import make_detector_pipeline
from .plotting import FacesDisplay, HistoryDisplay

# Recordings and faces of each: enough to learn something in a minute on two cores.
_N_RECORDINGS = 15
_N_FRAMES = 6
_SIZE = (64, 64)
_FOLDS = 2


def run_demo(folder: Path, *, seed: int = 0) -> int:
    """Render clips, train, cross-validate, save, load in a new process and predict."""
    import matplotlib

    matplotlib.use("Agg")  # a server has no display

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        print(
            f"skdeepfake: error: {folder} is in use; remove it, or name another "
            "folder with -o",
            file=sys.stderr,
        )
        return 2
    began = time.perf_counter()

    _step(f"1. Rendering {_N_RECORDINGS} real clips and a fake of each")
    videos = make_videos(
        folder / "videos", n_real=_N_RECORDINGS, n_fake=_N_RECORDINGS, random_state=seed
    )
    pipeline = make_detector_pipeline(
        "cnn",
        n_frames=_N_FRAMES,
        duration=None,
        margin=0.1,
        size=_SIZE,
        memory=folder / "cache",
        # The paper's network, on small faces and set for few training steps.
        learning_rate=1e-3,
        momentum=0.9,
        epochs=15,
        batch_size=16,
        validation_fraction=None,
        random_state=seed,
    )

    _step(f"2. Cross-validating in {_FOLDS} folds; a clip and its fake stay together")
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(
        pipeline,
        videos.data,
        videos.target,
        groups=videos.groups,
        cv=folds,
        method="predict_proba",
    )[:, 1]
    auc = roc_auc_score(videos.target, scores)
    print(f"   AUC {auc:.3f} on clips that were not trained on (0.5 is guessing)")

    _step("3. Training on all clips but one pair, and saving the pipeline")
    train = videos.groups != videos.groups[0]
    pipeline.fit(videos.data[train], videos.target[train])
    pipeline.set_params(cropper__memory=None)  # the model goes without our folder
    model = folder / "model.joblib"
    joblib.dump(pipeline, model)
    print(f"   {model} ({model.stat().st_size / 2**20:.1f} MB)")

    _step("4. Loading it in a new process, and asking about the pair left out")
    held_out = videos.data[~train]
    program = "from skdeepfake.cli import main; sys.exit(main())"
    options = ("predict", "--model", str(model), "--json")
    command = python_command(program, *options, *held_out)
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    answers = json.loads(output)
    for answer in answers:
        print(
            f"   {answer['path']}: probability of fake {answer['probability']:.3f}, "
            f"{answer['frames_with_face']} of {answer['frames']} frames with a face"
        )
    there = np.array([answer["probability"] for answer in answers])
    # One by one, as there: the last digit depends on the size of a batch.
    here = np.array([pipeline.predict_proba([path])[0, 1] for path in held_out])
    if not np.array_equal(there, here):
        raise RuntimeError(f"the loaded model gives {there}, the trained one {here}")
    print("   the same probabilities as in this process, to the last digit")

    _step("5. Drawing")
    pictures = {
        "faces.png": FacesDisplay.from_pipeline(
            pipeline, held_out, titles=["real", "fake"]
        ),
        "roc.png": RocCurveDisplay.from_predictions(
            videos.target, scores, name="cross-validated", plot_chance_level=True
        ),
        "history.png": HistoryDisplay.from_estimator(pipeline),
    }
    for name, display in pictures.items():
        display.figure_.savefig(folder / name, dpi=120, bbox_inches="tight")
    print(f"   {', '.join(pictures)} in {folder}")
    print(f"Done in {time.perf_counter() - began:.0f} s.")
    return 0


def _step(text: str) -> None:
    print(text, flush=True)
