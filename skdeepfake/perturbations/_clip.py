"""Clips with distorted frames."""

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
    """Distortion applied to the frames of a clip.

    Attributes
    ----------
    distortion : str
        Code of the distortion; see :class:`VideoPerturber`.
    level : int
        Level from 1 to 5.
    mode : {"corrected", "faithful"}
        Variant of the distortion; see :class:`VideoPerturber`.
    boxes : {"perturbed", "clean"}
        Frames in which faces are detected; see :class:`VideoPerturber`.
    seed : int
        Seed of the random numbers.

    See Also
    --------
    VideoPerturber : Distort videos in a pipeline.
    """

    distortion: str
    level: int
    mode: str = "corrected"
    boxes: str = "perturbed"
    seed: int = 0


class PerturbedClip(Clip):
    """Clip whose frames are distorted during decoding.

    It is usually created by :class:`VideoPerturber`. It has the same path, sampled
    frames, error handling and limits on reading as the wrapped clip.

    Parameters
    ----------
    clip : Clip
        Clip to distort. Pass another PerturbedClip for a chain of distortions.
    perturbation : Perturbation
        Distortion to apply to the frames.
    cache_dir : str, os.PathLike or None, default=None
        Folder for the videos compressed by the distortion "VC". None uses a temporary
        folder for each decoding.

    Attributes
    ----------
    source : Clip
        Wrapped clip.

    Raises
    ------
    ValueError
        If video compression is applied to a clip with distorted frames.
    VideoReadError
        During iteration, if the video cannot be read or compressed.

    Warns
    -----
    UserWarning
        During iteration, if a damaged video is compressed.

    See Also
    --------
    skdeepfake.preprocessing.Clip : Frames sampled from a video.

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
        # Do not call `super().__init__`, which would check the file again.
        if perturbation.distortion == COMPRESSION and isinstance(clip, PerturbedClip):
            raise ValueError(
                f"distortion={COMPRESSION!r} compresses the original file and cannot "
                f"follow the distortion of {clip!r}. Put {COMPRESSION!r} directly "
                "after the VideoFrameSampler."
            )
        self.source = clip
        self.perturbation = perturbation
        self.cache_dir = cache_dir
        self.path, self.size, self.mtime_ns = clip.path, clip.size, clip.mtime_ns
        self.digest = clip.digest
        self.n_frames, self.burst = clip.n_frames, clip.burst
        self.spacing, self.duration = clip.spacing, clip.duration
        self.on_error, self.limits = clip.on_error, clip.limits
        self._own_error: VideoReadError | None = None

    def __repr__(self) -> str:
        inner = repr(self.source)[:-1].removeprefix(f"{type(self).__name__}(")
        inner = inner.removeprefix(f"{Clip.__name__}(")
        applied = self.perturbation
        return f"{type(self).__name__}({inner}, {applied.distortion}:{applied.level})"

    @property
    def identity(self) -> tuple[Any, ...]:
        """Cache key of the frames: `identity` of `source`, then the perturbation."""
        applied = self.perturbation
        # The seed of a deterministic distortion has no effect.
        if not DISTORTIONS[applied.distortion].is_random:
            applied = applied._replace(seed=0)
        return (*self.source.identity, *applied, ALGORITHM_VERSION)

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

    # -- state shared with the source ----------------------------------------

    # Errors of this clip, such as a failed compression, do not affect the source.

    @property
    def error(self) -> VideoReadError | None:
        """Error of the video, if it was skipped with ``on_error="skip"``."""
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
        compresses = self.perturbation.distortion == COMPRESSION
        if compresses and clean:
            times = plan.timestamps.tolist()
            yield from reader.pairs(plan.indices.tolist(), times, n_threads)
            return
        decoded = self.source._decoded(reader, plan, n_threads, clean=clean)
        if compresses:
            yield from decoded
            return
        for number, (frame, before) in zip(plan.indices, decoded, strict=True):
            rng = np.random.default_rng(self._entropy(int(number)))
            yield self.perturb_frame(frame, rng), before

    def perturb_frame(
        self, frame: NDArray[np.uint8], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Distort a frame. Subclasses may override this method.

        Parameters
        ----------
        frame : ndarray of uint8, shape (height, width, 3)
            RGB frame, which is not modified.
        rng : numpy.random.Generator
            Random number generator. Its seed depends on the seed of the perturbation,
            the size of the file, the index of the frame and the position of the
            distortion in the chain.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            Distorted frame in a new array.
        """
        applied = self.perturbation
        return apply(frame, applied.distortion, applied.level, applied.mode, rng)

    def _entropy(self, number: int) -> list[int]:
        """Return the seed of the random numbers of a frame.

        It does not depend on other videos, their order or the path, so that copies of a
        video are distorted identically. Each step of a chain has a different seed.
        """
        step, inner = 0, self.source
        while isinstance(inner, PerturbedClip):
            step, inner = step + 1, inner.source
        return [self.perturbation.seed, self.size, number, step]

    def _compress(self, folder: str | os.PathLike[str]) -> str:
        """Return the path of the compressed copy in a folder, created if missing."""
        applied = self.perturbation
        transcoder = VideoTranscoder(
            folder,
            # Compress only the sampled part of the video.
            duration=None if applied.mode == "faithful" else self.duration,
            crf=int(DISTORTIONS[COMPRESSION].parameter(applied.level, applied.mode)),
            max_pixels=self.limits.max_pixels,
            max_bytes=self.limits.max_bytes,
            timeout=self.limits.timeout,
            n_jobs=1,  # videos may already be processed in parallel
        )
        try:
            return str(transcoder.transform([self.path])[0])
        except VideoReadError as error:
            # The limits are parameters of the sampler.
            advice = error.reason.replace("VideoTranscoder", "VideoFrameSampler")
            raise VideoReadError(
                self.path, f"cannot be compressed: {advice}"
            ) from error


class _CompressedReader:
    """Reader of frames from a compressed copy, which is created when first needed.

    The frame plan comes from the original video.
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
        # Timestamps of the copy start at its first frame, which is always sampled.
        times = [seconds - times[0] for seconds in times]
        # In a damaged video, ffmpeg may find more frames than OpenCV.
        reader = self._open(self._compressed(), times[-1] + SAME_FRAME)
        try:
            yield from reader.frames(numbers, times, n_threads)
        except PromiseBrokenError as error:
            raise PromiseBrokenError(
                path,
                "has different frames from its compressed copy. Add a VideoTranscoder "
                "before the VideoFrameSampler",
            ) from error
        except VideoReadError as error:
            reason = f"has a compressed copy that {error.reason}"
            raise VideoReadError(path, reason) from error

    def pairs(
        self, numbers: list[int], times: list[float], n_threads: int | None
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Yield pairs of a compressed and an original frame."""
        compressed = self.frames(numbers, times, n_threads)
        video = self._open(self._clip.path, self._clip.duration)
        originals = video.frames(numbers, times, n_threads)
        for frame, original in zip(compressed, originals, strict=True):
            # With an odd width or height, the copy lacks the last column or row.
            height, width = frame.shape[:2]
            yield frame, original[:height, :width]

    def _open(self, path: str, duration: float | None) -> VideoReader:
        """Open a reader for a single pass, so that each pass can end on its own."""
        reader = VideoReader(path, self._clip.sampling, duration, self._clip.limits)
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
