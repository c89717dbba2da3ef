"""Only regular files that begin like a container are accepted."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from skdeepfake._video._checks import check_video_file
from skdeepfake.exceptions import VideoReadError

needs_fifo = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")

PLAYLIST = "ffconcat version 1.0\nfile canary.mp4\n"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.mp4", ()),
        ("clip.mov", ()),
        ("clip.m4v", ("-c:v", "libx264", "-pix_fmt", "yuv420p")),
        ("clip.3gp", ("-c:v", "mpeg4")),
        ("fragments.mp4", ("-c:v", "mpeg4", "-movflags", "frag_keyframe+empty_moov")),
        ("clip.mkv", ()),
        ("clip.webm", ("-c:v", "libvpx-vp9")),
        ("clip.avi", ("-c:v", "mjpeg")),
        ("clip.ts", ()),
        ("clip.m2ts", ("-c:v", "mpeg2video", "-f", "mpegts", "-mpegts_m2ts_mode", 1)),
    ],
)
def test_every_container_is_let_in_whatever_its_extension(
    write_clip, numbered_frames, name, options
):
    # MPEG-2 supports 25 frames per second but not 10.
    path = write_clip(numbered_frames(3), name, *options, fps=25)
    disguised = path.with_name("disguised.txt")
    shutil.copy(path, disguised)

    assert check_video_file(str(path)).st_size == path.stat().st_size
    assert check_video_file(str(disguised)).st_size == path.stat().st_size


@pytest.mark.parametrize(
    "content",
    [
        b"This is not a video.\n" * 100,
        PLAYLIST.encode(),
        b"#EXTM3U\n#EXTINF:1,\ncanary.mp4\n",
        b"<?xml version='1.0'?><MPD></MPD>",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"G" * 100,
        b"\x00",
    ],
    ids=["text", "ffconcat", "m3u8", "dash", "wav", "Gs", "one byte"],
)
def test_other_content_is_refused_under_the_name_of_a_video(tmp_path, content):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)

    with pytest.raises(VideoReadError, match="is not a video") as caught:
        check_video_file(str(path))
    assert caught.value.path == str(path)
    assert str(path) in str(caught.value)


def test_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()

    with pytest.raises(VideoReadError, match=r"empty\.mp4.*is empty \(0 bytes\)"):
        check_video_file(str(path))


def test_folder_is_refused_with_a_hint(tmp_path):
    path = tmp_path / "folder.mp4"
    path.mkdir()

    with pytest.raises(VideoReadError, match=r"folder\.mp4.*is a folder.*load_videos"):
        check_video_file(str(path))


@pytest.mark.parametrize("name", ["missing.mp4", "no/such/folder.mp4", "nul\0.mp4"])
def test_path_that_leads_nowhere_is_refused(tmp_path, name):
    path = str(tmp_path / name)

    with pytest.raises(VideoReadError, match="cannot be found") as caught:
        check_video_file(path)
    assert caught.value.path == path


def test_broken_link_is_refused(tmp_path):
    link = tmp_path / "link.mp4"
    link.symlink_to(tmp_path / "gone.mp4")

    with pytest.raises(VideoReadError, match=r"link\.mp4.*cannot be found"):
        check_video_file(str(link))


def test_link_to_a_video_is_let_in_and_described_by_its_target(
    tmp_path, write_clip, numbered_frames
):
    path = write_clip(numbered_frames(3))
    link = tmp_path / "link"
    link.symlink_to(path)

    assert check_video_file(str(link)).st_size == path.stat().st_size


@needs_fifo
def test_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)

    with pytest.raises(VideoReadError, match=r"pipe\.mp4.*is not a regular file"):
        check_video_file(str(path))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all files"
)
def test_file_that_may_not_be_read_is_refused(tmp_path, write_clip, numbered_frames):
    path = write_clip(numbered_frames(3))
    path.chmod(0)

    with pytest.raises(VideoReadError, match="cannot be opened"):
        check_video_file(str(path))


def test_only_the_beginning_is_read(tmp_path):
    # A sparse file of one gigabyte.
    path = tmp_path / "huge.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(12))
    os.truncate(path, 2**30)

    assert check_video_file(str(path)).st_size == 2**30


def test_random_bytes_are_refused(tmp_path):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(10_000))

    with pytest.raises(VideoReadError, match="is not a video"):
        check_video_file(str(path))
