"""Resources of a process that predicts intact and damaged videos for hours.

One process trains a small pipeline and makes 2,000 predictions for one video each:
intact clips of each container, including interlaced and AV1 video, a missing file, a
text file, truncated clips, and mutants of ``fuzz.py``. If ``--fuzz`` is the JSON file
of ``fuzz.py``, these include mutants that crashed the decoder or exceeded the timeout.
Decoders are killed from time to time. The table shows the resources of the process
after a warm-up, at each quarter and at the end: anonymous memory after the C library
has released freed memory, file descriptors, child processes and threads. "flat" means
that these do not increase after the warm-up, except for 1 kB of memory per prediction.
Linux only.

Example: ``python benchmarks/soak.py --predictions 2000 --json soak.json``
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import gc
import json
import os
import signal
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from _report import environment, print_table, write
from fuzz import PROC, make_clips, memory_of, mutant, work_folder

WARM_UP = 200  # predictions, since TensorFlow and the allocator grow at first
MARGIN = 1000  # bytes per prediction
TIMEOUT = 2.0
N_MUTANTS = 40
KILL_EVERY = 97  # predictions


def make_videos_of_all_kinds(
    work: Path, seed: int, fuzz: Path | None
) -> dict[str, list[str]]:
    """Return paths by kind of video."""
    clips = make_clips(work)
    bad = work / "bad"
    bad.mkdir(exist_ok=True)
    text = bad / "text.mp4"
    text.write_text("This is text, not a video.\n" * 1000, encoding="utf-8")
    cut = []
    for clip in clips[::5]:
        whole = Path(clip.path)
        cut.append(bad / f"cut-{whole.name}")
        cut[-1].write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    numbers = list(range(N_MUTANTS))
    known: list[dict[str, Any]] = []
    if fuzz is not None:
        report = json.loads(fuzz.read_text(encoding="utf-8"))
        seed, known = report["seed"], report["contained"][:N_MUTANTS]
    mutants = {"mutant": [], "contained": []}
    for kind, chosen in (("mutant", numbers), ("contained", known)):
        for number in chosen:
            number = number["number"] if isinstance(number, dict) else number
            clip, _, data = mutant(clips, seed, number)
            mutants[kind].append(bad / f"mutant-{number}{Path(clip.path).suffix}")
            mutants[kind][-1].write_bytes(data)
    found = {
        "whole": [clip.path for clip in clips],
        "missing": [bad / "missing.mp4"],
        "text": [text],
        "cut off": cut,
        **mutants,
    }
    return {kind: [*map(str, paths)] for kind, paths in found.items() if paths}


def held() -> dict[str, float]:
    """Return the resources of this process."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return {
        "MB": round(memory_of(os.getpid()) / 1e6, 1),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "children": len(children()),
        "threads": threading.active_count(),
        "threads of all libraries": len(os.listdir("/proc/self/task")),
    }


def children() -> list[int]:
    """Return the child processes that this process has not waited for."""
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                if int(stat.rpartition(")")[2].split()[1]) == os.getpid():
                    found.append(int(entry.name))
    return found


def trained(work: Path) -> Any:
    """Train a small detector on rendered videos."""
    from skdeepfake.datasets import make_videos
    from skdeepfake.pipeline import make_detector_pipeline

    videos = make_videos(
        work / "training", n_real=3, n_fake=3, duration=1, random_state=0
    )
    pipeline = make_detector_pipeline(
        "cnn",
        size=(32, 32),
        n_frames=2,
        filters=(8, 8),
        epochs=1,
        validation_fraction=None,
        random_state=0,
    )
    pipeline.set_params(sampler__on_error="skip", sampler__timeout=TIMEOUT)
    return pipeline.fit(videos.data, videos.target)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--predictions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fuzz", type=Path, help="JSON file from fuzz.py")
    parser.add_argument(
        "--work", type=Path, help="folder in which to keep clips (default: temporary)"
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    if not PROC.exists():
        raise SystemExit("This benchmark needs Linux.")
    print("environment:", environment(), flush=True)
    rng = np.random.default_rng(options.seed)
    counts: collections.Counter[str] = collections.Counter()
    with work_folder(options.work) as work:
        videos = make_videos_of_all_kinds(work, options.seed, options.fuzz)
        with work_folder(None) as training:
            pipeline = trained(training)
        rows: list[dict[str, Any]] = []
        killed = False
        began = time.monotonic()
        n_all = WARM_UP + options.predictions
        quarters = {WARM_UP + options.predictions * i // 4: i for i in range(5)}
        for i in range(n_all + 1):
            if i in quarters:
                pipeline.predict_proba(videos["whole"][:1])  # leaves one idle decoder
                rows.append({"predictions": i - WARM_UP, **held()})
                print(rows[-1], f"{time.monotonic() - began:.0f} s", flush=True)
            if i == n_all:
                break
            # Half of the videos are intact, so that decoders are also reused.
            kind = "whole" if rng.random() < 0.5 else str(rng.choice(list(videos)))
            path = str(rng.choice(videos[kind]))
            if i % KILL_EVERY == 0:
                killed = True
                for child in children():
                    os.kill(child, signal.SIGKILL)
                    counts["decoders killed"] += 1
                # The decoder is dead before the next video, or dies while reading it.
                time.sleep(float(rng.choice([0, 0.2])))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                answer = pipeline.predict_proba([path])
            if answer.shape != (1, 2) or not np.isfinite(answer).all():
                raise SystemExit(f"predict_proba returned {answer} for {path}.")
            categories = {warning.category.__name__ for warning in caught}
            if kind == "whole":
                if "VideoReadWarning" in categories and not killed:
                    raise SystemExit(f"{path} is intact, but: {caught[0].message}")
                killed = False
            counts[kind] += 1
            counts.update(f"{kind}: {name}" for name in categories)
        seconds = time.monotonic() - began
    first, last = rows[0], rows[-1]
    limits = {name: first[name] for name in first if name != "predictions"}
    limits["MB"] += MARGIN * options.predictions / 1e6
    grown = [name for name, limit in limits.items() if last[name] > limit]
    verdict = f"not flat: {', '.join(grown)}" if grown else "flat"
    if options.json:
        write(rows, options.json, verdict=verdict, counts=counts, seconds=seconds)
    print_table(rows)
    print(dict(sorted(counts.items())))
    print(f"{verdict}; {seconds / n_all:.3f} s per prediction, including the warm-up")


if __name__ == "__main__":
    main()
