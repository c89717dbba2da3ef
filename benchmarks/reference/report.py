"""Evaluate a detector for its model card, on held-out real faces and their fakes.

    python benchmarks/reference/report.py [DETECTOR.npz] --landmarks FILE --cache FOLDER

DETECTOR is a file from `calibrate.py`. By default, it is the reference detector. The
script prints Markdown tables with AUCs and 95% confidence intervals (bootstrap over
persons or images), for the distortions of DeeperForensics-1.0 applied to face crops,
and by face size, number of frames and kind of fake. It also prints the time per clip.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _data import MARGIN, SIZE, list_clips, load_faces, make_parser
from _measures import CONDITIONS, Measures, changed, log_odds
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[1]))

from _report import environment

from skdeepfake.augmentation import RandomVideoCompression
from skdeepfake.metrics import group_bootstrap
from skdeepfake.perturbations import DISTORTIONS, distort
from skdeepfake.pretrained import load_detector
from skdeepfake.synthesis import FaceSwapper, SelfBlender

#: Sides of dlib's box in pixels.
FACE_SIZES = (100, 70, 50, 35, 25)

SHAPES = ("whole", "without_forehead", "lower", "inner", "eyes", "mouth")

#: Rate factors of the distortion VC per level.
VC = (30, 32, 35, 38, 40)


def auc(y: NDArray, score: NDArray, groups: NDArray) -> str:
    """Return the AUC with its confidence interval as text."""
    found = group_bootstrap(roc_auc_score, y, score, groups=groups, random_state=0)
    return f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})"


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a Markdown table."""
    print("|", " | ".join(columns), "|")
    print("|" + "---|" * len(columns))
    for row in rows:
        cells = [f"{c:.2f}" if isinstance(c, float) else str(c) for c in row]
        print("|", " | ".join(cells), "|")
    print(flush=True)


def distorted(
    faces: NDArray[np.uint8], code: str, level: int
) -> Sequence[NDArray[np.uint8]]:
    """Return distorted faces, or faces compressed with H.264."""
    if code == "VC":
        crf = VC[level - 1]
        return RandomVideoCompression((crf, crf), probability=1)(faces, 0)
    return [distort(face, code, level, random_state=0) for face in faces]


def shrunk(faces: NDArray[np.uint8], side: int) -> Sequence[NDArray[np.uint8]]:
    """Reduce the resolution of faces to that of a smaller face box."""
    small = round(side * (1 + 2 * MARGIN))
    images = [
        cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA) for face in faces
    ]
    return [cv2.resize(image, (SIZE, SIZE)) for image in images]


def main() -> None:
    """Run the command."""
    parser = make_parser(__doc__)
    parser.add_argument("detector", type=Path, nargs="?")
    args = parser.parse_args()

    pipeline = load_detector(args.detector or "reference")
    score = functools.partial(log_odds, pipeline[-1])
    faces = load_faces(args.data, args.cache)
    measures = Measures(faces, args.data, args.cache, args.landmarks)
    print("environment:", environment(), "\n")

    names = measures.clip_groups
    rows = []
    for name, (X, y) in measures.images.items():
        groups = np.tile(np.arange(len(X) // 2), 2)
        rows.append([name, len(X) // 2, auc(y, score(X), groups)])
    for name in CONDITIONS:
        X, y = measures.clips[name]
        row = [f"swaps between clips, {name}", len(np.unique(names))]
        rows.append([*row, auc(y, score(X), names)])
    table(["held-out fakes", "images or persons", "AUC"], rows)
    real, fake = score(measures.pair)
    print(f"SDFVD pair, log-odds: real {real:.2f}, fake {fake:.2f}\n")

    X, y = measures.clips["as is"]
    rows = []
    for code in DISTORTIONS:
        row: list[Any] = [code]
        for level in range(1, 6):
            seen = changed(X, distorted, code, level)
            row.append(float(roc_auc_score(y, score(seen))))
        rows.append(row)
    table(["AUC of swaps, by distortion", *map(str, range(1, 6))], rows)

    rows = [
        [side, auc(y, score(changed(X, shrunk, side)), names)] for side in FACE_SIZES
    ]
    table(["side of the face, pixels", "AUC of swaps"], rows)
    rows = [[n, auc(y, score(X[:, :: 8 // n][:, :n]), names)] for n in (1, 2, 4, 8)]
    table(["frames per video", "AUC of swaps"], rows)

    held_out = np.flatnonzero(faces.held_out & (faces.encodings == "image"))[:250]
    images = faces.X[held_out]
    y = np.repeat([0, 1], len(images))
    groups = np.tile(np.arange(len(images)), 2)
    of_real, rows = score(images), []
    common: dict[str, Any] = {"margin": MARGIN, "landmarks": args.landmarks}
    kinds: list[tuple[str, Any]] = [
        *((f"self-blended: {s}", SelfBlender(shapes=(s,), **common)) for s in SHAPES),
        ("swapped, feathered mask", FaceSwapper(cloning=0, **common)),
        ("swapped, gradient blending", FaceSwapper(cloning=1, **common)),
    ]
    for name, blender in kinds:
        both = np.concatenate([of_real, score(blender.blend(images, 4))])
        rows.append([name, auc(y, both, groups)])
    table(["kind of fake, single images", "AUC"], rows)

    rows = []
    for clip in list_clips(args.data)[:8]:
        seconds = [time.perf_counter()]
        cut = pipeline[:-1].transform([str(clip)])
        seconds.append(time.perf_counter())
        pipeline[-1].predict_proba(cut)
        seconds.append(time.perf_counter())
        faces_ms, network_ms = np.diff(seconds) * 1e3
        rows.append([clip.stem, f"{faces_ms:.0f}", f"{network_ms:.0f}"])
    table(["clip", "decoding and face search, ms", "network, ms"], rows)
    crops = images[: 16 * 8].reshape(8, 16, SIZE, SIZE, 3)
    for engine in ("opencv", "onnxruntime"):
        detector = load_detector(args.detector or "reference")[-1]
        detector.set_params(engine=engine)
        detector.predict_proba(crops)
        began = time.perf_counter()
        detector.predict_proba(crops)
        milliseconds = (time.perf_counter() - began) / (8 * 16) * 1e3
        print(f"{engine}: {milliseconds:.1f} ms per face")


if __name__ == "__main__":
    main()
