from __future__ import annotations

import errno
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdeepfake._video import _encoder, _ffmpeg
from skdeepfake.exceptions import FFmpegError, VideoReadError, VideoReadWarning
from skdeepfake.preprocessing import (
    VideoFrameSampler,
    VideoTranscoder,
    _transcoding,
)

SIZE = (64, 48)
RED, GREEN, BLUE, GRAY = (220, 30, 30), (30, 200, 30), (30, 30, 220), (128, 128, 128)

needs_sh = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a sh script")


def write_clip(path, *, n_frames=30, fps=30, size=SIZE, colors=None, codec="mpeg4"):
    """Write a clip of four colors: top left, top right, bottom left, bottom right."""
    width, height = size
    colors = np.array(colors or [RED, GREEN, BLUE, GRAY], np.uint8).reshape(2, 2, 3)
    rows = np.arange(height) * 2 // height
    columns = np.arange(width) * 2 // width
    frame = colors[np.ix_(rows, columns)]
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=fps, codec=codec, quality=9, macro_block_size=1
    )
    writer.send(None)
    for _ in range(n_frames):
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    return path


def ffmpeg(*arguments):
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
        + [str(argument) for argument in arguments],
        check=True,
    )


def describe(path):
    """Return the output of ``ffmpeg -i``."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-i", str(path)]
    return subprocess.run(command, capture_output=True, check=False).stderr.decode()


def read(path):
    """Return the RGB frames of a video and their times in seconds."""
    capture = cv2.VideoCapture(str(path))
    frames, times = [], []
    while capture.grab():
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        frames.append(capture.retrieve()[1][..., ::-1])
    capture.release()
    return np.array(frames), np.array(times)


def quarters(frame):
    height, width = frame.shape[:2]
    return [frame[y, x] for y in (4, height - 5) for x in (4, width - 5)]


def fast(cache_dir, **parameters):
    return VideoTranscoder(cache_dir, **{"preset": "ultrafast", **parameters})


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.avi")


@pytest.fixture
def started(monkeypatch):
    """Record the command lines of the processes that the transcoder starts."""
    commands = []
    popen = subprocess.Popen

    class Recorder(popen):
        def __init__(self, command, *args, **kwargs):
            commands.append(command)
            super().__init__(command, *args, **kwargs)

    monkeypatch.setattr(_encoder.subprocess, "Popen", Recorder)
    return commands


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Replace ffmpeg with a sh script. $out is the file to write."""

    def install(script):
        path = tmp_path / "stand_in.sh"
        path.write_text(
            '#!/bin/sh\nfor out in "$@"; do :; done\nout="${out#file:}"\n' + script
        )
        path.chmod(0o755)
        monkeypatch.setattr(_transcoding, "ffmpeg_executable", lambda _: str(path))

    return install


def test_copy_is_the_same_video_in_h264(clip, tmp_path):
    copies = VideoTranscoder(tmp_path / "new" / "cache").fit_transform([clip])

    assert copies.shape == (1,)
    assert copies.dtype == object
    assert type(copies[0]) is str
    assert Path(copies[0]).parent == tmp_path / "new" / "cache"
    assert Path(copies[0]).name.startswith("clip-")
    assert "Video: h264" in describe(copies[0])
    assert "yuv420p" in describe(copies[0])
    frames, times = read(copies[0])
    assert frames.shape == (30, 48, 64, 3)
    np.testing.assert_allclose(times, np.arange(30) / 30, atol=1e-3)
    np.testing.assert_allclose(
        quarters(frames[-1]), [RED, GREEN, BLUE, GRAY], rtol=0, atol=12
    )


@pytest.mark.parametrize(("duration", "n_frames"), [(0.5, 15), (10.0, 30), (None, 30)])
def test_copy_keeps_the_first_seconds(clip, tmp_path, duration, n_frames):
    copy = fast(tmp_path, duration=duration).transform([clip])[0]

    assert imageio_ffmpeg.count_frames_and_secs(copy) == (
        n_frames,
        pytest.approx(n_frames / 30, abs=0.01),
    )


def test_sound_subtitles_and_metadata_are_dropped(clip, tmp_path):
    source = tmp_path / "loud.mkv"
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    ffmpeg(
        *("-i", clip, "-f", "lavfi", "-i", "sine=d=1", "-i", words),
        *("-map", "0", "-map", "1", "-map", "2", "-c:v", "copy"),
        *("-metadata", "title=secret", "-metadata:s:v", "title=secret", source),
    )
    before = describe(source)
    assert before.count("Stream #") == 3
    assert "secret" in before

    after = describe(fast(tmp_path / "cache").transform([source])[0])

    assert after.count("Stream #") == 1
    assert "Video: h264" in after
    assert "secret" not in after


def test_rotation_is_applied_and_forgotten(clip, tmp_path):
    source = tmp_path / "phone.mov"
    ffmpeg("-display_rotation", "90", "-i", clip, "-c", "copy", source)
    assert "rotation of 90" in describe(source)

    copy = fast(tmp_path / "cache").transform([source])[0]

    assert "rotation of" not in describe(copy)
    frame = read(copy)[0][0]
    assert frame.shape == (64, 48, 3)
    np.testing.assert_allclose(
        quarters(frame), [GREEN, GRAY, RED, BLUE], rtol=0, atol=12
    )


def test_odd_sizes_lose_their_last_line(tmp_path):
    source = write_clip(tmp_path / "odd.avi", size=(65, 49), codec="ffv1")

    frames, _ = read(fast(tmp_path / "cache").transform([source])[0])

    assert frames.shape == (30, 48, 64, 3)
    np.testing.assert_allclose(
        quarters(frames[0]), [RED, GREEN, BLUE, GRAY], rtol=0, atol=12
    )


def test_full_range_becomes_limited_and_looks_the_same(clip, tmp_path):
    source = tmp_path / "full.avi"
    ffmpeg("-i", clip, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "2", source)
    assert "(pc" in describe(source)

    copy = fast(tmp_path / "cache").transform([source])[0]

    assert "(pc" not in describe(copy)
    np.testing.assert_allclose(
        quarters(read(copy)[0][0]), [RED, GREEN, BLUE, GRAY], rtol=0, atol=12
    )


def test_uneven_times_stay_uneven(tmp_path):
    source = tmp_path / "uneven.mkv"
    pattern = "testsrc2=s=64x48:r=30:d=2,settb=1/1000,setpts='N*33+mod(N,3)*11'"
    ffmpeg(
        *("-f", "lavfi", "-i", pattern, "-fps_mode", "passthrough"),
        *("-enc_time_base", "filter", source),
    )
    expected = np.array([n * 33 + n % 3 * 11 for n in range(30)]) / 1000

    _, times = read(fast(tmp_path / "cache", duration=0.985).transform([source])[0])

    np.testing.assert_allclose(times, expected[expected < 0.985], atol=1e-3)


def test_time_starts_with_the_first_frame(clip, tmp_path):
    source = tmp_path / "late.mkv"
    ffmpeg(
        *("-itsoffset", "0.4", "-i", clip, "-f", "lavfi", "-i", "sine=d=2"),
        *("-c:v", "copy", source),
    )

    copy = fast(tmp_path / "cache", duration=0.5).transform([source])[0]

    assert "start: 0.000000" in describe(copy)
    assert imageio_ffmpeg.count_frames_and_secs(copy)[0] == 15


@pytest.mark.parametrize("suffix", ["mp4", "m4v", "mov", "mkv", "avi", "ts", "webm"])
def test_common_containers_are_read(clip, tmp_path, suffix):
    source = tmp_path / f"clip.{suffix}"
    codec = "vp8" if suffix == "webm" else "mpeg4"
    ffmpeg("-i", clip, "-c:v", codec, source)

    copy = fast(tmp_path / "cache").transform([source])[0]

    assert imageio_ffmpeg.count_frames_and_secs(copy)[0] == 30


@pytest.mark.parametrize(
    "name",
    [
        "-y.mp4",
        "a b 'c' \"d\".mp4",
        "new\nline.mp4",
        "ünï 日本.mp4",
        "concat:a.mp4|b.mp4",
        "http:evil.mp4",
        "file:x.mp4",
        "pipe:0",
        "subfile,,start,0,end,0,,:x.mp4",
        "%d %03d.mp4",
        "$HOME `id` *?[x].mp4",
        "...",
        "list.m3u8",
        "x" * 200 + ".mp4",
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="such names cannot exist")
def test_strange_names_are_plain_files(clip, tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)

    copy = fast("cache %d:x", duration=0.1).transform([name])[0]

    assert Path(copy).parent == tmp_path / "cache %d:x"
    assert Path(copy).name.replace("-", "").removesuffix(".mp4").isalnum()
    assert imageio_ffmpeg.count_frames_and_secs(copy)[0] == 3


def test_ffmpeg_that_is_missing_is_named_and_no_video_blamed(
    clip, tmp_path, monkeypatch
):
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/no/such/ffmpeg")
    with pytest.raises(FFmpegError, match=r"'/no/such/ffmpeg'.*does not run"):
        fast(tmp_path, on_error="skip").transform([clip])


def test_picture_is_no_video(tmp_path, started):
    picture = tmp_path / "picture.avif"
    codec = ("-c:v", "libaom-av1", "-cpu-used", 8)
    ffmpeg("-f", "lavfi", "-i", "color=s=64x64", "-frames:v", 1, *codec, picture)
    started.clear()
    with pytest.raises(VideoReadError, match="is a HEIF or AVIF picture"):
        fast(tmp_path).transform([picture])
    assert not started


def test_second_call_starts_no_ffmpeg(clip, tmp_path, started):
    first = fast(tmp_path).transform([clip])
    assert len(started) == 1
    stamp = os.stat(first[0]).st_mtime_ns

    second = clone(fast(tmp_path)).transform([str(clip)])

    assert len(started) == 1
    assert second.tolist() == first.tolist()
    assert os.stat(first[0]).st_mtime_ns == stamp


def test_same_path_twice_is_encoded_once(clip, tmp_path, started):
    copies = fast(tmp_path).transform([clip, str(clip), clip])

    assert len(set(copies)) == 1
    assert len(started) == 1


def test_changed_source_gets_a_new_copy(clip, tmp_path):
    source = tmp_path / "a.avi"
    source.write_bytes(clip.read_bytes())
    old = fast(tmp_path / "cache").transform([source])[0]
    write_clip(source, n_frames=12)

    new = fast(tmp_path / "cache").transform([source])[0]

    assert new != old
    assert imageio_ffmpeg.count_frames_and_secs(new)[0] == 12
    assert os.path.exists(old)


def test_source_of_the_same_size_but_another_time_gets_a_new_copy(clip, tmp_path):
    source = tmp_path / "a.avi"
    source.write_bytes(clip.read_bytes())
    os.utime(source, ns=(10**18, 10**18))
    old = fast(tmp_path / "cache").transform([source])[0]
    os.utime(source, ns=(10**18, 10**18 + 1000))

    assert fast(tmp_path / "cache").transform([source])[0] != old


def test_source_replaced_by_one_of_its_size_and_time_gets_a_new_copy(clip, tmp_path):
    source = tmp_path / "a.avi"
    copies = []
    for color in (RED, GREEN):
        write_clip(source, n_frames=2, colors=[color] * 4)
        os.truncate(source, 20_000)
        os.utime(source, ns=(10**18, 10**18))
        copies += fast(tmp_path / "cache").transform([source]).tolist()

    shown = [read(copy)[0][0, 9, 9].argmax() for copy in copies]
    assert shown == [0, 1]  # red, green


def test_every_parameter_of_the_encoding_gives_another_copy(clip, tmp_path):
    variants = [{}, {"duration": 0.2}, {"duration": None}, {"crf": 40}]
    variants.append({"preset": "superfast"})
    copies = {fast(tmp_path, **variant).transform([clip])[0] for variant in variants}
    assert len(copies) == len(variants)

    same = fast(tmp_path, duration=np.float32(10), crf=np.int64(23), n_jobs=2)
    assert same.transform([clip])[0] in copies


def test_version_of_the_algorithm_gives_another_copy(clip, tmp_path, monkeypatch):
    old = fast(tmp_path).transform([clip])[0]
    monkeypatch.setattr(_transcoding, "ALGORITHM_VERSION", -1)

    assert fast(tmp_path).transform([clip])[0] != old


def test_empty_copy_is_made_again(clip, tmp_path):
    copy = fast(tmp_path).transform([clip])[0]
    Path(copy).write_bytes(b"")

    assert fast(tmp_path).transform([clip])[0] == copy
    assert imageio_ffmpeg.count_frames_and_secs(copy)[0] == 30


def test_workers_keep_the_order_and_the_bytes(tmp_path):
    sources = [
        write_clip(tmp_path / f"{i}.avi", n_frames=n)
        for i, n in enumerate([25, 5, 15, 10])
    ]

    alone = fast(tmp_path / "alone").transform(sources)
    together = fast(tmp_path / "together", n_jobs=2).transform(sources)

    assert [imageio_ffmpeg.count_frames_and_secs(copy)[0] for copy in together] == [
        *(25, 5, 15, 10)
    ]
    for one, other in zip(alone, together, strict=True):
        assert Path(one).name == Path(other).name
        assert Path(one).read_bytes() == Path(other).read_bytes()


def test_script_that_names_other_files_is_refused(tmp_path):
    write_clip(tmp_path / "canary.mp4")
    script = tmp_path / "x.mp4"
    script.write_text("ffconcat version 1.0\nfile canary.mp4\n")

    with pytest.raises(VideoReadError, match="not a video in one of the containers"):
        fast(tmp_path / "cache").transform([script])

    assert os.listdir(tmp_path / "cache") == []


def make_folder(path):
    path.mkdir()


def make_sound(path):
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", path)


def make_song_with_cover(path):
    ffmpeg(
        *("-f", "lavfi", "-i", "sine=d=1", "-f", "lavfi", "-i", "color=s=64x64:d=0.04"),
        *("-map", "0", "-map", "1", "-c:v", "mjpeg", "-frames:v", "1"),
        *("-disposition:v", "attached_pic", path),
    )


def make_headers_only(path):
    write_clip(path.with_suffix(".avi"))
    ffmpeg("-i", path.with_suffix(".avi"), "-movflags", "+faststart", path)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"mdat") + 4])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "cannot be found"),
        (make_folder, "folder"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("not a video\n" * 99), "cannot be read by ff"),
        (lambda path: path.write_bytes(bytes(range(256)) * 9), "cannot be read by ff"),
        (make_sound, "no video stream"),
        (make_song_with_cover, "no video stream"),
        (make_headers_only, "cannot be read by ffmpeg"),
    ],
    ids=["missing", "folder", "empty", "text", "bytes", "sound", "song", "headers"],
)
def test_what_is_no_video_is_named_and_leaves_nothing(tmp_path, make, reason):
    source = tmp_path / "bad.mp4"
    make(source)
    cache = tmp_path / "cache"

    with pytest.raises(VideoReadError, match=reason) as caught:
        fast(cache).transform([source])

    assert caught.value.path == str(source)
    assert not cache.exists() or os.listdir(cache) == []


def test_missing_file_shows_before_anything_is_encoded(clip, tmp_path, started):
    with pytest.raises(VideoReadError, match="cannot be found"):
        fast(tmp_path).transform([clip, tmp_path / "missing.mp4"])

    assert started == []


def test_damaged_video_is_copied_with_a_warning(clip, tmp_path):
    whole = tmp_path / "whole.mp4"
    ffmpeg("-i", clip, "-c:v", "ffv1", "-movflags", "+faststart", whole)
    source = tmp_path / "cut.mp4"
    source.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])

    with pytest.warns(UserWarning, match=r"cut\.mp4' is damaged.*ffmpeg reports: \w"):
        copy = fast(tmp_path / "cache").transform([source])[0]

    assert 0 < imageio_ffmpeg.count_frames_and_secs(copy)[0] < 30


@needs_sh
def test_failure_in_the_middle_leaves_nothing(clip, tmp_path, stand_in):
    stand_in('printf half > "$out"\necho "[mov @ 0x1] it broke" >&2\nexit 69\n')

    with pytest.raises(VideoReadError, match=r"exit status 69\): it broke"):
        fast(tmp_path / "cache").transform([clip])

    assert os.listdir(tmp_path / "cache") == []


@needs_sh
def test_full_disk_names_the_folder_and_keeps_what_is_done(clip, tmp_path, stand_in):
    other = write_clip(tmp_path / "other.avi", n_frames=3)
    done = fast(tmp_path / "cache").transform([other])[0]
    stand_in(
        'printf half > "$out"\n'
        'echo "[out#0/mp4 @ 0x1] Error muxing a packet: No space left on device" >&2\n'
        "exit 228\n"
    )

    with pytest.raises(OSError, match="Free disk space") as caught:
        fast(tmp_path / "cache").transform([other, clip])

    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == [Path(done).name]


def test_cache_dir_that_is_a_file_is_named(clip, tmp_path):
    occupied = tmp_path / "occupied"
    occupied.write_text("")

    with pytest.raises(OSError, match="use a writable `cache_dir`") as caught:
        fast(occupied).transform([clip])

    assert caught.value.filename == str(occupied)


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="needs a folder it may not write"
)
def test_cache_dir_that_is_read_only_is_named(clip, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(
            PermissionError, match="use a writable `cache_dir`"
        ) as caught:
            fast(tmp_path).transform([clip])
    finally:
        tmp_path.chmod(0o700)

    assert caught.value.filename == str(tmp_path)


# -- skipped videos --------------------------------------------------------------------


def skip(sources, cache, **parameters):
    """Transcode with ``on_error="skip"`` and return the paths and the warnings."""
    transcoder = fast(cache, on_error="skip", **parameters)
    with pytest.warns(VideoReadWarning) as caught:
        copies = transcoder.fit_transform(sources)
    return copies, [(str(w.message.path), w.message.reason) for w in caught]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_bad_videos_are_skipped_and_named_and_the_others_copied(clip, tmp_path, n_jobs):
    text, missing = tmp_path / "text.mp4", tmp_path / "missing.mp4"
    text.write_text("not a video\n" * 99)
    sources = [clip, text, missing, tmp_path]
    cache = tmp_path / "cache"
    copies, warned = skip(sources, cache, n_jobs=n_jobs)

    assert [os.path.exists(copy) for copy in copies[:3]] == [True, False, False]
    assert copies[0] == fast(tmp_path / "cache").transform([clip])[0]
    assert dict(warned).keys() == {str(source) for source in sources[1:]}
    assert "cannot be read by ffmpeg" in dict(warned)[str(text)]
    assert "cannot be found" in dict(warned)[str(missing)]
    assert os.listdir(cache) == [os.path.basename(copies[0])]
    # The sampler skips the videos that the transcoder has skipped.
    with pytest.warns(VideoReadWarning) as caught:
        clips = VideoFrameSampler(on_error="skip").transform(copies)
    assert [each.error is None for each in clips] == [True, False, False, False]
    assert len(caught) == 3


def test_file_that_is_too_large_is_not_passed_on(clip, tmp_path):
    copies, warned = skip([clip], tmp_path / "cache", max_bytes=9)
    assert "max_bytes=9" in dict(warned)[str(clip)]
    with pytest.warns(VideoReadWarning, match="cannot be found"):
        (sampled,) = VideoFrameSampler(on_error="skip").transform(copies)
    assert sampled.error is not None


@needs_sh
def test_copy_that_takes_too_long_is_given_up(clip, tmp_path, stand_in):
    stand_in('printf half > "$out"\nexec sleep 60\n')
    with pytest.raises(VideoReadError, match=r"timeout=0\.2 seconds") as caught:
        fast(tmp_path / "cache", timeout=0.2).transform([clip])
    assert caught.value.path == str(clip)
    assert os.listdir(tmp_path / "cache") == []


def test_file_and_frames_are_limited(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", size=(640, 480), n_frames=2)
    size, pixels, cache = os.path.getsize(clip), 640 * 480, tmp_path / "cache"
    (copy,) = fast(cache, max_bytes=size, max_pixels=pixels).transform([clip])
    os.unlink(copy)
    for name, limit in (("max_bytes", size - 1), ("max_pixels", pixels // 2)):
        with pytest.raises(VideoReadError, match=f"{name}={limit}"):
            fast(cache, **{name: limit}).transform([clip])
    assert os.listdir(cache) == []


@pytest.fixture
def _interruptible():
    """Make SIGINT raise KeyboardInterrupt. Processes in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_sh
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.usefixtures("_interruptible")
def test_interrupt_ends_ffmpeg_and_leaves_nothing(tmp_path, stand_in, n_jobs):
    sources = [write_clip(tmp_path / f"{i}.avi", n_frames=2) for i in range(3)]
    pids = tmp_path / "pids"
    pids.mkdir()
    stand_in(f'printf half > "$out"\n: > "{pids}/$$"\nexec sleep 60\n')
    main = threading.main_thread().ident

    def interrupt():
        deadline = time.monotonic() + 20
        while len(os.listdir(pids)) < n_jobs and time.monotonic() < deadline:
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        fast(tmp_path / "cache", n_jobs=n_jobs).transform(sources)
    thread.join()

    assert os.listdir(tmp_path / "cache") == []
    assert len(os.listdir(pids)) == n_jobs
    for pid in os.listdir(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends it with its parent")
def test_ffmpeg_ends_with_a_parent_that_is_killed(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"exec > {fifo}; echo started; sleep 20 > /dev/null; echo goes on"
    code = "from skdeepfake._video._encoder import Processes; "
    code += f"Processes().run(['/bin/sh', '-c', {script!r}], None)"
    with (
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as parent,
        fifo.open() as pipe,
    ):
        assert pipe.readline() == "started\n"
        parent.kill()
        assert pipe.read() == ""


@needs_sh
def test_error_of_one_video_ends_the_others(clip, tmp_path, stand_in):
    bad = write_clip(tmp_path / "bad.avi", n_frames=2)
    mark = tmp_path / "mark"
    stand_in(
        f'case "$*" in *bad.avi*)\n'
        f'while ! [ -e "{mark}" ]; do sleep 0.02; done; exit 1;; esac\n'
        f'printf half > "$out"\necho $$ > "{mark}.part"; mv "{mark}.part" "{mark}"\n'
        "exec sleep 60\n"
    )

    with pytest.raises(VideoReadError, match=r"bad\.avi"):
        fast(tmp_path / "cache", n_jobs=2).transform([clip, bad])

    assert os.listdir(tmp_path / "cache") == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


@pytest.mark.parametrize(
    "parameters",
    [
        {"cache_dir": None},
        {"duration": 0},
        {"duration": float("inf")},
        {"duration": "10"},
        {"crf": 52},
        {"crf": 23.5},
        {"preset": "quick"},
        {"on_error": "warn"},
        {"max_pixels": 0},
        {"max_bytes": 1.5},
        {"timeout": 0},
        {"n_jobs": 1.5},
        {"verbose": -1},
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_parameters_are_checked(tmp_path, clip, parameters, method):
    transcoder = VideoTranscoder(**{"cache_dir": tmp_path, **parameters})

    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter"):
        getattr(transcoder, method)([clip])

    assert os.listdir(tmp_path) == []


def test_single_path_and_two_dimensions_are_refused(clip, tmp_path):
    with pytest.raises(ValueError, match=r"VideoTranscoder expects.*in a list"):
        fast(tmp_path).transform(str(clip))
    with pytest.raises(ValueError, match=r"VideoTranscoder expects.*shape \(1, 2\)"):
        fast(tmp_path).transform(np.array([[str(clip), str(clip)]]))


def test_defaults_are_those_of_the_paper(tmp_path):
    parameters = VideoTranscoder(tmp_path).get_params()

    assert parameters == {
        "cache_dir": tmp_path,
        "duration": 10.0,
        "crf": 23,
        "preset": "medium",
        "on_error": "raise",
        "max_pixels": 8192 * 4320,
        "max_bytes": 2**34,
        "timeout": 3600.0,
        "n_jobs": None,
        "verbose": 0,
    }


def test_paper_settings_reach_ffmpeg(clip, tmp_path, started):
    VideoTranscoder(tmp_path).transform([clip])

    words = " ".join(started[0])
    assert "-c:v libx264 -preset medium -crf 23" in words
    assert "-t 10.000000" in words


def test_clone_and_pickle_give_the_same_copies(clip, tmp_path, started):
    transcoder = fast(tmp_path, crf=30).fit([clip])
    copies = transcoder.transform([clip])

    for other in (clone(transcoder), pickle.loads(pickle.dumps(transcoder))):
        assert other.get_params() == transcoder.get_params()
        assert other.transform([clip]).tolist() == copies.tolist()
    assert len(started) == 1


def test_first_step_of_a_pipeline(clip, tmp_path):
    def count(paths):
        return np.array([[imageio_ffmpeg.count_frames_and_secs(p)[0]] for p in paths])

    pipeline = make_pipeline(fast(tmp_path, duration=0.2), FunctionTransformer(count))

    assert pipeline.fit_transform([clip, clip]).tolist() == [[6], [6]]
    pipeline.set_params(videotranscoder__duration=0.1)
    assert pipeline.transform([clip]).tolist() == [[3]]


def test_progress_goes_to_standard_error_only_when_asked(clip, tmp_path, capsys):
    fast(tmp_path / "quiet").transform([clip])
    assert capsys.readouterr().err == ""

    fast(tmp_path / "verbose", verbose=1).transform([clip])
    assert "transcoding" in capsys.readouterr().err


def woven(number, height=64, width=96):
    """Draw a white bar on black that moves between the two fields of the frame."""
    frame = np.zeros((height, width, 3), np.uint8)
    for field in (0, 1):
        left = 8 * number + 4 * field
        frame[field::2, left : left + 16] = 255
    return frame


def combing(frame):
    """Return the mean difference of neighboring rows, 0 for a vertical bar."""
    return np.abs(np.diff(frame[8:-8].astype(float), axis=0)).mean()


def is_interlaced(path):
    command = _ffmpeg.describe(str(path))
    found = subprocess.run(command, stderr=subprocess.PIPE)
    (stream,) = _ffmpeg.read_streams(io.BytesIO(found.stderr), str(path))
    return _ffmpeg.is_interlaced(stream)


def test_interlaced_video_becomes_progressive(tmp_path):
    raw, source = tmp_path / "raw.avi", tmp_path / "interlaced.mp4"
    writer = imageio_ffmpeg.write_frames(
        str(raw), (96, 64), fps=25, codec="ffv1", macro_block_size=1
    )
    writer.send(None)
    for number in range(8):
        writer.send(woven(number))
    writer.close()
    interlaced = ["-c:v", "libx264", "-crf", 5, "-flags", "+ildct+ilme"]
    ffmpeg("-i", raw, "-vf", "setfield=tff", *interlaced, source)
    assert is_interlaced(source)

    (copy,) = fast(tmp_path / "copies", crf=5).transform([source])

    assert not is_interlaced(copy)
    frames, _ = read(copy)
    assert len(frames) == 8
    assert combing(woven(3)) > 20
    assert max(combing(frame) for frame in frames[1:-1]) < 5
