"""Unusual files are read correctly: the rows of the table in the guide."""

from __future__ import annotations

import os
import re
import shutil
import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from skdeepfake.exceptions import VideoReadError
from skdeepfake.preprocessing import Clip, VideoFrameSampler

TABLE = Path(__file__).parents[2] / "docs" / "guide" / "media.md"

H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-x265-params", "log-level=none")
VP9 = ("-c:v", "libvpx-vp9", "-cpu-used", 8)
AV1 = ("-c:v", "libsvtav1", "-preset", 12)
AOM = ("-c:v", "libaom-av1", "-cpu-used", 8, "-usage", "realtime")
MJPEG = ("-c:v", "mjpeg", "-q:v", 3)
RGB = ("-c:v", "ffv1", "-pix_fmt", "bgra")
N = 6
FPS = 25

# Saturated mixed colors, so that a wrong matrix or range changes them by tens.
COLORS = [(32, 192, 64), (200, 40, 60), (60, 80, 200)]


class Media(NamedTuple):
    path: Path
    # Numbers or uniform colors shown in the frames.
    shown: Sequence[int | tuple[int, int, int]] = range(N)
    times: Sequence[float] | None = None  # None: evenly spaced
    fps: float = FPS
    shape: tuple[int, int, int] = (48, 64, 3)
    duration: float | None = None  # number of seconds to sample


class Studio:
    """Write files whose frames show numbers or colors to a folder."""

    def __init__(self, folder, ffmpeg, draw):
        self.folder, self.ffmpeg, self.draw = folder, ffmpeg, draw

    def file(self, name, *options, n=N, fps=FPS, frames=None, **shape):
        path = self.folder / name
        frames = self.draw(n, **shape) if frames is None else frames
        self.ffmpeg(*options, f"file:{path}", frames=frames, fps=fps)
        return path

    def __call__(self, name, *options, **shape):
        expected = (shape.get("height", 48), shape.get("width", 64), 3)
        return Media(self.file(name, *options, **shape), shape=expected)

    def colored(self, name, *options):
        frames = [np.full((48, 64, 3), color, np.uint8) for color in COLORS]
        return Media(self.file(name, *options, frames=frames), COLORS)

    def in_colors_of(self, name, matrix, space, *codec, scale="", **options):
        filters = f"scale=out_color_matrix={matrix}{scale}"
        return self.colored(name, "-vf", filters, *codec, "-colorspace", space)

    def copy(self, name, *sources, options=()):
        path = self.folder / name
        inputs = [word for source in sources for word in ("-i", f"file:{source}")]
        self.ffmpeg(*inputs, *options, "-c", "copy", f"file:{path}")
        return path

    def renamed(self, *names):
        """Yield two files per name: one decoded by OpenCV, and one by ffmpeg."""
        for number, codec in enumerate((H264, AV1)):
            source = self.file(f"plain{number}.mp4", *codec)
            for name in names:
                (self.folder / str(number)).mkdir(exist_ok=True)
                yield Media(shutil.copy(source, self.folder / str(number) / name))


# -- times -------------------------------------------------------------------------


def variable_rate(make):
    late = ("-vf", "setpts=N*N/25/TB", "-fps_mode", "vfr", "-enc_time_base", "1:1000")
    times = [k * k / 25 for k in range(N)]
    yield make("vfr.mp4", *late, *H264)._replace(times=times)
    yield make("vfr.mkv", *late, *H264)._replace(times=times)
    yield make("vfr_av1.mkv", *late, *AV1)._replace(times=times)


def edit_list(make):
    for codec in (H264, AV1):
        source = make.file("uncut.mp4", *codec, n=10)
        for option, numbers in (
            (("-ss", 0.12), range(3, 10)),
            (("-itsoffset", 0.5), range(10)),
        ):
            path = make.folder / f"{codec[1]}{option[0]}.mp4"
            make.ffmpeg(*option, "-i", source, "-c", "copy", path)
            assert b"elst" in path.read_bytes()
            yield Media(path, numbers)
            yield Media(path, numbers[:5], duration=0.2)


def one_fps(make):
    yield make("slow.mp4", *H264, fps=1)._replace(fps=1)
    yield make("slow.avi", *MJPEG, fps=1)._replace(fps=1)


def fast(make):
    yield make("fast.mp4", *H264, fps=240)._replace(fps=240)
    yield make("fast.mov", *HEVC, fps=240)._replace(fps=240)


def still(*options):
    return ("-frames:v", 1, "-update", 1, *options)


def stills(make):
    for name, *codec in (
        ("still.png",),
        ("still.jpg", "-q:v", 2),
        ("still.webp", "-c:v", "libwebp", "-quality", 95),
    ):
        yield make(name, *still(*codec), n=1)._replace(shown=[0])


def one_frame(make):
    for name, codec in {
        "one.mp4": H264,
        "one.mkv": H264,
        "one.avi": MJPEG,
        "one.gif": (),
        "one_av1.mp4": AV1,
    }.items():
        yield make(name, *codec, n=1)._replace(shown=[0])


# -- damage ------------------------------------------------------------------------


def truncated(make):
    for suffix in ("avi", "mkv", "mov"):
        path = make.file(f"cut.{suffix}", *MJPEG, "-movflags", "+faststart")
        content = path.read_bytes()
        pictures = [found.start() for found in re.finditer(b"\xff\xd8\xff", content)]
        assert len(pictures) == N
        path.write_bytes(content[: pictures[4] + 10])
        yield Media(path, range(4))
    path = make.file("cut_av1.mkv", *AV1, "-g", 1, "-cluster_time_limit", 1)
    content = path.read_bytes()
    clusters = [found.start() for found in re.finditer(b"\x1f\x43\xb6\x75", content)]
    path.write_bytes(content[: clusters[4]])
    yield Media(path, range(4))


def damaged(make):
    noise = ("-vf", "noise=alls=20:allf=t:all_seed=1")
    path = make.file("damaged.mov", *MJPEG, *noise)
    content = bytearray(path.read_bytes())
    pictures = [found.start() for found in re.finditer(b"\xff\xd8\xff", content)]
    content[pictures[2] : pictures[3]] = b"\xff" * (pictures[3] - pictures[2])
    path.write_bytes(content)
    shown = [0, 1, 3, 4, 5]
    yield Media(path, shown, [number / FPS for number in shown])


def without_index(make):
    path = make.file("plain.avi", *MJPEG)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"idx1")])
    yield Media(path)
    path = make.file("live.mkv", *H264, "-live", 1)
    assert b"\x1c\x53\xbb\x6b" not in path.read_bytes()  # Cues
    yield Media(path)
    fragments = ("-movflags", "frag_keyframe+empty_moov+skip_trailer", "-g", 2)
    path = make.file("fragments.mp4", *H264, *fragments)
    assert path.read_bytes().count(b"moof") == N // 2
    assert b"mfra" not in path.read_bytes()
    yield Media(path)


# -- shapes ------------------------------------------------------------------------


def rotated(make):
    for angle in (0, 90, 180, 270):
        stored = [np.rot90(frame, k=-angle // 90) for frame in make.draw(N)]
        for codec in (H264, AV1) if angle == 90 else (H264,):
            lying = make.file("lying.mp4", *codec, frames=stored)
            path = make.folder / f"{codec[1]}{angle}.mp4"
            make.ffmpeg("-display_rotation", angle, "-i", lying, "-c", "copy", path)
            yield Media(path)


def mirrored(make):
    for suffix in ("mp4", "mkv"):
        for angle in (0, 90, 180, 270):
            # ffmpeg rotates first and then mirrors.
            stored = [np.rot90(frame, k=-angle // 90) for frame in make.draw(N)]
            stored = [
                frame[::-1] if angle % 180 else frame[:, ::-1] for frame in stored
            ]
            lying = make.file("lying.mp4", *H264, frames=stored)
            path = make.folder / f"{angle}.{suffix}"
            shown = ("-display_rotation", angle, "-display_hflip")
            make.ffmpeg(*shown, "-i", lying, "-c", "copy", path)
            yield Media(path)


def odd_sizes(make):
    yield make("odd.mp4", "-c:v", "libx264", "-pix_fmt", "yuv444p", height=49, width=67)
    yield make("odd.webm", *VP9, height=51, width=65)
    yield make("odd.mkv", *AV1, height=65, width=67)


def small(make):
    yield make("small.mp4", *H264, height=16, width=16)
    yield make("small.avi", *MJPEG, height=16, width=16)


def large(make):
    scale = ("-vf", "scale=7680:4320:flags=neighbor", "-pix_fmt", "yuvj420p")
    path = make.file("8k.avi", *scale, "-c:v", "mjpeg", "-q:v", 20, n=2, height=36)
    yield Media(path, range(2), shape=(4320, 7680, 3))


def anamorphic(make):
    wide = ("-vf", "setsar=2/1", *H264)
    yield make("wide.mp4", *wide)._replace(shape=(48, 128, 3))
    yield make("wide.mkv", "-vf", "setsar=2/1", *AV1)._replace(shape=(48, 128, 3))
    yield make("high.mp4", "-vf", "setsar=1/2", *H264)._replace(shape=(96, 64, 3))


def interlaced(make):
    fields = ("-flags", "+ildct+ilme")
    mpeg2 = ("-c:v", "mpeg2video", "-q:v", 3, *fields)
    yield make("fields.ts", *mpeg2, height=64)
    x264 = (*H264, *fields, "-x264-params", "interlaced=1")
    yield make("fields.mp4", *x264, height=64)
    # Names and titles are not mistaken for descriptions of streams.
    yield make("Video: fields.ts", *mpeg2, height=64)
    title = ("-metadata", "title=Video: my holiday")
    yield make("title.mp4", *x264, *title, height=64)


# -- pixels ------------------------------------------------------------------------


def ten_bits(make):
    deep = ("-pix_fmt", "yuv420p10le")
    yield make.colored("10.mp4", "-c:v", "libx264", *deep)
    yield make.colored("10_hevc.mp4", *HEVC, *deep)
    yield make.colored("10.webm", *VP9, *deep)


def twelve_bits(make):
    deep = ("-pix_fmt", "yuv420p12le")
    yield make.colored("12.mp4", *HEVC, *deep)
    yield make.colored("12.webm", *VP9, "-profile:v", 2, *deep)


def half_chroma(make):
    yield make.colored("422.mp4", "-c:v", "libx264", "-pix_fmt", "yuv422p")
    yield make.colored("422.mov", "-c:v", "prores_ks", "-pix_fmt", "yuv422p10le")


def full_chroma(make):
    yield make.colored("444.mp4", "-c:v", "libx264", "-pix_fmt", "yuv444p")
    yield make.colored("444.webm", *VP9, "-pix_fmt", "yuv444p")


def full_range(make):
    yield make.colored("full.mp4", "-c:v", "libx264", "-pix_fmt", "yuvj420p")
    wide = ("-vf", "scale=out_range=pc,format=yuv420p", "-color_range", "pc")
    yield make.colored("full_av1.mp4", *wide, *AV1)


def bt709(make):
    yield make.in_colors_of("709.mp4", "bt709", "bt709", *H264)
    yield make.in_colors_of("709.mkv", "bt709", "bt709", *AV1)


def bt2020(make):
    yield make.in_colors_of("2020.mp4", "bt2020", "bt2020nc", *H264)
    deep = (*AV1, "-pix_fmt", "yuv420p10le")
    yield make.in_colors_of("2020.mkv", "bt2020", "bt2020nc", *deep)


def alpha(make):
    def half(pixels):
        return ("-vf", f"format=argb,colorchannelmixer=aa=0.5,format={pixels}")

    yield make.colored("alpha.webm", *half("yuva420p"), *VP9)
    yield make.colored("4444.mov", *half("yuva444p10le"), "-c:v", "prores_ks")
    yield make.colored("qtrle.mov", *half("argb"), "-c:v", "qtrle")


def gray(make):
    media = make("gray.mp4", "-c:v", "libx264", "-pix_fmt", "gray")
    yield media
    shades = [np.full((48, 64, 3), shade, np.uint8) for shade in (10, 128, 250)]
    path = make.file("shades.mkv", "-c:v", "ffv1", "-pix_fmt", "gray", frames=shades)
    yield Media(path, [(10,) * 3, (128,) * 3, (250,) * 3])


# -- codecs ------------------------------------------------------------------------


def each(*files) -> Callable:
    def make_each(make):
        for name, *codec in files:
            yield make(name, *codec)

    return make_each


def av1(make):
    deep = ("-pix_fmt", "yuv420p10le")
    for suffix in ("mp4", "mkv", "webm"):
        yield make(f"svt.{suffix}", *AV1)
        yield make(f"svt10.{suffix}", *AV1, *deep)
    yield make("aom.mp4", *AOM)
    yield make("aom10.webm", *AOM, *deep)


def animated_gif(make):
    yield make("moving.gif")
    yield make.colored("colored.gif")


def animated_png(make):
    media = make("moving.apng")
    yield media
    yield make.colored("colored.apng")
    # A comment precedes the chunk that marks an animation.
    content = media.path.read_bytes()
    at = content.index(b"acTL") - 4
    text = b"tEXtComment\x00" + b"x" * 1000
    sizes = struct.pack(">I", len(text) - 4), struct.pack(">I", zlib.crc32(text))
    commented = media.path.with_name("commented.png")
    commented.write_bytes(content[:at] + sizes[0] + text + sizes[1] + content[at:])
    yield Media(commented)


# -- streams -----------------------------------------------------------------------


def early_sound(make):
    for name, codec in {
        "early.mp4": H264,
        "early.mkv": H264,
        "early.ts": H264,
        "early_av1.mp4": AV1,
        "early_av1.mkv": AV1,
    }.items():
        path = make.folder / name
        make.ffmpeg(
            *("-f", "lavfi", "-i", "sine=d=1", "-map", "1:a", "-map", "0:v", *codec),
            *("-c:a", "aac", "-vf", "setpts=PTS+0.5/TB", path),
            frames=make.draw(N),
            fps=FPS,
        )
        yield Media(path)
        yield Media(path, range(3), duration=0.12)


def two_videos(make):
    first = make.file("first.mp4", *H264)
    other = [np.full((96, 128, 3), color, np.uint8) for color in COLORS]
    second = make.file("second.mp4", *H264, frames=other)
    both = ("-map", "0:v", "-map", "1:v")
    preferred = (*both, "-disposition:v:0", 0, "-disposition:v:1", "default")
    for suffix in ("mp4", "mkv", "ts"):
        name = f"larger_second.{suffix}"
        yield Media(make.copy(name, first, second, options=both))
        name = f"larger_first.{suffix}"
        path = make.copy(name, second, first, options=both)
        yield Media(path, COLORS, shape=(96, 128, 3))
    path = make.copy("preferred.mkv", first, second, options=preferred)
    yield Media(path)


def subtitles(make):
    source = make.file("silent.mp4", *H264)
    text = make.folder / "text.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    for suffix, codec in {"mp4": "mov_text", "mkv": "srt"}.items():
        path = make.folder / f"text.{suffix}"
        words = ("-map", "1:s", "-map", "0:v", "-c:v", "copy", "-c:s", codec, path)
        make.ffmpeg("-i", source, "-i", text, *words)
        yield Media(path)


def cover(make):
    source = make.file("bare.mp4", *H264)
    picture = [np.full((96, 128, 3), 255, np.uint8)]
    jpeg = make.file("cover.jpg", "-frames:v", 1, frames=picture)
    for order in (("0:v", "1:v"), ("1:v", "0:v")):
        position = order.index("1:v")
        attached = (f"-disposition:v:{position}", "attached_pic")
        options = ("-map", order[0], "-map", order[1], *attached)
        name = f"cover{position}.mp4"
        yield Media(make.copy(name, source, jpeg, options=options))


# -- names -------------------------------------------------------------------------


def links(make):
    target = make.file("target.mp4", *H264)
    direct, relative = make.folder / "direct.mp4", make.folder / "relative"
    direct.symlink_to(target)
    relative.symlink_to("direct.mp4")
    yield Media(direct)
    yield Media(relative)


def read_only(make):
    paths = [make.file(f"sealed{suffix}", *codec) for suffix, codec in SEALED.items()]
    folder = make.folder / "sealed"
    folder.mkdir()
    for path in paths:
        path.chmod(0o444)
        path.rename(folder / path.name)
    folder.chmod(0o555)
    for path in paths:
        yield Media(folder / path.name)
    assert sorted(os.listdir(folder)) == sorted(path.name for path in paths)
    folder.chmod(0o755)


SEALED = {".mp4": H264, "_av1.mp4": AV1}


def named(*names) -> Callable:
    return lambda make: make.renamed(*names)


SUPPORTED = {
    "H.264": each(("h264.mp4", *H264), ("h264.mkv", *H264), ("h264.ts", *H264)),
    "HEVC": each(("hevc.mp4", *HEVC), ("hevc.mkv", *HEVC)),
    "VP8": each(("vp8.webm", "-c:v", "libvpx"), ("vp8.mkv", "-c:v", "libvpx")),
    "VP9": each(("vp9.webm", *VP9), ("vp9.mp4", *VP9)),
    "AV1": av1,
    "MPEG-4": each(
        ("4.mp4", "-c:v", "mpeg4", "-q:v", 3), ("xvid.avi", "-c:v", "libxvid")
    ),
    "MJPEG": each(("jpeg.avi", *MJPEG), ("jpeg.mov", *MJPEG)),
    "ProRes": each(("prores.mov", "-c:v", "prores_ks")),
    "Animated GIF": animated_gif,
    "Animated PNG": animated_png,
    "Still picture": stills,
    "Variable frame rate": variable_rate,
    "Edit list": edit_list,
    "1 frame per second": one_fps,
    "240 frames per second": fast,
    "Single frame": one_frame,
    "Truncated file": truncated,
    "Damaged parts": damaged,
    "Missing index": without_index,
    "Rotation by 0, 90, 180 or 270 degrees": rotated,
    "Mirrored, with or without rotation": mirrored,
    "Odd size": odd_sizes,
    "16 x 16 pixels": small,
    "8K": large,
    "Anamorphic pixels": anamorphic,
    "Interlaced": interlaced,
    "10 bits": ten_bits,
    "12 bits": twelve_bits,
    "4:2:2": half_chroma,
    "4:4:4": full_chroma,
    "Full range": full_range,
    "BT.709": bt709,
    "BT.2020": bt2020,
    "Alpha": alpha,
    "Grayscale": gray,
    "Audio before video": early_sound,
    "Two video streams": two_videos,
    "Subtitles": subtitles,
    "Cover picture": cover,
    "Name without extension": named("clip"),
    "Name with spaces, line breaks or non-Latin letters": named(
        *(" two  spaces .mp4", "line\nbreak.mp4", "відео-影片-🎬.mp4", "e\u0301.mp4"),
        *([os.fsdecode(b"caf\xe9.mp4")] if sys.platform == "linux" else []),
    ),
    "Name of 255 bytes": named("x" * 251 + ".mp4"),
    "Symbolic link": links,
    "Read-only folder": read_only,
}


@pytest.fixture
def make(tmp_path, ffmpeg, numbered_frames):
    return Studio(tmp_path, ffmpeg, numbered_frames)


def color_of(frame):
    return tuple(frame.reshape(-1, 3).mean(axis=0))


@pytest.mark.parametrize("row", SUPPORTED)
def test_odd_file_gives_the_frames_that_it_shows(make, number_of, row):
    for media in SUPPORTED[row](make):
        colored = isinstance(media.shown[0], tuple)
        read = color_of if colored else number_of
        n = len(media.shown)
        (clip,) = VideoFrameSampler(n + 1, media.duration).transform([media.path])
        *frames, empty = clip

        assert empty is None
        assert [frame.shape for frame in frames] == [media.shape] * n
        shown = [read(frame) for frame in frames]
        np.testing.assert_allclose(shown, media.shown, atol=4 if colored else 0)
        times = media.times or np.arange(n) / media.fps
        np.testing.assert_allclose(clip.timestamps[:n], times, rtol=0, atol=1e-3)
        # The cropper uses `map`, which starts with the frames that the container lists.
        mapping = Clip(media.path, n_frames=n + 1, duration=media.duration)
        assert mapping.map(lambda read=read: read) == [*shown, None]
        np.testing.assert_allclose(mapping.timestamps, clip.timestamps, atol=1e-9)


# -- unsupported files -------------------------------------------------------------

NO_VIDEO = "is not a video. Supported formats: mp4, mov, mkv, webm, avi"


def refused(*files) -> Callable:
    def write(make):
        for name, *codec in files:
            yield make.file(name, *codec), NO_VIDEO

    return write


def sound(make):
    for name, codec, reason in (
        ("sound.mp4", "aac", "cannot be opened as a video"),
        ("sound.mkv", "aac", "cannot be opened as a video"),
        ("sound.wav", "pcm_s16le", NO_VIDEO),
    ):
        path = make.folder / name
        make.ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", "-c:a", codec, path)
        yield path, reason


def pictures(make):
    codec = ("-c:v", "libaom-av1", "-cpu-used", 8)
    for name, *options in (("still.avif", "-frames:v", 1), ("animated.avif",)):
        yield make.file(name, *codec, *options), "is a HEIF or AVIF picture"
    heic = make.folder / "still.heic"
    content = (make.folder / "still.avif").read_bytes()
    heic.write_bytes(content.replace(b"avif", b"heic"))
    yield heic, "is a HEIF or AVIF picture"


def song(make):
    jpeg = make.file("cover.jpg", "-frames:v", 1)
    sine = ("-f", "lavfi", "-i", "sine=d=0.2", "-c:a", "aac")
    path, other = make.folder / "song.m4a", make.folder / "song.mkv"
    attached = ("-c:v", "copy", "-disposition:v", "attached_pic")
    make.ffmpeg(*sine[:4], "-i", jpeg, "-map", 0, "-map", 1, *attached, path)
    make.ffmpeg(*sine, "-attach", jpeg, "-metadata:s:t", "mimetype=image/jpeg", other)
    for each in (path, other):
        yield each, "contains audio and a cover picture"


def without_its_index(make):
    path = make.file("plain.mp4", *H264)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])
    yield path, "cannot be opened as a video"


UNSUPPORTED = {
    "Animated WebP": refused(("a.webp", "-c:v", "libwebp_anim")),
    "HEIC and AVIF": pictures,
    "FLV": refused(("a.flv", "-c:v", "flv")),
    "MPEG program stream": refused(("a.mpg", "-c:v", "mpeg2video")),
    "WMV": refused(("a.wmv", "-c:v", "wmv2")),
    "Ogg": refused(("a.ogv", "-c:v", "libtheora")),
    "Audio only": sound,
    "Audio with a cover picture": song,
    "Truncated mp4 with its index at the end": without_its_index,
}


@pytest.mark.parametrize("row", UNSUPPORTED)
def test_unsupported_file_is_an_error_that_says_so(make, row):
    for path, reason in UNSUPPORTED[row](make):
        disguised = path.with_name("disguised.mp4")
        shutil.copy(path, disguised)
        for name in (path, disguised):
            with pytest.raises(VideoReadError, match=reason) as caught:
                list(VideoFrameSampler().transform([name])[0])
            assert caught.value.path == str(name)


def rows_of_the_table():
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line[:1] == "|"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == ["Property", "Supported", "Note"]
    return rows[2:]


def test_table_lists_what_is_tested_and_nothing_else():
    rows = rows_of_the_table()
    assert all(len(row) == 3 for row in rows)
    assert [name for name, supported, _ in rows if supported == "yes"] == [*SUPPORTED]
    assert [name for name, supported, _ in rows if supported == "no"] == [*UNSUPPORTED]
    assert len(rows) == len(SUPPORTED) + len(UNSUPPORTED)
