"""A small set of real and manipulated clips, rendered on the spot."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from contextlib import closing
from numbers import Integral, Real
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_scalar
from tqdm.auto import tqdm

from .._atomic import atomic_path
from .._validation import check_choice
from ..exceptions import DatasetError
from ._recording import Recording, SelfBlend, Swap, load_portrait
from ._records import with_loader_docs

__all__ = ["make_videos"]

# One thread, since x264 depends on their number: the same frames on every machine.
_ENCODER = ("-preset", "fast", "-crf", "23", "-threads", "1", "-f", "mp4")
# Names start with three digits, by which a fake is paired with its real clip.
_MAX_REAL = 1000
_MIN_SIDE = 96
_MANIPULATIONS = ("swap", "self_blended")


@with_loader_docs
def make_videos(
    root: str | os.PathLike[str],
    *,
    n_real: int = 12,
    n_fake: int = 12,
    duration: float = 2.0,
    fps: float = 15,
    size: tuple[int, int] = (240, 320),
    manipulation: str = "swap",
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> Bunch:
    r"""Render short clips of a moving face, real and manipulated, into a folder.

    The face is NASA's public-domain portrait of Eileen Collins in scikit-image. The
    clips are for demos and tests; a detector trained on them is useless elsewhere.

    1. Each real clip draws its own background, light, noise, movements and expressions.
    2. Each fake repeats one real clip, with a deformed, recolored and softened copy of
       the face blended into each frame, or the face blended into itself.
    3. All are encoded alike: H.264, yuv420p, CRF 23, no sound.

    The clips are written to ``root/real/007.mp4`` and ``root/fake/007_fake.mp4``
    (``007_0.mp4``, ``007_1.mp4`` and so on if one real clip has several fakes).

    Parameters
    ----------
    root : str or os.PathLike
        Folder to write to. Its ``real`` and ``fake`` must be empty or missing.
    n_real : int, default=12
        Number of real clips, from 1 to 1000.
    n_fake : int, default=12
        Number of fakes, at least 1, each of another real clip as far as possible.
    duration : float, default=2.0
        Length of a clip in seconds.
    fps : float, default=15
        Frames per second.
    size : tuple of (int, int), default=(240, 320)
        Height and width of the frames in pixels; even, and at least 96. The face is
        about half as wide as the shorter side. dlib needs about 200 pixels.
    manipulation : {"swap", "self_blended"}, default="swap"
        The manipulation described above, or the defaults of
        :class:`~skdeepfake.synthesis.SelfBlender`, drawn once per fake.
    random_state : int, RandomState instance or None, default=None
        Controls the clips. Pass an int for the same clips at every call.
    verbose : int, default=0
        1 or more shows a progress bar on the standard error stream.

    Returns
    -------
    {{bunch_of_folders}}
        groups : ndarray of int, shape (n_videos,)
            Number of the real clip, as ``load_videos(root, group=r"\d{3}")`` has it.

    Raises
    ------
    DatasetError
        If `root`, ``root/real`` or ``root/fake`` is a file or already in use.
    ImportError
        If scikit-image is not installed.
    OSError
        If a clip cannot be encoded or written. All clips of the call are removed.
    TypeError, ValueError
        If a parameter has the wrong type or value.

    See Also
    --------
    load_videos : Loads the folder again.

    Examples
    --------
    >>> import tempfile
    >>> from skdeepfake.datasets import make_videos
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     videos = make_videos(
    ...         folder, n_real=2, n_fake=1, duration=0.2, random_state=0
    ...     )
    >>> videos.target.tolist()
    [0, 0, 1]
    >>> videos.target_names
    ['real', 'fake']
    """
    check_scalar(n_real, "n_real", Integral, min_val=1, max_val=_MAX_REAL)
    check_scalar(n_fake, "n_fake", Integral, min_val=1)
    for name, value in (("duration", duration), ("fps", fps)):
        check_scalar(value, name, Real, min_val=0, include_boundaries="neither")
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value}.")
    check_choice(manipulation, _MANIPULATIONS, "manipulation")
    size = _check_size(size)
    portrait = load_portrait()
    folders = _make_folders(Path(root))

    rng = check_random_state(random_state)
    seeds = rng.randint(np.iinfo(np.int32).max, size=n_real)
    # Every real clip is used once before any is used twice.
    sources = np.resize(rng.permutation(n_real), n_fake)
    fake_seeds = rng.randint(np.iinfo(np.int32).max, size=n_fake)
    n_frames = max(1, round(duration * fps))

    jobs: list[tuple[Path, int, int | None]] = [
        (folders["real"] / f"{group:03d}.mp4", group, None) for group in range(n_real)
    ]
    used = np.zeros(n_real, dtype=int)
    n_uses = np.bincount(sources, minlength=n_real)
    for group, seed in zip(sources, fake_seeds, strict=True):
        suffix = "fake" if n_uses[group] == 1 else str(used[group])
        used[group] += 1
        path = folders["fake"] / f"{group:03d}_{suffix}.mp4"
        jobs.append((path, int(group), int(seed)))
    jobs[n_real:] = sorted(jobs[n_real:])

    written: list[Path] = []
    try:
        for path, group, fake_seed in tqdm(
            jobs, desc="Rendering", unit="clip", disable=verbose < 1
        ):
            recording = Recording(int(seeds[group]), portrait, n_frames, fps, size)
            fake: Swap | SelfBlend | None = None
            if fake_seed is not None:
                swaps = manipulation == "swap"
                fake = Swap(fake_seed, recording) if swaps else SelfBlend(fake_seed)
            _write_clip(path, recording.render(fake), n_frames, fps, size)
            written.append(path)
    except BaseException:
        # A part of a set would pass for the whole one, and stop the next call.
        for path in written:
            path.unlink()
        raise

    return Bunch(
        data=np.array([str(path) for path, _, _ in jobs]),
        target=np.repeat([0, 1], [n_real, n_fake]),
        target_names=["real", "fake"],
        groups=np.array([group for _, group, _ in jobs]),
    )


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return `size` as two ints, or say what is wrong with it."""
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"size must be a tuple of height and width, got {size!r}.")
    for side, name in zip(size, ("height", "width"), strict=True):
        check_scalar(side, f"size: the {name}", Integral, min_val=_MIN_SIDE)
        if side % 2:
            raise ValueError(
                f"size must be even in both directions, as yuv420p wants it, got "
                f"a {name} of {side}: use {side - 1} or {side + 1}."
            )
    return int(size[0]), int(size[1])


def _make_folders(root: Path) -> dict[str, Path]:
    """Make ``root/real`` and ``root/fake``, unless there is something in them."""
    folders = {name: root / name for name in ("real", "fake")}
    for folder in (root, *folders.values()):
        if folder.exists() and not folder.is_dir():
            raise DatasetError(
                f"{str(folder)!r} is a file, and a folder is needed: pass another root."
            )
    for folder in folders.values():
        if folder.exists() and any(folder.iterdir()):
            raise DatasetError(
                f"{str(folder)!r} already holds files, and none is overwritten: "
                "pass another root, or remove them first."
            )
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return folders


def _write_clip(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    n_frames: int,
    fps: float,
    size: tuple[int, int],
) -> None:
    """Encode `frames`; `path` appears only once the clip is whole."""
    with atomic_path(path) as part:
        writer = imageio_ffmpeg.write_frames(
            part,
            size[::-1],
            fps=fps,
            codec="libx264",
            quality=None,
            macro_block_size=2,
            output_params=list(_ENCODER),
        )
        with closing(writer):
            writer.send(None)
            for frame in frames:
                writer.send(frame)
        # The writer does not say when ffmpeg fails at the end (a full disk).
        n_written = 0
        if os.path.getsize(part):
            n_written, _ = imageio_ffmpeg.count_frames_and_secs(part)
        if n_written != n_frames:
            raise OSError(
                f"ffmpeg wrote {n_written} of {n_frames} frames of {str(path)!r}: "
                "is there room on the disk?"
            )
