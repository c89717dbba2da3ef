"""Measure which temporal cues each system detects in rendered clips.

    python benchmarks/systems.py [--landmarks FILE] [--systems flow blinks ...]
    python benchmarks/systems.py --named [cnn optical_flow ...]

Fakes of several kinds are made from each rendered recording. For each kind, each system
is trained on real clips and fakes of this kind, in folds by recording. It must detect
the kind with its cue, and be at chance level for kinds without it.

With `--named`, the systems of `make_detector_pipeline` are reduced in size, trained on
fakes of all kinds, and tested on other recordings. All clips show one person, so the
results do not apply to other fakes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _report
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import Bunch

from skdeepfake.datasets import make_videos
from skdeepfake.metrics import group_bootstrap
from skdeepfake.pipeline import make_detector_pipeline
from skdeepfake.preprocessing import (
    DlibFaceCropper,
    Resizer,
    StatelessTransformer,
    VideoFrameSampler,
)
from skdeepfake.streams import BlinkFeaturizer, MotionMagnifier, OpticalFlow

KINDS = ["flicker", "frozen_eyes", "lip_sync", "splice"]
FPS = 25
MARGIN = 0.2


# -- systems -------------------------------------------------------------------------


def frames(args: argparse.Namespace, size: int, **cropper: Any) -> list[Any]:
    """Return the steps from a path to all faces of a clip."""
    n_frames = round(args.duration * FPS)
    return [
        VideoFrameSampler(n_frames=1, burst=n_frames, duration=None),
        DlibFaceCropper(**{"box": "burst", "memory": args.memory, **cropper}),
        Resizer((size, size)),
    ]


def classifier(*steps: Any) -> Pipeline:
    return make_pipeline(*steps, StandardScaler(), LogisticRegression(C=10))


def flow_statistics(flow: NDArray) -> NDArray[np.float64]:
    """Summarize the flow of each video.

    `flow` has the shape (n_videos, n_slots, height, width, 2). The three features of
    the mean length of the flow per frame are its median, its maximum and its largest
    difference between consecutive frames, the last two relative to the median.
    """
    length = np.linalg.norm(flow.astype(np.float32), axis=-1).mean(axis=(2, 3))
    median = np.median(length, axis=1)
    jumps = np.abs(np.diff(length, axis=1))
    ratios = [length.max(axis=1) / median, jumps.max(axis=1) / median]
    return np.column_stack([np.log(median), np.log(ratios[0]), np.log(ratios[1])])


def region_agreement(flow: NDArray) -> NDArray[np.float64]:
    """Compare the flow of lips and chin over time, per video."""
    height, width = flow.shape[2:4]
    middle = slice(width // 4, 3 * width // 4)
    down = flow[..., middle, 1].astype(np.float32)
    lips = down[:, :, round(0.35 * height) : round(0.65 * height)].mean(axis=(2, 3))
    chin = down[:, :, round(0.9 * height) :].mean(axis=(2, 3))
    pairs = zip(lips, chin, strict=True)
    return np.array([[np.corrcoef(a, b)[0, 1], np.std(a - b)] for a, b in pairs])


def light_statistics(faces: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure changes of brightness, between frames and in total, per video."""
    light = faces.mean(axis=(2, 3, 4))
    jumps = np.abs(np.diff(light, axis=1))
    return np.log(np.column_stack([np.median(jumps, axis=1), light.std(axis=1)]))


def flow(args: argparse.Namespace) -> Pipeline:
    steps = frames(args, 96, margin=MARGIN)
    return classifier(*steps, OpticalFlow(), FunctionTransformer(flow_statistics))


def blinks(args: argparse.Namespace) -> Pipeline | None:
    if not args.landmarks:
        return None
    return classifier(
        *frames(args, 192, margin=MARGIN, box="frame"),
        BlinkFeaturizer(
            args.landmarks, margin=MARGIN, frame_rate=FPS, output="summary"
        ),
    )


def regions(args: argparse.Namespace) -> Pipeline:
    steps = frames(args, 96, region="mouth")
    return classifier(*steps, OpticalFlow(), FunctionTransformer(region_agreement))


def magnified(args: argparse.Namespace) -> Pipeline:
    steps = frames(args, 64, region="nose")  # unlike the eyes, it does not blink
    magnifier = MotionMagnifier(frame_rate=FPS, band=(0.5, 10.0))
    return classifier(*steps, magnifier, FunctionTransformer(light_statistics))


# Functions that return a pipeline from paths to a classifier, or None if the arguments
# do not contain a required file.
SYSTEMS: dict[str, Callable[[argparse.Namespace], Pipeline | None]] = {
    "flow": flow,
    "blinks": blinks,
    "regions": regions,
    "magnified": magnified,
}
# Kinds of fakes with and without the cue of each system. Some kinds are in neither
# dict: a splice removes or repeats blinks, and the crop of the nose includes the upper
# lip, which "lip_sync" changes.
PLANTED = {
    "flow": ["splice"],
    "blinks": ["frozen_eyes"],
    "regions": ["lip_sync"],
    "magnified": ["flicker"],
}
ABSENT: dict[str, list[str]] = {
    "flow": ["flicker", "frozen_eyes", "lip_sync"],
    "blinks": ["flicker", "lip_sync"],
    "regions": ["frozen_eyes"],
    "magnified": ["frozen_eyes"],
}


# -- systems by name -----------------------------------------------------------------

ALL_KINDS = ["swap", "self_blended", *KINDS]
BACKBONE = {"backbone": "efficientnet_lite0", "weights": "reference"}
FEATURIZED = {"epochs": 20, "units": (64,)}


def named_systems(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the parameters that reduce each named system to minutes of training.

    Most backbones are EfficientNet-lite0, whose weights are in the package. Trained
    backbones use the weights of the reference detector, featurizers those of ImageNet.
    """
    from skdeepfake.detectors import Generator, Head
    from skdeepfake.features import KerasFeaturizer, MultiPathBackbone

    name = BACKBONE["backbone"]
    lstm = Head(cell="lstm", units=(64,), epochs=2)
    features = {
        "featurizer": KerasFeaturizer(name, pooling="avg", memory=args.memory),
        **FEATURIZED,
    }
    maps = {"featurizer": KerasFeaturizer(name, memory=args.memory)}
    own = {"epochs": 15, "learning_rate": 1e-3}
    tuned = {**BACKBONE, "epochs": 4, "learning_rate": 1e-4}
    paths = MultiPathBackbone(
        ("efficientnet_lite0", "mobilenet_v2"), weights=("reference", None)
    )
    return {
        "cnn": own,
        "cnn_rnn": {**maps, "epochs": 20},
        "gan": {**own, "generator": Generator(filters=(128, 64, 32, 16))},
        "transfer": tuned,
        "frame_prediction": {**tuned, "head": lstm},
        "multi_path": {**tuned, "backbone": paths},
        "regions": tuned,
        "optical_flow": {**tuned, "head": lstm, "burst": 6},
        "motion_magnification": {**features, "margin": MARGIN},
        "blinking": {**features, "burst": 50},
        "inception_lstm": {**features, "burst": 12, "size": (96, 96)},
        "resnext_lstm": {**tuned, "head": lstm, "burst": 12},
        "face_weighting": {
            **tuned,
            "head": Head(cell="gru", units=(64,), bidirectional=True, epochs=2),
            "max_faces": 1,
        },
        "discriminators": {"epochs": 15, "weights": None},
        "reconstruction": {**own, "reconstruction_epochs": 20},
        "body": features,
    }


def measure_named(
    name: str, videos: Bunch, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Train a named system on half of the recordings, and test it on the others."""
    params = {"size": (64, 64), **named_systems(args)[name]}
    if "burst" not in params and name != "motion_magnification":
        params["n_frames"] = 2 if name == "frame_prediction" else 6
    pipeline = make_detector_pipeline(
        name,
        **params,
        duration=None,
        memory=args.memory,
        class_weight="balanced",
        validation_fraction=None,
        random_state=args.seed,
    )
    if name == "discriminators":
        pipeline.set_params(
            detector__adversarial__generator__filters=(128, 64, 32, 16),
            **{
                f"detector__{member}__learning_rate": 1e-3
                for member, _ in pipeline[-1].estimators
            },
        )
    y = (videos.manipulations != "none").astype(int)
    split = GroupShuffleSplit(1, test_size=0.5, random_state=args.seed)
    train, test = next(split.split(videos.data, y, videos.groups))
    began = time.process_time()
    pipeline.fit(videos.data[train], y[train])
    score = pipeline.predict_proba(videos.data[test])[:, 1]
    seconds = time.process_time() - began
    kinds, groups = videos.manipulations[test], videos.groups[test]
    row: dict[str, Any] = {"system": name}
    for kind in ("all", *ALL_KINDS):
        chosen = np.isin(kinds, ["none", kind]) | (kind == "all")
        row[kind] = float(roc_auc_score(y[test][chosen], score[chosen]))
    interval = group_bootstrap(roc_auc_score, y[test], score, groups=groups)
    row |= {"low": float(interval.low), "high": float(interval.high)}
    row["CPU seconds"] = round(seconds)
    figures = "".join(f"{row[kind]:14.2f}" for kind in ALL_KINDS)
    print(
        f"{name:<21}{row['all']:5.2f} ({row['low']:.2f} to {row['high']:.2f}){figures}"
        f"{row['CPU seconds']:6}",
        flush=True,
    )
    return [row]


# -- measurement ---------------------------------------------------------------------


def out_of_fold_scores(
    pipeline: Pipeline, X: NDArray, kinds: NDArray, groups: NDArray, wanted: list[str]
) -> dict[str, tuple[NDArray, NDArray, NDArray]]:
    """Score real clips and fakes of each kind. Stateless steps run only once."""
    steps = list(pipeline.steps)
    while isinstance(steps[0][1], (StatelessTransformer, FunctionTransformer)):
        X = steps.pop(0)[1].transform(X)
    scores = {}
    for kind in wanted:
        chosen = np.isin(kinds, ["none", kind])
        y, g = (kinds[chosen] == kind).astype(int), groups[chosen]
        proba = cross_val_predict(
            Pipeline(steps),
            X[chosen],
            y,
            groups=g,
            cv=GroupKFold(min(6, len(set(g)))),
            method="predict_proba",
        )
        scores[kind] = y, proba[:, 1], g
    return scores


def measure(name: str, videos: Bunch, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the AUC of a system for each kind, with intervals by recording."""
    pipeline = SYSTEMS[name](args)
    if pipeline is None:
        print(f"{name} is skipped, since it needs --landmarks", flush=True)
        return []
    began = time.perf_counter()
    scores = out_of_fold_scores(
        pipeline, videos.data, videos.manipulations, videos.groups, args.kinds
    )
    seconds = time.perf_counter() - began
    rows = []
    for kind, (y, score, groups) in scores.items():
        interval = group_bootstrap(roc_auc_score, y, score, groups=groups)
        is_planted = kind in PLANTED.get(name, [])
        is_absent = kind in ABSENT.get(name, [])
        auc = float(interval.estimate)
        rows.append(
            {
                "system": name,
                "kind": kind,
                "AUC": auc,
                "low": float(interval.low),
                "high": float(interval.high),
                "cue": "planted" if is_planted else "absent" if is_absent else "",
                "as expected": auc >= 0.9
                if is_planted
                else 0.4 <= auc <= 0.6
                if is_absent
                else None,
                "seconds": round(seconds / len(videos.data), 2),
            }
        )
        print(
            f"{name:<12}{kind:<13}{auc:.2f} ({interval.low:.2f} to "
            f"{interval.high:.2f})  {rows[-1]['cue']}",
            flush=True,
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the result to this file")
    parser.add_argument("--work", type=Path, help="folder for keeping clips and crops")
    parser.add_argument(
        "--recordings",
        type=int,
        help="number of recordings (default: 24, or 36 with --named)",
    )
    parser.add_argument("--duration", type=float, default=2.4, help="seconds per clip")
    parser.add_argument("--seed", type=int, default=0, help="random state")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument(
        "--named",
        nargs="*",
        metavar="NAME",
        help="systems of make_detector_pipeline (default: all)",
    )
    parser.add_argument(
        "--landmarks",
        default=os.environ.get("SKDEEPFAKE_LANDMARKS"),
        help="dlib shape predictor of 68 landmarks (default: SKDEEPFAKE_LANDMARKS)",
    )
    args = parser.parse_args()
    print("environment:", _report.environment(), flush=True)
    with contextlib.ExitStack() as stack:
        work = args.work
        if work is None:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        args.memory = str(work / "cache")
        if args.named is None:
            videos = rendered(work / "clips", args, KINDS, 24, len(KINDS))
            rows = [row for name in args.systems for row in measure(name, videos, args)]
        else:
            videos = rendered(work / "named", args, ALL_KINDS, 36, len(ALL_KINDS) // 2)
            print(
                f"{'':21}{'all':>5}{'':15}",
                *(f"{k:>13}" for k in ALL_KINDS),
                flush=True,
            )
            names = args.named or named_systems(args)
            rows = [row for name in names for row in measure_named(name, videos, args)]
    if args.json:
        _report.write(rows, args.json)


def rendered(
    root: Path, args: argparse.Namespace, kinds: list[str], n_real: int, times: int
) -> Bunch:
    """Render recordings and `times` fakes of each, or use those of the last run."""
    if not root.exists():
        n_real = args.recordings or n_real
        return make_videos(
            root,
            n_real=n_real,
            n_fake=n_real * times,
            duration=args.duration,
            fps=FPS,
            manipulation=kinds,
            random_state=args.seed,
            verbose=1,
        )
    paths = sorted(root.glob("*/*.mp4"))
    names = [path.stem.partition("_")[2] or "none" for path in paths]
    return Bunch(
        data=np.array([str(path) for path in paths]),
        manipulations=np.array(names),
        groups=np.array([int(path.stem[:3]) for path in paths]),
    )


if __name__ == "__main__":
    main()
