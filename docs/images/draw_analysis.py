"""Draw analysis.png: the analysis of a clip with a self-blended face in a part of it.

The face is the astronaut of scikit-image, a NASA portrait in the public domain. It
moves slightly from frame to frame, as if filmed with a hand-held camera.

Example: ``python docs/images/draw_analysis.py``
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from skimage.data import astronaut

from skdeepfake import SelfBlender, analyze_video

FPS, SECONDS = 12, 12
MANIPULATED = (3.5, 9.0)  # seconds
FACE = (174, 60, 94)  # left, top and side of the face's box in the portrait
MARGIN = 0.4


def frames(seed: int = 0):
    """Yield RGB frames of 480 x 480 pixels."""
    rng = np.random.default_rng(seed)
    picture = astronaut()
    left, top, side = FACE
    edge = round(side * MARGIN)
    rows, columns = (
        slice(top - edge, top + side + edge),
        slice(left - edge, left + side + edge),
    )
    blender = SelfBlender(margin=MARGIN, color=0.5)
    x = y = 0.0
    for number in range(FPS * SECONDS):
        frame = picture.copy()
        if MANIPULATED[0] <= number / FPS < MANIPULATED[1]:
            crop = np.ascontiguousarray(frame[rows, columns])
            frame[rows, columns] = blender.blend(crop, random_state=7)
        x, y = 0.9 * x + rng.normal(0, 1), 0.9 * y + rng.normal(0, 1)
        zoom = 1.6 + 0.05 * np.sin(number / 9)
        move = np.array(
            [[zoom, 0, 240 - zoom * (220 + x)], [0, zoom, 190 - zoom * (110 + y)]]
        )
        frame = cv2.warpAffine(frame, move, (480, 480), borderMode=cv2.BORDER_REFLECT)
        yield np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)


def main() -> None:
    """Render the clip, analyze it and save the picture."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "interview.mp4")
        writer = imageio_ffmpeg.write_frames(str(path), (480, 480), fps=FPS, quality=8)
        writer.send(None)
        for frame in frames():
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        analysis = analyze_video(path)
        print(analysis, analysis.frames.probability.round(2).tolist())
        display = analysis.plot()
        display.figure_.savefig(Path(__file__).with_name("analysis.png"), dpi=110)


if __name__ == "__main__":
    main()
