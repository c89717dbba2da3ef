"""Manipulations that turn rendered recordings into fakes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..synthesis._recipe import draw_recipe
from ._recording import (
    EYES,
    FACE_CENTER,
    FACE_WIDTH,
    REACH,
    SOFTNESS,
    Image,
    Manipulation,
    Recording,
    deform,
    smooth_noise,
    soften,
)


def _ellipse(
    recording: Recording,
    center: Sequence[float] | NDArray,
    axes: Sequence[float] | NDArray,
    softness: float,
) -> NDArray[np.float32]:
    """Return a mask of the portrait that is 1 inside an ellipse and 0 outside."""
    mask = np.zeros(recording.picture.shape[:2], np.float32)
    middle, half = ([int(n) for n in each] for each in (center, axes))
    cv2.ellipse(mask, middle, half, 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), softness).astype(np.float32)


def _blend(
    picture: NDArray[np.uint8], other: NDArray[np.uint8], mask: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Blend another portrait into a portrait where the mask is 1."""
    return np.rint(picture + mask * (other.astype(np.float32) - picture)).astype(
        np.uint8
    )


class Swap(Manipulation):
    """Blend a deformed and recolored copy of the face into each frame."""

    def __init__(self, seed: int, recording: Recording) -> None:
        rng = np.random.default_rng(seed)
        self.recording = recording
        n_frames = len(recording.seconds)

        # Change the shape by a smooth deformation and a small affine transformation.
        side = 2 * REACH
        self.shift = 1.8 * smooth_noise(rng, (side, side), 4, 2)
        angle, self.scale = rng.uniform(-3, 3), rng.uniform(0.87, 0.93)
        # Add jitter, as in methods that manipulate each frame separately.
        self.angle = angle + rng.normal(0, 0.3, size=n_frames)
        self.move = rng.uniform(-2, 2, size=2) + rng.normal(0, 0.3, size=(n_frames, 2))

        # Change the skin color. Draw the blur from the same range as for real faces.
        self.gain = rng.choice([0.9, 1.1]) * rng.uniform(0.94, 1.06, size=3)
        self.gain = self.gain * rng.normal(1, 0.01, size=(n_frames, 1))
        self.softness = rng.uniform(*SOFTNESS)
        self.grain = rng.uniform(0.5, 1.0)

        axes = rng.integers([39, 49], [45, 55], endpoint=True)
        # Exclude the background of the portrait.
        inside = recording.picture[..., 3] / np.float32(255)
        self.mask = _ellipse(recording, FACE_CENTER, axes, 4) * inside

    def on_frame(
        self,
        k: int,
        frame: Image,
        grain: Image,
        picture: NDArray[np.uint8],
        pose: NDArray[np.float64],
    ) -> tuple[Image, Image]:
        """Return frame `k` and its noise with the face swapped."""
        face = deform(picture[..., :3], self.shift)
        face = soften(face, self.softness)
        center = FACE_CENTER.tolist()
        tremble = cv2.getRotationMatrix2D(center, self.angle[k], self.scale)
        tremble[:, 2] += self.move[k]
        moved = pose @ np.vstack([tremble, [0, 0, 1]])
        face = self.recording.project(face, moved) * self.gain[k].astype(np.float32)
        mask = self.recording.project(self.mask, pose)[..., None]
        # A generated face has less camera noise.
        return frame + mask * (face - frame), grain * (1 - (1 - self.grain) * mask)


class Flicker(Manipulation):
    """Change brightness and color of the face from frame to frame."""

    def __init__(self, seed: int, recording: Recording) -> None:
        rng = np.random.default_rng(seed)
        self.recording = recording
        n_frames = len(recording.seconds)
        self.gain = rng.normal(1, 0.05, (n_frames, 1)) * rng.normal(
            1, 0.01, (n_frames, 3)
        )
        self.mask = _ellipse(recording, FACE_CENTER, (38, 48), 6)

    def on_frame(
        self,
        k: int,
        frame: Image,
        grain: Image,
        picture: NDArray[np.uint8],
        pose: NDArray[np.float64],
    ) -> tuple[Image, Image]:
        """Return frame `k` with changed brightness and color of the face."""
        mask = self.recording.project(self.mask, pose)[..., None]
        gain = 1 + mask * (self.gain[k] - 1)
        return (frame * gain).astype(np.float32), grain


class FrozenEyes(Manipulation):
    """Freeze the eyes, so that they neither blink nor move."""

    def __init__(self, seed: int, recording: Recording) -> None:
        # The eyes in `recording.picture` are open.
        eyes = [_ellipse(recording, eye, (15, 9), 2) for eye in EYES]
        self.mask = np.maximum(*eyes)[..., None]

    def on_portrait(
        self, k: int, picture: NDArray[np.uint8], recording: Recording
    ) -> NDArray[np.uint8]:
        """Blend open eyes into frame `k`."""
        return _blend(picture, recording.picture, self.mask)


class LipSync(Manipulation):
    """Delay the movements of the mouth."""

    def __init__(self, seed: int, recording: Recording) -> None:
        rng = np.random.default_rng(seed)
        fps = 1 / max(recording.seconds[1:2].sum(), 1e-3)
        self.lag = max(1, round(fps * rng.uniform(0.2, 0.4)))
        self.mask = _ellipse(recording, (222, 147), (26, 13), 2)[..., None]

    def on_portrait(
        self, k: int, picture: NDArray[np.uint8], recording: Recording
    ) -> NDArray[np.uint8]:
        """Blend the mouth of an earlier frame into frame `k`."""
        earlier = min(abs(k - self.lag), len(recording.seconds) - 1)
        return _blend(picture, recording.portrait(earlier), self.mask)


class Splice(Manipulation):
    """Replace a third of the frames with other frames of the same recording."""

    def __init__(self, seed: int, recording: Recording) -> None:
        self.rng = np.random.default_rng(seed)

    def order(self, n_frames: int) -> Sequence[int]:
        """Return the indices of the frames in their new order."""
        order = np.arange(n_frames)
        length = max(1, n_frames // 3)
        start = self.rng.integers(0, n_frames - length + 1)
        segment = slice(start, start + length)
        order[segment] = (order[segment] + n_frames // 2) % n_frames
        return order.tolist()


class SelfBlend(Manipulation):
    """Blend a changed copy of the face into the same face."""

    def __init__(self, seed: int, recording: Recording) -> None:
        self.recipe = draw_recipe(np.random.default_rng(seed))

    def on_recorded(
        self, frame: NDArray[np.uint8], pose: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Return a recorded frame with the face blended into itself."""
        corner = np.append(FACE_CENTER - FACE_WIDTH / 2, 1)
        to_frame = np.column_stack([pose[:, :2] * FACE_WIDTH, pose @ corner])
        return self.recipe.apply(frame, to_frame).fake


#: Manipulations by name, as in `make_videos`.
MANIPULATIONS = {
    "swap": Swap,
    "self_blended": SelfBlend,
    "flicker": Flicker,
    "frozen_eyes": FrozenEyes,
    "lip_sync": LipSync,
    "splice": Splice,
}
