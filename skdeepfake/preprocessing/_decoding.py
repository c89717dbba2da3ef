"""Decoding in one sequential pass, with OpenCV; its BGR never leaves this module."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..exceptions import VideoReadError

# Packets come in the order of decoding. One that lies past the window may precede
# one that lies in it by as many frames as a codec may reorder: 16 in H.264 and HEVC.
_REORDER = 64

# Two timestamps of one frame, from the container and from the decoder, agree to
# much better than this; those of two frames differ by more, up to 1000 frames/s.
SAME_FRAME = 5e-4


class Decoder:
    """One pass over the frames of a video, as an iterator of their timestamps.

    Parameters
    ----------
    path : str
        The video.
    n_threads : int or None
        Threads of the decoder; None leaves it to OpenCV, which takes all cores.

    Raises
    ------
    VideoReadError
        If OpenCV cannot open the file.
    """

    def __init__(self, path: str, n_threads: int | None = None) -> None:
        self.path = path
        threads = [] if n_threads is None else [cv2.CAP_PROP_N_THREADS, n_threads]
        self._capture = _open(path, threads)
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._frame_time = 1 / fps if 0 < fps <= 1000 else 1 / 25

    def __iter__(self) -> Iterator[float]:
        """Go from frame to frame; gives the time of each in seconds, increasing."""
        last = None
        while self._capture.grab():
            seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if last is not None and not seconds > last:
                # The container does not say, or says nonsense.
                seconds = last + self._frame_time
            last = seconds
            yield seconds

    def frame(self) -> NDArray[np.uint8]:
        """Get the present frame.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            RGB, upright.
        """
        decoded, frame = self._capture.retrieve()
        if not decoded:
            raise VideoReadError(self.path, "has a frame that cannot be decoded")
        if frame.ndim == 2:
            return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


def decoded_timestamps(path: str, duration: float | None) -> NDArray[np.float64]:
    """Decode a video to see which frames there are.

    Parameters
    ----------
    path : str
        The video.
    duration : float or None
        Seconds from the first frame on that count; None for the whole video.

    Returns
    -------
    ndarray of float, shape (n_frames,)
        Seconds of each frame.

    Raises
    ------
    VideoReadError
        If it cannot be opened or holds no frame.
    """
    decoder = Decoder(path)
    timestamps: list[float] = []
    try:
        for seconds in decoder:
            if timestamps and _is_past(seconds - timestamps[0], duration):
                break
            timestamps.append(seconds)
    finally:
        decoder.close()
    if not timestamps:
        raise VideoReadError(path, "holds no frame that can be decoded")
    return np.array(timestamps)


def packet_timestamps(path: str, duration: float | None) -> NDArray[np.float64] | None:
    """Read from the container which frames there should be, without decoding.

    Parameters
    ----------
    path : str
        The video.
    duration : float or None
        Seconds from the first frame on that count; None for the whole video.

    Returns
    -------
    ndarray of float, shape (n_frames,), or None
        Seconds of each frame; None where the container does not tell. It is a
        promise that only decoding proves: an edit list hides frames, and a
        truncated file lacks them.

    Raises
    ------
    VideoReadError
        If it cannot be opened.
    """
    capture = _open(path, [cv2.CAP_PROP_FORMAT, -1])  # -1: packets as they are
    timestamps: list[float] = []
    past = 0
    try:
        while past < _REORDER and capture.grab():
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            timestamps.append(seconds)
            past = past + 1 if _is_past(seconds - timestamps[0], duration) else 0
    finally:
        capture.release()
    if not timestamps:
        return None
    found = np.sort(timestamps)
    # A first packet that is not the first frame, or two at one time: fields,
    # hidden frames, unknown times. Better to ask the decoder.
    if found[0] != timestamps[0] or found[0] < 0 or not (np.diff(found) > 0).all():
        return None
    return found[[not _is_past(seconds - found[0], duration) for seconds in found]]


def _is_past(seconds: float, duration: float | None) -> bool:
    return duration is not None and seconds >= duration - SAME_FRAME


def _open(path: str, options: Sequence[int]) -> cv2.VideoCapture:
    # The absolute path, since FFmpeg takes a name such as `concat:a` for a protocol.
    capture = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG, options)
    if not capture.isOpened():
        capture.release()
        raise VideoReadError(
            path, "cannot be opened as a video: it is damaged, or its codec is unknown"
        )
    return capture
