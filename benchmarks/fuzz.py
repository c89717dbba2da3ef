"""Extract faces from damaged videos, and count the outcomes.

Clips of one second in each container and many codecs are randomly damaged: bytes are
flipped in headers or anywhere, files are truncated, boxes and packets are swapped,
duplicated, removed or moved, sizes and counts are changed, parts are replaced by parts
of another clip, bytes are inserted or zeroed, and files are joined. The damage depends
only on the seed and the number of the mutant. Each mutant is processed from its path to
resized faces, as in an application, in a process that another process monitors.

Two outcomes are expected:

- `fine`: a result, with or without a face.
- `error`: a VideoReadError. The decoder process may have crashed or exceeded its
  timeout.

All other outcomes are failures:

- `crash`, `hang`: a crash or a hang of the calling process.
- `memory`: more than 4 GB.
- `leak`: file descriptors, processes, threads, files, or more than 64 MB that remain
  after 250 mutants.
- `exception`, `warning`: an exception or a warning of another class.
- `nonsense`: a result of another shape, or frame times that do not increase.

Linux only.

The same clips result in the same mutants. FFmpeg encodes clips reproducibly on one
machine. For other machines, `--work FOLDER` keeps the clips, and the JSON file contains
their checksums.

Example: ``python benchmarks/fuzz.py --mutants 5000 --json fuzz.json``
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import faulthandler
import gc
import hashlib
import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import imageio_ffmpeg
import numpy as np
from _clips import DATA, listed
from _report import environment, print_table, write

PROC = Path("/proc")
TIMEOUT = 20.0  # per video
HANG = 90.0  # seconds; face detection in a large frame exceeds the timeout
MEMORY = 4e9  # bytes of this process
BATCH = 250  # mutants per process
GROWTH = 64e6  # bytes per batch that may be due to the allocator

CLEAN = ("fine", "error")
WRONG = ("crash", "hang", "memory", "leak", "exception", "warning", "nonsense")


# -- the clips ---------------------------------------------------------------

X264 = ("-c:v", "libx264", "-bf", "3", "-g", "12", "-pix_fmt", "yuv420p")
X265 = ("-c:v", "libx265", "-x265-params", "log-level=none:pools=none:frame-threads=1")
AV1 = ("-c:v", "libsvtav1", "-svtav1-params", "lp=1", "-preset", "10")
AOM = ("-c:v", "libaom-av1", "-cpu-used", "8", "-row-mt", "0")
VP9 = ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-row-mt", "0")
FIELDS = ("-flags", "+ilme+ildct+bitexact")
TEN_BITS = ("-pix_fmt", "yuv420p10le")
FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
M2TS = ("-f", "mpegts", "-mpegts_m2ts_mode", "1")

# Keys are containers. Clips show a talking head ("head"), a rendered head ("face") or
# a test picture ("test").
RECIPES: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "mp4": [
        ("head", X264),
        ("head", (*X264, "-movflags", "+faststart")),
        ("head", X265),
        ("face", AV1),
        ("face", (*X265, *TEN_BITS)),
        ("face", ("-c:v", "mpeg4")),
        ("face", VP9),
        ("test", (*X264, "-vf", "tinterlace=4", *FIELDS)),
        ("test", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")),
    ],
    "mov": [
        ("head", X264),
        ("face", ("-c:v", "prores_ks")),
        ("face", ("-c:v", "png")),
        ("face", ("-c:v", "mjpeg", "-pix_fmt", "yuvj422p")),
        ("test", ("-c:v", "rawvideo", "-pix_fmt", "uyvy422")),
        ("test", ("-c:v", "qtrle")),
    ],
    "fragmented": [
        ("head", (*X264, *FRAGMENTS)),
        ("face", (*X265, *FRAGMENTS)),
        ("face", (*AV1, *FRAGMENTS)),
    ],
    "mkv": [
        ("head", X264),
        ("face", (*X265, *TEN_BITS)),
        ("face", ("-c:v", "ffv1")),
        ("face", ("-c:v", "mpeg2video", *FIELDS)),
        ("test", ("-c:v", "rawvideo", "-pix_fmt", "yuv420p")),
        ("test", ("-c:v", "mpeg4")),
    ],
    "webm": [
        ("head", ("-c:v", "libvpx", "-cpu-used", "8")),
        ("head", VP9),
        ("face", AOM),
        ("face", (*VP9, *TEN_BITS)),
    ],
    "avi": [
        ("head", ("-c:v", "mpeg4", "-bf", "2")),
        ("face", ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")),
        ("face", ("-c:v", "rawvideo", "-pix_fmt", "bgr24")),
        ("face", (*X264, "-bf", "0")),
        ("test", ("-c:v", "huffyuv")),
        ("test", ("-c:v", "msmpeg4v2")),
    ],
    "ts": [
        ("head", X264),
        ("face", X265),
        ("face", ("-c:v", "mpeg2video", "-bf", "2", *FIELDS)),
        ("test", (*X264, "-vf", "tinterlace=4", *FIELDS)),
        ("test", ("-c:v", "mpeg4")),
    ],
    "m2ts": [
        ("head", (*X264, *M2TS)),
        ("face", ("-c:v", "mpeg2video", *FIELDS, *M2TS)),
    ],
    "gif": [("head", ()), ("test", ())],
    "apng": [("face", ()), ("test", ("-pix_fmt", "rgba"))],
}


class Clip(NamedTuple):
    """An intact clip."""

    container: str
    path: str


def make_clips(work: Path) -> list[Clip]:
    """Create the clips that do not exist yet."""
    clips, inputs = [], None
    for container, recipes in RECIPES.items():
        suffix = "mp4" if container == "fragmented" else container
        for i, (name, encoding) in enumerate(recipes):
            path = work / f"{container}-{i}.{suffix}"
            if not path.exists():
                inputs = inputs or _inputs(work)
                _ffmpeg(path, "-i", inputs[name], *encoding)
            clips.append(Clip(container, str(path)))
    return clips


def _inputs(work: Path) -> dict[str, str]:
    from skdeepfake.datasets import make_videos  # needs scikit-image

    found = listed(DATA / "videos" / "real")
    if not found:
        print(
            f"No clips in {DATA}. Using a rendered clip.",
            file=sys.stderr,
        )
    paths = {name: work / f"{name}.mkv" for name in ("head", "face", "test")}
    lossless = ("-c:v", "ffv1", "-pix_fmt", "yuv420p")
    small = ("-t", "1", "-vf", "scale=-2:360")
    test = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=1")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        pair = {"n_real": 1, "n_fake": 1, "random_state": 0}
        video = {"duration": 1, "size": (120, 160), "fps": 12}
        face = make_videos(folder, **pair, **video).data[0]
        _ffmpeg(paths["face"], "-i", face, *lossless)
        _ffmpeg(paths["head"], "-i", found[0] if found else face, *small, *lossless)
    _ffmpeg(paths["test"], *test, *lossless)
    return {name: str(path) for name, path in paths.items()}


def _ffmpeg(path: Path, *arguments: str) -> None:
    part = path.with_name(f"part-{path.name}")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    # For reproducibility, avoid random values, dates and several threads.
    same = ("-threads", "1", "-fflags", "+bitexact", "-an")
    same += () if "-flags" in arguments else ("-flags", "+bitexact")
    subprocess.run(
        [*command, *arguments, *same, str(part)],
        check=True,
        env={**os.environ, "SVT_LOG": "1"},  # it ignores -v
    )
    part.rename(path)


# -- the parts of a file -----------------------------------------------------


class Part(NamedTuple):
    """A part of a file: a box, an element, a chunk or a packet."""

    kind: bytes
    start: int
    body: int
    end: int
    parent: Part | None
    size_at: int  # position and number of bytes of its size; 0 for none
    size_bytes: int


_ISO_PARENTS = {
    *(b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf"),
    *(b"mvex", b"moof", b"traf", b"mfra", b"stsd", b"meta"),
    *(b"avc1", b"hev1", b"av01", b"mp4v", b"vp09", b"jpeg", b"apcn", b"png "),
}
_ISO_SKIPPED = {b"stsd": 8, b"meta": 4}
_EBML_PARENTS = {
    *(b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x15\x49\xa9\x66"),
    *(b"\x16\x54\xae\x6b", b"\xae", b"\xe0", b"\x55\xb0", b"\x1f\x43\xb6\x75"),
    *(b"\xa0", b"\x1c\x53\xbb\x6b", b"\xbb", b"\xb7", b"\x11\x4d\x9b\x74"),
    *(b"\x4d\xbb", b"\x12\x54\xc3\x67", b"\x73\x73", b"\x67\xc8"),
}
_MEDIA = {b"mdat", b"\xa3", b"\xa1", b"00dc", b"00db", b"IDAT", b"fdAT"}


def parts_of(data: bytes, container: str) -> list[Part]:
    """Split a file into its parts, as far as it can be parsed."""
    if container in ("ts", "m2ts"):
        return _slices(data, 188 if container == "ts" else 192)
    if container == "gif":
        return _slices(data, 64)
    start, read = {
        "mkv": (0, _ebml_element),
        "webm": (0, _ebml_element),
        "avi": (0, _riff_chunk),
        "apng": (8, _png_chunk),
    }.get(container, (0, _iso_box))
    parts: list[Part] = []

    def descend(at: int, end: int, parent: Part | None, depth: int) -> None:
        while at + 8 <= end and len(parts) < 10_000:
            part, inner = read(data, at, end, parent)
            if part is None:
                return
            parts.append(part)
            if inner is not None and depth < 12:
                descend(inner, part.end, part, depth + 1)
            at = part.end + (container == "avi" and part.end % 2)

    descend(start, len(data), None, 0)
    return parts or _slices(data, 64)


def _slices(data: bytes, size: int) -> list[Part]:
    return [
        Part(b"", at, at, min(at + size, len(data)), None, 0, 0)
        for at in range(0, len(data), size)
    ]


Read = tuple[Part | None, int | None]  # and the start of its parts


def _iso_box(data: bytes, at: int, end: int, parent: Part | None) -> Read:
    size, kind, header = _number(data, at, 4), bytes(data[at + 4 : at + 8]), 8
    if size == 1:
        size, header = _number(data, at + 8, 8), 16
    if size < header or at + size > end:
        return None, None
    part = Part(kind, at, at + header, at + size, parent, at, 4)
    if kind not in _ISO_PARENTS:
        return part, None
    # The entries of stsd have fields before their boxes.
    own = 78 if parent and parent.kind == b"stsd" else _ISO_SKIPPED.get(kind, 0)
    return part, part.body + own


def _ebml_element(data: bytes, at: int, end: int, parent: Part | None) -> Read:
    n_kind, n_size = _vint(data, at), 0
    if n_kind <= 4:
        n_size = _vint(data, at + n_kind)
    if not 0 < n_size <= 8:
        return None, None
    body = at + n_kind + n_size
    size = _number(data, at + n_kind, n_size) ^ (1 << 7 * n_size)
    unknown = size == (1 << 7 * n_size) - 1
    if not unknown and body + size > end:
        return None, None
    kind = bytes(data[at : at + n_kind])
    last = end if unknown else body + size
    part = Part(kind, at, body, last, parent, at + n_kind, n_size)
    return part, body if kind in _EBML_PARENTS else None


def _vint(data: bytes, at: int) -> int:
    return 9 - data[at].bit_length() if at < len(data) else 9


def _riff_chunk(data: bytes, at: int, end: int, parent: Part | None) -> Read:
    size = int.from_bytes(data[at + 4 : at + 8], "little")
    kind = bytes(data[at : at + 4])
    if at + 8 + size > end:
        return None, None
    part = Part(kind, at, at + 8, at + 8 + size, parent, at + 4, 4)
    return part, at + 12 if kind in (b"RIFF", b"LIST") else None


def _png_chunk(data: bytes, at: int, end: int, parent: Part | None) -> Read:
    size, kind = _number(data, at, 4), bytes(data[at + 4 : at + 8])
    if at + 12 + size > end:
        return None, None
    return Part(kind, at, at + 8, at + 12 + size, parent, at, 4), None


def _number(data: bytes, at: int, n_bytes: int) -> int:
    return int.from_bytes(data[at : at + n_bytes], "big")


_RELATED = [
    ("mp4", "mov", "fragmented"),
    ("mkv", "webm"),
    *[(container,) for container in ("avi", "ts", "m2ts", "gif", "apng")],
]


# -- damage ------------------------------------------------------------------

Random = np.random.Generator


def mutant(clips: list[Clip], seed: int, number: int) -> tuple[Clip, str, bytes]:
    """Return the clip, the description of the damage, and the damaged file."""
    rng = np.random.default_rng([seed, number])
    container = list(RECIPES)[number % len(RECIPES)]
    clip = _one(rng, [clip for clip in clips if clip.container == container])
    data = bytearray(Path(clip.path).read_bytes())
    names = []
    for _ in range(_one(rng, (1, 1, 1, 2))):
        name = _one(rng, list(DAMAGE))
        names.append(name)
        DAMAGE[name](rng, data, container, clips)
    return clip, "+".join(names), bytes(data)


def _one(rng: Random, things: Any) -> Any:
    return things[rng.integers(len(things))]


def _few(rng: Random, most: int) -> int:
    """Draw a number from 1 to a maximum, uniformly on a logarithmic scale."""
    return max(1, round(float(np.exp(rng.uniform(0, np.log(max(most, 1)))))))


def _one_part(rng: Random, parts: list[Part]) -> Part:
    # Draw the kind first, since almost all parts are packets.
    kind = _one(rng, sorted({part.kind for part in parts}))
    return _one(rng, [part for part in parts if part.kind == kind])


def _flip(rng: Random, data: bytearray, at: int) -> None:
    if at < len(data):
        data[at] ^= _one(rng, (1 << int(rng.integers(8)), int(rng.integers(1, 256))))


def flip_headers(rng: Random, data: bytearray, container: str, _: Any) -> None:
    parts = parts_of(data, container)
    for _ in range(_few(rng, 16)):
        if parts and parts[0].size_bytes:
            part = _one_part(rng, parts)
            end = min(part.body + 8, part.end) if part.kind in _MEDIA else part.end
            _flip(rng, data, int(rng.integers(part.start, end)))
        else:
            _flip(rng, data, int(rng.integers(1024)))


def flip_anywhere(rng: Random, data: bytearray, *_: Any) -> None:
    for _ in range(_few(rng, 500)):
        _flip(rng, data, int(rng.integers(max(1, len(data)))))


def cut_off(rng: Random, data: bytearray, *_: Any) -> None:
    del data[_one(rng, (_few(rng, len(data)), int(rng.integers(len(data) + 1)))) :]


def _make_room(data: bytearray, part: Part | None, n_bytes: int) -> None:
    """Change the sizes of a part and of the parts around it."""
    while part is not None:
        if part.size_bytes:
            place = slice(part.size_at, part.size_at + part.size_bytes)
            # In RIFF, the size follows the name and is little-endian.
            riff = part.size_at - part.start == 4 and part.size_bytes == 4
            order: Any = "little" if riff and data[:4] == b"RIFF" else "big"
            size = int.from_bytes(data[place], order) + n_bytes
            data[place] = (size % (1 << 8 * part.size_bytes)).to_bytes(
                part.size_bytes, order
            )
        part = part.parent


def splice_parts(rng: Random, data: bytearray, container: str, _: Any) -> None:
    repair = rng.random() < 0.7
    for _ in range(_few(rng, 4)):
        parts = parts_of(data, container)
        if not parts:
            return
        part = _one_part(rng, parts)
        siblings = [other for other in parts if other.parent == part.parent]
        what = _one(rng, ("swap", "double", "lose", "move"))
        piece = bytes(data[part.start : part.end])
        if what == "swap":
            first, second = sorted((part, _one(rng, siblings)), key=lambda p: p.start)
            if first.end <= second.start:
                first_piece = bytes(data[first.start : first.end])
                second_piece = bytes(data[second.start : second.end])
                data[second.start : second.end] = first_piece
                data[first.start : first.end] = second_piece
            continue
        if what in ("lose", "move"):
            if repair:
                _make_room(data, part.parent, -len(piece))
            del data[part.start : part.end]
            siblings = parts_of(data, container)
        if what in ("double", "move") and siblings:
            after = _one(rng, siblings)
            if repair:
                _make_room(data, after.parent, len(piece))
            data[after.end : after.end] = piece


def wrong_sizes(rng: Random, data: bytearray, container: str, _: Any) -> None:
    for _ in range(_few(rng, 4)):
        parts = parts_of(data, container)
        if not parts:
            return
        part = _one_part(rng, parts)
        at, n_bytes = part.size_at, part.size_bytes
        vint = container in ("mkv", "webm")
        if not part.size_bytes or rng.random() < 0.7:
            vint, n_bytes = False, part.end - part.body
            at = part.body
            if n_bytes > 8:  # one of several fields
                n_bytes = _one(rng, (2, 4, 4, 4, 8))
                n_fields = min(part.end - part.body, 256) // 2
                at += 2 * int(rng.integers(max(1, n_fields)))
        wrong = _one(
            rng, (0, 1, 2, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, None)
        )
        order = _one(rng, ("little", "big"))
        if wrong is None and rng.random() < 0.5:
            wrong = int(rng.integers(2 ** (8 * min(n_bytes, 7)) or 1))
        elif wrong is None:  # nearly right
            right = int.from_bytes(data[at : at + n_bytes], order)
            wrong = max(0, _one(rng, (right - 1, right + 1, right // 2, right * 2)))
        number = wrong % (1 << 8 * n_bytes)
        if vint:  # with the same number of bytes
            number, order = number % (1 << 7 * n_bytes) | 1 << 7 * n_bytes, "big"
        n_bytes = min(n_bytes, len(data) - at)
        if n_bytes > 0:
            data[at : at + n_bytes] = number.to_bytes(8, order)[
                slice(8 - n_bytes, 8) if order == "big" else slice(n_bytes)
            ]


def transplant(rng: Random, data: bytearray, container: str, clips: list[Clip]) -> None:
    """Replace parts with parts of a clip with another codec or size."""
    related = next(group for group in _RELATED if container in group)
    other = _one(rng, [clip for clip in clips if clip.container in related])
    stranger = Path(other.path).read_bytes()
    theirs = parts_of(stranger, other.container)
    for _ in range(_few(rng, 8)):
        kinds = {part.kind for part in theirs}
        ours = [part for part in parts_of(data, container) if part.kind in kinds]
        if not ours:
            return
        part = _one_part(rng, ours)
        new = _one(rng, [other for other in theirs if other.kind == part.kind])
        piece = stranger[new.start : new.end]
        _make_room(data, part.parent, len(piece) - (part.end - part.start))
        data[part.start : part.end] = piece


def insert_bytes(rng: Random, data: bytearray, *_: Any) -> None:
    at = _one(rng, (_few(rng, len(data)), int(rng.integers(len(data) + 1))))
    data[at:at] = rng.bytes(_few(rng, 4096))


def zero_range(rng: Random, data: bytearray, *_: Any) -> None:
    at = _one(rng, (_few(rng, len(data)), int(rng.integers(len(data) + 1))))
    end = min(len(data), at + _few(rng, 65536))
    data[at:end] = bytes(max(0, end - at))


def join_two(rng: Random, data: bytearray, container: str, clips: list[Clip]) -> None:
    other = _one(rng, [clip for clip in clips if clip.container != container])
    stranger = Path(other.path).read_bytes()
    at = int(rng.integers(len(data) + 1))
    start = int(rng.integers(len(stranger)))
    if rng.random() < 0.5:  # replace the end of the file
        data[at:] = stranger[start:]
    else:
        data[at:at] = stranger[start : start + _few(rng, 65536)]


DAMAGE: dict[str, Callable[[Random, bytearray, str, list[Clip]], None]] = {
    "flip headers": flip_headers,
    "flip anywhere": flip_anywhere,
    "cut off": cut_off,
    "splice parts": splice_parts,
    "wrong sizes": wrong_sizes,
    "transplant": transplant,
    "insert": insert_bytes,
    "zero": zero_range,
    "join two": join_two,
}


# -- one mutant --------------------------------------------------------------


def to_faces(path: str, n_frames: int) -> dict[str, Any]:
    """Process a video like an application, and return the outcome."""
    from skdeepfake.exceptions import NoFaceWarning, VideoReadError, VideoReadWarning
    from skdeepfake.preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            clips = VideoFrameSampler(n_frames, timeout=TIMEOUT).fit_transform([path])
            crops = DlibFaceCropper().fit_transform(clips)
            faces = Resizer((32, 32)).fit_transform(crops)
    except VideoReadError as error:
        if error.path != path or not error.reason:
            return {"outcome": "nonsense", "detail": repr(error)}
        return {"outcome": "error", "detail": error.reason}
    except Exception:
        return {"outcome": "exception", "detail": traceback.format_exc()}
    expected = NoFaceWarning, VideoReadWarning  # missing, truncated or damaged
    others = [w for w in caught if w.category not in expected]
    if others:
        return {"outcome": "warning", "detail": "\n".join(map(str, others))}
    n_faces = int(faces.any(axis=(2, 3, 4)).sum())
    times = clips[0].timestamps[clips[0].indices >= 0]
    sane = (
        faces.shape == (1, n_frames, 32, 32, 3)
        and (n_faces == 0) == any(w.category is NoFaceWarning for w in caught)
        and len(times) > 0
        and bool(np.isfinite(times).all() and (np.diff(times) > 0).all())
    )
    outcome = "fine" if sane else "nonsense"
    return {"outcome": outcome, "detail": f"frames at {times}", "faces": n_faces}


def write_mutant(
    clips: list[Clip], seed: int, number: int, folder: Path
) -> tuple[dict[str, Any], str]:
    """Write a mutant, and return its description and path."""
    clip, damage, data = mutant(clips, seed, number)
    path = folder / f"mutant-{number}{Path(clip.path).suffix}"
    path.write_bytes(data)
    about = {
        "number": number,
        "container": clip.container,
        "clip": Path(clip.path).name,
        "damage": damage,
    }
    return about, str(path)


def n_frames_of(number: int) -> int:
    """Sample two or three frames."""
    return 2 + number % 3 % 2


# -- the worker process ------------------------------------------------------


def set_up(folder: str, log: str) -> None:
    """Prepare the session, folder and log of a worker process."""
    os.setsid()  # identifies all processes that this process starts
    os.chdir(folder)
    tempfile.tempdir = folder
    os.environ["TMPDIR"] = folder
    stderr = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stderr, 2)
    os.close(stderr)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)


def work_on(
    pipe: Connection, clips: list[Clip], seed: int, folder: str, log: str
) -> None:
    """Run the mutants whose numbers are received, and send their outcomes."""
    set_up(folder, log)
    firsts = {clip.container: clip for clip in clips}
    for clip in firsts.values():
        to_faces(clip.path, 2)
    before = _held()
    pipe.send("ready")
    while (number := pipe.recv()) is not None:
        about, path = write_mutant(clips, seed, number, Path(folder))
        began = time.perf_counter()
        about |= to_faces(path, n_frames_of(number))
        about["seconds"] = time.perf_counter() - began
        os.unlink(path)
        about["bytes"] = memory_of(os.getpid())
        if about["outcome"] in CLEAN and (left := _left_behind(before)):
            about |= {"outcome": "leak", "detail": left}
        pipe.send(about)
    after = _held()
    pipe.send({name: after[name] - before[name] for name in after})


def _held() -> dict[str, int]:
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return {
        "bytes": memory_of(os.getpid()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        # The thread of a canceled timer may take a moment to end.
        "threads": threading.active_count(),
        "files": len(os.listdir(".")),
    }


def _left_behind(before: dict[str, int]) -> str:
    """Wait for threads and processes that are ending, and return the leaks."""
    for _ in range(20):
        now = {
            "descriptors": len(os.listdir("/proc/self/fd")),
            "threads": threading.active_count(),
            "files": len(os.listdir(".")),
        }
        left = [f"{n - before[name]} {name}" for name, n in now.items()
                if n > before[name]]  # fmt: skip
        others = [pid for pid in session(os.getpid()) if pid != os.getpid()]
        if len(others) > 1:  # one decoder waits for the next video
            left.append(f"{len(others)} processes")
        if not left:
            return ""
        time.sleep(0.05)
    return ", ".join(left)


def session(leader: int) -> list[int]:
    """Return the processes of a session, including unwaited children of its leader."""
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                state, parent, _, of = stat.rpartition(")")[2].split()[:4]
                # Dead orphans are the responsibility of the process that adopted them.
                if int(of) == leader and (state != "Z" or int(parent) == leader):
                    found.append(int(entry.name))
    return found


def memory_of(pid: int, field: str = "RssAnon") -> int:
    """Return the anonymous memory of a process, or another counter of the kernel."""
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text("utf-8").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return 0


# -- the monitoring process --------------------------------------------------


def outliving(pid: int) -> list[int]:
    """Return the processes of a session that outlive its leader by a second."""
    for _ in range(20):
        if not (left := session(pid)):
            break
        time.sleep(0.05)
    return left


class Worker:
    """A process that runs mutants one at a time, and is killed after failures."""

    memory, hang, target = MEMORY, HANG, staticmethod(work_on)

    def __init__(self, sources: list[Any], seed: int, work: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=work, prefix="worker-"))
        self._log = self._folder.with_suffix(".log")
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, sources, seed, str(self._folder), str(self._log))
        self._process = context.Process(target=self.target, args=arguments)
        self._process.start()
        theirs.close()
        self.decoder_bytes = 0
        if not self._pipe.poll(120):
            raise SystemExit(f"A worker did not start: {self._last_words()}")
        self._pipe.recv()

    def run(self, number: int) -> dict[str, Any]:
        """Run a mutant, and end the process if the outcome requires it."""
        self._pipe.send(number)
        began = time.monotonic()
        while not self._pipe.poll(0.02):
            seconds = time.monotonic() - began
            if memory_of(self._process.pid or 0) > self.memory:
                return self._end("memory", seconds)
            if seconds > self.hang:
                return self._end("hang", seconds)
            if seconds > 0.1:
                self._look_at_decoders()
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionResetError):
            return self._end("crash", time.monotonic() - began)

    def _look_at_decoders(self) -> None:
        for pid in session(self._process.pid or 0):
            if pid != self._process.pid:
                peak = memory_of(pid, "VmHWM")
                self.decoder_bytes = max(self.decoder_bytes, peak)

    def _end(self, outcome: str, seconds: float) -> dict[str, Any]:
        if outcome == "crash":
            self._process.join(10)
        else:
            # Request a traceback.
            os.kill(self._process.pid or 0, signal.SIGUSR1)
            time.sleep(0.5)
        words = f"exit code {self._process.exitcode}\n{self._last_words()}"
        if orphans := self.close():
            words += f"\n{orphans} orphans"
        return {"outcome": outcome, "seconds": seconds, "detail": words}

    def finish(self) -> dict[str, int]:
        """Return the increase of the resources of the process, and end it."""
        self._look_at_decoders()
        self._pipe.send(None)
        held = self._pipe.recv() if self._pipe.poll(60) else {}
        self._process.join(60)
        # Processes that outlive it are orphans.
        return {**held, "orphans": self.close()}

    def close(self) -> int:
        """End the process, and count its children that outlive it by a second."""
        pid = self._process.pid or 0
        self._process.kill()
        self._process.join()
        self._pipe.close()
        left = outliving(pid)
        for orphan in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        shutil.rmtree(self._folder)
        self._log.unlink(missing_ok=True)
        return len(left)

    def _last_words(self) -> str:
        lines = self._log.read_text("utf-8", errors="replace").splitlines()
        return "\n".join(x for x in lines if not x.startswith("Extension modules"))


class Batch(NamedTuple):
    """Outcomes of mutants, and of the process that ran them."""

    results: list[dict[str, Any]]
    decoder_bytes: int


def run_batch(clips: list[Clip], seed: int, numbers: list[int], work: Path) -> Batch:
    """Run mutants in one process, which is replaced if it ends."""
    results: list[dict[str, Any]] = []
    worker, since, decoder_bytes = None, 0, 0
    for number in numbers:
        if worker is None:
            worker, since = Worker(clips, seed, work), len(results)
        result = worker.run(number)
        decoder_bytes = max(decoder_bytes, worker.decoder_bytes)
        if "number" not in result:
            about, path = write_mutant(clips, seed, number, work)
            os.unlink(path)
            result = about | result
            worker = None
        elif result["outcome"] in WRONG:  # a failure must not affect the next mutant
            worker.close()
            worker = None
        results.append(result)
    if worker is not None:
        held = worker.finish()
        decoder_bytes = max(decoder_bytes, worker.decoder_bytes)
        left = {n: v for n, v in held.items() if v > (GROWTH if n == "bytes" else 0)}
        if left or "bytes" not in held:
            # Attribute the leak to the mutant with the largest increase.
            sizes = [result.get("bytes", 0) for result in results[since:]]
            steps = [0, *(b - a for a, b in itertools.pairwise(sizes))]
            guilty = results[since + int(np.argmax(steps))]
            detail = f"leaked in its batch: {left}; possibly by another mutant"
            guilty |= {"outcome": "leak", "detail": detail}
    return Batch(results, decoder_bytes)


# -- outcomes ----------------------------------------------------------------


def contained(result: dict[str, Any]) -> str | None:
    """Return the failure of the decoder process: a crash or a timeout."""
    if result["outcome"] == "error":
        if "the process that decoded it" in result["detail"]:
            return "decoder crashed"
        if "takes longer than" in result["detail"]:
            return "timeout"
    return None


def summary(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the outcomes by container and in total."""
    rows = []
    for container in (*RECIPES, "all"):
        mine = [r for r in results if container in (r["container"], "all")]
        outcomes = collections.Counter(r["outcome"] for r in mine)
        caught = collections.Counter(map(contained, mine))
        rows.append(
            {
                "container": container,
                "mutants": len(mine),
                "fine": outcomes["fine"],
                "with a face": sum(
                    r["outcome"] == "fine" and r["faces"] > 0 for r in mine
                ),
                "error": outcomes["error"],
                "decoder crashed": caught["decoder crashed"],
                "timeout": caught["timeout"],
                "wrong": sum(outcomes[name] for name in WRONG),
                **{name: outcomes[name] for name in WRONG},
            }
        )
    return rows


def in_a_line(result: dict[str, Any]) -> str:
    """Describe the outcome of a mutant in one line."""
    lines = result["detail"].strip().splitlines()
    what = [result[key] for key in ("number", "clip", "damage", "outcome")]
    return " | ".join(map(str, [*what, lines[-(result["outcome"] == "exception")]]))


@contextlib.contextmanager
def work_folder(given: Path | None) -> Iterator[Path]:
    """Return the folder of the clips. A temporary folder is deleted on exit."""
    if given:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
    else:
        with tempfile.TemporaryDirectory(prefix="skdeepfake-fuzz-") as folder:
            yield Path(folder).resolve()


def check_clips(clips: list[Clip]) -> None:
    """Check that the intact clips can be processed."""
    for clip in clips:
        result = to_faces(clip.path, 3)
        if result["outcome"] != "fine":
            raise SystemExit(f"{clip.path} fails without damage: {result}")


def run_only(clips: list[Clip], options: argparse.Namespace, work: Path) -> None:
    """Run one mutant in this process, and print the outcome."""
    folder = options.keep or work
    folder.mkdir(parents=True, exist_ok=True)
    faulthandler.enable()
    about, path = write_mutant(clips, options.seed, options.only, folder)
    print(about, path, flush=True)
    began = time.perf_counter()
    result = to_faces(path, n_frames_of(options.only))
    print(f"{result['outcome']} after {time.perf_counter() - began:.2f} s")
    print(result["detail"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    parser.add_argument(
        "--only", type=int, metavar="N", help="run one mutant in this process"
    )
    parser.add_argument("--keep", type=Path, help="folder for mutants that fail")
    parser.add_argument(
        "--work", type=Path, help="folder in which to keep clips (default: temporary)"
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    if not PROC.exists():
        raise SystemExit("This benchmark needs Linux.")
    with work_folder(options.work) as work:
        clips = make_clips(work)
        if options.only is not None:
            run_only(clips, options, work)
            return
        print("environment:", environment(), flush=True)
        check_clips(clips)
        numbers = range(options.mutants)
        batches = [
            list(numbers[at : at + BATCH]) for at in range(0, options.mutants, BATCH)
        ]
        began = time.monotonic()
        results: list[dict[str, Any]] = []
        decoder_bytes = 0
        with ThreadPoolExecutor(options.jobs) as pool:
            for batch in pool.map(
                lambda numbers: run_batch(clips, options.seed, numbers, work), batches
            ):
                results += batch.results
                decoder_bytes = max(decoder_bytes, batch.decoder_bytes)
                for result in batch.results:
                    if result["outcome"] in WRONG:
                        print(in_a_line(result), file=sys.stderr)
                minutes = (time.monotonic() - began) / 60
                print(
                    f"{len(results)} mutants, {minutes:.1f} min",
                    file=sys.stderr,
                    flush=True,
                )
        seconds = time.monotonic() - began
        wrong = [result for result in results if result["outcome"] in WRONG]
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            for result in wrong:
                write_mutant(clips, options.seed, result["number"], options.keep)
        checksums = {
            Path(clip.path).name: hashlib.sha256(
                Path(clip.path).read_bytes()
            ).hexdigest()[:16]
            for clip in clips
        }
    rows = summary(results)
    slowest = sorted(results, key=lambda result: -result["seconds"])[:20]
    caught = [r | {"contained": contained(r)} for r in results if contained(r)]
    reasons = collections.Counter(
        "".join("#" if c.isdigit() else c for c in result["detail"])
        for result in results
        if result["outcome"] == "error"
    )
    if options.json:
        write(
            rows,
            options.json,
            seed=options.seed,
            seconds=round(seconds, 1),
            decoder_bytes=decoder_bytes,
            wrong=wrong,
            contained=caught,
            slowest=slowest,
            reasons=dict(reasons.most_common()),
            clips=checksums,
        )
    print_table(rows)
    print(f"{seconds:.0f} s; the decoder used up to {decoder_bytes / 1e6:.0f} MB")
    for result in wrong:
        print(in_a_line(result))


if __name__ == "__main__":
    main()
