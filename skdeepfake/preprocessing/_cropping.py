"""Face cropping, from clips to the faces in each frame."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._docs import shared_docs
from .._parallel import map_videos
from .._stateless import StatelessTransformer
from ..exceptions import CrowdWarning, NoFaceWarning, VideoReadWarning
from ._cache import CropCache
from ._clip import Plan, check_clips
from ._crops import Search, crop_clip
from ._faces import ALGORITHM_VERSION
from ._regions import PARTS, check_landmarks, check_regions

#: Maximum number of people to follow with `max_faces=None`.
MAX_PEOPLE = 10

_SHARED = {
    "region_parameters": """\
    margin : float, default=0.0
        Margin added on each side of the region, as a fraction of its width or height.
        The default is from Volisetty, Sen and Savala (2023). 0.15 enlarges boxes 1.3
        times, like FaceForensics++.
    max_faces : int or None, default=1
        Maximum number of people to follow. None follows up to 10 people and warns about
        videos that show more at once. Slots are ordered by frame, then by person. A
        person has the same position among the slots of every frame. The slot is empty
        in frames in which the person is not visible. If all positions are taken, a new
        person gets the position of someone who has been absent for at least two frames.
    region : {"face", "frame", "eyes", "nose", "mouth", "body"} or sequence of these, \
default="face"
        Region to crop. "face" is the box found by the detector, "frame" is the whole
        frame, without a face search, and "body" is the upper torso below the face. With
        several regions, the slots of each frame are ordered by region, then by person.
    landmarks : str, os.PathLike or None, default=None
        File of a dlib shape predictor that locates the eyes (5 landmarks), or the eyes,
        nose and mouth (68 landmarks). None uses the average positions of the eyes, nose
        and mouth in the face box.
    box : {"frame", "burst"}, default="frame"
        Frames to search for faces. "frame" searches each frame. "burst" searches only
        the first frame of each burst and uses its boxes for the whole burst. This is
        faster, and the boxes do not move within a burst.
    jpeg_quality : int or None, default=None
        Quality of the JPEG compression, from 0 to 100. Each frame is compressed before
        the search, and each crop is compressed again. The code of Volisetty, Sen and
        Savala (2023) uses 95. None disables the compression.
""",
    "running_parameters": """\
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Folder in which crops are cached; see :class:`CropCache`. None disables caching.
    n_jobs : int or None, default=None
        Number of videos cropped in parallel. Threads are used unless
        `joblib.parallel_config` sets another backend. None means 1, and -1 uses all
        cores.
    verbose : int, default=0
        If positive, show a progress bar.
""",
}
_with_shared_docs = shared_docs(_SHARED)


@dataclass(repr=False, eq=False)
class _FaceCropper(StatelessTransformer):
    """Base class for the croppers, which differ in their face detector."""

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
                "region='frame' returns one image per frame and needs max_faces=1; "
                f"got max_faces={self.max_faces}."
            )

    @property
    def n_people(self) -> int:
        """Maximum number of people to follow: `max_faces`, or 10 if it is None."""
        return MAX_PEOPLE if self.max_faces is None else int(self.max_faces)

    def _finder(self) -> tuple[Any, ...]:
        """Return the name of the face detector in `FINDERS`, and its arguments."""
        raise NotImplementedError

    def transform(self, X: ArrayLike) -> NDArray[np.object_]:
        """Decode the clips and crop the faces.

        Parameters
        ----------
        X : ndarray of object, shape (n_videos,)
            Clips with the same number of frames, as returned by
            :class:`VideoFrameSampler`.

        Returns
        -------
        ndarray of object, shape (n_videos, n_frames * burst * n_regions * max_faces)
            RGB crops, each of shape (height, width, 3) and dtype uint8. None in slots
            without a frame or a face. With `memory`, each crop is a
            :class:`StoredCrop`, which is read from the cache when used as an array.

        Raises
        ------
        VideoReadError
            If a video cannot be decoded and was sampled with ``on_error="raise"``.
        CacheError
            If the cache cannot be written to. Existing entries are kept.
        ValueError
            If `X` is not a one-dimensional array of clips with the same number of
            frames.

        Warns
        -----
        NoFaceWarning
            For each video without any face.
        VideoReadWarning
            For each damaged or truncated video and, with ``on_error="skip"``, for each
            video that cannot be decoded.
        CrowdWarning
            For each video that shows more than 10 people at once, with
            ``max_faces=None``.
        CacheWarning
            For each damaged cache entry. Its video is cropped again.
        """
        self._validate_params()
        clips = check_clips(X, caller=type(self).__name__)
        # Divide the cores among the decoders of all jobs.
        n_jobs = min(joblib.effective_n_jobs(self.n_jobs), len(clips))
        search = Search(
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
            crop_clip,
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
                    f"{clip.path!r} shows more than {MAX_PEOPLE} people at once; only "
                    f"{MAX_PEOPLE} are followed. Set max_faces to follow more.",
                    CrowdWarning,
                    stacklevel=3,
                )
            # Copy the results, since another process may have decoded the clip.
            clip.boxes, clip.left_out = boxes, left_out
            if isinstance(outcome, Plan):
                clip.plan = outcome
                if clip.missing:
                    reason = (
                        f"is damaged or cut off: {clip.missing:.1f} s cannot be "
                        "decoded. Frames were sampled from the rest"
                    )
                    warnings.warn(VideoReadWarning(clip.path, reason), stacklevel=3)
                if all(cell is None for cell in found):
                    warnings.warn(
                        f"No face was found in any of the {len(clip)} frames "
                        f"sampled from {clip.path!r}.",
                        NoFaceWarning,
                        stacklevel=3,  # skip scikit-learn's wrapper of `transform`
                    )
            elif clip.error is None:  # otherwise, the sampler has already warned
                clip.give_up(outcome)
                warnings.warn(VideoReadWarning(*outcome.args), stacklevel=3)
        return crops

    def _landmarks_identity(self) -> tuple[str, int, int] | None:
        """Return path, size and modification time of the landmark file, if used."""
        if self.landmarks is None or PARTS.isdisjoint(check_regions(self.region)):
            return None
        path = check_landmarks(self.landmarks)
        found = os.stat(path)
        return path, found.st_size, found.st_mtime_ns


@_with_shared_docs
@dataclass(repr=False, eq=False)
class DlibFaceCropper(_FaceCropper):
    """Crop faces found by dlib's HOG detector.

    1. Search for faces near their previous positions, then in the whole frame, starting
       at a low resolution.
    2. Follow the person whose face has the highest detection score, or up to
       `max_faces` people.
    3. Enlarge each box by `margin` and clip it to the frame.

    The crop is None in frames in which the person is not found. The detector does not
    find faces in profile.

    Parameters
    ----------
    search : {"fast", "exhaustive"}, default="fast"
        Search method. "fast" is described above. "exhaustive" enlarges each frame (to
        twice its size with the default `min_size`) and searches all of it in color,
        like the code of Volisetty, Sen and Savala (2023). It is about 50 times slower.
    {{region_parameters}}
    min_size : int, default=40
        Minimum size of a face, as the side of dlib's detection window in pixels of the
        frame. Boxes can be 10% smaller than the window. The default is from Volisetty,
        Sen and Savala (2023). With the default, the minimum size increases with the
        frame size in frames larger than 1080p.
    score_threshold : float, default=0.0
        Minimum detection score of a face. The default is dlib's default. With higher
        values, fewer faces are found, but also fewer false positives.
    {{running_parameters}}

    See Also
    --------
    YuNetFaceCropper : Find turned and small faces, using a model file.
    VideoFrameSampler : Previous step of a pipeline.
    Resizer : Next step of a pipeline.

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
    """Crop faces found by the YuNet network.

    YuNet finds turned and small faces that dlib's detector misses, and runs in OpenCV.
    Its model file, such as ``face_detection_yunet_2023mar.onnx``, is available from
    OpenCV's model zoo. Faces are followed and cropped as in :class:`DlibFaceCropper`.

    Parameters
    ----------
    model : str or os.PathLike
        File of the network, in ONNX format.
    {{region_parameters}}
    min_size : int, default=20
        Minimum size of a face, as the longer side of its box in pixels.
    score_threshold : float, default=0.6
        Minimum detection score of a face, from 0 to 1.
    {{running_parameters}}

    See Also
    --------
    DlibFaceCropper : Crop faces without a model file.

    References
    ----------
    Wu, Peng and Yu, "YuNet: A tiny millisecond-level face detector", Machine
    Intelligence Research 20, 2023.

    Volisetty, Sen and Savala, "Deepfake detection", 2023, section 7.1.

    Examples
    --------
    >>> from skdeepfake.preprocessing import VideoFrameSampler, YuNetFaceCropper
    >>> cropper = YuNetFaceCropper("face_detection_yunet_2023mar.onnx", max_faces=3)
    >>> cropper
    YuNetFaceCropper(max_faces=3, model='face_detection_yunet_2023mar.onnx')
    >>> clips = VideoFrameSampler().fit_transform(["interview.mp4"])  # doctest: +SKIP
    >>> cropper.fit_transform(clips).shape  # doctest: +SKIP
    (1, 30)
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
                f"model={os.fspath(self.model)!r} is not a file. Download "
                "face_detection_yunet from OpenCV's model zoo and pass its path."
            )
        changed = os.stat(path).st_mtime_ns
        return "yunet", int(self.min_size), float(self.score_threshold), path, changed
