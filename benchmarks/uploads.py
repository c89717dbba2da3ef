"""Measure memory, processes and open files of the service under load.

`skdeepfake serve` runs in a separate process. Several clients send valid and invalid
uploads in random order: rendered clips, a damaged clip, a text, an empty body, and a
body above the size limit. The status of each response is compared with the expected
status. The table has one row per quarter of the requests, with the resident memory of
the server without and with child processes, and the numbers of processes and open
files.

Example: ``python benchmarks/uploads.py --requests 200 --clients 8``
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from _report import print_table, write

LIMIT_MB = 2


def bodies(folder: Path) -> list[tuple[str, bytes, int]]:
    """Return the uploads: name, content and expected status."""
    from skdeepfake import make_videos

    videos = make_videos(folder, n_real=2, n_fake=2, random_state=0)
    clips = [Path(path).read_bytes() for path in videos.data]
    return [
        *((f"clip {k}", clip, 200) for k, clip in enumerate(clips)),
        ("damaged", clips[0][:200] + bytes(20_000), 422),
        ("text", b"This is text, not a video.", 422),
        ("empty", b"", 422),
        ("too large", bytes(LIMIT_MB * 2**20 + 1), 413),
    ]


def processes(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += processes(int(child))
    return found


def megabytes(pid: int) -> float:
    """Return the resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uploads = bodies(Path(folder, "videos"))
        own = Path(folder, "tmp")
        own.mkdir()
        command = [sys.executable, "-m", "skdeepfake", "serve", "--port", "0"]
        command += ["--max-megabytes", str(LIMIT_MB), "--jobs", str(options.jobs)]
        server = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(own)},
        )
        try:
            address = re.search(r"http://\S+", server.stderr.readline())[0]
            rows = load(address, uploads, server.pid, options)
            (left,) = own.glob("skdeepfake-tmp-*")
            print("files left:", len(list(left.iterdir())))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
        print("files left at the end:", len(list(own.glob("skdeepfake-*"))))
    print_table(rows)
    if options.json:
        write(rows, options.json, clients=options.clients)


def load(
    address: str, uploads: list[Any], pid: int, options: argparse.Namespace
) -> list[dict[str, Any]]:
    chosen = [uploads[k % len(uploads)] for k in range(options.requests)]
    random.Random(0).shuffle(chosen)

    def send(upload: tuple[str, bytes, int]) -> tuple[float, bool]:
        name, content, status = upload
        began = time.perf_counter()
        url, params = f"{address}/api/analyses", {"wait": True, "name": name}
        try:
            answer = httpx.post(
                url, params=params, content=content, timeout=300, trust_env=False
            )
            right = answer.status_code == status
        except httpx.TransportError:  # the server closed the connection early
            right = status == 413
        return time.perf_counter() - began, right

    rows = []
    quarter = -(-options.requests // 4)
    with ThreadPoolExecutor(options.clients) as pool:
        list(pool.map(send, uploads))  # warm up
        for begin in range(0, options.requests, quarter):
            began = time.perf_counter()
            answers = list(pool.map(send, chosen[begin : begin + quarter]))
            seconds, right = zip(*answers, strict=True)
            family = processes(pid)
            rows.append(
                {
                    "requests": begin + len(answers),
                    "wrong answers": len(answers) - sum(right),
                    "requests/s": len(answers) / (time.perf_counter() - began),
                    "median s": statistics.median(seconds),
                    "server MB": megabytes(pid),
                    "all MB": sum(map(megabytes, family)),
                    "children": len(family) - 1,
                    "open files": len(os.listdir(f"/proc/{pid}/fd")),
                }
            )
    return rows


if __name__ == "__main__":
    main()
