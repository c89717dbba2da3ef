"""The ffmpeg executable, tested before its first use."""

from __future__ import annotations

import functools
import os
import subprocess

import imageio_ffmpeg

from .exceptions import FFmpegError

_BUNDLED = os.path.join(os.path.dirname(imageio_ffmpeg.__file__), "binaries")


def ffmpeg_executable(encoder: str = "wrapped_avframe") -> str:
    """Return the path of ffmpeg; raise an FFmpegError if it cannot be used."""
    try:
        executable = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise FFmpegError(f"ffmpeg was not found: {error}") from error
    is_bundled = os.path.dirname(executable) == _BUNDLED
    if not is_bundled and (problem := _problem(executable, encoder)):
        raise FFmpegError(
            f"ffmpeg {executable!r} cannot be used: {problem}. Set IMAGEIO_FFMPEG_EXE "
            "to the path of ffmpeg 7 or later with libx264, or unset it to use the "
            "ffmpeg bundled with imageio-ffmpeg."
        )
    return executable


@functools.lru_cache
def _problem(executable: str, encoder: str) -> str | None:
    """Return the reason why a small test video cannot be encoded, or None."""
    command = [
        *(executable, "-nostdin", "-hide_banner", "-v", "error"),
        *("-f", "lavfi", "-i", "color=s=64x64:d=0.04"),
        *("-vf", "bwdif=mode=send_frame:deint=interlaced,setpts=PTS-STARTPTS"),
        *("-fps_mode", "passthrough", "-enc_time_base", "filter"),
        *("-c:v", encoder, "-f", "framecrc", "-"),
    ]
    try:
        version = _run([executable, "-version"]).stdout.partition("\n")[0]
        done = _run(command)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it does not run ({error})"
    if done.returncode == 0 and "\n0," in done.stdout:
        return None
    reason = (done.stderr.strip() or "it decodes no frame").splitlines()[0].rstrip(".")
    return f"{version[:60] or 'unknown version'}: {reason}"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        errors="replace",
        timeout=60,
        check=False,
    )
