"""Cropping of faces: from clips to the face in each frame."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from .._parallel import map_videos
from .._stateless import StatelessTransformer
from ..exceptions import (
    CacheError,
    CacheWarning,
    NoFaceWarning,
    VideoReadError,
    VideoReadWarning,
)
from ._cache import CropCache, StoredCrop
from ._clip import Clip, Plan, check_clips
from ._faces import ALGORITHM_VERSION, Face, FaceFollower

# The crop of each slot, None where there is no face.
Crops = list["NDArray[np.uint8] | StoredCrop | None"]


@dataclass(repr=False, eq=False)
class DlibFaceCropper(StatelessTransformer):
    """Cut one face out of each frame, found by dlib's HOG detector.

    1. The face is searched near the previous one, then in the whole frame, small first.
    2. Of several faces, that of the person followed so far is taken, at first the best.
    3. The box is widened by `margin` and clamped to the frame.

    A frame without the person gives None. Faces in profile are not found.

    Parameters
    ----------
    margin : float, default=0.0
        What is added to the box on each side, as a share of its width or height.
        The default is the paper's; 0.15 gives the box times 1.3 of FaceForensics++.
    min_size : int, default=40
        Smallest face that is found, as the side of its box in pixels; the default is
        that of the paper's setting. In frames above 1080p it grows with the frame.
    score_threshold : float, default=0.0
        Smallest score of a face. 0 is dlib's own; higher finds fewer, surer faces.
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Folder of a :class:`CropCache`, which saves decoding. None keeps nothing.
    n_jobs : int or None, default=None
        Videos worked on at once, by default as threads. None is 1, -1 all cores.
    verbose : int, default=0
        1 shows a progress bar.

    See Also
    --------
    VideoFrameSampler : The step before.
    Resizer : The next step.

    References
    ----------
    Volisetty, Sen and Savala, "Deepfake detection", 2023, sections 4.2 and 7.1.

    King, "Dlib-ml: A machine learning toolkit", JMLR 10, 2009.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdeepfake.preprocessing import DlibFaceCropper, VideoFrameSampler
    >>> steps = make_pipeline(VideoFrameSampler(n_frames=4), DlibFaceCropper())
    >>> steps.fit_transform(["interview.mp4"]).shape  # doctest: +SKIP
    (1, 4)
    """

    _: KW_ONLY
    margin: float = 0.0
    min_size: int = 40
    score_threshold: float = 0.0
    memory: str | os.PathLike[str] | joblib.Memory | None = None
    n_jobs: int | None = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "margin": [Interval(Real, 0, None, closed="left")],
        "min_size": [Interval(Integral, 1, None, closed="left")],
        "score_threshold": [Interval(Real, None, None, closed="neither")],
        "memory": [str, os.PathLike, joblib.Memory, None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def transform(self, X: ArrayLike) -> NDArray[np.object_]:
        """Decode the clips and crop their faces.

        Parameters
        ----------
        X : ndarray of object, shape (n_videos,)
            Clips, as :class:`VideoFrameSampler` gives them, of one length.

        Returns
        -------
        ndarray of object, shape (n_videos, n_frames)
            RGB crops, each of shape (height, width, 3) and dtype uint8, or None
            where there is no frame or no face in it. With `memory`, each crop is a
            :class:`StoredCrop`, read from the cache when it is used as an array.

        Raises
        ------
        VideoReadError
            If a video cannot be decoded that was not sampled with ``on_error="skip"``.
        CacheError
            If the cache cannot be written. What it holds by then is kept.
        ValueError
            If X is not a one-dimensional array of clips of one length.

        Warns
        -----
        NoFaceWarning
            For each video in which no face was found at all.
        VideoReadWarning
            For each video of which a part is damaged or cut off, and with
            ``on_error="skip"`` for each that cannot be decoded.
        CacheWarning
            For each damaged entry of the cache; its video is cropped again.
        """
        self._validate_params()
        clips = check_clips(X, caller=type(self).__name__)
        # The decoders of all jobs together take the cores once.
        n_jobs = min(joblib.effective_n_jobs(self.n_jobs), len(clips))
        search = _Search(
            float(self.margin), int(self.min_size), float(self.score_threshold)
        )
        crop = functools.partial(
            _crop_clip,
            search=search,
            cache=CropCache.of(self.memory),
            n_threads=max(1, joblib.cpu_count() // n_jobs),
        )
        results = map_videos(
            crop, clips, n_jobs=self.n_jobs, verbose=self.verbose, desc="cropping faces"
        )
        crops = np.empty((len(clips), clips[0].n_frames), dtype=object)
        for i, (clip, (found, outcome)) in enumerate(zip(clips, results, strict=True)):
            for slot, cell in enumerate(found):
                crops[i, slot] = cell
            # Known here too, where another process has decoded the clip.
            if isinstance(outcome, Plan):
                clip.plan = outcome
                if clip.missing:
                    reason = (
                        f"is damaged or cut off: {clip.missing:.1f} s cannot be "
                        "decoded, and the frames were taken from the rest"
                    )
                    warnings.warn(VideoReadWarning(clip.path, reason), stacklevel=3)
                if all(cell is None for cell in found):
                    warnings.warn(
                        f"No face was found in any of the {clip.n_frames} frames "
                        f"sampled from {clip.path!r}",
                        NoFaceWarning,
                        stacklevel=3,  # past scikit-learn's wrapper of `transform`
                    )
            elif clip.error is None:  # or else the sampler has warned of it
                clip.give_up(outcome)
                warnings.warn(VideoReadWarning(*outcome.args), stacklevel=3)
        return crops


class _Search(NamedTuple):
    """What the crops of a clip depend on, besides the clip."""

    margin: float
    min_size: int
    score_threshold: float
    version: int = ALGORITHM_VERSION


def _crop_clip(
    clip: Clip, *, search: _Search, cache: CropCache | None, n_threads: int | None
) -> tuple[Crops, Plan | VideoReadError]:
    """Get the crops of one clip, and the frames they were cut from, or why none."""
    error = clip.error
    if error is None:
        try:
            return _crops_and_plan(clip, search, cache, n_threads)
        except VideoReadError as caught:
            if clip.on_error == "raise":
                raise
            error = caught
    return [None] * clip.n_frames, error


def _crops_and_plan(
    clip: Clip, search: _Search, cache: CropCache | None, n_threads: int | None
) -> tuple[Crops, Plan]:
    if cache is None:
        return _decode_and_crop(clip, search, n_threads)
    key = (clip.identity, tuple(search))
    try:
        entry = cache._load(key)
    except CacheError as error:
        warnings.warn(
            f"{error}; {clip.path!r} is cropped again", CacheWarning, stacklevel=2
        )
        entry = None
    if entry is None:
        crops, plan = _decode_and_crop(clip, search, n_threads)
        try:
            cache._store(key, crops, plan.indices, plan.timestamps, plan.missing)  # type: ignore[arg-type]
        except CacheError as error:
            raise CacheError(f"crops of {clip.path!r}: {error}") from error
        entry = cache._load(key)
        if entry is None:  # pruned in this very moment
            return crops, plan
    plan = Plan(entry.indices, entry.timestamps, proven=True, missing=entry.missing)
    return list(entry.crops), plan


def _decode_and_crop(
    clip: Clip, search: _Search, n_threads: int | None
) -> tuple[Crops, Plan]:
    def start() -> Callable[..., NDArray[np.uint8] | None]:
        follower = FaceFollower(
            min_size=search.min_size, score_threshold=search.score_threshold
        )

        def crop(
            frame: NDArray[np.uint8], search_in: NDArray[np.uint8] | None = None
        ) -> NDArray[np.uint8] | None:
            face = follower.find(frame if search_in is None else search_in)
            return None if face is None else _cut(frame, face, search.margin)

        return crop

    crops: Crops = list(clip._map_faces(start, n_threads=n_threads))
    assert clip.plan is not None  # proven by the decoding
    return crops, clip.plan


def _cut(frame: NDArray[np.uint8], face: Face, margin: float) -> NDArray[np.uint8]:
    x = round((face.right - face.left) * margin)
    y = round((face.bottom - face.top) * margin)
    top, left = max(0, face.top - y), max(0, face.left - x)
    # A copy, since a view would keep the whole frame in memory.
    return frame[top : face.bottom + y, left : face.right + x].copy()
