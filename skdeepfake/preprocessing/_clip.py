"""Clips: frames of one video, decoded on demand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from html import escape
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._html import thumbnail
from .._video._checks import absolute_path, check_video_file, file_identity
from .._video._reader import Limits, Plan, PromiseBrokenError, VideoReader
from .._video._sampling import Sampling
from ..exceptions import VideoReadError

T = TypeVar("T")

# Increase this number with each change that samples different frames.
PLAN_VERSION = 2


class Clip:
    """Evenly spaced frames of one video, decoded on demand.

    By default, the frames are evenly spaced in time from the first frame to the last
    frame within `duration`, both included. If `burst` is greater than 1, bursts of
    consecutive frames are spaced in this way. Only frames that can be decoded are
    sampled, even if the container lists more. If a video has too few frames, the last
    slots of its clip are empty.

    Parameters
    ----------
    path : str or os.PathLike
        Path of the video.
    n_frames : int, default=10
        Number of frames, or of bursts if `burst` is greater than 1.
    burst : int, default=1
        Number of consecutive frames per burst.
    spacing : {"even", "paper"}, default="even"
        Spacing of the frames; see :class:`VideoFrameSampler`.
    duration : float or None, default=10.0
        Number of seconds to sample, from the first frame. None samples the whole video.
    on_error : {"raise", "skip"}, default="raise"
        Handling of a file that is missing, is not a video or exceeds `max_bytes`.
        "skip" leaves all slots empty. With "skip", a cropper also leaves all slots
        empty if the video cannot be decoded. Iterating over the clip of such a video
        raises an error, unless a cropper has already skipped the video.
    max_pixels, max_duration, max_bytes, timeout : number or None
        Limits on reading the video; see :class:`VideoFrameSampler`.

    Attributes
    ----------
    path : str
        Absolute path of the video.
    size : int
        Size of the file in bytes when the clip was made.
    mtime_ns : int
        Modification time of the file in nanoseconds when the clip was made.
    digest : str
        Hash of parts of the file when the clip was made.
    error : VideoReadError or None
        Reason why the video was skipped, or None. Only set with ``on_error="skip"``.
    boxes : list of tuple of int or None
        For each slot of the cropper's output, the box of the face (left, top, right,
        bottom) in pixels of the frame and without the margin. None in slots without a
        face. Set by a cropper.
    left_out : bool
        True if a frame shows more people than were followed. Set by a cropper.

    Raises
    ------
    VideoReadError
        If the file is missing, is not a video or exceeds `max_bytes`, and
        ``on_error="raise"``. Also raised when the clip is iterated, with either value
        of `on_error`, if the video cannot be decoded, exceeds another limit or has
        changed since the clip was made.

    See Also
    --------
    VideoFrameSampler : Make a clip of each video.

    Examples
    --------
    >>> import tempfile
    >>> from skdeepfake.datasets import make_videos
    >>> from skdeepfake.preprocessing import Clip
    >>> folder = tempfile.TemporaryDirectory()
    >>> videos = make_videos(folder.name, n_real=1, n_fake=1, duration=3.1, fps=10)
    >>> clip = Clip(videos.data[0], n_frames=4)
    >>> [frame.shape for frame in clip]
    [(240, 320, 3), (240, 320, 3), (240, 320, 3), (240, 320, 3)]
    >>> clip.indices, clip.timestamps
    (array([ 0, 10, 20, 30]), array([0., 1., 2., 3.]))
    >>> folder.cleanup()
    """

    boxes: list[tuple[int, int, int, int] | None] | None = None
    left_out = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        n_frames: int = 10,
        burst: int = 1,
        spacing: str = "even",
        duration: float | None = 10.0,
        on_error: str = "raise",
        max_pixels: int | None = Limits().max_pixels,
        max_duration: float | None = Limits().max_duration,
        max_bytes: int | None = Limits().max_bytes,
        timeout: float | None = Limits().timeout,
    ) -> None:
        if n_frames < 1 or burst < 1 or (duration is not None and not duration > 0):
            raise ValueError(
                "n_frames and burst must be at least 1, and duration must be positive "
                f"or None; got n_frames={n_frames}, burst={burst}, duration={duration}."
            )
        if spacing not in ("even", "paper"):
            raise ValueError(f"spacing must be 'even' or 'paper'; got {spacing!r}.")
        if spacing == "paper" and burst > 1:
            raise ValueError(
                f"spacing='paper' samples single frames; got burst={burst}. "
                "Use spacing='even' for bursts."
            )
        self.path = absolute_path(path)
        self.n_frames = n_frames
        self.burst = burst
        self.spacing = spacing
        self.duration = duration
        self.on_error = on_error
        self.limits = Limits(max_pixels, max_duration, max_bytes, timeout)
        self.error: VideoReadError | None = None
        self._plan: Plan | None = None
        self.size, self.mtime_ns, self.digest = 0, 0, ""
        try:
            self.size, self.mtime_ns, self.digest = self._file_identity()
        except VideoReadError as error:
            if on_error == "raise":
                raise
            self.give_up(error)

    def __repr__(self) -> str:
        burst = "" if self.burst == 1 else f", burst={self.burst}"
        return f"Clip({self.path!r}, n_frames={self.n_frames}{burst})"

    def _repr_html_(self) -> str:
        """Show the first frame in a notebook."""
        try:
            if self.error is not None:
                raise self.error
            self._check_unchanged()
            with self._reader() as reader:
                plan = self._plan or reader.promised() or reader.counted()
                frame, _ = next(self._decoded(reader, plan))
        except (VideoReadError, PromiseBrokenError, StopIteration) as error:
            return f"<p>{escape(repr(self))}: {escape(str(error))}</p>"
        return thumbnail(frame, repr(self))

    def __len__(self) -> int:
        return self.sampling.n_slots

    @property
    def sampling(self) -> Sampling:
        """Parameters `n_frames`, `burst` and `spacing`, as a named tuple."""
        return Sampling(int(self.n_frames), int(self.burst), str(self.spacing))

    @property
    def identity(self) -> tuple[Any, ...]:
        """Cache key of the frames: path, content and sampling."""
        path = os.path.abspath(self.path)
        # Plain numbers, so that 10, 10.0 and np.int64(10) are equal.
        duration = None if self.duration is None else float(self.duration)
        sampling = (*self.sampling, duration, PLAN_VERSION)
        return (path, self.size, self.mtime_ns, self.digest, *sampling)

    @property
    def indices(self) -> NDArray[np.intp]:
        """Index in the video of each sampled frame, or -1 in slots without a frame."""
        return self._padded(self._proven().indices, -1)

    @property
    def timestamps(self) -> NDArray[np.float64]:
        """Time in seconds of each sampled frame, or NaN in slots without a frame."""
        return self._padded(self._proven().timestamps, np.nan)

    @property
    def missing(self) -> float:
        """Duration of damaged or missing parts found so far, in seconds."""
        return 0.0 if self._plan is None else self._plan.missing

    def __iter__(self) -> Iterator[NDArray[np.uint8] | None]:
        """Yield RGB frames of shape (height, width, 3), or None without one."""
        plan = self._proven()
        if len(plan.indices):
            with self._reader() as reader:
                for frame, _ in self._decoded(reader, plan):
                    with reader.paused():
                        yield frame
        yield from [None] * (len(self) - len(plan.indices))

    def map(
        self,
        make_function: Callable[[], Callable[[NDArray[np.uint8]], T]],
        *,
        n_threads: int | None = None,
    ) -> list[T | None]:
        """Apply a function to each frame, in order.

        The first pass samples from the frames listed by the container. If it finds that
        some of these frames do not exist, a second pass starts over and samples from
        the frames that can be decoded.

        Parameters
        ----------
        make_function : callable
            Function without arguments, called at the start of each pass. It returns the
            function to apply to each frame.
        n_threads : int or None, default=None
            Number of decoder threads. None uses all cores.

        Returns
        -------
        list with one entry per slot
            Results of the function, None in slots without a frame.
        """

        def results(reader: VideoReader, plan: Plan) -> list[T]:
            function = make_function()
            return [function(f) for f, _ in self._decoded(reader, plan, n_threads)]

        return self._in_one_pass(results)

    def _map_faces(
        self,
        make_function: Callable[[], Callable[..., T]],
        *,
        n_threads: int | None = None,
    ) -> list[T | None]:
        """Apply a face-cropping function to each frame, as in `map`.

        The function takes the frame to crop and, if different, the frame to search.
        """
        return self.map(make_function, n_threads=n_threads)

    def give_up(self, error: VideoReadError) -> None:
        """Mark the video as unreadable and leave all slots empty.

        Parameters
        ----------
        error : VideoReadError
            Reason, stored in the attribute `error`.
        """
        self.error = error
        self._plan = Plan(np.empty(0, np.intp), np.empty(0), proven=True)

    # -- decoding ------------------------------------------------------------

    def _in_one_pass(
        self, results: Callable[[VideoReader, Plan], list[T]]
    ) -> list[T | None]:
        """Decode the sampled frames. If some do not exist, sample others."""
        if self.error is not None:
            return [None] * len(self)
        self._check_unchanged()
        with self._reader() as reader:
            plan = self._plan or reader.promised() or reader.counted()
            try:
                found = results(reader, plan)
            except PromiseBrokenError:
                plan = reader.counted()
                found = results(reader, plan)
        self._plan = plan._replace(proven=True)
        return [*found, *[None] * (len(self) - len(found))]

    def _decoded(
        self,
        reader: VideoReader,
        plan: Plan,
        n_threads: int | None = None,
        *,
        clean: bool = False,
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Yield each frame with, if `clean`, the same frame before perturbations."""
        times = plan.timestamps.tolist()
        for frame in reader.frames(plan.indices.tolist(), times, n_threads):
            yield frame, frame

    # -- sampled frames ------------------------------------------------------

    @property
    def plan(self) -> Plan | None:
        """Indices and times of the sampled frames, or None if not yet known."""
        return self._plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        # Read from a cache or set by another process.
        self._plan = plan

    def _padded(self, found: NDArray[Any], fill: float) -> NDArray[Any]:
        return np.pad(found, (0, len(self) - len(found)), constant_values=fill)

    def _proven(self) -> Plan:
        if self.error is None:
            self._check_unchanged()
        if self._plan is None or not self._plan.proven:
            with self._reader() as reader:
                self._plan = reader.counted()
        return self._plan

    def _reader(self) -> VideoReader:
        return VideoReader(self.path, self.sampling, self.duration, self.limits)

    def _file_identity(self) -> tuple[int, int, str]:
        found = check_video_file(self.path, self.limits.max_bytes)
        return file_identity(self.path, found)

    def _check_unchanged(self) -> None:
        if self._file_identity() != (self.size, self.mtime_ns, self.digest):
            raise VideoReadError(
                self.path, "has changed since it was sampled. Sample it again"
            )


def check_clips(X: ArrayLike, *, caller: str) -> list[Clip]:
    """Return the clips in `X` as a list.

    Parameters
    ----------
    X : array-like of object, shape (n_videos,)
        Clips, all with the same number of frames.
    caller : str
        Name of the estimator, for error messages.

    Returns
    -------
    list of Clip
        Clips in the order of `X`.

    Raises
    ------
    ValueError
        If `X` is not a one-dimensional array of clips with the same number of frames.

    See Also
    --------
    VideoFrameSampler : Make clips from video paths.

    Examples
    --------
    >>> from skdeepfake.preprocessing import check_clips
    >>> check_clips(["a.mp4"], caller="MyStep")
    Traceback (most recent call last):
        ...
    ValueError: MyStep expects clips; X[0] is str. Put a VideoFrameSampler before it.
    """
    clips = np.asarray(X, dtype=object)
    if clips.ndim != 1:
        raise ValueError(
            f"{caller} expects a one-dimensional array of clips, as returned by "
            f"VideoFrameSampler; X has shape {clips.shape}."
        )
    if not len(clips):
        raise ValueError("Found array with 0 sample(s) (shape=(0,))")
    for i, clip in enumerate(clips):
        if not isinstance(clip, Clip):
            raise ValueError(
                f"{caller} expects clips; X[{i}] is {type(clip).__name__}. "
                "Put a VideoFrameSampler before it."
            )
        for name in ("n_frames", "burst"):
            value, first = getattr(clip, name), getattr(clips[0], name)
            if value != first:
                raise ValueError(
                    f"All clips must have the same {name}; X[{i}] has {name}={value}, "
                    f"but X[0] has {name}={first}."
                )
    return clips.tolist()
