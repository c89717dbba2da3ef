"""A clip: some frames of one video, decoded when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._video._checks import absolute_path, check_video_file, file_identity
from .._video._opencv import Sampling
from .._video._reader import Limits, Plan, PromiseBrokenError, VideoReader
from ..exceptions import VideoReadError

T = TypeVar("T")

# Raise it when the same video would give other frames than before.
PLAN_VERSION = 2


class Clip:
    """Evenly spaced frames of one video, decoded only when iterated.

    The frames lie evenly in time between the first frame and the last one within
    `duration`, both included, and can be decoded, whatever the container promises. With
    `burst`, so many consecutive frames begin at each of these moments. A video with too
    few frames leaves slots empty, the last ones.

    Parameters
    ----------
    path : str or os.PathLike
        The video.
    n_frames : int, default=10
        Number of moments.
    burst : int, default=1
        Number of consecutive frames from each moment on.
    spacing : {"even", "paper"}, default="even"
        How the moments are chosen, as :class:`VideoFrameSampler` describes it.
    duration : float or None, default=10.0
        Seconds from the first frame on that are sampled; None for all of them.
    on_error : {"raise", "skip"}, default="raise"
        Whether a video that cannot be read is an error, or becomes an empty clip.
    max_pixels, max_duration, max_bytes, timeout : number or None
        What reading the video may cost, as :class:`VideoFrameSampler` describes it.

    Attributes
    ----------
    path : str
        The absolute path of the video.
    size : int
        Size of the file in bytes when the clip was made.
    mtime_ns : int
        Time of its last change, in nanoseconds, when the clip was made.
    digest : str
        Hash of the file at eight places when the clip was made.
    error : VideoReadError or None
        Why the video was given up, with ``on_error="skip"``. All its slots are empty.
    boxes : list of tuple of int or None
        Set by a cropper: left, top, right and bottom of the face of each of its slots
        in pixels of the frame, without the margin; None without a face.
    left_out : bool
        Set by a cropper: whether it saw more people than it follows.

    Raises
    ------
    VideoReadError
        If the path is not a video within the limits, or later fails to decode.

    See Also
    --------
    VideoFrameSampler : Makes one of each video.

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
                f"n_frames={n_frames} and burst={burst} must be at least 1, and "
                f"duration={duration} positive or None"
            )
        if spacing not in ("even", "paper"):
            raise ValueError(f"spacing={spacing!r} must be 'even' or 'paper'")
        if spacing == "paper" and burst > 1:
            raise ValueError(
                f"burst={burst} needs spacing='even': the paper samples single frames"
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
            found = self._file_identity()
        except VideoReadError as error:
            if on_error == "raise":
                raise
            self.give_up(error)
        else:
            self.size, self.mtime_ns, self.digest = found

    def __repr__(self) -> str:
        burst = "" if self.burst == 1 else f", burst={self.burst}"
        return f"Clip({self.path!r}, n_frames={self.n_frames}{burst})"

    def __len__(self) -> int:
        return self.sampling.n_slots

    @property
    def sampling(self) -> Sampling:
        """Which frames are sampled, in Python's own numbers."""
        return Sampling(int(self.n_frames), int(self.burst), str(self.spacing))

    @property
    def identity(self) -> tuple[Any, ...]:
        """What the frames depend on: the file and its content, and the sampling."""
        path = os.path.abspath(self.path)
        # Plain numbers: 10, 10.0 and NumPy's 10 are one.
        duration = None if self.duration is None else float(self.duration)
        sampling = (*self.sampling, duration, PLAN_VERSION)
        return (path, self.size, self.mtime_ns, self.digest, *sampling)

    @property
    def indices(self) -> NDArray[np.intp]:
        """Number of each frame in the order of the video; -1 in empty slots."""
        slots = np.full(len(self), -1, dtype=np.intp)
        found = self._proven().indices
        slots[: len(found)] = found
        return slots

    @property
    def timestamps(self) -> NDArray[np.float64]:
        """Seconds of each frame; NaN in empty slots."""
        slots = np.full(len(self), np.nan)
        found = self._proven().timestamps
        slots[: len(found)] = found
        return slots

    @property
    def missing(self) -> float:
        """Seconds that are damaged or cut off, as far as known."""
        return 0.0 if self._plan is None else self._plan.missing

    def __iter__(self) -> Iterator[NDArray[np.uint8] | None]:
        """Decode the frames in order: RGB of shape (H, W, 3), None in empty slots."""
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
        """Apply a function to each frame in order, in one decoding pass if possible.

        If the container promised other frames, the work is repeated on existing ones.

        Parameters
        ----------
        make_function : callable
            Called at the start of each pass; gives the function of one frame.
        n_threads : int or None, default=None
            Threads of the decoder; None for all cores.

        Returns
        -------
        list with one entry per slot
            The function's results, None in empty slots.
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
        """Apply a function that finds a face in each frame and cuts it out, as `map`.

        It gets the frame to cut from and, if another one, the frame to search in.
        """
        return self.map(make_function, n_threads=n_threads)

    def give_up(self, error: VideoReadError) -> None:
        """Make an empty clip of one that cannot be read.

        Parameters
        ----------
        error : VideoReadError
            Why; kept as the attribute `error`.
        """
        self.error = error
        self._plan = Plan(np.empty(0, np.intp), np.empty(0), proven=True)

    # -- decoding ------------------------------------------------------------

    def _in_one_pass(
        self, results: Callable[[VideoReader, Plan], list[T]]
    ) -> list[T | None]:
        """Get what comes out of decoding, which is begun anew on a broken promise."""
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
        """Decode frames; beside each, with `clean`, what it is before perturbations."""
        times = plan.timestamps.tolist()
        for frame in reader.frames(plan.indices.tolist(), times, n_threads):
            yield frame, frame

    # -- which frames --------------------------------------------------------

    @property
    def plan(self) -> Plan | None:
        """The frames as far as known: proven by decoding, promised, or None."""
        return self._plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        # What a cache or another process has found out.
        self._plan = plan

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
                self.path, "has changed since it was sampled; sample it again"
            )


def check_clips(X: ArrayLike, *, caller: str) -> list[Clip]:
    """Give the clips in `X` as a list, in their order.

    Parameters
    ----------
    X : array-like of object, shape (n_videos,)
        Clips of one length.
    caller : str
        The estimator that asks; the messages of the errors name it.

    Returns
    -------
    list of Clip
        The clips.

    Raises
    ------
    ValueError
        If X is not a one-dimensional array of clips of one length.

    See Also
    --------
    VideoFrameSampler : Makes clips.

    Examples
    --------
    >>> from skdeepfake.preprocessing import check_clips
    >>> check_clips(["a.mp4"], caller="MyStep")
    Traceback (most recent call last):
        ...
    ValueError: X[0] is str, but MyStep takes clips: put a VideoFrameSampler before it
    """
    clips = np.asarray(X, dtype=object)
    if clips.ndim != 1:
        raise ValueError(
            f"X has shape {clips.shape}, but {caller} takes a one-dimensional "
            "array of clips, as VideoFrameSampler gives it"
        )
    if not len(clips):
        raise ValueError("Found array with 0 sample(s) (shape=(0,))")
    for i, clip in enumerate(clips):
        if not isinstance(clip, Clip):
            raise ValueError(
                f"X[{i}] is {type(clip).__name__}, but {caller} takes clips: "
                "put a VideoFrameSampler before it"
            )
        if clip.n_frames != clips[0].n_frames:
            raise ValueError(
                f"X[{i}] has {clip.n_frames} frames, but X[0] has {clips[0].n_frames}"
            )
        if clip.burst != clips[0].burst:
            raise ValueError(
                f"X[{i}] has burst={clip.burst}, but X[0] has burst={clips[0].burst}"
            )
    return clips.tolist()
