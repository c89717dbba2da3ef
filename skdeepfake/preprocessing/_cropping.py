"""Cropping of faces: from clips to the faces in each frame."""

from __future__ import annotations

import functools
import itertools
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import cv2
import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._docs import shared_docs
from .._parallel import map_videos
from .._stateless import StatelessTransformer
from ..exceptions import (
    CacheError,
    CacheWarning,
    CrowdWarning,
    NoFaceWarning,
    VideoReadError,
    VideoReadWarning,
)
from ._cache import Boxes, CropCache, StoredCrop
from ._clip import Clip, Plan, check_clips
from ._faces import ALGORITHM_VERSION, FINDERS, Face
from ._following import FaceFollower
from ._regions import PARTS, check_landmarks, check_regions, region_of

# The crop of each slot, None where there is no face.
Crops = list["NDArray[np.uint8] | StoredCrop | None"]

# A crop, and the box of its face.
_Cell = tuple["NDArray[np.uint8] | None", "tuple[int, int, int, int] | None"]

#: People of a video with `max_faces=None`.
MAX_PEOPLE = 10

_SHARED = {
    "region_parameters": """\
    margin : float, default=0.0
        What is added to the region on each side, as a share of its width or height.
        The default is the paper's; 0.15 gives the box times 1.3 of FaceForensics++.
    max_faces : int or None, default=1
        Number of people that are followed. None follows up to 10, and warns of videos
        that show more. The slots of a video are in the order of its frames, and of the
        people in each frame. Each person keeps one place, which is empty while the
        person is not seen. Only if all places are taken, somebody new gets that of a
        person who has been away for two frames.
    region : {"face", "frame", "eyes", "nose", "mouth", "body"} or sequence of these, \
default="face"
        What is cut out: the box of the face; the whole frame, for which no face is
        searched; a part of the face; or the upper part of the torso below it. Several
        regions are cut out after one search, and become slots: each frame has one slot
        per region, in the order given, and per person in each region.
    landmarks : str, os.PathLike or None, default=None
        File of a shape predictor of dlib, of 5 or 68 landmarks, by which eyes, nose and
        mouth are cut out. None takes where they lie in the boxes of most faces.
    box : {"frame", "burst"}, default="frame"
        Whether faces are searched in each frame, or in the first frame of each burst,
        whose boxes then hold for the burst: small moves of the box cannot be taken for
        motion, and the search costs less.
    jpeg_quality : int or None, default=None
        Quality, from 0 to 100, at which each frame is written as JPEG and read again
        before the search, and each crop thereafter, as in the paper's code, which has
        95. None leaves the pixels as they are.
""",
    "running_parameters": """\
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Folder of a :class:`CropCache`, which saves decoding. None keeps nothing.
    n_jobs : int or None, default=None
        Videos worked on at once, by default as threads. None is 1, -1 all cores.
    verbose : int, default=0
        1 shows a progress bar.
""",
}
_with_shared_docs = shared_docs(_SHARED)


@dataclass(repr=False, eq=False)
class _FaceCropper(StatelessTransformer):
    """What the croppers share: all but the finder."""

    _: KW_ONLY
    margin: float = 0.0
    max_faces: int | None = 1
    region: str | Sequence[str] = "face"
    landmarks: str | os.PathLike[str] | None = None
    box: str = "frame"
    jpeg_quality: int | None = None
    min_size: int = 40
    score_threshold: float = 0.0
    memory: str | os.PathLike[str] | joblib.Memory | None = None
    n_jobs: int | None = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "margin": [Interval(Real, 0, None, closed="left")],
        "max_faces": [Interval(Integral, 1, None, closed="left"), None],
        "region": [str, tuple, list],
        "landmarks": [str, os.PathLike, None],
        "box": [StrOptions({"frame", "burst"})],
        "min_size": [Interval(Integral, 1, None, closed="left")],
        "score_threshold": [Interval(Real, None, None, closed="neither")],
        "jpeg_quality": [Interval(Integral, 0, 100, closed="both"), None],
        "memory": [str, os.PathLike, joblib.Memory, None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def _validate_params(self) -> None:
        super()._validate_params()
        if "frame" in check_regions(self.region) and self.max_faces != 1:
            raise ValueError(
                f"max_faces={self.max_faces} needs regions of people: "
                "region='frame' gives one image per frame"
            )

    @property
    def n_people(self) -> int:
        """Number of people that are followed: `max_faces`, or 10 where that is None."""
        return MAX_PEOPLE if self.max_faces is None else int(self.max_faces)

    def _finder(self) -> tuple[Any, ...]:
        """Return the name of the finder in `FINDERS`, and its arguments."""
        raise NotImplementedError

    def transform(self, X: ArrayLike) -> NDArray[np.object_]:
        """Decode the clips and cut out the faces.

        Parameters
        ----------
        X : ndarray of object, shape (n_videos,)
            Clips, as :class:`VideoFrameSampler` gives them, of one length.

        Returns
        -------
        ndarray of object, shape (n_videos, n_frames * burst * n_regions * max_faces)
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
        CrowdWarning
            For each video that shows more than 10 people, with ``max_faces=None``.
        CacheWarning
            For each damaged entry of the cache; its video is cropped again.
        """
        self._validate_params()
        clips = check_clips(X, caller=type(self).__name__)
        # The decoders of all jobs together take the cores once.
        n_jobs = min(joblib.effective_n_jobs(self.n_jobs), len(clips))
        search = _Search(
            self._finder(),
            float(self.margin),
            self.n_people,
            check_regions(self.region),
            self._landmarks_identity(),
            str(self.box),
            None if self.jpeg_quality is None else int(self.jpeg_quality),
            ALGORITHM_VERSION,
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
        crops = np.empty((len(clips), len(clips[0]) * search.n_crops), dtype=object)
        for i, (clip, (found, outcome, left_out, boxes)) in enumerate(
            zip(clips, results, strict=True)
        ):
            for slot, cell in enumerate(found):
                crops[i, slot] = cell
            if left_out and self.max_faces is None:
                warnings.warn(
                    f"{clip.path!r} shows more than {MAX_PEOPLE} people at once; the "
                    "others are left out. Give max_faces to say how many are followed",
                    CrowdWarning,
                    stacklevel=3,
                )
            # Known here too, where another process has decoded the clip.
            clip.boxes, clip.left_out = boxes, left_out
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
                        f"No face was found in any of the {len(clip)} frames "
                        f"sampled from {clip.path!r}",
                        NoFaceWarning,
                        stacklevel=3,  # past scikit-learn's wrapper of `transform`
                    )
            elif clip.error is None:  # or else the sampler has warned of it
                clip.give_up(outcome)
                warnings.warn(VideoReadWarning(*outcome.args), stacklevel=3)
        return crops

    def _landmarks_identity(self) -> tuple[str, int, int] | None:
        """Return what tells the file of landmarks from others, if it is of use."""
        if self.landmarks is None or PARTS.isdisjoint(check_regions(self.region)):
            return None
        path = check_landmarks(self.landmarks)
        found = os.stat(path)
        return path, found.st_size, found.st_mtime_ns


@_with_shared_docs
@dataclass(repr=False, eq=False)
class DlibFaceCropper(_FaceCropper):
    """Cut faces out of each frame, found by dlib's HOG detector.

    1. A face is searched near the previous one, then in the whole frame, small first.
    2. Of several faces, that of the person followed so far is taken, at first the best;
       with `max_faces`, those of several people.
    3. The box is widened by `margin` and clamped to the frame.

    A frame without the person gives None. Faces in profile are not found.

    Parameters
    ----------
    search : {"fast", "exhaustive"}, default="fast"
        ``"exhaustive"`` searches each whole frame in color at twice its size, as the
        paper's code does, which takes some 50 times as long.
    {{region_parameters}}
    min_size : int, default=40
        Size in pixels to which dlib's window, and with it the search, is scaled; the
        boxes of the smallest faces are a tenth smaller. The default is the paper's
        setting. In frames above 1080p it grows with the frame.
    score_threshold : float, default=0.0
        Smallest score of a face. 0 is dlib's own; higher finds fewer, surer faces.
    {{running_parameters}}

    See Also
    --------
    YuNetFaceCropper : Finds turned and small faces, with a model of yours.
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

    search: str = "fast"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_FaceCropper._parameter_constraints,
        "search": [StrOptions({"fast", "exhaustive"})],
    }

    def _finder(self) -> tuple[Any, ...]:
        is_exhaustive = self.search == "exhaustive"
        return "dlib", int(self.min_size), float(self.score_threshold), is_exhaustive


@_with_shared_docs
@dataclass(repr=False, eq=False)
class YuNetFaceCropper(_FaceCropper):
    """Cut faces out of each frame, found by the network YuNet.

    It finds turned and small faces that dlib's detector misses, and runs on OpenCV. Its
    file, such as ``face_detection_yunet_2023mar.onnx``, comes from OpenCV's model zoo.
    All else is as in :class:`DlibFaceCropper`.

    Parameters
    ----------
    model : str or os.PathLike
        File of the network.
    {{region_parameters}}
    min_size : int, default=20
        Smallest face that is kept, as the longer side of its box in pixels.
    score_threshold : float, default=0.6
        Smallest score of a face, from 0 to 1.
    {{running_parameters}}

    See Also
    --------
    DlibFaceCropper : Needs no file.

    References
    ----------
    Wu, Peng and Yu, "YuNet: A tiny millisecond-level face detector", Machine
    Intelligence Research 20, 2023.

    Examples
    --------
    >>> from skdeepfake.preprocessing import YuNetFaceCropper
    >>> YuNetFaceCropper("face_detection_yunet_2023mar.onnx", max_faces=3)
    YuNetFaceCropper(max_faces=3, model='face_detection_yunet_2023mar.onnx')
    """

    model: str | os.PathLike[str]
    _: KW_ONLY
    min_size: int = 20
    score_threshold: float = 0.6

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_FaceCropper._parameter_constraints,
        "model": [str, os.PathLike],
    }

    def _finder(self) -> tuple[Any, ...]:
        path = os.path.abspath(os.fspath(self.model))
        if not os.path.isfile(path):
            raise ValueError(
                f"model={os.fspath(self.model)!r} is not a file: it is the network "
                "face_detection_yunet of OpenCV's model zoo"
            )
        changed = os.stat(path).st_mtime_ns
        return "yunet", int(self.min_size), float(self.score_threshold), path, changed


class _Search(NamedTuple):
    """What the crops of a clip depend on, besides the clip."""

    finder: tuple[Any, ...]
    margin: float
    max_faces: int
    regions: tuple[str, ...]
    landmarks: tuple[str, int, int] | None
    box: str
    jpeg_quality: int | None
    version: int

    @property
    def n_crops(self) -> int:
        """Number of crops of a frame."""
        return len(self.regions) * self.max_faces


class _Found(NamedTuple):
    """What cropping a clip gave."""

    crops: Crops
    outcome: Plan | VideoReadError
    left_out: bool = False  # whether there were more people than places
    boxes: Boxes | None = None


def _crop_clip(
    clip: Clip, *, search: _Search, cache: CropCache | None, n_threads: int | None
) -> _Found:
    """Get the crops of one clip, and the frames they were cut from, or why none."""
    error = clip.error
    if error is None:
        try:
            return _cached_or_cropped(clip, search, cache, n_threads)
        except VideoReadError as caught:
            if clip.on_error == "raise":
                raise
            error = caught
    nobody: Crops = [None] * (len(clip) * search.n_crops)
    return _Found(nobody, error)


def _cached_or_cropped(
    clip: Clip, search: _Search, cache: CropCache | None, n_threads: int | None
) -> _Found:
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
        found = _decode_and_crop(clip, search, n_threads)
        try:
            cache._store(key, *found)  # type: ignore[arg-type]
        except CacheError as error:
            raise CacheError(f"crops of {clip.path!r}: {error}") from error
        entry = cache._load(key)
        if entry is None:  # pruned in this very moment
            return found
    return _Found(list(entry.crops), *entry[1:])


def _decode_and_crop(clip: Clip, search: _Search, n_threads: int | None) -> _Found:
    follower: FaceFollower | None = None

    def start() -> Callable[..., list[_Cell]]:
        nonlocal follower
        finder, *arguments = search.finder
        follower = FaceFollower(FINDERS[finder](*arguments), search.max_faces)
        return _FrameCropper(follower, search, clip.burst)

    cells = clip._map_faces(start, n_threads=n_threads)
    nobody: list[_Cell] = [(None, None)] * search.n_crops
    slots = [cell for found in cells for cell in found or nobody]
    assert clip.plan is not None  # proven by the decoding
    assert follower is not None
    crops: Crops = [crop for crop, _ in slots]
    boxes = [box for _, box in slots]
    return _Found(crops, clip.plan, follower.left_out, boxes)


class _FrameCropper:
    """Cuts out the faces of the frames of one clip, given in order."""

    def __init__(self, follower: FaceFollower, search: _Search, burst: int) -> None:
        self._follower, self._search = follower, search
        self._frames_per_search = burst if search.box == "burst" else 1
        self._numbers = itertools.count()
        self._faces: list[Face | None] = []

    def __call__(
        self, frame: NDArray[np.uint8], search_in: NDArray[np.uint8] | None = None
    ) -> list[_Cell]:
        search = self._search
        frame = _as_jpeg(frame, search.jpeg_quality)
        is_next = next(self._numbers) % self._frames_per_search == 0
        if is_next and set(search.regions) != {"frame"}:
            self._faces = self._follower.find(
                frame if search_in is None else _as_jpeg(search_in, search.jpeg_quality)
            )
        landmarks = None if search.landmarks is None else search.landmarks[0]
        cells: list[_Cell] = []
        for region in search.regions:
            if region == "frame":
                cells.append((frame.copy(), None))
                continue
            for face in self._faces:
                crop = face and region_of(frame, face, region, search.margin, landmarks)
                box = face[:4] if face and crop is not None else None
                cells.append((crop, box))
        return [
            (None if crop is None else _as_jpeg(crop, search.jpeg_quality), box)
            for crop, box in cells
        ]


def _as_jpeg(image: NDArray[np.uint8], quality: int | None) -> NDArray[np.uint8]:
    """Write an image as JPEG and read it again."""
    if quality is None:
        return image
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, written = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    read = cv2.imdecode(written, cv2.IMREAD_COLOR)
    assert read is not None
    return cv2.cvtColor(read, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
