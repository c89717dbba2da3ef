"""Malicious files and names do no harm, and errors name the file."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import gc
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path

import imageio_ffmpeg
import joblib
import numpy as np
import pytest

from skdeepfake._video import _ffmpeg, _process
from skdeepfake._video._process import (
    DecoderProcess,
    _close_all,
    give_back,
    take_process,
)
from skdeepfake.exceptions import NoFaceWarning, VideoReadError, VideoReadWarning
from skdeepfake.preprocessing import DlibFaceCropper, VideoFrameSampler, _clip

H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
AV1 = ("-c:v", "libsvtav1", "-preset", 12)
RED = (220, 40, 10)

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


def sample(path, n_frames=3, **parameters):
    sampler = VideoFrameSampler(n_frames, duration=None, **parameters)
    return sampler.transform([path])[0]


def iterate(path, **parameters):
    return list(sample(path, **parameters))


def crop(path, **parameters):
    return DlibFaceCropper().transform([sample(path, **parameters)])


both_uses = pytest.mark.parametrize(
    "use", [iterate, crop], ids=["iterate", "crop the faces"]
)


@contextlib.contextmanager
def quickly(seconds=5.0):
    """Check that the block does not wait for long."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def fill(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory, ffmpeg, numbered_frames):
    """Return a folder of videos, which tests copy."""
    folder = tmp_path_factory.mktemp("written")
    red = np.full((3, 48, 64, 3), RED, np.uint8)
    ffmpeg(*H264, folder / "plain.mp4", frames=numbered_frames(5))
    ffmpeg(*AV1, folder / "by_ffmpeg.mp4", frames=numbered_frames(5))
    ffmpeg(*H264, folder / "canary.mp4", frames=red)
    ffmpeg(*H264, folder / "canary.ts", frames=red)
    return folder


@pytest.fixture
def plain(written, tmp_path):
    """Return a video of five frames that OpenCV decodes."""
    return Path(shutil.copy(written / "plain.mp4", tmp_path))


@pytest.fixture
def by_ffmpeg(written, tmp_path):
    """Return a video of five frames that is decoded by ffmpeg."""
    return Path(shutil.copy(written / "by_ffmpeg.mp4", tmp_path))


# -- access to other files or addresses --------------------------------------------


class Watch:
    """Detect opened files with inotify on Linux."""

    OPENED = 0x20

    def __init__(self, *paths):
        libc = ctypes.CDLL(None, use_errno=True)
        self.handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for path in paths:
            added = libc.inotify_add_watch(self.handle, bytes(path), self.OPENED)
            assert added > 0

    def saw_something(self):
        try:
            return bool(os.read(self.handle, 4096))
        except BlockingIOError:
            return False

    def close(self):
        os.close(self.handle)


class Canary:
    """Videos and a server that no file may access."""

    def __init__(self, written, folder):
        names = ("canary.mp4", "canary.ts")
        self.mp4, self.ts = (
            Path(shutil.copy(written / name, folder)) for name in names
        )
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.address = f"http://127.0.0.1:{self.server.getsockname()[1]}/canary"
        linux = sys.platform == "linux"
        self.watch = Watch(self.mp4, self.ts) if linux else None

    def was_asked_for(self):
        try:
            self.server.accept()[0].close()
        except BlockingIOError:
            return self.watch is not None and self.watch.saw_something()
        return True

    def close(self):
        self.server.close()
        if self.watch is not None:
            self.watch.close()


@pytest.fixture
def canary(written, tmp_path):
    canary = Canary(written, tmp_path)
    yield canary
    canary.close()


def concat(canary):
    return f"ffconcat version 1.0\nfile {canary.mp4.name}\n"


def concat_of_an_address(canary):
    return f"ffconcat version 1.0\nfile {canary.address}.mp4\n"


def hls(canary):
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{canary.ts.name}\n"


def hls_of_an_address(canary):
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{canary.address}.ts\n"


def dash(canary, base=""):
    profile = "urn:mpeg:dash:profile:isoff-on-demand:2011"
    return (
        f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        f'profiles="{profile}" type="static" mediaPresentationDuration="PT1S">'
        '<Period><AdaptationSet><Representation id="1" mimeType="video/mp4" '
        'bandwidth="1" width="64" height="48">'
        f"<BaseURL>{base or canary.mp4.name}</BaseURL></Representation>"
        "</AdaptationSet></Period></MPD>"
    )


def dash_of_an_address(canary):
    return dash(canary, f"{canary.address}.mp4")


def sdp(canary):
    host, port = canary.server.getsockname()
    return (
        f"v=0\no=- 0 0 IN IP4 {host}\ns=x\nc=IN IP4 {host}\nt=0 0\n"
        f"a=control:{canary.address.replace('http', 'rtsp')}\nm=video {port} RTP/AVP 96"
        "\na=rtpmap:96 H264/90000\n"
    )


SCRIPTS = {
    "concat": concat,
    "concat of an address": concat_of_an_address,
    "HLS": hls,
    "HLS of an address": hls_of_an_address,
    "DASH": dash,
    "DASH of an address": dash_of_an_address,
    "SDP": sdp,
}

# First bytes that make a script look like mp4: the name of a box after line feeds as
# its size, or a box without content.
BEGINNINGS = {
    "free": b"\n\n\n\nfree\n",
    "skip": b"\n\n\n\nskip\n",
    "moov": b"\x00\x00\x00\x08moov",
    # FFmpeg detects the script after these boxes.
    "sidx": b"\n\n\n\nsidx\n",
    "styp": b"\n\n\n\nstyp\n",
    "ftyp": b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom",
}


def falls_for_it(canary, path, *arguments):
    """Return whether ffmpeg without restrictions accesses the canary."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    command = [ffmpeg, "-v", "quiet", "-nostdin", *arguments, "-i", path, "-f", "null"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([*command, "-"], timeout=1)
    return canary.was_asked_for()


@linux
@pytest.mark.parametrize(
    "script", ["concat", "HLS", "DASH", "concat of an address", "HLS of an address"]
)
def test_canary_tells_of_those_who_fall_for_a_script(canary, tmp_path, script):
    # The HLS demuxer also checks the file name.
    path = fill(tmp_path / "x.m3u8", SCRIPTS[script](canary))
    options = ["-protocol_whitelist", "file,http,tcp,crypto,data"]
    options += ["-safe", "0"] if script.startswith("concat") else []
    assert not canary.was_asked_for()
    assert falls_for_it(canary, path, *options)


@pytest.mark.parametrize("beginning", ["sidx", "styp"])
def test_ffmpeg_left_alone_falls_for_a_disguise(canary, tmp_path, beginning):
    content = BEGINNINGS[beginning] + sdp(canary).encode()
    path = fill(tmp_path / "x.mp4", content)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    command = [ffmpeg, "-v", "debug", "-protocol_whitelist", "file", "-i", path]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert b"Format sdp probed" in done.stderr
    assert b"Protocol 'rtp' not on whitelist" in done.stderr


@both_uses
@pytest.mark.parametrize("script", SCRIPTS)
def test_script_does_not_open_what_it_names(canary, tmp_path, script, use):
    for name in ("x.mp4", "x.ffconcat", "x.m3u8", "x.mpd", "x.sdp"):
        path = fill(tmp_path / name, SCRIPTS[script](canary))
        with quickly(), pytest.raises(VideoReadError, match="is not a video") as caught:
            use(path)
        assert caught.value.path == str(path)
    assert not canary.was_asked_for()


@both_uses
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_script_that_begins_like_a_video_opens_nothing(
    canary, tmp_path, beginning, use
):
    for script, name in (
        *((script, "x.mp4") for script in SCRIPTS),
        ("SDP", "x.sdp"),
        ("HLS", "x.m3u8"),
        ("DASH", "x.mpd"),
        ("concat", "x.ffconcat"),
    ):
        content = BEGINNINGS[beginning] + SCRIPTS[script](canary).encode()
        path = fill(tmp_path / name, content)
        with quickly(), pytest.raises(VideoReadError, match="cannot be opened as a vi"):
            use(path)
    assert not canary.was_asked_for()


@linux
@pytest.mark.parametrize("script", ["concat", "HLS", "DASH"])
def test_ffmpeg_opens_no_script_even_if_it_is_asked_to(canary, tmp_path, script):
    path = str(fill(tmp_path / "x.m3u8", SCRIPTS[script](canary)))
    for command in (
        _ffmpeg.count(path, None, None),
        _ffmpeg.decode(path, [0], None),
        _ffmpeg.describe(path),
    ):
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert done.returncode != 0
        assert b"Video:" not in done.stdout + done.stderr
    assert not canary.was_asked_for()


# -- names -------------------------------------------------------------------------

NAMES = {
    "address": "http://127.0.0.1:{port}/canary.mp4",
    "secure address": "https://127.0.0.1:{port}/canary.mp4",
    "TCP": "tcp://127.0.0.1:{port}",
    "RTSP": "rtsp://127.0.0.1:{port}/canary",
    "file": "file:canary.mp4",
    "file with slashes": "file:///{folder}/canary.mp4",
    "concat": "concat:canary.ts|canary.ts",
    "concatf": "concatf:canary.ts",
    "subfile": "subfile,,start,0,end,0,,:canary.mp4",
    "async": "async:canary.mp4",
    "cache": "cache:canary.mp4",
    "crypto": "crypto:canary.mp4",
    "data": "data:text/plain,ffconcat version 1.0%0Afile canary.mp4",
    "pipe": "pipe:0",
    "descriptor": "fd:",
    "standard input": "-",
    "option": "-i",
    "long option": "--help",
    "option with a value": "-protocol_whitelist=file",
    "command": "x;touch made",
    "substitution": "$(touch made)",
    "backticks": "`touch made`",
    "filter": "|touch made",
    "ampersand": "x&touch made&",
    "redirection": "x>made",
    "pattern": "canary*",
    "numbered pictures": "%d.mp4",
    "device of a filter": "movie=canary.mp4",
}


def spelled(name, canary, tmp_path):
    port = canary.server.getsockname()[1]
    return NAMES[name].format(port=port, folder=str(tmp_path).lstrip("/"))


@pytest.mark.parametrize("name", NAMES)
def test_name_of_no_file_is_an_error_and_nothing_else(
    canary, tmp_path, monkeypatch, name
):
    path = spelled(name, canary, tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))

    for spelling in (path, os.path.join(tmp_path, path)):
        with quickly(), pytest.raises(VideoReadError, match="cannot be found") as error:
            iterate(spelling)
        assert error.value.path == os.path.join(tmp_path, spelling)
    assert sorted(os.listdir(tmp_path)) == before
    assert not canary.was_asked_for()


@posix
@pytest.mark.parametrize("source", ["plain", "by_ffmpeg"])
@pytest.mark.parametrize("name", NAMES)
def test_file_of_any_name_is_just_a_file(
    canary, tmp_path, number_of, monkeypatch, request, name, source
):
    path = spelled(name, canary, tmp_path)
    video = request.getfixturevalue(source)
    monkeypatch.chdir(tmp_path)
    # Slashes become folders: "http:" contains "127.0.0.1:80" with the video.
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    video.rename(path)
    before = sorted(Path().rglob("*"))

    clip = sample(path)
    assert [number_of(frame) for frame in clip] == [0, 2, 4]
    assert sample(path).map(lambda: number_of) == [0, 2, 4]
    assert sorted(Path().rglob("*")) == before
    assert not canary.was_asked_for()


# -- paths that are not regular files ----------------------------------------------


def unix_socket(path):
    here = Path.cwd()
    os.chdir(path.parent)  # the full path may be too long for a socket
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def link_to_a_pipe(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


NO_FILES = {
    "pipe": os.mkfifo if os.name == "posix" else None,
    "link to a pipe": link_to_a_pipe,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "empty device": lambda path: path.symlink_to("/dev/null"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "socket": unix_socket,
    "folder": Path.mkdir,
    "link to a folder": lambda path: path.symlink_to(path.parent),
    "link to itself": lambda path: path.symlink_to(path.name),
}


@posix
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "x.mp4"
    NO_FILES[kind](path)

    reason = "is a folder|is not a regular file|cannot be found"
    with quickly(1.0), pytest.raises(VideoReadError, match=reason) as caught:
        sample(path)
    assert caught.value.path == str(path)


@linux
def test_open_descriptor_that_is_no_file_is_refused_at_once():
    reader, writer = os.pipe()
    try:
        with quickly(1.0), pytest.raises(VideoReadError, match="not a regular file"):
            sample(f"/dev/fd/{reader}")
    finally:
        os.close(reader)
        os.close(writer)


# -- files that change after sampling ----------------------------------------------


def grow(path, canary):
    with path.open("ab") as file:
        file.write(bytes(10_000))


def shrink(path, canary):
    os.truncate(path, path.stat().st_size // 2)


def remove(path, canary):
    path.unlink()


def become_a_pipe(path, canary):
    path.unlink()
    os.mkfifo(path)


def become_a_link(path, canary):
    path.unlink()
    path.symlink_to(canary.mp4)


def become_a_script(path, canary, beginning=b""):
    """Replace a file with a script of the same size and time."""
    old = path.stat()
    script = beginning + concat(canary).encode()
    path.write_bytes(script + b"\n" * (old.st_size - len(script)))
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


def become_a_disguised_script(path, canary):
    become_a_script(path, canary, BEGINNINGS["skip"])


CHANGES = {
    "grows": (grow, "has changed since it was sampled"),
    "shrinks": (shrink, "has changed since it was sampled"),
    "is removed": (remove, "cannot be found"),
    "becomes a pipe": (become_a_pipe, "is not a regular file"),
    "becomes another video": (become_a_link, "has changed since it was sampled"),
    "becomes a script": (become_a_script, "is not a video"),
    "becomes a disguised script": (
        become_a_disguised_script,
        "has changed since it was sampled",
    ),
}


@posix
@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("change", CHANGES)
def test_file_that_changes_before_it_is_cropped_is_an_error(
    canary, plain, change, on_error
):
    alter, reason = CHANGES[change]
    clip = sample(plain, on_error=on_error)
    alter(plain, canary)

    with quickly():
        if on_error == "raise":
            with pytest.raises(VideoReadError, match=reason) as caught:
                DlibFaceCropper().transform([clip])
        else:
            with pytest.warns(VideoReadWarning, match=reason) as caught:
                crops = DlibFaceCropper().transform([clip])
            assert crops.tolist() == [[None] * 3]
            (caught,) = caught
            assert caught.message.reason == clip.error.reason
    if on_error == "raise":
        assert caught.value.path == str(plain)
    if change != "becomes another video":
        assert not canary.was_asked_for()


@posix
@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("plain", "becomes a script"),
        pytest.param("plain", "becomes a pipe", marks=pytest.mark.nightly),
        pytest.param("by_ffmpeg", "becomes a script", marks=pytest.mark.nightly),
        ("by_ffmpeg", "becomes a pipe"),
    ],
)
def test_file_that_changes_in_the_last_moment_opens_nothing(
    canary, monkeypatch, request, source, change
):
    path = request.getfixturevalue(source)
    clip = sample(path, timeout=1.0)
    take_and_give_back()  # start the process before the time is measured
    check = _clip.file_identity

    def check_and_alter(*arguments):
        found = check(*arguments)
        CHANGES[change][0](path, canary)
        return found

    monkeypatch.setattr(_clip, "file_identity", check_and_alter)
    # No process writes to the pipe.
    reason = "timeout=1" if change == "becomes a pipe" else "cannot be opened as a"
    with quickly(), pytest.raises(VideoReadError, match=reason):
        clip.map(lambda: np.copy)
    assert not canary.was_asked_for()


@posix
@pytest.mark.parametrize(
    ("step", "change"),
    [
        ("count", "becomes a script"),
        pytest.param("count", "becomes a pipe", marks=pytest.mark.nightly),
        pytest.param("decode", "becomes a script", marks=pytest.mark.nightly),
        ("decode", "becomes a pipe"),
    ],
)
def test_file_that_changes_before_ffmpeg_reads_it_opens_nothing(
    canary, monkeypatch, by_ffmpeg, step, change
):
    clip = sample(by_ffmpeg, timeout=2.0)
    take_and_give_back()
    command = getattr(_ffmpeg, step)

    def alter_and_command(*arguments):
        CHANGES[change][0](by_ffmpeg, canary)
        return command(*arguments)

    monkeypatch.setattr(_ffmpeg, step, alter_and_command)
    reason = "timeout=2" if change == "becomes a pipe" else "frame that can"
    with quickly(), pytest.raises(VideoReadError, match=reason):
        list(clip)
    assert not canary.was_asked_for()


def test_file_that_grows_while_it_is_read_gives_its_frames(plain, number_of):
    clip = sample(plain, n_frames=5)
    numbers = []
    for frame in clip:
        numbers.append(number_of(frame))
        grow(plain, None)

    assert numbers == [0, 1, 2, 3, 4]
    with pytest.raises(VideoReadError, match="has changed since it was sampled"):
        list(clip)


# -- decompression bombs -----------------------------------------------------------


def chunk(kind, data):
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def real_png(make):
    """Write an animated picture of 144 million pixels to a file of 20 kB."""
    side = 12000
    black = zlib.compress(bytes((side // 8 + 1) * side), 9)
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)),
            chunk(b"acTL", struct.pack(">II", 1, 0)),
            chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, side, side, 0, 0, 1, 25, 0, 0)),
            chunk(b"IDAT", black),
            chunk(b"IEND", b""),
        ]
    )
    return fill(make.folder / "bomb.png", content)


def real_png_in_mov(make):
    path = make.folder / "bomb.mov"
    make.ffmpeg("-f", "png_pipe", "-i", real_png(make), "-c", "copy", path)
    return path


def png_header(make):
    path = make.write("bomb.mov", "-c:v", "png")
    content = bytearray(path.read_bytes())
    for found in re.finditer(b"IHDR", bytes(content)):
        at = found.start()
        content[at + 4 : at + 12] = struct.pack(">II", 16384, 16384)
        content[at + 17 : at + 21] = struct.pack(
            ">I", zlib.crc32(content[at : at + 17])
        )
    return fill(path, bytes(content))


def mjpeg(make, *, side=65500, in_container=True, in_pictures=True):
    path = make.write("bomb.avi", "-c:v", "mjpeg", "-q:v", 3)
    content = bytearray(path.read_bytes())
    if in_container:
        for header, offset in ((b"avih", 40), (b"strf", 12)):
            at = content.index(header) + offset
            assert content[at : at + 8] == struct.pack("<II", 64, 48)
            content[at : at + 8] = struct.pack("<II", side, side)
    if in_pictures:
        for found in re.finditer(b"\xff\xc0\x00\x11\x08", bytes(content)):
            at = found.end()
            content[at : at + 4] = struct.pack(">HH", side, side)
    return fill(path, bytes(content))


def mjpeg_16k(make):
    return mjpeg(make, side=16384)


def mjpeg_pictures(make):
    return mjpeg(make, in_container=False)


def gif(make):
    path = make.write("bomb.gif")
    content = path.read_bytes()
    return fill(path, content[:6] + struct.pack("<HH", 65500, 65500) + content[10:])


def vp8(make):
    path = make.write("bomb.webm", "-c:v", "libvpx")
    content = bytearray(path.read_bytes())
    at = content.index(b"\x9d\x01\x2a") + 3
    assert content[at : at + 4] == struct.pack("<HH", 64, 48)
    content[at : at + 4] = struct.pack("<HH", 16383, 16383)
    return fill(path, bytes(content))


BOMBS = {
    "real PNG": (real_png, "max_pixels"),
    "real PNG in mov": (real_png_in_mov, "max_pixels"),
    "PNG header": (png_header, "cannot be|max_pixels"),
    "MJPEG": (mjpeg, "cannot be|max_pixels"),
    "MJPEG of 16k": (mjpeg_16k, "cannot be|max_pixels"),
    "MJPEG, pictures only": (mjpeg_pictures, "cannot be|max_pixels"),
    "GIF": (gif, "cannot be|max_pixels"),
    "VP8": (vp8, "cannot be|max_pixels"),
}


class Make:
    def __init__(self, folder, write, ffmpeg, draw):
        self.folder, self.ffmpeg = folder, ffmpeg
        self.write = lambda name, *options: write(draw(5), name, *options or ("-y",))


@pytest.fixture
def make(tmp_path, write_clip, ffmpeg, numbered_frames):
    return Make(tmp_path, write_clip, ffmpeg, numbered_frames)


def megabytes(field):
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s*(\d+) kB", status)[1]) / 1024


@contextlib.contextmanager
def little_memory():
    if sys.platform != "linux":
        yield
        return
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = megabytes("VmRSS")
    yield
    assert megabytes("VmHWM") - before < 100


@linux
@pytest.mark.parametrize("use", [iterate, crop], ids=["iterate", "crop the faces"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_small_file_of_a_huge_picture_is_refused(make, bomb, use):
    write, reason = BOMBS[bomb]
    path = write(make)
    assert path.stat().st_size < 30_000

    # The file may fail when it is opened or when it is decoded.
    reason = reason.replace(
        "cannot be", "contains no frame that can be|cannot be opened"
    )
    with quickly(), little_memory(), pytest.raises(VideoReadError, match=reason):
        use(path)


@linux
def test_container_alone_that_claims_a_huge_picture_harms_nobody(make, number_of):
    path = mjpeg(make, in_pictures=False)
    with quickly(), little_memory():
        assert sample(path).map(lambda: number_of) == [0, 2, 4]


@both_uses
@pytest.mark.parametrize("codec", [H264, AV1], ids=["H.264", "AV1"])
def test_max_pixels_is_the_largest_frame(write_clip, numbered_frames, codec, use):
    path = write_clip(numbered_frames(5, height=72, width=80), "x.mkv", *codec)
    with pytest.raises(VideoReadError, match=r"80 x 72.*max_pixels=5759"):
        use(path, max_pixels=80 * 72 - 1)
    assert [f.shape for f in iterate(path, max_pixels=80 * 72)] == [(72, 80, 3)] * 3
    assert [f.shape for f in iterate(path, max_pixels=None)] == [(72, 80, 3)] * 3


@both_uses
@pytest.mark.parametrize("codec", [H264, AV1], ids=["H.264", "AV1"])
def test_max_pixels_holds_after_pixels_were_made_square(
    write_clip, numbered_frames, codec, use
):
    path = write_clip(numbered_frames(5), "x.mkv", "-vf", "setsar=4/1", *codec)
    with pytest.raises(VideoReadError, match="max_pixels"):
        use(path, max_pixels=64 * 48 * 4 - 1)
    frames = iterate(path, max_pixels=64 * 48 * 4)
    assert [frame.shape for frame in frames] == [(48, 256, 3)] * 3


@pytest.mark.parametrize(
    "codec",
    [H264, ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", 3)],
    ids=["H.264", "interlaced"],
)
def test_frames_that_grow_on_the_way_stay_within_max_pixels(
    write_clip, numbered_frames, ffmpeg, codec
):
    small = write_clip(numbered_frames(5, height=64), "a.ts", *codec, fps=25)
    frames = numbered_frames(5, height=256, width=512)
    large = write_clip(frames, "b.ts", *codec, "-output_ts_offset", 1, fps=25)
    path = fill(small.with_name("x.ts"), small.read_bytes() + large.read_bytes())

    try:
        frames = iterate(path, n_frames=10, max_pixels=64 * 64)
    except VideoReadError as error:
        assert "max_pixels" in error.reason  # noqa: PT017
    else:
        assert {frame.shape for frame in frames if frame is not None} == {(64, 64, 3)}


# -- size and duration -------------------------------------------------------------


def test_max_bytes_is_the_largest_file(plain, number_of):
    size = plain.stat().st_size
    with pytest.raises(VideoReadError, match=f"{size} bytes.*max_bytes={size - 1}"):
        sample(plain, max_bytes=size - 1)
    for limit in (size, None):
        clip = sample(plain, max_bytes=limit)
        assert [number_of(frame) for frame in clip] == [0, 2, 4]


def test_file_larger_than_the_default_of_max_bytes_is_refused(plain):
    os.truncate(plain, 2**34 + 1)  # a sparse file
    with quickly(), pytest.raises(VideoReadError, match=f"max_bytes={2**34}"):
        sample(plain)
    clip = sample(plain, on_error="skip", max_bytes=None)
    assert clip.error is None


def claimed(path, write_clip, frames):
    """Return the content of a file of five frames whose header says thirty hours."""
    content = write_clip(frames, path).read_bytes()
    at = content.index(b"\x44\x89\x88") + 3  # the duration, in milliseconds
    lie = struct.pack(">d", 30 * 3600 * 1000.0)
    return content[:at] + lie + content[at + 8 :]


@both_uses
def test_file_that_claims_to_last_for_thirty_hours_is_refused(
    tmp_path, write_clip, numbered_frames, number_of, use
):
    path = tmp_path / "x.mkv"
    path.write_bytes(claimed(path.name, write_clip, numbered_frames(5)))

    with quickly(), pytest.raises(VideoReadError, match=r"108000.*max_duration=86400"):
        use(path)
    clip = sample(path, max_duration=None)
    assert [number_of(frame) for frame in clip] == [0, 2, 4]


@both_uses
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_two_frames_thirty_hours_apart_are_refused(
    write_clip, numbered_frames, suffix, use
):
    late = ("-vf", "setpts=N*108000/TB", "-fps_mode", "vfr", "-enc_time_base", "1:1000")
    name = f"x.{suffix}"
    path = write_clip(numbered_frames(2), name, *late, *H264, fps=25)
    # Times in MPEG-TS wrap around after 26 hours, so the file seems to be shorter.
    limit = {"max_duration": 3600} if suffix == "ts" else {}
    with quickly(), pytest.raises(VideoReadError, match="max_duration"):
        use(path, **limit)


LONG = {
    "H.264 in mp4": ("x.mp4", H264),
    "H.264 in mkv without a duration": ("x.mkv", (*H264, "-live", 1)),
    "H.264 in MPEG-TS": ("x.ts", H264),
    "MJPEG in AVI": ("x.avi", ("-c:v", "mjpeg")),
    "AV1 in mp4": ("x.mp4", AV1),
    "AV1 in mkv without a duration": ("x.mkv", (*AV1, "-live", 1)),
    "GIF": ("x.gif", ("-y",)),
}


@both_uses
@pytest.mark.parametrize("kind", LONG)
def test_max_duration_is_the_longest_video(write_clip, numbered_frames, kind, use):
    name, codec = LONG[kind]
    path = write_clip(numbered_frames(11), name, *codec, fps=10)

    with pytest.raises(VideoReadError, match=r"max_duration=0\.5"):
        use(path, max_duration=0.5)
    assert len(iterate(path, max_duration=1.2)) == 3


@pytest.mark.parametrize("source", ["plain", "by_ffmpeg"])
@pytest.mark.parametrize(
    "limits",
    [
        {"max_pixels": np.int64(10**7), "max_bytes": np.int64(10**9)},
        {"max_duration": np.float32(100), "timeout": np.float32(100)},
        {"max_pixels": 10**12, "max_bytes": 2**62},
        {"max_pixels": 2**62},
        {"max_duration": 1e15, "timeout": 1e15},
    ],
    ids=["NumPy int", "NumPy float", "huge", "huger", "for ever"],
)
def test_any_number_may_be_a_limit(request, number_of, source, limits):
    path = request.getfixturevalue(source)
    for use in (list, lambda clip: clip.map(lambda: np.copy)):
        frames = use(sample(path, **limits))
        assert [number_of(frame) for frame in frames] == [0, 2, 4]


@pytest.mark.parametrize("source", ["plain", "by_ffmpeg"])
@pytest.mark.parametrize(
    ("duration", "expected"),
    [(np.float32(0.3), [0, 1, 2]), (1e-9, [0, None, None]), (1e15, [0, 2, 4])],
    ids=["NumPy", "a moment", "for ever"],
)
def test_any_number_of_seconds_may_be_sampled(
    request, number_of, source, duration, expected
):
    path = request.getfixturevalue(source)
    for use in (list, lambda clip: clip.map(lambda: np.copy)):
        (clip,) = VideoFrameSampler(3, duration).transform([path])
        frames = use(clip)
        numbers = [None if frame is None else number_of(frame) for frame in frames]
        assert numbers == expected


# -- timeout -----------------------------------------------------------------------


def take_and_give_back():
    """Start the only idle process, which reads the next video, and return its PID."""
    gc.collect()  # unfinished iterators of earlier tests return their processes
    _close_all()
    process = take_process()
    give_back(process)
    return process._process.pid


def numbers_of(path, number_of, **parameters):
    return [number_of(frame) for frame in sample(path, **parameters)]


@posix
@both_uses
def test_decoder_that_hangs_is_killed_in_time_and_the_next_video_works(
    plain, number_of, use
):
    pid = take_and_give_back()
    os.kill(pid, signal.SIGSTOP)

    with quickly(3.0), pytest.raises(VideoReadError, match=r"timeout=0\.5") as caught:
        use(plain, timeout=0.5)
    assert caught.value.path == str(plain)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert numbers_of(plain, number_of) == [0, 2, 4]


@posix
def test_decoder_that_hangs_between_two_frames_is_killed_in_time(
    write_clip, numbered_frames, number_of
):
    # Frames are larger than the buffer of the pipe, so that no frame is sent ahead.
    path = write_clip(numbered_frames(5, height=480, width=640))
    pid = take_and_give_back()
    frames = iter(sample(path, timeout=1.0))
    next(frames)
    next(frames)
    os.kill(pid, signal.SIGSTOP)

    with quickly(3.0), pytest.raises(VideoReadError, match="timeout=1"):
        next(frames)
    assert numbers_of(path, number_of) == [0, 2, 4]


@pytest.mark.parametrize("step", ["count", "decode"])
def test_ffmpeg_that_hangs_is_killed_in_time_and_the_next_video_works(
    by_ffmpeg, number_of, monkeypatch, step
):
    take_and_give_back()
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with monkeypatch.context() as patch:
        patch.setattr(_ffmpeg, step, lambda *arguments: sleep)
        with quickly(), pytest.raises(VideoReadError, match="timeout=1"):
            iterate(by_ffmpeg, timeout=1.0)
    assert numbers_of(by_ffmpeg, number_of) == [0, 2, 4]


@pytest.mark.parametrize("source", ["plain", "by_ffmpeg"])
def test_time_that_others_take_does_not_count(request, number_of, source):
    path = request.getfixturevalue(source)
    take_and_give_back()
    numbers = []
    for frame in sample(path, n_frames=5, timeout=1.0):
        numbers.append(number_of(frame))
        time.sleep(0.3)
    assert numbers == [0, 1, 2, 3, 4]


# -- crashes -----------------------------------------------------------------------


@pytest.mark.parametrize("noticed", [True, False])
def test_process_that_died_while_idle_is_replaced(
    plain, number_of, monkeypatch, noticed
):
    pid = take_and_give_back()
    # The death may be noticed before the next request or during the request.
    monkeypatch.setattr(DecoderProcess, "is_usable", not noticed)
    os.kill(pid, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    assert numbers_of(plain, number_of) == [0, 2, 4]
    assert take_and_give_back() != pid


@posix
def test_process_that_dies_between_two_frames_is_an_error(write_clip, numbered_frames):
    path = write_clip(numbered_frames(5, height=480, width=640))
    pid = take_and_give_back()
    frames = iter(sample(path))
    next(frames)
    next(frames)
    os.kill(pid, signal.SIGKILL)
    with quickly(), pytest.raises(VideoReadError, match="was killed"):
        next(frames)


FRAME = b'{"shape": [2, 2, 3]}\n' + bytes(12)
NONSENSE = {
    "no JSON": b"nonsense\n",
    "no text": b"\xff\xfe\n",
    "a list": b"[]\n",
    "no result": b"{}\n",
    "an unknown kind of error": b'{"error": "x", "kind": "y"}\n',
    "a shape of two": b'{"shape": [2, 2]}\n' + bytes(12),
    "a negative shape": b'{"shape": [-2, 2, 3]}\n',
    "a shape of words": b'{"shape": ["2", "2", "3"]}\n' + bytes(12),
    "a shape of fractions": b'{"shape": [1.5, 2, 3]}\n' + bytes(12),
    "a huge frame": b'{"shape": [65500, 65500, 3]}\n' + bytes(12),
    "half a frame": FRAME[:-6],
    "fewer frames": FRAME * 2 + b'{"result": null}\n',
    "more frames": FRAME * 4 + b'{"result": null}\n',
    "times in words": b'{"result": "many"}\n',
    "no times": b'{"result": null}\n',
    "numbers alone": b'{"result": [[0, 1, 2]]}\n',
    "fewer times": b'{"result": [[0, 1, 2], [0.0, 0.1]]}\n',
    "numbers that fall": b'{"result": [[0, 2, 1], [0.0, 0.1, 0.2]]}\n',
    "more than asked for": b'{"result": [[0, 1, 2, 3], [0.0, 0.1, 0.2, 0.3]]}\n',
}
DISHONEST_COUNTS = (
    *("times in words", "no times", "numbers alone", "fewer times"),
    *("numbers that fall", "more than asked for"),
)


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_process_that_answers_nonsense_is_an_error(plain, monkeypatch, nonsense):
    # Simulate a process controlled by a video. It answers "count" correctly.
    counted = b'{"result": [[0, 1, 2], [0.0, 0.1, 0.2]]}\n'
    honest = nonsense not in DISHONEST_COUNTS
    program = f"""
import sys
def say(answer):
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
say(b'{{"ready": true}}\\n')
for line in sys.stdin.buffer:
    if {honest} and b'"count"' in line:
        say({counted!r})
    else:
        say({NONSENSE[nonsense]!r})
        break
"""
    monkeypatch.setattr(_process, "_idle", collections.deque())
    monkeypatch.setattr(_process, "_PROGRAM", program)
    try:
        with quickly(), little_memory(), pytest.raises(VideoReadError) as caught:
            iterate(plain)
    finally:
        while _process._idle:
            _process._idle.pop().close()
    assert caught.value.path == str(plain)


# -- batches with bad videos -------------------------------------------------------


@pytest.fixture(scope="module")
def batch(tmp_path_factory, ffmpeg):
    """Return paths of good and bad videos, and the step at which the bad ones fail."""
    portrait = pytest.importorskip("skimage.data").astronaut()[20:220, 120:320]
    folder = tmp_path_factory.mktemp("batch")
    good = []
    for number in range(3):
        good.append(folder / f"good{number}.mp4")
        frames = [np.roll(portrait, 5 * number, axis=1)] * 2
        ffmpeg(*H264, good[-1], frames=frames)
    script = fill(folder / "script.mp4", "ffconcat version 1.0\nfile good0.mp4\n")
    head = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
    hollow = fill(folder / "hollow.mp4", head + b"junk" * 99)
    matroska = fill(folder / "hollow.mkv", b"\x1a\x45\xdf\xa3" + b"\xff" * 500)
    missing = folder / "missing.mp4"
    paths = [good[0], script, good[1], hollow, missing, matroska, good[2]]
    return [*map(str, paths)], {1: "sampler", 4: "sampler", 3: "cropper", 5: "cropper"}


def crops_and_warnings(paths, n_jobs):
    """Return the crops, the clips and the warnings of each step."""
    caught = {}
    with warnings.catch_warnings(record=True) as caught["sampler"]:
        warnings.simplefilter("always")
        sampler = VideoFrameSampler(2, on_error="skip", n_jobs=n_jobs)
        clips = sampler.transform(paths)
    with warnings.catch_warnings(record=True) as caught["cropper"]:
        warnings.simplefilter("always")
        crops = DlibFaceCropper(n_jobs=n_jobs).transform(clips)
    return crops, clips, caught


@pytest.mark.parametrize(
    "backend",
    [None, "threading", pytest.param("loky", marks=pytest.mark.nightly)],
)
def test_bad_videos_are_skipped_and_the_good_ones_are_as_without_them(batch, backend):
    paths, bad = batch
    good = [place for place in range(len(paths)) if place not in bad]
    alone, *_ = crops_and_warnings([paths[place] for place in good], None)
    config = contextlib.nullcontext() if backend is None else parallel(backend)
    with config:
        crops, clips, caught = crops_and_warnings(paths, None if backend is None else 2)

    assert crops.shape == (7, 2)
    for place, row in zip(good, alone, strict=True):
        assert clips[place].error is None
        for found, expected in zip(crops[place], row, strict=True):
            assert expected is not None
            np.testing.assert_array_equal(found, expected)
    for place in bad:
        assert crops[place].tolist() == [None, None]
        assert isinstance(clips[place].error, VideoReadError)
        assert list(clips[place]) == [None, None]
        assert clips[place].indices.tolist() == [-1, -1]
    for step, recorded in caught.items():
        assert [warning.category for warning in recorded] == [VideoReadWarning] * 2
        places = sorted(place for place in bad if bad[place] == step)
        for place, warning in zip(places, recorded, strict=True):
            assert warning.message.path == paths[place]
            assert warning.message.reason == clips[place].error.reason
            assert warning.filename == __file__


def parallel(backend):
    return joblib.parallel_config(backend)


def test_bad_videos_are_warned_of_once_and_faceless_ones_otherwise(
    batch, write_clip, numbered_frames
):
    paths, _ = batch
    faceless = str(write_clip(numbered_frames(3)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clips = VideoFrameSampler(2, on_error="skip").transform([faceless, *paths])
        crops = DlibFaceCropper().transform(clips)
        again = DlibFaceCropper().transform(clips)

    for row, other in zip(crops, again, strict=True):
        assert [cell is None for cell in row] == [cell is None for cell in other]
    kinds = [warning.category for warning in caught]
    assert kinds.count(VideoReadWarning) == 4
    assert kinds.count(NoFaceWarning) == len(kinds) - 4 == 2  # one per cropping
    for warning in caught:
        if warning.category is NoFaceWarning:
            assert repr(faceless) in str(warning.message)


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.nightly)])
def test_decoder_that_hangs_costs_one_video_of_a_batch(batch, monkeypatch, n_jobs):
    paths, _ = batch
    good = [path for path in paths if "good" in path]
    os.kill(take_and_give_back(), signal.SIGSTOP)
    clips = VideoFrameSampler(2, on_error="skip", timeout=3.0).transform(good)
    with pytest.warns(VideoReadWarning, match="timeout=3") as caught:
        crops = DlibFaceCropper(n_jobs=n_jobs).transform(clips)

    (lost,) = [place for place, clip in enumerate(clips) if clip.error is not None]
    assert [warning.message.path for warning in caught] == [good[lost]]
    for place, row in enumerate(crops):
        assert [cell is None for cell in row] == [place == lost] * 2


# -- open files and processes ------------------------------------------------------


@linux
def test_attacks_leave_no_descriptors_and_no_processes(
    canary, make, tmp_path, plain, by_ffmpeg, number_of
):
    paths = [write(make) for write in (real_png, mjpeg, gif)]
    for name, script in SCRIPTS.items():
        content = BEGINNINGS["skip"] + script(canary).encode()
        paths += [fill(tmp_path / f"{name}.mp4", script(canary))]
        paths += [fill(tmp_path / f"{name}.mov", content)]
    paths.append(tmp_path / "pipe.mp4")
    os.mkfifo(paths[-1])

    def attack():
        for path in paths:
            for use in (iterate, crop):
                with pytest.raises(VideoReadError):
                    use(path)
        os.kill(take_and_give_back(), signal.SIGSTOP)
        with pytest.raises(VideoReadError, match="timeout"):
            iterate(plain, timeout=0.2)
        for path in (plain, by_ffmpeg):
            assert numbers_of(path, number_of) == [0, 2, 4]
            for _ in sample(path):  # abandoned iterator
                break
        return left_open(), children()

    first = attack()
    assert attack() == first


def left_open():
    gc.collect()  # files of other tests
    return len(os.listdir("/proc/self/fd"))


def children():
    tasks = Path("/proc/self/task").glob("*/children")
    return sum(len(task.read_text().split()) for task in tasks)
