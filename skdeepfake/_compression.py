"""In-memory compression: JPEG with OpenCV, H.264 with the bundled ffmpeg."""

from __future__ import annotations

import subprocess

import cv2
import numpy as np
from numpy.typing import NDArray

from ._ffmpeg_executable import ffmpeg_executable

Images = NDArray[np.uint8]


def jpeg(image: Images, quality: int) -> Images:
    """Compress an RGB image with JPEG and decompress it."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, file = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(file, cv2.IMREAD_COLOR)
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)  # type: ignore[arg-type,return-value]


def h264(clips: Images, crf: NDArray[np.floating]) -> Images:
    """Compress short sequences of frames with H.264 and decompress them.

    One ffmpeg process encodes and decodes all sequences, each at its own rate factor.
    """
    n_clips, n_frames, height, width = clips.shape[:4]
    # x264 derives the quality of a key frame from the preceding frames unless the
    # preceding frame is a key frame, too. Therefore, each sequence starts with an extra
    # key frame, which is dropped, and follows a sequence of similar quality. Separate
    # encoders differ by less than 0.1 dB and take twice as long.
    length = n_frames + 1
    order = np.argsort(crf, kind="stable")
    stream = b"".join(
        cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes()
        for clip in order
        for frame in (clips[clip, 0], *clips[clip])
    )
    base = float(np.median(crf))
    zones = "/".join(
        f"{length * k},{length * k + n_frames},b={2 ** ((base - crf[clip]) / 6):.4f}"
        for k, clip in enumerate(order)
    )
    command = [
        *(ffmpeg_executable("libx264"), "-v", "error", "-f", "rawvideo"),
        *("-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "25", "-i", "-"),
        *("-map", "0:v", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1"),
        *("-force_key_frames", f"expr:lt(mod(n,{length}),2)"),
        *("-crf", f"{base:.4f}", "-x264-params", f"zones={zones}", "-f", "null", "-"),
        # Decode the encoded stream.
        *("-threads", "1", "-dec", "0:0", "-filter_complex", "[dec:0]null[decoded]"),
        *("-map", "[decoded]", "-f", "rawvideo", "-fps_mode", "passthrough"),
        *("-pix_fmt", "yuv420p", "pipe:1"),
    ]
    done = subprocess.run(command, input=stream, capture_output=True, check=False)
    if done.returncode or len(done.stdout) != len(stream):
        reason = done.stderr.decode("utf-8", errors="replace").strip()
        raise RuntimeError(
            f"ffmpeg {command[0]!r} failed to compress {n_clips} clips of {width} x "
            f"{height} pixels with H.264: {reason or 'frames are missing'}. Use ffmpeg "
            "7 or later with libx264, such as the one that imageio-ffmpeg installs."
        )
    decoded = np.frombuffer(done.stdout, np.uint8)
    decoded = decoded.reshape(n_clips, length, height * 3 // 2, width)[:, 1:]
    compressed = np.empty_like(clips)
    for clip, frames in zip(order, decoded, strict=True):
        for k, frame in enumerate(frames):
            compressed[clip, k] = cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420)
    return compressed
