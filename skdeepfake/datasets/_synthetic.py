"""Render a small dataset of real and manipulated videos."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from numbers import Integral, Real
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_scalar

from .._atomic import atomic_path
from .._ffmpeg_executable import ffmpeg_executable
from .._progress import progress
from .._validation import check_choice
from ..exceptions import DatasetError
from ._manipulations import MANIPULATIONS
from ._recording import Recording, load_portrait
from ._records import with_loader_docs

__all__ = ["make_videos"]

# Use one thread, since the output of x264 depends on the number of threads.
_ENCODER = ("-preset", "fast", "-crf", "23", "-threads", "1", "-f", "mp4")
# The names of a fake and its real video start with the same three digits.
_MAX_REAL = 1000
_MIN_SIDE = 96


@with_loader_docs
def make_videos(
    root: str | os.PathLike[str],
    *,
    n_real: int = 12,
    n_fake: int = 12,
    duration: float = 2.0,
    fps: float = 15,
    size: tuple[int, int] = (240, 320),
    manipulation: str | Sequence[str] = "swap",
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> Bunch:
    r"""Render short real and manipulated videos of a moving face into a folder.

    The face is from `skimage.data.astronaut`, NASA's public-domain portrait of Eileen
    Collins. The videos are for demos and tests. A detector trained on them does not
    generalize to other videos. The videos are rendered as follows:

    1. Each real video has a random background, light, noise, movements and expressions.
    2. Each fake is a copy of a real video with a manipulation.
    3. All videos are encoded in the same format: H.264, yuv420p, CRF 23, no sound.

    Real videos have names such as ``root/real/007.mp4``. The fake of this video is
    ``root/fake/007_fake.mp4``. If a real video has several fakes, they are named
    ``007_0.mp4``, ``007_1.mp4`` and so on. If `manipulation` is a sequence, the names
    of fakes contain the manipulation, as in ``007_flicker.mp4``.

    Parameters
    ----------
    root : str or os.PathLike
        Output folder. Its subfolders ``real`` and ``fake`` must be empty or missing.
    n_real : int, default=12
        Number of real videos, from 1 to 1000.
    n_fake : int, default=12
        Number of fakes, at least 1. They are distributed evenly over the real videos.
    duration : float, default=2.0
        Duration of each video in seconds.
    fps : float, default=15
        Frames per second.
    size : tuple of (int, int), default=(240, 320)
        Height and width of the frames in pixels. Both must be even and at least 96. The
        face is about half as wide as the shorter side of the frame. dlib detects the
        face only if this side has at least about 200 pixels.
    manipulation : str or sequence of str, default="swap"
        Manipulation of the fakes. The manipulations of a sequence are used in turn.

        - ``"swap"``: blend a deformed and recolored copy of the face into each frame.
        - ``"self_blended"``: blend a changed copy of the face into the unchanged face,
          using the defaults of :class:`~skdeepfake.synthesis.SelfBlender` and the same
          random parameters for all frames of a fake.
        - ``"flicker"``: change the brightness and color of the face in each frame.
        - ``"frozen_eyes"``: keep the eyes from blinking and moving. If `manipulation`
          includes this value, the faces in all real videos and in all other fakes
          blink. Otherwise, no face blinks.
        - ``"lip_sync"``: delay the movement of the mouth by 0.2 to 0.4 seconds.
        - ``"splice"``: replace a third of the frames with other frames of the video.
    random_state : int, RandomState instance or None, default=None
        Controls the randomness of the rendering. Pass an int for reproducible videos
        across calls.
    verbose : int, default=0
        If 1 or more, show a progress bar on the standard error stream.

    Returns
    -------
    {{bunch_of_folders}}
        groups : ndarray of int, shape (n_videos,)
            Group of each video, as in ``load_videos(root, group=r"\d{3}")``. A fake is
            in the group of its real video.
        manipulations : ndarray of str, shape (n_videos,)
            Manipulation of each video, ``"none"`` for real videos.

    Raises
    ------
    DatasetError
        If `root`, ``root/real`` or ``root/fake`` is a file, or if one of these
        subfolders is not empty.
    ImportError
        If scikit-image is not installed.
    OSError
        If a video cannot be encoded or written. All videos written by this call are
        removed.
    FFmpegError
        If ffmpeg cannot be used.
    TypeError, ValueError
        If a parameter has the wrong type or value.

    See Also
    --------
    load_videos : List the videos of a folder.

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
            raise ValueError(f"{name} must be finite; got {value}.")
    kinds = [manipulation] if isinstance(manipulation, str) else list(manipulation)
    for kind in kinds or [""]:
        check_choice(kind, list(MANIPULATIONS), "manipulation")
    size = _check_size(size)
    portrait = load_portrait()
    ffmpeg_executable("libx264")  # raises an error before anything is written
    folders = _make_folders(Path(root))

    rng = check_random_state(random_state)
    seeds = rng.randint(np.iinfo(np.int32).max, size=n_real)
    # Each real video is used once before any is used twice.
    sources = np.resize(rng.permutation(n_real), n_fake)
    fake_seeds = rng.randint(np.iinfo(np.int32).max, size=n_fake)
    n_frames = max(1, round(duration * fps))

    fakes = []
    for j, (group, seed) in enumerate(zip(sources, fake_seeds, strict=True)):
        # Each real video gets each manipulation once before any is repeated.
        kind = kinds[(j % n_real + j // n_real) % len(kinds)]
        fakes.append((int(group), kind, int(seed)))
    jobs = [
        (folders["real"] / f"{group:03d}.mp4", group, "none", 0)
        for group in range(n_real)
    ]
    names = _fake_names(fakes, isinstance(manipulation, str))
    jobs += sorted(
        (folders["fake"] / name, *fake) for name, fake in zip(names, fakes, strict=True)
    )

    written: list[Path] = []
    try:
        for path, group, kind, fake_seed in progress(
            jobs, desc="rendering", unit="clip", verbose=verbose
        ):
            recording = Recording(
                int(seeds[group]), portrait, n_frames, fps, size, "frozen_eyes" in kinds
            )
            make = MANIPULATIONS.get(kind)
            fake = None if make is None else make(fake_seed, recording)
            _write_clip(path, recording.render(fake), n_frames, fps, size)
            written.append(path)
    except BaseException:
        # A partial dataset could be mistaken for a complete one.
        for path in written:
            path.unlink()
        raise

    return Bunch(
        data=np.array([str(path) for path, *_ in jobs]),
        target=np.repeat([0, 1], [n_real, n_fake]),
        target_names=["real", "fake"],
        groups=np.array([group for _, group, *_ in jobs]),
        manipulations=np.array([kind for *_, kind, _ in jobs]),
    )


def _fake_names(fakes: list[tuple[int, str, int]], one_kind: bool) -> list[str]:
    """Return the file names of fakes, which start with the number of the real video."""
    names = []
    seen: Counter[tuple[int, str]] = Counter()
    n_uses = Counter((group, kind) for group, kind, _ in fakes)
    for group, kind, _ in fakes:
        number = seen[group, kind]
        seen[group, kind] += 1
        parts = [] if one_kind else [kind]
        parts += [str(number)] if n_uses[group, kind] > 1 else []
        names.append(f"{group:03d}_{'_'.join(parts) or 'fake'}.mp4")
    return names


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Validate `size` and return it as two ints."""
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"size must be a tuple of height and width; got {size!r}.")
    for side, name in zip(size, ("height", "width"), strict=True):
        check_scalar(side, f"size: the {name}", Integral, min_val=_MIN_SIDE)
        if side % 2:
            raise ValueError(
                "size must have an even height and width, as required by yuv420p; got "
                f"a {name} of {side}. Use {side - 1} or {side + 1}."
            )
    return int(size[0]), int(size[1])


def _make_folders(root: Path) -> dict[str, Path]:
    """Create ``root/real`` and ``root/fake``; raise an error if they are not empty."""
    folders = {name: root / name for name in ("real", "fake")}
    for folder in (root, *folders.values()):
        if folder.exists() and not folder.is_dir():
            raise DatasetError(
                f"{str(folder)!r} is a file; expected a folder. Use a different root."
            )
    for folder in folders.values():
        if folder.exists() and any(folder.iterdir()):
            raise DatasetError(
                f"{str(folder)!r} already contains files, which are not overwritten. "
                "Use a different root or remove the files first."
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
    """Encode `frames`, and create `path` once the video is complete."""
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
        # The writer does not report ffmpeg failures at the end, such as a full disk.
        n_written = 0
        if os.path.getsize(part):
            n_written, _ = imageio_ffmpeg.count_frames_and_secs(part)
        if n_written != n_frames:
            raise OSError(
                f"ffmpeg wrote {n_written} of {n_frames} frames of {str(path)!r}. "
                "Check the free space on the disk."
            )
