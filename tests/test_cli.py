from __future__ import annotations

import argparse
import csv
import functools
import io
import json
import os
import re
import runpy
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import cv2
import joblib
import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient
from sklearn.utils import Bunch

from skdeepfake import (
    FeatureCache,
    _commands,
    analyze_video,
    cli,
    list_detectors,
    load_detector,
    persistence,
)
from skdeepfake import pipeline as pipeline_module
from skdeepfake._arguments import FAILED, OK, SOME_FAILED, make_parser
from skdeepfake._atomic import atomic_path, temporary_folder
from skdeepfake._inputs import find_videos
from skdeepfake.detectors import Attention
from skdeepfake.evaluation import evaluate
from skdeepfake.exceptions import VideoReadWarning
from skdeepfake.pipeline import make_detector_pipeline
from skdeepfake.preprocessing import Clip, VideoFrameSampler


@pytest.fixture(scope="session")
def rendered_root(rendered_videos: Bunch) -> Path:
    return Path(rendered_videos.data[0]).parent.parent


NOWHERE = "--model", "nowhere.joblib"
GROUPED = "--group", r"\d{3}"
TRAINING = [
    *GROUPED,
    *("--set", "n_frames=3", "size=32", "epochs=2", "batch_size=64"),
    *("--set", "learning_rate=0.001", "--seed", "0"),
]
SMALL_CNN = "--set", "filters=(4,)", "dense_units=4"


@pytest.fixture(scope="session")
def model(rendered_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    arguments = ["train", str(rendered_root), "-o", str(path), "--quiet", *TRAINING]
    arguments += [*SMALL_CNN, "validation_fraction=None"]
    assert cli.main(arguments) == OK
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.mp4"
    path.write_text("not a video")
    return path


def test_training_reports_and_writes_one_file(rendered_root, tmp_path, capsys) -> None:
    path = tmp_path / "model.joblib"
    code = cli.main(
        [
            *("train", str(rendered_root), "-o", str(path), *TRAINING),
            *("--cv", "2", *SMALL_CNN, "margin=0.2", "class_weight=balanced"),
        ]
    )
    printed = capsys.readouterr()
    assert code == OK
    assert "6 real and 6 fake videos" in printed.err
    assert "AUC " in printed.err
    assert "trained for 2 epochs" in printed.err
    assert "val_loss" in printed.out
    assert [p.name for p in tmp_path.iterdir()] == ["model.joblib"]
    pipeline = joblib.load(path)
    assert pipeline["sampler"].n_frames == 3
    assert pipeline["resizer"].size == (32, 32)
    assert pipeline["cropper"].margin == 0.2
    assert pipeline["detector"].class_weight == "balanced"
    assert pipeline["detector"].verbose == pipeline["cropper"].verbose == 0


def test_detector_that_is_not_known_is_an_error(
    tmp_path, capsys, rendered_root
) -> None:
    path = tmp_path / "model.joblib"
    train = ["train", str(rendered_root), "-o", str(path), *GROUPED]
    assert cli.main([*train, "--detector", "svm"]) == FAILED
    printed = capsys.readouterr().err
    assert "detector='svm' is not known" in printed


def test_prediction_prints_a_line_a_video(model, rendered_videos, capsys) -> None:
    videos = [rendered_videos.data[0], rendered_videos.data[-1]]
    assert cli.main(["predict", "--model", str(model), *videos]) == OK
    lines = capsys.readouterr().out.splitlines()
    expected = joblib.load(model).predict_proba(videos)[:, 1]
    for line, path, probability in zip(lines, videos, expected, strict=True):
        assert line.startswith(f"{probability:.3f}  ")
        assert line.endswith(f"3/3 frames with a face  {path}")


def test_json_is_that_of_the_analysis(model, rendered_videos, capsys) -> None:
    video = rendered_videos.data[0]
    assert cli.main(["predict", "--model", str(model), video, "--json"]) == OK
    (answer,) = json.loads(capsys.readouterr().out)
    expected = analyze_video(video, model).to_dict()
    for found in (answer, expected):
        del found["record"]["analyzed_at"]
    assert answer == expected
    assert answer["verdict"] == ("fake" if answer["probability"] > 0.5 else "real")
    assert len(answer["frames"]) == 3


def test_video_without_a_face_has_no_probability(model, write_clip, capsys) -> None:
    clip = write_clip([np.full((120, 160, 3), 90 + k, np.uint8) for k in range(5)])
    assert cli.main(["predict", "--model", str(model), str(clip)]) == OK
    expected = f"  -    no face     0/3 frames with a face  {clip}\n"
    assert capsys.readouterr().out == expected


def test_csv_has_a_line_per_video(model, rendered_videos, broken, capsys) -> None:
    videos = [rendered_videos.data[0], str(broken)]
    arguments = ["predict", "--model", str(model), *videos, "--csv"]
    assert cli.main(arguments) == SOME_FAILED
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["path"] for row in rows] == videos
    assert [row["verdict"] for row in rows][1] == "unreadable"
    assert cli.main([*arguments, "--json"]) == FAILED
    assert "cannot be combined" in capsys.readouterr().err


def test_folders_and_patterns_are_expanded_once(rendered_root, monkeypatch) -> None:
    monkeypatch.chdir(rendered_root)
    real = sorted(f"real/{name}" for name in os.listdir("real"))
    assert find_videos(["real"]) == real
    assert find_videos(["re*/*.mp4", "real", "gone.mp4"]) == [*real, "gone.mp4"]
    assert len(find_videos(["."])) == 12


def test_pages_are_written_and_finished_answers_kept(
    model, rendered_videos, tmp_path, asked, capsys
) -> None:
    video, folder = rendered_videos.data[0], tmp_path / "pages"
    arguments = ["predict", "--model", str(model), video, "--html", str(folder)]
    arguments += ["--resume", str(tmp_path / "done")]
    assert cli.main(arguments) == OK
    name = Path(video).name
    assert {path.name for path in folder.iterdir()} == {"index.html", f"{name}.html"}
    assert "index.html" in capsys.readouterr().err
    n_asked = len(asked)
    assert cli.main(arguments[:4]) == OK
    assert len(asked) > n_asked  # without --resume
    n_asked = len(asked)
    assert cli.main([*arguments[:4], "--resume", str(tmp_path / "done")]) == OK
    assert len(asked) == n_asked


def test_picture_is_a_video_of_one_frame(model, rendered_videos, tmp_path, capsys):
    frame = next(iter(VideoFrameSampler(1).transform(rendered_videos.data[:1])[0]))
    path = tmp_path / "face.jpg"
    cv2.imwrite(str(path), frame[:, :, ::-1])
    assert cli.main(["predict", "--model", str(model), str(path)]) == OK
    printed = capsys.readouterr()
    assert "1/1 frames with a face" in printed.out
    assert "Only one frame was analyzed" in printed.err


def test_broken_video_does_not_stop_the_others(
    model, rendered_videos, broken, capsys
) -> None:
    videos = [str(broken), rendered_videos.data[0], "nowhere.mp4"]
    assert (
        cli.main(["predict", "--model", str(model), *videos, "--json"]) == SOME_FAILED
    )
    printed = capsys.readouterr()
    answers = json.loads(printed.out)
    assert [answer["path"] for answer in answers] == videos
    assert "not a video" in answers[0]["error"]
    assert answers[1]["error"] is None
    assert "cannot be found" in answers[2]["error"]
    assert "broken.mp4" in printed.err


def test_nothing_but_broken_videos_is_a_failure(model, broken, capsys) -> None:
    assert cli.main(["predict", "--model", str(model), str(broken)]) == FAILED
    printed = capsys.readouterr()
    assert printed.out == f"  -    unreadable  {broken}\n"
    assert "broken.mp4" in printed.err
    assert "Traceback" not in printed.err


def test_broken_videos_have_their_lines_in_order(
    model, rendered_videos, broken, capsys
) -> None:
    videos = [rendered_videos.data[0], str(broken), rendered_videos.data[1]]
    assert cli.main(["predict", "--model", str(model), *videos]) == SOME_FAILED
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == videos
    assert ["unreadable" in line for line in lines] == [False, True, False]


@pytest.mark.filterwarnings("default::UserWarning")
def test_broken_videos_are_left_out_of_training_if_asked(
    rendered_videos, tmp_path, capsys
) -> None:
    for kind, label in (("real", 0), ("fake", 1)):
        (tmp_path / "videos" / kind).mkdir(parents=True)
        for path in rendered_videos.data[rendered_videos.target == label][:2]:
            shutil.copy(path, tmp_path / "videos" / kind)
    (tmp_path / "videos/fake/broken.mp4").write_text("not a video")
    model = tmp_path / "model.joblib"
    train = ["train", str(tmp_path / "videos"), "-o", str(model), "--quiet", *TRAINING]
    train += [
        "--set",
        "validation_fraction=None",
        "--group",
        "^...",
    ]  # the name broken.mp4 contains no digits
    assert cli.main(train) == FAILED
    assert "broken.mp4" in capsys.readouterr().err
    assert not model.exists()
    assert cli.main([*train, "--skip"]) == OK
    assert "broken.mp4" in capsys.readouterr().err
    # The trained model reports that this video cannot be read.
    broken = str(tmp_path / "videos/fake/broken.mp4")
    assert cli.main(["predict", "--model", str(model), broken, "--json"]) == FAILED
    assert "is not a video" in json.loads(capsys.readouterr().out)[0]["error"]


def test_threshold_moves_the_label(model, rendered_videos, capsys) -> None:
    for threshold, label in (("0", "fake"), ("1", "real")):
        arguments = [
            "predict",
            "--model",
            str(model),
            rendered_videos.data[0],
            "--threshold",
        ]
        assert cli.main([*arguments, threshold]) == OK
        assert f"  {label}  " in capsys.readouterr().out


def test_evaluation_counts_and_scores(
    model, rendered_videos, rendered_root, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(Clip, "missing", 0.5)
    shutil.copytree(rendered_root, tmp_path, dirs_exist_ok=True)
    (tmp_path / "fake" / "zzz.mp4").write_bytes(b"")
    page = tmp_path / "report.html"
    arguments = ["--group", "^...", "--json", "--resamples", "20"]
    arguments += ["--html", str(page)]
    code = cli.main(["evaluate", "--model", str(model), str(tmp_path), *arguments])
    report = json.loads(capsys.readouterr().out)
    assert code == SOME_FAILED
    pipeline = joblib.load(model)
    assert report["coverage"]["all"] == {
        "n_videos": 12,
        "videos_with_face": 1.0,
        "frames_with_face": 1.0,
        "seconds_missing": 6.0,
    }
    assert report["settings"]["aggregation"] == "mean"
    assert list(report["failed"]) == [str(tmp_path / "fake" / "zzz.mp4")]
    figures = {(r["level"], r["measure"]): r for r in report["rows"]}
    with pytest.warns(VideoReadWarning):
        accuracy = pipeline.score(rendered_videos.data, rendered_videos.target)
    assert figures["videos", "accuracy at 0.5"]["estimate"] == pytest.approx(accuracy)
    assert figures["frames", "AUC"]["n_fake"] == 18
    assert page.read_text().startswith("<!DOCTYPE html>")
    X, y = rendered_videos.data, rendered_videos.target
    with pytest.warns(VideoReadWarning, match=r"damaged or cut off: 0\.5 s"):
        found = evaluate(pipeline, X, y, n_resamples=0)
    assert found.coverage["fake"].seconds_missing == 3.0


def test_evaluation_prints_a_table_with_intervals_by_group(
    model, rendered_root, capsys
) -> None:
    arguments = [*GROUPED, "--resamples", "20"]
    assert (
        cli.main(["evaluate", "--model", str(model), str(rendered_root), *arguments])
        == OK
    )
    table = capsys.readouterr().out
    assert re.search(r"^12 videos \(6 real, 6 fake\) of \d groups$", table, re.M)
    assert (
        "a face was found in 100% of the videos and 100% of the frames (all)" in table
    )
    assert re.search(r"^  AUC +[01]\.\d{3} \(0\.\d{3} to [01]\.\d{3}\)", table, re.M)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nowhere", "-o", "m.joblib"], "'nowhere' does not exist"),
        (["predict", "x.mp4", *NOWHERE], "nowhere.joblib is not a file"),
        (["predict", "m.skops", "x.mp4"], "not a video. Use --model m.skops"),
        (["predict", "https://a.b/c.mp4"], "is a URL; only files can be"),
        (["predict", "0"], "0 is a camera or another device"),
        (["predict", "/dev/video0"], "/dev/video0 is a camera or another device"),
        (["predict", "*.mp4"], "*.mp4 matches no files"),
        (["predict", "."], ". contains no videos or images"),
        (["train", "root", "-o", "m.joblib", "--set", "epochs"], "does not exist"),
        (["evaluate", "root", *NOWHERE], "nowhere.joblib is not a file"),
    ],
)
def test_error_is_one_line_and_exit_code_2(
    arguments, message, capsys, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == FAILED
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1


def test_unwritable_output_is_found_before_the_training(
    rendered_root, tmp_path, capsys
) -> None:
    path = tmp_path / "missing" / "model.joblib"
    assert cli.main(["train", str(rendered_root), "-o", str(path), *GROUPED]) == FAILED
    assert "missing" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"junk", None], ids=["junk", "another object"])
def test_file_that_is_no_model_is_named(content, tmp_path, capsys) -> None:
    path = tmp_path / "model.joblib"
    if content is None:
        joblib.dump({"some": "dict"}, path)
    else:
        path.write_bytes(content)
    assert cli.main(["predict", "--model", str(path), "x.mp4"]) == FAILED
    assert "model.joblib" in capsys.readouterr().err


def test_model_of_other_classes_is_refused_and_fake_is_found_by_name(
    model, rendered_videos, tmp_path, capsys
) -> None:
    pipeline = joblib.load(model)
    video, path = rendered_videos.data[0], tmp_path / "named.joblib"
    expected = pipeline.predict_proba([video])[0]
    pipeline["detector"].classes_ = np.array(["fake", "real"])
    joblib.dump(pipeline, path)
    assert cli.main(["predict", "--model", str(path), video]) == OK
    assert capsys.readouterr().out.startswith(f"{expected[0]:.3f}  ")
    pipeline["detector"].classes_ = np.array(["a", "b"])
    joblib.dump(pipeline, path)
    assert cli.main(["predict", "--model", str(path), video]) == FAILED
    assert "['a', 'b']" in capsys.readouterr().err


@pytest.mark.nightly
def test_recurrent_detector_is_trained_with_weights_from_a_file(
    rendered_root, rendered_videos, vgg16_weights, tmp_path, monkeypatch, capsys
) -> None:
    path, cache = tmp_path / "model.joblib", tmp_path / "cache"
    monkeypatch.chdir(Path(vgg16_weights).parent)
    code = cli.main(
        [
            *("train", str(rendered_root), "-o", str(path), "--quiet", *TRAINING),
            *("--detector", "cnn_rnn", "--set", f"weights={Path(vgg16_weights).name}"),
            *("--set", "validation_fraction=None", "--cache", str(cache)),
        ]
    )
    assert code == OK
    assert len(FeatureCache(cache)) == 12
    pipeline = joblib.load(path)
    assert os.path.isabs(pipeline["featurizer"].weights)
    assert os.path.samefile(pipeline["featurizer"].weights, vgg16_weights)
    assert pipeline["featurizer"].memory is pipeline["cropper"].memory is None
    monkeypatch.chdir(tmp_path)
    assert cli.main(["predict", "--model", str(path), rendered_videos.data[0]]) == OK
    assert "3/3 frames with a face" in capsys.readouterr().out


def test_weights_that_are_missing_end_the_training(
    rendered_root, tmp_path, capsys
) -> None:
    path = tmp_path / "model.joblib"
    code = cli.main(
        [
            *("train", str(rendered_root), "-o", str(path), "--quiet", *TRAINING),
            *("--detector", "cnn_rnn", "--set", "weights=nowhere.h5"),
        ]
    )
    assert code == FAILED
    printed = capsys.readouterr().err
    assert "nowhere.h5" in printed
    assert "weights" in printed
    assert not path.exists()


def test_model_in_a_safe_file_is_written_and_asked_like_another(
    model, rendered_videos, tmp_path, capsys
) -> None:
    path, video = tmp_path / "model.skops", rendered_videos.data[0]
    _commands.dump(joblib.load(model), path)
    assert persistence.load(path)["sampler"].n_frames == 3
    printed = []
    for kept in (model, path):
        assert cli.main(["predict", "--model", str(kept), video, "--json"]) == OK
        printed.append(json.loads(capsys.readouterr().out))
    for answers in printed:
        for part in ("detector", "analyzed_at"):
            answers[0]["record"].pop(part)
    assert printed[0] == printed[1]
    # A pickle with the suffix .skops is not unpickled.
    path.write_bytes(model.read_bytes())
    assert cli.main(["predict", "--model", str(path), video]) == FAILED
    assert "A joblib file is a pickle" in capsys.readouterr().err


def test_missing_skops_is_found_before_the_training(
    rendered_root, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)
    path = tmp_path / "model.skops"
    assert cli.main(["train", str(rendered_root), "-o", str(path), *GROUPED]) == FAILED
    assert 'pip install "skdeepfake[safe]"' in capsys.readouterr().err


def test_failed_write_leaves_the_old_model(model, tmp_path, monkeypatch) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_commands.joblib, "dump", fail)
    with pytest.raises(OSError, match="No space"):
        _commands.dump(object(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_module_runs_as_a_program(monkeypatch, capsys) -> None:
    """Errors are checked in this process; the demo covers a new process."""
    monkeypatch.setattr(sys, "argv", ["skdeepfake", "predict", "x.mp4", *NOWHERE])
    with pytest.raises(SystemExit) as raised:
        runpy.run_module("skdeepfake", run_name="__main__")
    assert raised.value.code == FAILED
    assert "nowhere.joblib is not a file" in capsys.readouterr().err


# -- options of train ----------------------------------------------------------------


@pytest.fixture
def built(monkeypatch) -> list[dict]:
    """Replace training, and return a list of the parameters of each pipeline."""
    params = []

    @functools.wraps(make_detector_pipeline)
    def build(detector, **given):
        params.append(make_detector_pipeline(detector, **given).get_params())
        raise ValueError("enough")

    monkeypatch.setattr(pipeline_module, "make_detector_pipeline", build)
    return params


def test_parameters_reach_the_detector_and_the_steps(
    rendered_root, tmp_path, built, capsys
) -> None:
    (tmp_path / "vgg16.h5").touch()
    options = [
        *("trainable=2", "augment=light", "fake_source=mixed", "margin=0.3"),
        *("aggregation=attention", "epochs=7", "size=32", "validation_fraction=None"),
        *(f"weights={tmp_path / 'vgg16.h5'}", "sampler__spacing=paper"),
    ]
    path = tmp_path / "model.joblib"
    arguments = ["train", str(rendered_root), "-o", str(path), *GROUPED]
    arguments += ["--detector", "transfer", "--seed", "4", "--set", *options]
    assert cli.main(arguments) == FAILED
    assert capsys.readouterr().err.endswith("skdeepfake: error: enough\n")
    (params,) = built
    names = ("trainable", "augment", "epochs", "weights", "random_state")
    assert {name: params[f"detector__{name}"] for name in names} == {
        "trainable": 2,
        "augment": "light",
        "epochs": 7,
        "weights": str(tmp_path / "vgg16.h5"),
        "random_state": 4,
    }
    assert params["detector__validation_fraction"] is None
    assert isinstance(params["detector__aggregation"], Attention)
    assert params["detector__fake_source__share"] == 0.25
    assert params["detector__fake_source__blender__margin"] == 0.3
    assert params["cropper__margin"] == 0.3
    assert params["resizer__size"] == (32, 32)


def test_parameters_of_steps_have_nested_names() -> None:
    params, nested = _commands.parse_params(
        ["n_frames=3", "size=(8, 9)", "sampler__spacing=paper", "cropper__max_faces=2"]
    )
    assert params == {"n_frames": 3, "size": (8, 9)}
    assert nested == {"sampler__spacing": "paper", "cropper__max_faces": 2}


@pytest.mark.parametrize("detector", ["cnn", "cnn_rnn", "gan", "transfer"])
def test_what_is_not_asked_for_is_left_to_the_detector(
    detector, rendered_root, tmp_path, built
) -> None:
    path = tmp_path / "model.joblib"
    arguments = ["train", str(rendered_root), "-o", str(path), *GROUPED]
    arguments += ["--detector", detector]
    assert cli.main(arguments) == FAILED
    (params,) = built
    own = make_detector_pipeline(detector)["detector"].get_params()
    own.update(verbose=1, random_state=None)
    assert {name: params[f"detector__{name}"] for name in own} == own


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("epochs", "--set expects NAME=VALUE, such as n_frames=16; got 'epochs'"),
        ("=3", "--set expects NAME=VALUE"),
        ("augment=weak", "weak"),
        ("epoch=3", "epoch"),
        ("trainable=most", "trainable"),
        ("sampler__frames=3", "frames"),
    ],
)
def test_parameter_that_is_not_known_is_a_plain_error(
    param, message, rendered_root, tmp_path, capsys
) -> None:
    path = tmp_path / "model.joblib"
    train = ["train", str(rendered_root), "-o", str(path), "--quiet", *TRAINING]
    assert cli.main([*train, "--set", param]) == FAILED
    printed = capsys.readouterr().err
    assert re.search(f"skdeepfake: error: .*{message}", printed)
    assert "Traceback" not in printed
    assert not path.exists()


@pytest.mark.parametrize("command", ["predict", "evaluate", "train", "serve", "demo"])
def test_every_argument_is_described(command, capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert "exit codes:" in capsys.readouterr().out
    (commands,) = (
        action.choices
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    for action in commands[command]._actions:
        assert action.help, action.dest
        assert action.nargs == 0 or action.choices or action.metavar


# -- the reference detector ------------------------------------------------------


def test_without_a_model_the_reference_detector_answers(
    rendered_videos, broken, capsys
) -> None:
    videos = [rendered_videos.data[0], str(broken)]
    assert cli.main(["predict", *videos, "--json"]) == SOME_FAILED
    row, failed = json.loads(capsys.readouterr().out)
    pipeline = load_detector()
    expected = pipeline.predict_proba(videos[:1])[0, 1]
    assert row["probability"] == pytest.approx(expected)
    assert row["verdict"] == list_detectors()[0].verdict(expected)
    assert row.keys() == failed.keys()
    assert failed["error"]
    limit = str(expected - 1e-6)
    assert cli.main(["predict", videos[0], "--threshold", limit]) == OK
    assert "  fake  " in capsys.readouterr().out


def test_people_are_followed_by_the_reference_detector(rendered_videos, capsys) -> None:
    arguments = ["predict", rendered_videos.data[0], "--max-faces", "2"]
    assert cli.main([*arguments, "--json"]) == OK
    (row,) = json.loads(capsys.readouterr().out)
    assert row["record"]["parameters"]["cropper"]["max_faces"] == 2
    assert row["record"]["detector"]["name"] == "reference"
    assert [person["person"] for person in row["people"]] == [1]
    assert cli.main([*arguments, *NOWHERE]) == FAILED
    assert (
        "--max-faces is only supported by the reference detector"
        in capsys.readouterr().err
    )


@pytest.mark.skipif(os.name != "posix", reason="Windows ends the process at once")
def test_termination_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(_: object) -> int:
        with atomic_path(tmp_path / "copy.mp4"), temporary_folder():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        return OK

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(_commands, "predict", predict)
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as raised:
        cli.main(["predict", "a.mp4"])
    assert raised.value.code == 143
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is handler


def test_service_gets_its_arguments_and_a_socket(monkeypatch, capsys) -> None:
    apps, addresses = [], []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        apps.append(server.config.app)
        addresses.append(sockets[0].getsockname())
        raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn.Server, "run", run)
    command = ["serve", "--port", "0", "--max-megabytes", "2", "--allow-host", "Lab"]
    assert cli.main(command) == OK
    assert addresses[0][0] == "127.0.0.1"
    assert f"http://127.0.0.1:{addresses[0][1]}" in capsys.readouterr().err
    for host, status in (("lab:1", 200), ("127.0.0.1", 200), ("other", 403)):
        answer = TestClient(apps[0], f"http://{host}").get("/")
        assert answer.status_code == status
        assert ('data-max-bytes="2097152"' in answer.text) == (status == 200)

    assert cli.main([*command, "--host", "0.0.0.0"]) == OK
    assert "no password" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command[2] = str(taken.getsockname()[1])
        assert cli.main(command) == FAILED
    assert "in use" in capsys.readouterr().err
