"""Milliseconds per image of each preset and each augmentation, on one thread.

A single augmentation is applied to all images, and those of a preset with their
probabilities. "cpu" includes FFmpeg processes, and "wall" is the elapsed time. Results
are for the fastest repeat on the faces in the media folder. Linux and macOS only.

Example: ``python benchmarks/augment.py --json augment.json``
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from _clips import DATA
from _report import environment, print_table, write

from skdeepfake import augmentation
from skdeepfake.augmentation import BaseAugmentation, make_preset

PRESETS = ("flip", "light", "strong", "video")


def faces(folder: Path, n_images: int, size: int) -> np.ndarray:
    paths = sorted(folder.rglob("*.jpg"))
    if not paths:
        raise SystemExit(
            f"{folder} contains no faces. Pass another folder, or set SKDEEPFAKE_DATA."
        )
    images = [
        cv2.resize(cv2.imread(str(path))[..., ::-1], (size, size), None)
        for path in paths[:n_images]
    ]
    return np.stack([images[number % len(images)] for number in range(n_images)])


def chain(augmentations: list[BaseAugmentation]) -> Callable[[np.ndarray, int], object]:
    def run(images: np.ndarray, seed: int) -> None:
        for augment in augmentations:
            images = augment(images, seed)

    return run


def milliseconds(
    run: Callable[[np.ndarray, int], object], images: np.ndarray, repeats: int
) -> tuple[float, float]:
    found = []
    run(images, 0)
    for seed in range(repeats):
        before, began = cpu_seconds(), time.perf_counter()
        run(images, seed)
        found.append((cpu_seconds() - before, time.perf_counter() - began))
    cpu, wall = (
        1000 * min(column) / len(images) for column in zip(*found, strict=True)
    )
    return cpu, wall


def cpu_seconds() -> float:
    """Return the CPU time of this process and its finished child processes."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("media", nargs="?", type=Path, default=DATA)
    parser.add_argument("--images", type=int, default=32, help="images per batch")
    parser.add_argument("--size", type=int, default=224, help="image size in pixels")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    images = faces(options.media / "faces", options.images, options.size)
    measured = {f"preset {name!r}": chain(make_preset(name)) for name in PRESETS}
    for name in augmentation.__all__:
        if name.startswith("Random"):
            kind = getattr(augmentation, name)
            measured[name] = chain([kind(probability=1)])
    rows = []
    for name, run in measured.items():
        cpu, wall = milliseconds(run, images, options.repeats)
        rows.append({"augmentation": name, "cpu ms": cpu, "wall ms": wall})
    print_table(rows)
    about = environment()
    print(about["cpu"], about["python"], about["versions"], sep="\n")
    if options.json:
        write(rows, options.json, images=options.images, size=options.size)


if __name__ == "__main__":
    main()
