"""The decoder process is reused, and replaced if it crashes."""

from __future__ import annotations

import errno
import gc
import io
import json
import multiprocessing.spawn
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skdeepfake._video import _process
from skdeepfake._video._process import (
    DecoderLostError,
    DecoderProcess,
    give_back,
    take_process,
)
from skdeepfake._video._reader import Limits, VideoReader
from skdeepfake.exceptions import VideoReadError, WorkerDiedError
from skdeepfake.preprocessing import Clip

posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def path(write_clip, numbered_frames):
    return str(write_clip(numbered_frames(21)))


@pytest.fixture
def process():
    """Return a process for this test only."""
    process = DecoderProcess()
    yield process
    process.close()


@pytest.fixture
def alone():
    """Remove idle processes before and after the test."""
    _process._close_all()
    yield
    _process._close_all()


def pid(process):
    return process._process.pid


def ask(process, path, **request):
    request = {"do": "count", "sampling": (10,), "duration": None, **request}
    request = {"max_duration": None, **request}
    return list(process.ask(None, path=path, **request))


# -- idle processes --------------------------------------------------------------------


def test_one_process_serves_one_video_after_the_other(alone, path):
    for _ in range(3):
        assert len(list(Clip(path))) == 10
    assert len(_process._idle) == 1


def test_threads_have_a_process_each(alone, path):
    together = threading.Barrier(2, timeout=30)

    def work():
        process = take_process()
        together.wait()
        (answer,) = ask(process, path)
        give_back(process)
        return pid(process), answer["result"][0][-1]

    with ThreadPoolExecutor(2) as pool:
        (one, n), (other, m) = (f.result() for f in [pool.submit(work) for _ in "ab"])
    assert one != other
    assert n == m == 20


def test_process_that_died_while_it_waited_is_replaced(alone):
    process = take_process()
    give_back(process)
    process._process.kill()
    process._process.wait()
    other = take_process()
    assert pid(other) != pid(process)
    give_back(other)
    assert list(_process._idle) == [other]


def test_iteration_that_is_broken_off_leaves_no_half_answer(alone, path, number_of):
    frames = iter(Clip(path, n_frames=21))
    assert number_of(next(frames)) == 0
    frames.close()
    assert not _process._idle
    assert [number_of(frame) for frame in Clip(path, n_frames=3)] == [0, 10, 20]


def test_error_leaves_a_process_that_is_used_again(alone, path, tmp_path):
    hollow = tmp_path / "hollow.mp4"
    hollow.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(400))
    list(Clip(path))
    (before,) = _process._idle
    with pytest.raises(VideoReadError, match="cannot be opened as a video"):
        list(Clip(hollow))
    list(Clip(path))
    assert list(_process._idle) == [before]


# -- lost processes --------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGSEGV, r"crashed \(SIGSEGV\)"),
        (signal.SIGABRT, r"crashed \(SIGABRT\)"),
        (signal.SIGKILL, "was killed, possibly due to lack of memory"),
    ],
)
def test_crash_is_an_error_that_names_the_video(
    alone, path, monkeypatch, number, words
):
    with monkeypatch.context() as patch:
        patch.setattr(_process, "_PROGRAM", crashing_with(number))
        with pytest.raises(VideoReadError, match=words) as caught:
            list(Clip(path))
    assert caught.value.path == path
    assert not _process._idle
    assert len(list(Clip(path))) == 10


def crashing_with(number):
    """Return a decoder program that crashes at its first video."""
    dies = f"import os; _server.answer_to = lambda _: os.kill(os.getpid(), {number:d})"
    serve = "from skdeepfake._video._server import serve; "
    assert serve in _process._PROGRAM
    return _process._PROGRAM.replace(
        serve, f"from skdeepfake._video import _server; {dies}; _server."
    )


@posix
@pytest.mark.parametrize("crashes_again", [False, True])
def test_video_is_blamed_only_if_a_fresh_process_dies_of_it(
    alone, path, monkeypatch, crashes_again
):
    list(Clip(path))
    (process,) = _process._idle
    # The process is killed during the request, but not because of the video.
    os.kill(pid(process), signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (pid(process), signal.SIGKILL)).start()
    if crashes_again:
        monkeypatch.setattr(_process, "_PROGRAM", crashing_with(signal.SIGSEGV))
        with pytest.raises(VideoReadError, match="SIGSEGV"):
            list(Clip(path))
    else:
        assert len(list(Clip(path))) == 10
    assert process._process.poll() == -signal.SIGKILL


def test_answer_that_ends_in_the_middle_is_a_lost_process(
    process, write_clip, numbered_frames
):
    # Frames are larger than the buffer of the pipe, so that the last ones are not sent.
    large = write_clip(numbered_frames(21, height=480, width=640))
    answers = process.ask(
        None,
        do="decode",
        path=str(large),
        numbers=[0, 10, 20],
        times=[0.0, 1.0, 2.0],
        duration=None,
        max_duration=None,
    )
    next(answers)
    process.kill()
    with pytest.raises(DecoderLostError):
        list(answers)
    assert not process.is_usable


def test_frame_larger_than_was_asked_for_is_not_taken(process, monkeypatch):
    monkeypatch.setattr(process, "_answer", lambda: {"shape": [100, 100, 3]})
    with pytest.raises(DecoderLostError, match="larger than max_pixels"):
        list(process.ask(9999, do="promise", path="x"))


@pytest.mark.parametrize(
    "answer",
    [b"\xff\n", b"[]\n", b'{"shape": 3}\n', b'{"shape": [1, 2]}\n'],
    ids=["no JSON", "no answer", "no shape", "two numbers"],
)
def test_nonsense_is_a_lost_process(process, monkeypatch, answer):
    with monkeypatch.context() as patch:
        patch.setattr(process._process, "stdout", io.BytesIO(answer))
        with pytest.raises(DecoderLostError, match="invalid data"):
            list(process.ask(100, do="promise", path="x"))


def test_interpreter_that_does_not_start_is_named(alone, monkeypatch, path):
    for executable in ("/no/such/python", sys.executable, None):
        monkeypatch.setattr(
            multiprocessing.spawn, "get_executable", lambda e=executable: e
        )
        monkeypatch.setattr(_process, "_PROGRAM", "raise SystemExit(3)")
        with pytest.raises(WorkerDiedError, match="set_executable"):
            list(Clip(path))


@pytest.mark.parametrize(
    "name",
    ["VIDEOIO_PRIORITY_FFMPEG", "VIDEOIO_PRIORITY_LIST", "FFMPEG_READ_ATTEMPTS"],
)
def test_environment_does_not_take_the_decoder_away(alone, monkeypatch, path, name):
    monkeypatch.setenv(f"OPENCV_{name}", "0")
    assert len(list(Clip(path))) == 10


@posix
@pytest.mark.parametrize("n_deaths", [1, 2])
def test_decoder_killed_as_it_starts_is_started_once_more(
    alone, monkeypatch, path, n_deaths
):
    programs = iter(["import os; os.kill(os.getpid(), 9)"] * n_deaths)
    command = _process.python_command
    monkeypatch.setattr(
        _process, "python_command", lambda program: command(next(programs, program))
    )
    clip = Clip(path, on_error="skip")
    if n_deaths == 1:
        assert len([frame for frame in clip if frame is not None]) == 10
    else:
        with pytest.raises(VideoReadError, match=r"two.*killed.*n_jobs") as caught:
            list(clip)
        assert caught.value.path == path


def test_shortage_at_the_start_is_an_error_of_the_video(alone, monkeypatch, path):
    def no_memory(*args, **options):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(_process.subprocess, "Popen", no_memory)
    with pytest.raises(VideoReadError, match="Cannot allocate memory"):
        list(Clip(path))


@posix
def test_decoder_whose_parent_died_as_it_started_is_silent():
    reading, writing = os.pipe()
    os.close(reading)
    command = _process.python_command(_process._PROGRAM)
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("own_path", [False, True], ids=["folder", "on sys.path"])
def test_modules_in_the_working_folder_are_not_run(
    alone, tmp_path, monkeypatch, path, own_path
):
    for name in ("json", "re", "enum", "math", "numpy", "os"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w'); raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    if own_path:  # the path of a notebook or a script in this folder
        (tmp_path / "numpy.py").unlink()
        monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    assert len(list(Clip(path))) == 10
    assert not (tmp_path / "ran").exists()


# -- timeout ---------------------------------------------------------------------------


@posix
def test_decoder_that_hangs_is_killed_in_time(alone, path):
    list(Clip(path))
    (process,) = _process._idle
    os.kill(pid(process), signal.SIGSTOP)
    with pytest.raises(VideoReadError, match=r"longer than timeout=0\.5 seconds"):
        list(Clip(path, timeout=0.5))
    assert process._process.poll() == -signal.SIGKILL
    assert len(list(Clip(path, timeout=30))) == 10


def test_time_that_is_up_before_a_process_runs_is_up(path):
    reader = VideoReader(path, 1, None, Limits(timeout=1e-9))
    with reader:
        reader._deadline._timer.join()
        with pytest.raises(VideoReadError, match="timeout"):
            reader.counted()


@pytest.mark.nightly
def test_time_of_the_caller_counts_in_map_and_not_in_iteration(alone, path):
    pause = threading.Event()
    list(Clip(path))  # starts a process
    clip = Clip(path, n_frames=3, timeout=1.0)
    frames = [(frame, pause.wait(0.6))[0] for frame in clip]
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    with pytest.raises(VideoReadError, match="timeout"):
        clip.map(lambda: lambda frame: pause.wait(0.6))


# -- properties of the process ---------------------------------------------------------


def test_process_loads_neither_scikit_learn_nor_dlib():
    code = "import sys, skdeepfake._video._server; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    ).stdout.split()
    assert {"numpy", "cv2"} <= set(loaded)
    assert not {"sklearn", "joblib", "dlib", "keras"} & set(loaded)


def test_environment_of_this_process_is_left_alone(alone, path, monkeypatch):
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "mine;1")
    before = dict(os.environ)
    list(Clip(path))
    assert dict(os.environ) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning")
def test_forked_process_starts_its_own(alone, path, tmp_path):
    list(Clip(path))
    (process,) = _process._idle
    child = os.fork()
    if child == 0:  # exceptions must not leave this block
        try:
            assert not _process._idle
            frames = [frame.mean() for frame in Clip(path, n_frames=3)]
            (own,) = _process._idle
            assert pid(own) != pid(process)
            (tmp_path / "answer").write_text(json.dumps(frames))
            _process._close_all()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    expected = [frame.mean() for frame in Clip(path, n_frames=3)]
    assert json.loads((tmp_path / "answer").read_text()) == expected
    assert list(_process._idle) == [process]


@posix
def test_process_ends_with_its_parent(path):
    code = (
        "import sys; from skdeepfake.preprocessing import Clip; "
        "from skdeepfake._video._process import _idle; "
        "list(Clip(sys.argv[1])); print(_idle[0]._process.pid, flush=True); "
        "import os; os.kill(os.getpid(), 9)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True
    )
    orphan = int(found.stdout)
    for _ in range(100):
        if not os.path.exists(f"/proc/{orphan}") and not _lives(orphan):
            return
        threading.Event().wait(0.05)
    pytest.fail("it lives on")


def _lives(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_nothing_is_left_open(alone, path):
    def n_open():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here")
    before = n_open()
    for _ in range(5):
        frames = iter(Clip(path))
        next(frames)
        frames.close()
    _process._close_all()
    assert n_open() == before


def test_frames_are_writable_and_their_own(path):
    one, other = list(Clip(path, n_frames=2))
    assert one.flags.writeable
    assert one.flags.c_contiguous
    assert not np.shares_memory(one, other)
