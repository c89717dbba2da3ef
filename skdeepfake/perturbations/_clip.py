"""A clip whose frames are distorted as they are decoded."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._atomic import temporary_folder
from .._video._opencv import SAME_FRAME
from .._video._reader import Plan, PromiseBrokenError, VideoReader
from ..exceptions import VideoReadError
from ..preprocessing import Clip, VideoTranscoder
from ._distortions import ALGORITHM_VERSION, COMPRESSION, DISTORTIONS, apply

T = TypeVar("T")


class Perturbation(NamedTuple):
    """What is done to the frames of a clip.

    Attributes
    ----------
    distortion : str
        Code of the distortion.
    level : int
        From 1 to 5.
    mode : {"corrected", "faithful"}
        Whose.
    boxes : {"perturbed", "clean"}
        In which frames faces are searched.
    seed : int
        Where random numbers begin.

    See Also
    --------
    VideoPerturber : Does it to many videos.
    """

    distortion: str
    level: int
    mode: str = "corrected"
    boxes: str = "perturbed"
    seed: int = 0


class PerturbedClip(Clip):
    """A clip whose frames are distorted as they are decoded.

    :class:`VideoPerturber` makes it. It has the path, limits and error handling of the
    clip that it wraps, and shares with it what decoding finds out about the frames.

    Parameters
    ----------
    clip : Clip
        What it wraps; another PerturbedClip for a chain of distortions.
    perturbation : Perturbation
        What is done to the frames.
    cache_dir : str, os.PathLike or None, default=None
        Folder of compressed copies; None for one that is gone when they are read.

    Attributes
    ----------
    source : Clip
        The wrapped clip.

    Raises
    ------
    ValueError
        If a file is to be compressed whose frames are distorted already.
    VideoReadError
        When iterated, as for a Clip, or if a video cannot be compressed.

    Warns
    -----
    UserWarning
        When iterated, if a damaged video is compressed.

    See Also
    --------
    skdeepfake.preprocessing.Clip : What it does besides.

    Examples
    --------
    >>> import tempfile
    >>> from skdeepfake.datasets import make_videos
    >>> from skdeepfake.perturbations import Perturbation, PerturbedClip
    >>> from skdeepfake.preprocessing import Clip
    >>> folder = tempfile.TemporaryDirectory()
    >>> videos = make_videos(folder.name, n_real=1, n_fake=1, random_state=0)
    >>> clip = Clip(videos.data[0], n_frames=4)
    >>> darker = PerturbedClip(clip, Perturbation("CC", 5, mode="faithful"))
    >>> [f"{after.mean() / before.mean():.1f}" for before, after in zip(clip, darker)]
    ['0.3', '0.3', '0.3', '0.3']
    >>> folder.cleanup()
    """

    def __init__(
        self,
        clip: Clip,
        perturbation: Perturbation,
        *,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        # Not the base's: that looks at the file, which `clip` has done.
        if perturbation.distortion == COMPRESSION and isinstance(clip, PerturbedClip):
            raise ValueError(
                f"distortion={COMPRESSION!r} compresses the file, and knows nothing of "
                f"what {clip!r} does to its frames: put it first, right after the "
                "VideoFrameSampler"
            )
        self.source = clip
        self.perturbation = perturbation
        self.cache_dir = cache_dir
        self.path, self.size, self.mtime_ns = clip.path, clip.size, clip.mtime_ns
        self.digest = clip.digest
        self.n_frames, self.duration = clip.n_frames, clip.duration
        self.on_error, self.limits = clip.on_error, clip.limits
        self._own_error: VideoReadError | None = None

    def __repr__(self) -> str:
        inner = repr(self.source)[:-1].removeprefix(f"{type(self).__name__}(")
        inner = inner.removeprefix(f"{Clip.__name__}(")
        did = self.perturbation
        return f"{type(self).__name__}({inner}, {did.distortion}:{did.level})"

    @property
    def identity(self) -> tuple[Any, ...]:
        """What the frames depend on: those of the source, and what is done to them."""
        did = self.perturbation
        # Where nothing is drawn, the seed makes no difference.
        if not DISTORTIONS[did.distortion].is_random:
            did = did._replace(seed=0)
        return (*self.source.identity, *did, ALGORITHM_VERSION)

    def _map_faces(
        self,
        make_function: Callable[[], Callable[..., T]],
        *,
        n_threads: int | None = None,
    ) -> list[T | None]:
        if self.perturbation.boxes != "clean":
            return self.map(make_function, n_threads=n_threads)

        def results(reader: VideoReader, plan: Plan) -> list[T]:
            function = make_function()
            views = self._decoded(reader, plan, n_threads, clean=True)
            return [function(frame, clean) for frame, clean in views]

        return self._in_one_pass(results)

    # -- what it shares with its source --------------------------------------

    # Not the other way round: a video that cannot be compressed can be blurred.

    @property
    def error(self) -> VideoReadError | None:
        """Why the video was given up, with ``on_error="skip"``."""
        return self._own_error or self.source.error

    @error.setter
    def error(self, error: VideoReadError | None) -> None:
        self._own_error = error

    @property
    def _plan(self) -> Plan | None:
        if self._own_error is not None:
            return Plan(np.empty(0, np.intp), np.empty(0), proven=True)
        return self.source.plan

    @_plan.setter
    def _plan(self, plan: Plan | None) -> None:
        if self._own_error is None and plan is not None:
            self.source.plan = plan

    # -- decoding ------------------------------------------------------------

    def _reader(self) -> Any:
        if self.perturbation.distortion == COMPRESSION:
            return _CompressedReader(self)
        return self.source._reader()

    def _decoded(
        self,
        reader: Any,
        plan: Plan,
        n_threads: int | None = None,
        *,
        clean: bool = False,
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        did = self.perturbation
        if did.distortion == COMPRESSION and clean:
            times = plan.timestamps.tolist()
            yield from reader.pairs(plan.indices.tolist(), times, n_threads)
            return
        decoded = self.source._decoded(reader, plan, n_threads, clean=clean)
        if did.distortion == COMPRESSION:
            yield from decoded
            return
        for number, (frame, before) in zip(plan.indices, decoded, strict=True):
            rng = np.random.default_rng(self._entropy(int(number)))
            yield self.perturb_frame(frame, rng), before

    def perturb_frame(
        self, frame: NDArray[np.uint8], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Distort a frame; a subclass may do so in another way.

        Parameters
        ----------
        frame : ndarray of uint8, shape (height, width, 3)
            RGB. It stays as it is.
        rng : numpy.random.Generator
            Depends on the seed, the size of the file, the frame and the chain.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            A new frame.
        """
        did = self.perturbation
        return apply(frame, did.distortion, did.level, did.mode, rng)

    def _entropy(self, number: int) -> list[int]:
        """Give what the random numbers of a frame depend on.

        Not on other videos, the order of work or the path, so that a copy of a video is
        distorted alike. Each step of a chain has its own.
        """
        step, inner = 0, self.source
        while isinstance(inner, PerturbedClip):
            step, inner = step + 1, inner.source
        return [self.perturbation.seed, self.size, number, step]

    def _compress(self, folder: str | os.PathLike[str]) -> str:
        """Make the compressed copy of the video in a folder, unless it is there."""
        did = self.perturbation
        whole = did.mode == "faithful"
        transcoder = VideoTranscoder(
            folder,
            # The frames that are sampled, and no more.
            duration=None if whole else self.duration,
            crf=int(DISTORTIONS[COMPRESSION].parameter(did.level, did.mode)),
            max_pixels=self.limits.max_pixels,
            max_bytes=self.limits.max_bytes,
            timeout=self.limits.timeout,
            n_jobs=1,  # it may be one of several videos at work
        )
        try:
            return str(transcoder.transform([self.path])[0])
        except VideoReadError as error:
            # Its limits are those of the clip.
            advice = error.reason.replace("VideoTranscoder", "VideoFrameSampler")
            raise VideoReadError(
                self.path, f"cannot be compressed: {advice}"
            ) from error


class _CompressedReader:
    """Reads the frames of a video from a compressed copy, made when first needed.

    Which frames there are, the video itself says.
    """

    def __init__(self, clip: PerturbedClip) -> None:
        self._clip = clip
        self._copy: str | None = None
        self._opened = contextlib.ExitStack()
        self._readers: list[VideoReader] = []

    def __enter__(self) -> _CompressedReader:
        self._video = self._open(self._clip.path, self._clip.duration)
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def promised(self) -> Plan | None:
        return self._video.promised()

    def counted(self) -> Plan:
        return self._video.counted()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        with contextlib.ExitStack() as paused:
            for reader in self._readers:
                paused.enter_context(reader.paused())
            yield

    def frames(
        self, numbers: list[int], times: list[float], n_threads: int | None
    ) -> Iterator[NDArray[np.uint8]]:
        path = self._clip.path
        # The time of a copy begins with its first frame, which is always sampled.
        times = [seconds - times[0] for seconds in times]
        # Of a damaged video ffmpeg may find more frames than OpenCV.
        reader = self._open(self._compressed(), times[-1] + SAME_FRAME)
        try:
            yield from reader.frames(numbers, times, n_threads)
        except PromiseBrokenError as error:
            raise PromiseBrokenError(
                path,
                "has other frames than its compressed copy; put a VideoTranscoder "
                "before the VideoFrameSampler",
            ) from error
        except VideoReadError as error:
            reason = f"has a compressed copy that {error.reason}"
            raise VideoReadError(path, reason) from error

    def pairs(
        self, numbers: list[int], times: list[float], n_threads: int | None
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Yield each frame, and beside it the one that was compressed."""
        compressed = self.frames(numbers, times, n_threads)
        video = self._open(self._clip.path, self._clip.duration)
        originals = video.frames(numbers, times, n_threads)
        for frame, original in zip(compressed, originals, strict=True):
            # Of an odd width or height the copy lacks the last column or row.
            height, width = frame.shape[:2]
            yield frame, original[:height, :width]

    def _open(self, path: str, duration: float | None) -> VideoReader:
        """Open a reader for one pass: where one breaks off, the other is not done."""
        reader = VideoReader(path, self._clip.n_frames, duration, self._clip.limits)
        self._readers.append(self._opened.enter_context(reader))
        return reader

    def _compressed(self) -> str:
        if self._copy is None:
            folder = self._clip.cache_dir
            with self.paused():
                if folder is None:
                    folder = self._opened.enter_context(temporary_folder())
                self._copy = self._clip._compress(folder)
        return self._copy
