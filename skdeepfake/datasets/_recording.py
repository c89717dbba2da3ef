"""Render recordings of a face frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

# Face detected by dlib in `skimage.data.astronaut()`, in pixels.
FACE_CENTER = np.array([222.0, 127.0])
FACE_WIDTH = 87.0
# Half the side of the square around the face that is deformed.
REACH = 80
ROI = (
    slice(int(FACE_CENTER[1]) - REACH, int(FACE_CENTER[1]) + REACH),
    slice(int(FACE_CENTER[0]) - REACH, int(FACE_CENTER[0]) + REACH),
)
# Centers of the eyes, and half the width and half the height of each eye.
EYES, EYE_SIZE = ((203.5, 101.0), (247.0, 103.5)), (11.0, 5.0)
# Duration of a blink in seconds.
_BLINK = 0.4
# Outline of the person, clockwise from the left of the neck.
# fmt: off
_OUTLINE = [
    (184, 152), (181, 140), (176, 126), (162, 108), (157, 92), (156, 72), (160, 58),
    (170, 47), (188, 37), (198, 27), (215, 19), (235, 18), (256, 24), (275, 37),
    (288, 53), (297, 75), (297, 92), (292, 107), (281, 123), (271, 132), (263, 136),
    (261, 150), (255, 165), (252, 174), (270, 187), (285, 202), (297, 219),
    (302, 245), (318, 252), (338, 275), (350, 310), (362, 360), (400, 345),
    (490, 440), (490, 511), (22, 511), (40, 330), (58, 290), (70, 264), (118, 232),
    (117, 198), (126, 178), (141, 164), (165, 154),
]
# fmt: on

Image = NDArray[np.float32]

# Range of the blur of all faces, in pixels of the portrait.
SOFTNESS = 0.4, 1.6


def load_portrait() -> NDArray[np.uint8]:
    """Return the portrait as RGBA, with alpha 0 in the background."""
    try:
        from skimage.data import astronaut
    except ImportError as error:
        raise ImportError(
            "make_videos needs scikit-image for its portrait: "
            'pip install "skdeepfake[demo]"'
        ) from error
    picture = astronaut()
    alpha = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(alpha, [np.array(_OUTLINE, np.int32)], 255)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 1.5)
    return np.dstack([picture, alpha])


def _bump(center: tuple[float, float], spread: tuple[float, float]) -> Image:
    """Return a Gaussian over the region of the face, with a maximum of 1."""
    y, x = np.mgrid[ROI].astype(np.float32)
    square = ((x - center[0]) / spread[0]) ** 2 + ((y - center[1]) / spread[1]) ** 2
    return np.exp(-square / 2).astype(np.float32)


def deform(picture: NDArray, shift: Image) -> NDArray:
    """Deform the region of the face by `shift`, (h, w, 2) in pixels."""
    y, x = np.mgrid[: 2 * REACH, : 2 * REACH].astype(np.float32)
    region = cv2.remap(
        picture[ROI],
        x - shift[..., 0],
        y - shift[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    deformed = picture.copy()
    deformed[ROI] = region
    return deformed


def soften(picture: NDArray, sigma: float) -> NDArray:
    """Blur the region of the face."""
    softened = picture.copy()
    softened[ROI] = cv2.GaussianBlur(picture[ROI], (0, 0), sigma)
    return softened


def close_eyes(picture: NDArray[np.uint8], closed: float) -> NDArray[np.uint8]:
    """Paint lids that cover the share `closed` of the eyes of the portrait."""
    if closed <= 0:
        return picture
    region = picture[ROI][..., :3].astype(np.float32)
    y, x = np.mgrid[ROI].astype(np.float32)
    for center_x, center_y in EYES:
        arc = EYE_SIZE[1] * (1 - ((x - center_x) / EYE_SIZE[0]) ** 2)
        edge = center_y + (2 * closed - 1) * arc
        lid = np.clip(edge - y + 0.5, 0, 1) * np.clip(y - center_y + arc + 1.5, 0, 1)
        lashes = 0.5 * np.exp(-((y - edge) ** 2))
        above = (np.abs(x - center_x) < 6) & (np.abs(y - center_y + 8) < 2)
        skin = region[above].mean(axis=0)
        painted = region + lid[..., None] * (skin - region)
        region = np.where(
            (arc > 0)[..., None], painted * (1 - lashes)[..., None], region
        )
    covered = picture.copy()
    covered[ROI][..., :3] = np.rint(region)
    return covered


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: int, channels: int
) -> Image:
    """Return noise with at most unit variance and about `cells` waves per side."""
    coarse = rng.standard_normal((cells + 1, cells + 1, channels)).astype(np.float32)
    fine = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return fine.reshape(*shape, channels).astype(np.float32)


class Manipulation:
    """Manipulation of a recording. The `on_*` methods are called for each frame."""

    def order(self, n_frames: int) -> Sequence[int]:
        """Return the indices of the frames in their new order."""
        return range(n_frames)

    def on_portrait(
        self, k: int, picture: NDArray[np.uint8], recording: Recording
    ) -> NDArray[np.uint8]:
        """Change the portrait in frame `k`, before the pose is applied."""
        return picture

    def on_frame(
        self,
        k: int,
        frame: Image,
        grain: Image,
        picture: NDArray[np.uint8],
        pose: NDArray[np.float64],
    ) -> tuple[Image, Image]:
        """Change frame `k` and its noise, before light and noise are added."""
        return frame, grain

    def on_recorded(
        self, frame: NDArray[np.uint8], pose: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Change a recorded frame."""
        return frame


class Recording:
    """Random properties of one recording, drawn from a seed."""

    def __init__(
        self,
        seed: int,
        portrait: NDArray[np.uint8],
        n_frames: int,
        fps: float,
        size: tuple[int, int],
        blinks: bool = False,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.size = size
        self.seconds = np.arange(n_frames) / fps
        height, width = size
        unit = min(size)

        # Position, size and rotation of the head.
        scale = unit * rng.uniform(0.46, 0.56) / FACE_WIDTH
        aspect = rng.uniform(0.96, 1.04)
        mirror = rng.choice([-1, 1])
        self.stretch = scale * np.array([mirror * aspect, 1 / aspect])
        place = np.array([width, height]) * rng.uniform([0.42, 0.46], [0.58, 0.54])
        swing = unit * rng.uniform(0.01, 0.04, size=2)
        self.path = place + np.stack([self._wave(rng, s) for s in swing], axis=1)
        self.roll = np.deg2rad(self._wave(rng, rng.uniform(1, 6)))
        self.breath = 1 + self._wave(rng, rng.uniform(0.01, 0.04))

        # Expressions as displacements of the portrait in pixels.
        turn, jaw, brow = (
            self._wave(rng, rng.uniform(low, high), fastest)
            for low, high, fastest in ((1, 4, 0.6), (1, 3, 2.5), (0.5, 2, 1.0))
        )
        self.expressions = [
            (turn, _bump((222, 125), (32, 42)), 0),
            (jaw, _bump((222, 163), (24, 16)), 1),
            (brow, _bump((222, 90), (34, 9)), 1),
        ]

        self.closed = np.zeros(n_frames)  # share of the eyes covered by lids
        if blinks:
            draw = np.random.default_rng([seed, 1])
            second = draw.uniform(0.2, 0.8) * min(2.0, n_frames / fps)
            while second < n_frames / fps:
                near = 1 - np.abs(self.seconds - second) / (_BLINK / 2)
                self.closed = np.maximum(self.closed, np.clip(2 * near, 0, 1))
                second += draw.uniform(1, 3)

        # Light and colors, including the hue of the suit and the skin tone.
        hsv = cv2.cvtColor(portrait[..., :3], cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + rng.integers(180)) % 180
        dyed = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        cloth = np.clip((np.arange(len(portrait)) - 180) / 15, 0, 1)[:, None, None]
        tone = rng.uniform(0.8, 1.05) * rng.uniform(0.93, 1.07, size=3)
        picture = portrait[..., :3] * tone * (1 - cloth) + dyed * cloth
        self.picture = np.dstack(
            [np.clip(picture, 0, 255).astype(np.uint8), portrait[..., 3]]
        )
        gradient = smooth_noise(rng, size, 1, 1)
        cast = rng.uniform(0.92, 1.08, size=3)
        light = rng.uniform(0.85, 1.1) * cast * (1 + 0.06 * gradient)
        self.light = light.astype(np.float32)

        # The background is larger than the frame, since the camera moves slightly.
        self.margin = max(4, unit // 20)
        shape = (height + 2 * self.margin, width + 2 * self.margin)
        color = rng.uniform(40, 200) + rng.uniform(-25, 25, size=3)
        background = color + rng.uniform(8, 25) * smooth_noise(rng, shape, 2, 3)
        cells = int(rng.integers(8, 30))
        background += rng.uniform(2, 16) * smooth_noise(rng, shape, cells, 1)
        self.background = np.clip(background, 0, 255).astype(np.float32)
        sway = rng.uniform(0, self.margin / 3, size=2)
        self.camera = np.stack([self._wave(rng, s) for s in sway], axis=1)

        # The noise of each frame is cropped at random from a single field.
        grain = rng.standard_normal((height + 32, width + 32, 3), dtype=np.float32)
        self.grain = rng.uniform(1.5, 4.5) * grain
        self.grain_place = rng.integers(32, size=(n_frames, 2))

        # Random blur, so that blur alone does not reveal fakes.
        self.softness = rng.uniform(*SOFTNESS)

    def _wave(
        self, rng: np.random.Generator, amplitude: float, fastest: float = 0.6
    ) -> NDArray[np.float64]:
        """Return a slow movement, the mean of two sine waves, one value per frame."""
        hertz = rng.uniform(0.25 * fastest, fastest, size=(2, 1))
        phase = rng.uniform(0, 2 * np.pi, size=(2, 1))
        waves = np.sin(2 * np.pi * hertz * self.seconds + phase)
        return amplitude * waves.mean(axis=0)

    def pose(self, k: int) -> NDArray[np.float64]:
        """Return the affine map (2, 3) from the portrait to frame `k`."""
        cos, sin = np.cos(self.roll[k]), np.sin(self.roll[k])
        linear = np.array([[cos, -sin], [sin, cos]]) * self.stretch * self.breath[k]
        return np.column_stack([linear, self.path[k] - linear @ FACE_CENTER])

    def project(self, picture: NDArray, pose: NDArray[np.float64]) -> Image:
        """Transform `picture` from portrait to frame coordinates."""
        seen = cv2.warpAffine(
            picture, pose, self.size[::-1], borderMode=cv2.BORDER_REPLICATE
        )
        return seen.astype(np.float32)

    def portrait(self, k: int) -> NDArray[np.uint8]:
        """Return the portrait with the expression of frame `k`."""
        shift = np.zeros((2 * REACH, 2 * REACH, 2), np.float32)
        for strength, field, axis in self.expressions:
            shift[..., axis] += strength[k] * field
        return deform(close_eyes(self.picture, self.closed[k]), shift)

    def render(
        self, manipulation: Manipulation | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """Yield the RGB uint8 frames of the recording or of its fake."""
        fake = Manipulation() if manipulation is None else manipulation
        height, width = self.size
        for k in fake.order(len(self.seconds)):
            offset = -self.margin + self.camera[k]
            pan = np.column_stack([np.eye(2), offset])
            frame: Image = cv2.warpAffine(self.background, pan, (width, height)).astype(
                np.float32
            )
            picture = fake.on_portrait(k, self.portrait(k), self)
            pose = self.pose(k)
            head = self.project(soften(picture, self.softness), pose)
            frame += head[..., 3:] / 255 * (head[..., :3] - frame)
            y, x = self.grain_place[k]
            grain = self.grain[y : y + height, x : x + width]
            frame, grain = fake.on_frame(k, frame, grain, picture, pose)
            frame = frame * self.light + grain
            recorded = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
            yield fake.on_recorded(recorded, pose)
