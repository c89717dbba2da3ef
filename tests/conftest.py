"""Fixtures and hooks shared by the tests."""

from __future__ import annotations

import errno
import functools
import json
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import joblib
import numpy as np
import pytest
from sklearn.utils import Bunch

from skdeepfake import _atomic, _progress
from skdeepfake._video._process import DecoderProcess
from skdeepfake.datasets import load_videos, make_videos

ROOT = Path(__file__).resolve().parent.parent

LOAD_AND_ANSWER = """
import json, sys
assert not any(name.startswith(("skdeepfake", "keras")) for name in sys.modules)
for line in sys.stdin:
    path, samples, answers, expressions = json.loads(line)
    import joblib, numpy
    if path.endswith(".skops"):
        from skdeepfake import persistence
        estimator = persistence.load(path)
    else:
        estimator = joblib.load(path)
    X = numpy.load(samples)
    numpy.savez(answers, *[eval(expression) for expression in expressions])
    print("done", flush=True)
"""

H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real media, which are not in the repository."""
    folder = Path(os.environ.get("SKDEEPFAKE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "videos").is_dir():
        pytest.skip(f"no shared data in {folder}; set SKDEEPFAKE_DATA")
    return folder


@pytest.fixture(scope="session")
def vgg16_weights(shared_data: Path) -> str:
    """Path of the weights of a trained VGG16, which are not in the repository."""
    path = shared_data.parent / "weights" / "vgg16_notop.weights.h5"
    if not path.is_file():
        pytest.skip(f"no weights in {path}")
    return str(path)


@pytest.fixture(scope="session")
def real_videos(shared_data: Path) -> Bunch:
    """Real talking heads and the two labeled deepfakes."""
    return load_videos(shared_data / "videos")


@pytest.fixture(scope="session")
def rendered_videos(tmp_path_factory: pytest.TempPathFactory) -> Bunch:
    """Six recordings of a rendered face and a fake of each, in six groups."""
    root = tmp_path_factory.mktemp("rendered")
    return make_videos(root, n_real=6, n_fake=6, duration=1.0, random_state=0)


@pytest.fixture(scope="module")
def thin_vgg16() -> Iterator[None]:
    """Replace VGG16 with a network with one layer and few channels per block."""
    import keras

    from skdeepfake.features import _network

    def thin(*, weights: None, include_top: bool, input_shape: Any) -> Any:
        network = keras.Sequential([keras.Input(input_shape)])
        for n_channels in (4, 4, 4, 4, 512):
            network.add(keras.layers.Conv2D(n_channels, 3, padding="same"))
            network.add(keras.layers.AveragePooling2D(2))
        return network

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "VGG16", thin)
        patch.setattr(_network, "_shared", OrderedDict())
        yield


@pytest.fixture(scope="session")
def new_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[subprocess.Popen]:
    """Process that predicts with models, and imports skdeepfake only to load them."""
    environment = {k: v for k, v in os.environ.items() if "DETERMINISTIC" not in k}
    errors = tmp_path_factory.mktemp("new_process") / "stderr"
    with (
        errors.open("w+") as stderr,
        subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning", "-c", LOAD_AND_ANSWER],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,  # a pipe would fill up
            text=True,
            cwd=ROOT,
        ) as process,
    ):
        process.errors = errors
        yield process
        process.kill()


@pytest.fixture
def answers_of_a_new_process(
    new_process: subprocess.Popen, tmp_path: Path
) -> Callable[..., np.ndarray]:
    """Return a function that saves an estimator and predicts in another process.

    The result is the probabilities, or an array for each expression of `estimator` and
    `X`. Instead of the estimator, the path of a skops file can be passed.
    """

    def answers(estimator: Any, X: np.ndarray, *expressions: str) -> Any:
        names = "it.joblib", "X.npy", "answers.npz"
        paths = [str(tmp_path / name) for name in names]
        if isinstance(estimator, Path):
            paths[0] = str(estimator)
        else:
            joblib.dump(estimator, paths[0])
        np.save(paths[1], X)
        asked = expressions or ("estimator.predict_proba(X)",)
        print(json.dumps([*paths, asked]), file=new_process.stdin, flush=True)
        if new_process.stdout.readline() != "done\n":
            pytest.fail(new_process.errors.read_text(), pytrace=False)
        with np.load(paths[2]) as found:
            arrays = [found[name] for name in found]
        return arrays if expressions else arrays[0]

    return answers


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Record the requests to decoders as pairs of request and path."""
    requests = []
    ask = DecoderProcess.ask

    def spy(self: DecoderProcess, max_pixels: Any, **request: Any) -> Any:
        requests.append((request["do"], request["path"]))
        return ask(self, max_pixels, **request)

    monkeypatch.setattr(DecoderProcess, "ask", spy)
    return requests


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Simulate a disk that is full after `n_files` more files and half of the next."""

    def fill(n_files: int) -> None:
        left = iter(range(n_files))

        def open_file(path: str, mode: str) -> Any:
            file = open(path, mode)  # noqa: SIM115
            is_whole = mode != "wb" or next(left, None) is not None
            return file if is_whole else Full(file)

        monkeypatch.setattr(_atomic, "open", open_file, raising=False)

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def write(self, content: bytes) -> None:
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fill


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    """Run the bundled FFmpeg, with `frames` of equal shape as its first input."""

    def run(
        *arguments: object, frames: Iterable[np.ndarray] = (), fps: float = 10
    ) -> None:
        video = np.array(list(frames), np.uint8)
        source: list[object] = []
        if len(video):
            size = f"{video.shape[2]}x{video.shape[1]}"
            source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", fps]
            source += ["-i", "-"]
        words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
        words += [str(word) for word in [*source, *arguments]]
        subprocess.run(words, input=video.tobytes(), check=True)

    return run


@pytest.fixture
def write_clip(tmp_path: Path, ffmpeg: Callable[..., None]) -> Callable[..., Path]:
    """Write RGB frames of equal shape to a video file with the bundled FFmpeg."""

    def write(
        frames: Iterable[np.ndarray],
        name: str = "clip.mp4",
        *options: object,
        fps: float = 10,
    ) -> Path:
        path = tmp_path / name
        ffmpeg(*(options or H264), f"file:{path}", frames=frames, fps=fps)
        return path

    return write


@pytest.fixture(scope="session")
def numbered_frames() -> Callable[..., list[np.ndarray]]:
    """Draw frames that show their number, up to 255."""
    return _numbered_frames


@pytest.fixture(scope="session")
def number_of() -> Callable[[np.ndarray], int]:
    """Read the number that `numbered_frames` drew, even after compression."""
    return _number_of


def _numbered_frames(n: int, *, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Draw eight black or white bars, with their negative in the lower half."""
    frames = []
    for number in range(n):
        row = np.zeros(width, np.uint8)
        bits = [255 * ((number >> bit) & 1) for bit in range(8)]
        row[: width // 8 * 8] = np.repeat(np.array(bits, np.uint8), width // 8)
        frame = np.empty((height, width, 3), np.uint8)
        frame[: height // 2] = row[:, None]
        frame[height // 2 :] = 255 - row[:, None]
        frames.append(frame)
    return frames


def _number_of(frame: np.ndarray) -> int:
    """Read the bars, and fail if the halves do not match."""
    height, width = frame.shape[0], frame.shape[1] // 8
    columns = np.arange(8) * width + width // 2
    bits = frame[height // 4, columns, 0] > 127
    negative = frame[height * 3 // 4, columns, 0] > 127
    assert (bits != negative).all(), "the frame does not show what was drawn"
    return sum(int(bit) << b for b, bit in enumerate(bits))


@pytest.fixture
def every_step(monkeypatch):
    """Show every step of progress bars, even if steps are fast."""
    bar = functools.partial(_progress.tqdm, mininterval=0, miniters=1)
    monkeypatch.setattr(_progress, "tqdm", bar)
