"""A clip returns existing frames, evenly in time, even if the container is wrong."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from skdeepfake._video._opencv import promised_times
from skdeepfake._video._sampling import Sampling
from skdeepfake.exceptions import NoFaceWarning, VideoReadError, VideoReadWarning
from skdeepfake.preprocessing import Clip, DlibFaceCropper

H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
N = 61  # frames of most recordings, so that 7 sampled frames are 10 apart
FPS = 25


class Recording(NamedTuple):
    path: Path
    # Numbers drawn in the frames that can be decoded, or None if unknown.
    numbers: Sequence[int] | None = range(N)
    shape: tuple[int, int, int] = (48, 64, 3)


def read_all(path):
    """Return all frames, read with OpenCV."""
    capture, frames = cv2.VideoCapture(str(path)), []
    for _ in range(2):  # continue after damage
        while True:
            decoded, frame = capture.read()
            if not decoded:
                break
            frames.append(frame)
    return frames


def promised_count(path):
    return cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)


def numbers_and_reader(recording, number_of):
    """Return the numbers of the frames and a function that reads a number."""
    if recording.numbers is not None:
        return recording.numbers, number_of
    # In a truncated file, the number of frames is only known after decoding. The last
    # frame may be damaged, so it is identified by similarity.
    frames = np.array(read_all(recording.path))[..., ::-1].astype(float)
    assert 10 < len(frames) < N - 10
    assert [number_of(frame) for frame in frames[:-1]] == list(range(len(frames) - 1))

    def read(frame):
        return int(np.abs(frames - frame).mean(axis=(1, 2, 3)).argmin())

    return range(len(frames)), read


class Studio:
    """Make each kind of recording once."""

    def __init__(self, folder, ffmpeg, draw):
        self.folder, self.ffmpeg, self.draw = folder, ffmpeg, draw
        self.made = {}

    def __call__(self, kind):
        if kind not in self.made:
            self.made[kind] = RECIPES[kind](self)
        return self.made[kind]

    def encode(self, name, *options, n=N, **shape):
        path = self.folder / name
        self.ffmpeg(*options, path, frames=self.draw(n, **shape), fps=FPS)
        return path

    def sparse(self, name, *options):
        keep = "select='lt(n,20)+not(mod(n,10))'"
        path = self.encode(name, "-vf", keep, "-fps_mode", "vfr", *options)
        return Recording(path, [*range(20), *range(20, N, 10)])

    def cut(self, name):
        source = self.encode(f"uncut_{name}", *H264, "-g", 30, "-bf", 2)
        path = self.folder / name
        self.ffmpeg("-ss", 0.9, "-i", source, "-c", "copy", path)
        return Recording(path, list(range(23, N)))

    def truncated(self, name, source, share):
        path = self.folder / name
        content = source.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return Recording(path, None)

    def with_early_sound(self, name, *options):
        path = self.folder / name
        self.ffmpeg(
            *("-f", "lavfi", "-i", "sine=d=4", "-map", "1:a", "-map", "0:v", *options),
            *("-c:a", "aac", "-vf", "setpts=PTS+1.5/TB", path),
            frames=self.draw(N),
            fps=FPS,
        )
        return Recording(path)


# Noise makes frames of several kB, so that some are intact in a truncated file.
NOISE = ("-vf", "noise=alls=20:allf=t:all_seed=1", "-crf", 10)

RECIPES = {
    "H.264": lambda make: Recording(make.encode("a.mp4", *H264, "-bf", 0)),
    "H.264 with B-frames": lambda make: Recording(
        make.encode("b.mp4", *H264, "-bf", 3, "-g", 30)
    ),
    "open GOPs": lambda make: Recording(
        make.encode("o.mp4", *H264, "-x264-params", "open-gop=1:keyint=12:bframes=3")
    ),
    "fragments": lambda make: Recording(
        make.encode("f.mp4", *H264, "-g", 20, "-movflags", "frag_keyframe+empty_moov")
    ),
    "MKV": lambda make: Recording(make.encode("b.mkv", *H264)),
    "MPEG-TS": lambda make: Recording(make.encode("b.ts", *H264)),
    "M2TS": lambda make: Recording(
        make.encode("b.m2ts", *H264, "-mpegts_m2ts_mode", 1)
    ),
    "HEVC": lambda make: Recording(
        make.encode("h.mp4", "-c:v", "libx265", "-x265-params", "log-level=none")
    ),
    "VP9": lambda make: Recording(
        make.encode("v.webm", "-c:v", "libvpx-vp9", "-b:v", "200k", "-cpu-used", 8)
    ),
    "MJPEG": lambda make: Recording(make.encode("j.avi", "-c:v", "mjpeg", "-q:v", 3)),
    "MPEG-4": lambda make: Recording(make.encode("4.avi", "-c:v", "mpeg4", "-q:v", 3)),
    "MPEG-4 with B-frames": lambda make: Recording(
        make.encode("4b.avi", "-c:v", "mpeg4", "-q:v", 3, "-bf", 2)
    ),
    "odd size": lambda make: Recording(
        make.encode("odd.avi", "-c:v", "mjpeg", "-q:v", 3, height=49, width=67),
        shape=(49, 67, 3),
    ),
    "odd size, VP9": lambda make: Recording(
        make.encode("odd.webm", "-c:v", "libvpx-vp9", height=49, width=67),
        shape=(49, 67, 3),
    ),
    "gray": lambda make: Recording(
        make.encode("g.mp4", "-c:v", "libx264", "-pix_fmt", "gray")
    ),
    "gray, 16 bits": lambda make: Recording(
        make.encode("g.mkv", "-c:v", "ffv1", "-pix_fmt", "gray16le")
    ),
    "10 bits": lambda make: Recording(
        make.encode("10.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p10le")
    ),
    "transparent": lambda make: Recording(
        make.encode("t.mkv", "-c:v", "ffv1", "-pix_fmt", "bgra")
    ),
    "one frame": lambda make: Recording(make.encode("1.mp4", *H264, n=1), [0]),
    "one frame, TS": lambda make: Recording(make.encode("1.ts", *H264, n=1), [0]),
    "sound first, MP4": lambda make: make.with_early_sound("s.mp4", *H264),
    "sound first, MKV": lambda make: make.with_early_sound("s.mkv", *H264),
    # Containers that list frames that do not exist.
    "variable rate": lambda make: make.sparse("vfr.mkv", *H264),
    "variable rate, MP4": lambda make: make.sparse("vfr.mp4", *H264),
    "stream cut": lambda make: make.cut("cut.mp4"),
    "truncated MP4": lambda make: make.truncated(
        "short.mp4",
        make.encode("long.mp4", *H264, *NOISE, "-bf", 0, "-movflags", "+faststart"),
        0.6,
    ),
    "truncated TS": lambda make: make.truncated(
        "short.ts", make.encode("long.ts", *H264, *NOISE, "-bf", 0), 0.6
    ),
    "truncated AVI": lambda make: make.truncated("short.avi", make("MJPEG").path, 0.6),
    "truncated MKV": lambda make: make.truncated(
        "short.mkv", make.encode("long.mkv", *H264, *NOISE), 0.6
    ),
}
LIARS = ["variable rate", "stream cut", "truncated MP4", "truncated AVI"]
PROMISE_BREAKERS = ["stream cut", "truncated AVI"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory, ffmpeg, numbered_frames):
    return Studio(tmp_path_factory.mktemp("recordings"), ffmpeg, numbered_frames)


def n_passes(asked):
    """Return the number of passes that decode frames and that only count frames."""
    asked = [do for do, _ in asked]
    return asked.count("decode"), asked.count("count")


def padded(items, n):
    return [*items, *[None] * (n - len(items))]


# -- sampled frames of each kind of file -------------------------------------------


@pytest.mark.parametrize("kind", LIARS)
def test_liars_promise_more_than_there_is(recording, kind):
    # Check that the files are suitable for the tests below.
    path = recording(kind).path
    assert promised_count(path) > len(read_all(path))


@pytest.mark.parametrize("kind", PROMISE_BREAKERS)
def test_packets_of_promise_breakers_are_not_all_frames(recording, kind):
    path = recording(kind).path
    promised, _ = promised_times(str(path), None)
    # OpenCV before 5 marks the packets that an edit list hides.
    assert promised is None or len(promised) > len(read_all(path))


@pytest.mark.parametrize("kind", RECIPES)
def test_frames_that_exist_come_out_in_order_and_once(recording, number_of, kind):
    path, _, shape = recording(kind)
    numbers, read = numbers_and_reader(recording(kind), number_of)

    clip = Clip(path, n_frames=70)
    frames = list(clip)
    mapped = Clip(path, n_frames=70).map(lambda: read)

    found = [frame for frame in frames if frame is not None]
    assert {frame.shape for frame in found} == {shape}
    assert {frame.dtype for frame in found} == {np.dtype(np.uint8)}
    assert len(frames) == len(clip) == 70
    assert padded([read(frame) for frame in found], 70) == padded(numbers, 70)
    assert mapped == padded(numbers, 70)
    assert clip.indices.tolist() == [
        *range(len(numbers)),
        *[-1] * (70 - len(numbers)),
    ]
    expected = [(number - numbers[0]) / FPS for number in numbers]
    np.testing.assert_allclose(clip.timestamps[: len(numbers)], expected, atol=1e-3)
    assert np.isnan(clip.timestamps[len(numbers) :]).all()


@pytest.mark.parametrize("duration", [None, 1.0])
@pytest.mark.parametrize("kind", RECIPES)
def test_iteration_map_and_indices_agree_on_evenly_spaced_frames(
    recording, number_of, kind, duration
):
    path = recording(kind).path
    numbers, read = numbers_and_reader(recording(kind), number_of)
    # The numbers drawn in the frames are proportional to time.
    numbers = [n for n in numbers if duration is None or n - numbers[0] < FPS]

    clip = Clip(path, n_frames=7, duration=duration)
    drawn = [None if frame is None else read(frame) for frame in clip]
    mapping = Clip(path, n_frames=7, duration=duration)

    assert mapping.map(lambda: read) == drawn
    np.testing.assert_array_equal(mapping.indices, clip.indices)
    np.testing.assert_array_equal(mapping.timestamps, clip.timestamps)
    if len(numbers) == 1:
        assert drawn == [numbers[0], *[None] * 6]
        return
    assert drawn == [numbers[index] for index in clip.indices]
    assert len(set(drawn)) == 7
    moments = np.linspace(numbers[0], numbers[-1], 7)
    nearest = np.abs(np.subtract.outer(moments, numbers)).min(axis=1)
    # If a frame is already sampled, the next frame is used. In the sparse recordings,
    # frames may be 10 apart.
    crowded = 5 if kind.startswith("variable rate") and duration is None else 1e-6
    np.testing.assert_array_less(np.abs(drawn - moments), nearest + crowded)
    assert (drawn[0], drawn[-1]) == (numbers[0], numbers[-1])


def test_frames_of_a_variable_rate_lie_evenly_in_time_not_in_number(
    recording, number_of
):
    # Frames evenly spaced in index would be 0, 5, 10, 15, 19 and 60.
    clip = Clip(recording("variable rate").path, n_frames=7, duration=None)

    assert [number_of(frame) for frame in clip] == [0, 10, 20, 30, 40, 50, 60]
    np.testing.assert_allclose(clip.timestamps, np.linspace(0, 2.4, 7), atol=1e-3)
    assert clip.indices.tolist() == [0, 10, 20, 21, 22, 23, 24]


@pytest.mark.parametrize(
    ("timestamps", "n_frames", "expected"),
    [
        (range(5), 1, [0]),
        (range(5), 2, [0, 4]),
        (range(5), 5, [0, 1, 2, 3, 4]),
        (range(3), 5, [0, 1, 2]),
        (range(101), 5, [0, 25, 50, 75, 100]),
        # At a gap, no frame is sampled twice, and enough frames remain for later slots.
        ([0, 1, 2, 3, 100], 4, [0, 2, 3, 4]),
        ([0, 97, 98, 99, 100], 4, [0, 1, 2, 4]),
        ([0, 50, 100], 2, [0, 2]),
        ([7.0], 1, [0]),
    ],
)
def test_frames_nearest_to_even_moments_are_chosen_once(timestamps, n_frames, expected):
    chosen = Sampling(n_frames).choose(np.array(timestamps, float))
    assert chosen.tolist() == expected


def test_choice_is_increasing_and_spans_any_timestamps():
    rng = np.random.default_rng(0)
    for _ in range(200):
        timestamps = np.cumsum(rng.exponential(size=rng.integers(2, 40)) ** 3 + 1e-3)
        n_frames = int(rng.integers(2, 20))
        chosen = Sampling(n_frames).choose(timestamps)
        assert len(chosen) == min(n_frames, len(timestamps))
        assert (np.diff(chosen) > 0).all()
        assert (chosen[0], chosen[-1]) == (0, len(timestamps) - 1)


# -- pixels ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.mp4", H264),
        ("x.webm", ("-c:v", "libvpx-vp9")),
        ("x.avi", ("-c:v", "mjpeg", "-q:v", 2)),
        ("x.mkv", ("-c:v", "ffv1", "-pix_fmt", "bgra")),
    ],
)
def test_red_frame_comes_out_red(write_clip, name, options):
    red = np.full((48, 64, 3), (220, 40, 10), np.uint8)
    clip = Clip(write_clip([red] * 3, name, *options), n_frames=2)

    for frame in clip:
        assert frame.dtype == np.uint8
        assert frame.shape == (48, 64, 3)
        assert frame.flags.c_contiguous
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), (220, 40, 10), atol=8)


def test_gray_recording_has_three_equal_channels(recording):
    for frame in Clip(recording("gray").path, n_frames=2):
        np.testing.assert_array_equal(frame[..., 0], frame[..., 1])
        np.testing.assert_array_equal(frame[..., 0], frame[..., 2])


CORNERS = np.array(
    [[(220, 30, 30), (30, 200, 30)], [(30, 30, 220), (128, 128, 128)]], np.uint8
)


def four_corners(height=64, width=96):
    rows, columns = (np.arange(n) * 2 // n for n in (height, width))
    return CORNERS[np.ix_(rows, columns)]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_rotated_recording_comes_out_upright(write_clip, ffmpeg, suffix, angle):
    # Frames are stored rotated clockwise, with metadata that rotates them back.
    stored = np.rot90(four_corners(), k=-angle // 90)
    lying = write_clip([stored] * 3)
    path = lying.with_name(f"turned.{suffix}")
    ffmpeg("-display_rotation", angle, "-i", lying, "-c", "copy", path)

    frames = list(Clip(path, n_frames=2))
    mapped = Clip(path, n_frames=2).map(lambda: np.copy)
    for frame in [*frames, *mapped]:
        assert frame.shape == (64, 96, 3)
        for row, column in np.ndindex(2, 2):
            corner = frame[row * 54 : row * 54 + 10, column * 86 : column * 86 + 10]
            np.testing.assert_allclose(
                corner.mean(axis=(0, 1)), CORNERS[row, column], atol=15
            )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.mp4", (*H264, "-flags", "+ildct+ilme", "-x264-params", "interlaced=1")),
        ("x.ts", ("-c:v", "mpeg2video", "-q:v", 3, "-flags", "+ildct+ilme")),
    ],
)
def test_interlaced_recording_is_decoded_by_ffmpeg(
    write_clip, numbered_frames, number_of, asked, name, options
):
    # OpenCV fails to convert the frames and returns uninitialized memory.
    path = write_clip(numbered_frames(20, height=64), name, *options, fps=25)
    clip = Clip(path, n_frames=7)
    assert clip.map(lambda: number_of) == [0, 3, 6, 9, 13, 16, 19]
    assert [number_of(frame) for frame in clip] == [0, 3, 6, 9, 13, 16, 19]
    np.testing.assert_allclose(clip.timestamps, clip.indices / 25, atol=1e-3)


# -- number of decoding passes -----------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "H.264 with B-frames",
        "fragments",
        "MKV",
        "MPEG-TS",
        "VP9",
        "MJPEG",
        "variable rate",
        "sound first, MP4",
    ],
)
def test_map_decodes_an_ordinary_file_once(recording, number_of, asked, kind):
    clip = Clip(recording(kind).path, n_frames=7)
    numbers = clip.map(lambda: number_of)

    assert numbers == [0, 10, 20, 30, 40, 50, 60]
    assert n_passes(asked) == (1, 0)
    # The sampled frames are now known, without another counting pass.
    assert clip.timestamps[-1] == pytest.approx(2.4, abs=1e-3)
    assert [number_of(frame) for frame in clip] == numbers
    assert n_passes(asked) == (2, 0)


@pytest.mark.parametrize("kind", PROMISE_BREAKERS)
def test_map_starts_anew_where_the_container_broke_its_promise(
    recording, number_of, asked, kind
):
    path = recording(kind).path
    _, read = numbers_and_reader(recording(kind), number_of)
    expected = [read(frame) for frame in Clip(path, n_frames=5)]
    asked.clear()
    seen = []

    def start():
        seen.append([])

        def function(frame):
            seen[-1].append(read(frame))
            return seen[-1][-1]

        return function

    passes = 1 if promised_times(str(path), None) is None else 2
    clip = Clip(path, n_frames=5)
    assert clip.map(start) == expected
    assert len(seen) == passes
    assert seen[-1] == expected
    assert n_passes(asked) == (passes, 1)
    # The existing frames are now known.
    assert clip.map(start) == expected
    assert len(seen) == passes + 1
    assert n_passes(asked) == (passes + 1, 1)


def test_error_of_the_function_comes_through(recording):
    def fail(frame):
        raise ZeroDivisionError("of mine")

    with pytest.raises(ZeroDivisionError, match="of mine"):
        Clip(recording("H.264").path).map(lambda: fail)


@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_number_of_threads_changes_nothing(recording, number_of, n_threads):
    clip = Clip(recording("H.264 with B-frames").path, n_frames=7)
    numbers = clip.map(lambda: number_of, n_threads=n_threads)
    assert numbers == [0, 10, 20, 30, 40, 50, 60]


# -- laziness and identity ---------------------------------------------------------


def test_clip_pickles_small_and_gives_the_same_frames(recording):
    clip = Clip(recording("H.264").path)
    fresh = pickle.loads(pickle.dumps(clip))
    expected = list(clip)
    used = pickle.dumps(clip)

    assert len(pickle.dumps(fresh)) < 1000
    assert len(used) < 1000
    for copy in (fresh, pickle.loads(used)):
        assert copy.identity == clip.identity
        np.testing.assert_array_equal(copy.indices, clip.indices)
        np.testing.assert_array_equal(list(copy), expected)


def test_clip_can_be_iterated_again(recording):
    clip = Clip(recording("H.264").path, n_frames=3)
    np.testing.assert_array_equal(list(clip), list(clip))


def test_length_and_repr_are_known_without_decoding(recording, asked):
    path = recording("H.264").path
    clip = Clip(path, n_frames=12)
    assert len(clip) == 12
    assert repr(clip) == f"Clip({str(path)!r}, n_frames=12)"
    assert not asked


def test_identity_tells_what_the_frames_depend_on(
    write_clip, numbered_frames, monkeypatch, tmp_path
):
    path = write_clip(numbered_frames(5))
    identity = Clip(path).identity

    assert Clip(str(path)).identity == identity
    assert hash(Clip(path).identity) == hash(identity)
    assert Clip(path, n_frames=3).identity != identity
    assert Clip(path, duration=None).identity != identity
    monkeypatch.chdir(tmp_path)
    assert Clip("clip.mp4").identity == identity

    old = path.stat().st_mtime_ns
    os.utime(path, ns=(old, old + 1_000_000_000))
    later = Clip(path).identity
    assert later != identity
    with path.open("ab") as file:
        file.write(b"\0" * 8)
    os.utime(path, ns=(old, old))
    assert Clip(path).identity not in (identity, later)


@pytest.mark.parametrize("change", ["size", "time", "gone", "text"])
@pytest.mark.parametrize(
    "use",
    [
        list,
        lambda clip: clip.map(lambda: np.copy),
        lambda clip: clip.indices,
        lambda clip: clip.timestamps,
    ],
    ids=["iterate", "map", "indices", "timestamps"],
)
def test_file_that_changed_after_sampling_is_an_error_that_names_it(
    write_clip, numbered_frames, change, use
):
    path = write_clip(numbered_frames(5))
    clip = Clip(path, n_frames=2)
    assert clip.indices.tolist() == [0, 4]  # already known, but checked again
    old = path.stat().st_mtime_ns
    if change == "size":
        path.write_bytes(path.read_bytes() + b"\0" * 8)
        os.utime(path, ns=(old, old))
    elif change == "time":
        os.utime(path, ns=(old, old + 1_000_000_000))
    elif change == "gone":
        path.unlink()
    else:
        path.write_text("no video any more")

    with pytest.raises(VideoReadError) as caught:
        use(clip)
    assert caught.value.path == str(path)


# -- damaged videos ----------------------------------------------------------------


HEVC = ("-c:v", "libx265", "-x265-params", "log-level=none")
MJPEG = ("-c:v", "mjpeg", "-q:v", 1, "-vf", "noise=alls=20:allf=t:all_seed=1")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("h264.mp4", (*H264, *NOISE, "-g", 10)),
        ("hevc.mp4", (*HEVC, *NOISE, "-g", 10)),
        ("mjpeg.mov", MJPEG),
    ],
)
@pytest.mark.parametrize("use", ["map", "iterate"])
def test_damage_in_the_middle_does_not_end_a_video(
    write_clip, numbered_frames, number_of, name, codec, use
):
    path = write_clip(numbered_frames(60), name, *codec)
    content = bytearray(path.read_bytes())
    fifth = len(content) // 5
    content[fifth : fifth + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    clip = Clip(path, n_frames=5)
    frames = list(clip) if use == "iterate" else clip.map(lambda: np.copy)

    assert number_of(frames[-1]) == 59
    assert clip.timestamps[-1] == pytest.approx(5.9)
    assert clip.missing == 0


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_seconds_that_are_cut_off_are_said(write_clip, numbered_frames, suffix):
    codec = MJPEG if suffix == "avi" else (*H264, *NOISE, "-g", 10)
    source = write_clip(
        numbered_frames(60), f"a.{suffix}", *codec, "-movflags", "+faststart"
    )
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    clip = Clip(source, n_frames=5)

    with (
        pytest.warns(NoFaceWarning),
        pytest.warns(VideoReadWarning, match="is damaged or cut off") as warned,
    ):
        DlibFaceCropper().transform([clip])
    last = clip.timestamps[-1]
    assert 1 < last < 4
    assert clip.missing == pytest.approx(5.9 - last, abs=0.1)
    assert warned[0].message.path == str(source)


@pytest.mark.parametrize("use", ["map", "indices"])
@pytest.mark.parametrize(
    ("name", "codec", "filling"),
    [
        ("h264.mp4", (*H264, *NOISE, "-g", 10), b"\xff"),  # packets are missing
        ("mjpeg.mov", MJPEG, b"\0"),  # packets exist but cannot be decoded
        ("h264.mkv", (*H264, *NOISE, "-g", 10), b"\xff"),
        ("h264.mkv", (*H264, *NOISE, "-g", 10), b""),
        ("h264.ts", (*H264, *NOISE, "-g", 10), b"\0"),
        ("av1.webm", ("-c:v", "libsvtav1", "-preset", 12, "-g", 10, *NOISE), b"\0"),
    ],
    ids=["mp4", "mov", "mkv", "mkv cut", "ts", "AV1"],
)
def test_seconds_that_are_lost_in_the_middle_are_said(
    write_clip, numbered_frames, name, codec, filling, use
):
    path = write_clip(numbered_frames(60), name, *codec)
    content = bytearray(path.read_bytes())
    part = slice(len(content) * 2 // 5, len(content) * 3 // 5)
    content[part] = filling * (part.stop - part.start)
    path.write_bytes(content)
    clip = Clip(path, n_frames=60)
    if use == "map":
        with (
            pytest.warns(NoFaceWarning),
            pytest.warns(VideoReadWarning, match=r"damaged or cut off: [12]\.\d s"),
        ):
            DlibFaceCropper().transform([clip])
    assert clip.indices[0] == 0
    gap = np.nanmax(np.diff(clip.timestamps))
    assert gap > 1
    assert clip.missing == pytest.approx(gap - 0.1)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
# At 1500 frames per second, two frames in mkv have the same time.
@pytest.mark.parametrize("fps", [10, 1500])
def test_frames_that_lie_apart_are_no_damage(write_clip, numbered_frames, suffix, fps):
    apart = ("-vf", "setpts='PTS+gte(N,20)*2/TB'", "-fps_mode", "vfr")
    path = write_clip(numbered_frames(60), f"a.{suffix}", *H264, *apart, fps=fps)
    is_known = promised_times(str(path), None)[0] is not None
    assert is_known == ((suffix, fps) != ("mkv", 1500))
    for use in (lambda clip: clip.map(lambda: np.copy), lambda clip: clip.indices):
        clip = Clip(path, n_frames=9)
        use(clip)
        assert np.diff(clip.timestamps).max() > 1
        assert clip.missing == 0


def test_sound_that_is_longer_than_the_picture_is_no_damage(ffmpeg, tmp_path):
    path = tmp_path / "sound.mkv"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=1"),
        *("-f", "lavfi", "-i", "sine=d=4", *H264, "-c:a", "aac", path),
    )
    clip = Clip(path)
    clip.map(lambda: np.copy)
    assert clip.timestamps[-1] == pytest.approx(0.9)
    assert clip.missing == 0


# -- files that cannot be decoded --------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"junk" * 500,
        b"\x1a\x45\xdf\xa3" + b"\xff" * 500,
        b"RIFF\xff\x00\x00\x00AVI LIST" + bytes(500),
        (b"\x47" + bytes(187)) * 20,
    ],
    ids=["mp4", "mkv", "avi", "ts"],
)
def test_header_without_a_video_is_an_error_when_iterated(tmp_path, capfd, content):
    path = tmp_path / "hollow.mp4"
    path.write_bytes(content)
    clip = Clip(path)

    for use in (list, lambda clip: clip.map(lambda: np.copy)):
        with pytest.raises(VideoReadError, match=r"hollow\.mp4") as caught:
            use(clip)
        assert caught.value.path == str(path)


def test_file_truncated_before_its_first_frame_is_an_error(recording, tmp_path):
    whole = recording("H.264").path.read_bytes()
    path = tmp_path / "stub.mp4"
    path.write_bytes(whole[: whole.index(b"mdat") + 100])

    with pytest.raises(VideoReadError, match=r"stub\.mp4"):
        list(Clip(path))


def test_sound_alone_is_an_error(tmp_path, ffmpeg):
    path = tmp_path / "sound.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", path)

    for use in (list, lambda clip: clip.map(lambda: np.copy)):
        with pytest.raises(VideoReadError, match=r"sound\.mp4"):
            use(Clip(path))


def test_script_that_names_another_video_does_not_play_it(write_clip, tmp_path):
    canary = np.full((48, 64, 3), 255, np.uint8)
    write_clip([canary] * 3, "canary.mp4")
    script = tmp_path / "script.mp4"
    script.write_text("ffconcat version 1.0\nfile canary.mp4\n")
    # OpenCV alone plays the other video.
    assert len(read_all(script)) == 3

    with pytest.raises(VideoReadError, match=r"script\.mp4.*is not a video"):
        Clip(script)


@pytest.mark.parametrize(
    "name",
    [
        "with some spaces.mp4",
        "відео-影片-🎬.mp4",
        "-y.mp4",
        "concat:a.mp4",
        "concat:a|b.mp4",
        "file:a.mp4",
        "http:a.mp4",
        "subfile,,start,0,end,9,,:a.mp4",
        "%d.mp4",
        "%03d.mp4",
        "100%.mp4",
        "[a-z]*?.mp4",
        "#&;'\"$HOME`id`.mp4",
        "no extension",
        "picture.png",
    ],
)
def test_any_name_of_a_file_is_just_a_name(
    write_clip, numbered_frames, number_of, monkeypatch, tmp_path, name
):
    path = write_clip(numbered_frames(5), "plain.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)

    for spelling in (name, path):
        clip = Clip(spelling, n_frames=3)
        assert [number_of(frame) for frame in clip] == [0, 2, 4]
        assert Clip(spelling, n_frames=3).map(lambda: number_of) == [0, 2, 4]


def test_link_to_a_video_gives_its_frames(
    write_clip, numbered_frames, number_of, tmp_path
):
    link = tmp_path / "link.mp4"
    link.symlink_to(write_clip(numbered_frames(5)))
    assert [number_of(frame) for frame in Clip(link, n_frames=3)] == [0, 2, 4]
