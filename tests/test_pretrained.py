"""The reference detector predicts without training and without Keras."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skdeepfake import (
    _packaged_weights,
    analyze_video,
    list_detectors,
    load_detector,
    persistence,
)
from skdeepfake._backbones import build_backbone
from skdeepfake.cli import main
from skdeepfake.detectors import Head, PretrainedDetector, TransferDetector
from skdeepfake.exceptions import ModelFileError, NoFaceWarning
from skdeepfake.inspection import grad_cam
from skdeepfake.pretrained import DetectorInfo, write_detector

FILE = files("skdeepfake") / "weights" / "reference.npz"


@pytest.fixture(scope="module")
def pipeline():
    return load_detector()


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(0)
    faces = rng.integers(1, 256, size=(2, 3, 160, 160, 3), dtype=np.uint8)
    faces[1, 2] = 0
    return faces


@pytest.fixture(scope="module")
def arrays():
    with np.load(FILE) as stored:
        return {name: stored[name] for name in stored if name != "facts"}


def test_paths_become_probabilities(pipeline, rendered_videos):
    proba = pipeline.predict_proba(rendered_videos.data[:2])
    assert proba.shape == (2, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert pipeline.classes_.tolist() == [0, 1]
    assert list(pipeline.named_steps) == ["sampler", "cropper", "resizer", "detector"]
    expected = pipeline[-1].predict_frame_proba(
        pipeline[:-1].transform(rendered_videos.data[:2])
    )[..., 1]
    odds = np.nanmean(np.log(expected / (1 - expected)), axis=1)
    np.testing.assert_allclose(proba[:, 1], 1 / (1 + np.exp(-odds)))


def test_a_process_that_asks_imports_neither_keras_nor_tensorflow():
    code = (
        "import sys, numpy as np\n"
        "from skdeepfake import load_detector\n"
        "detector = load_detector()[-1]\n"
        "print(detector.predict_proba(np.ones((1, 160, 160, 3), np.uint8)).shape)\n"
        "print(*({'keras', 'tensorflow', 'scikeras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert done.stdout == "(1, 2)\n\n", done.stderr


def test_engines_agree_with_keras(pipeline, faces):
    detector = pipeline[-1]
    images = faces[0]
    expected = detector.model_.predict_on_batch(images)[:, 0]
    assert expected.std() > 0
    for engine in ("opencv", "onnxruntime"):
        other = clone(detector).set_params(engine=engine)
        other.__setstate__({**detector.__getstate__(), "engine": engine})
        found = other.predict_frame_proba(images)[:, 0, 1]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_empty_slots_and_videos(pipeline, faces):
    frames = pipeline[-1].predict_frame_proba(faces)[..., 1]
    assert np.isnan(frames).tolist() == [[False] * 3, [False, False, True]]
    with pytest.warns(NoFaceWarning):
        proba = pipeline[-1].predict_proba(np.zeros_like(faces[:1]))
    np.testing.assert_allclose(proba, pipeline[-1].class_prior_[np.newaxis])


def test_heatmaps_are_those_of_its_network(pipeline, faces):
    of_each = [grad_cam(pipeline[-1], faces[:, :1], class_label=c) for c in (0, 1)]
    assert of_each[0].shape == (2, 1, 160, 160)
    assert sum(of_each).std() > 0


def test_heatmaps_need_no_keras(pipeline, faces, monkeypatch):
    params = {"layer": "top_relu", "class_label": 0}
    found = grad_cam(pipeline[-1], faces, **params)
    assert np.nanmax(found) > 0
    assert np.isnan(found[1, 2]).all()
    monkeypatch.setattr("skdeepfake.inspection._grad_cam.LAST_MAPS", "")
    by_keras = grad_cam(pipeline[-1], faces, **params)
    np.testing.assert_allclose(found, by_keras, atol=1e-5)


def test_it_can_be_cloned_pickled_and_saved(pipeline, faces, tmp_path):
    expected = pipeline[-1].predict_proba(faces)
    copied = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(copied[-1].predict_proba(faces), expected)
    persistence.save(pipeline, tmp_path / "model.skops")
    loaded = persistence.load(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded[-1].predict_proba(faces), expected)
    with pytest.raises(NotFittedError):
        clone(pipeline[-1]).predict_proba(faces)


def test_it_can_be_trained_again():
    rng = np.random.default_rng(0)
    X = rng.integers(1, 90, size=(8, 32, 32, 3), dtype=np.uint8)
    y = np.array(["real", "fake"] * 4)
    X[y == "fake"] += 100
    trainer = TransferDetector(
        backbone="efficientnet_lite0",
        weights="reference",
        trainable="top",
        head=Head(learning_rate=0.1),
        epochs=6,
        validation_fraction=None,
        random_state=0,
    )
    detector = PretrainedDetector(trainer).fit(X, y)
    assert detector.classes_.tolist() == ["fake", "real"]
    assert detector.predict(X).tolist() == y.tolist()
    assert detector.class_count_.tolist() == [4, 4]
    np.testing.assert_allclose(
        detector.predict_frame_proba(X)[:, 0, 1],
        detector.model_.predict_on_batch(X)[:, 0],
        atol=1e-4,
    )
    with pytest.raises(ValueError, match="frames of shape"):
        detector.predict(X[:, :16])
    with pytest.raises(ValueError, match="sample_weight"):
        detector.fit(X, y, sample_weight=[1.0])


def test_the_trainer_starts_from_the_reference_detector(arrays):
    detector = PretrainedDetector()._make_trainer()
    X = np.ones((2, 32, 32, 3), np.uint8)
    network = detector.initialize(X, [0, 1]).model_
    kernel = network.get_layer("block3_expand_conv").kernel
    np.testing.assert_array_equal(kernel, arrays["block3_expand_conv/kernel"])
    with pytest.raises(
        ValueError, match=r"weights='reference' .* got backbone='vgg16'"
    ):
        TransferDetector(weights="reference").initialize(X, [0, 1])


def test_another_backbone_cannot_be_trained():
    with pytest.raises(ValueError, match="backbone='efficientnet_lite0'"):
        PretrainedDetector(TransferDetector(weights=None)).fit(
            np.ones((2, 32, 32, 3), np.uint8), [0, 1]
        )


# -- files -----------------------------------------------------------------------


def test_the_list_says_what_there_is():
    (info,) = list_detectors()
    assert isinstance(info, DetectorInfo)
    assert info.name == "reference"
    assert info.sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert "# " in info.card
    assert info.card in str(info)
    assert 0 < info.real_below < info.fake_above < 1
    found = [info.verdict(p) for p in (0, info.real_below, info.fake_above, 1, np.nan)]
    assert found == ["real", "uncertain", "uncertain", "fake", "no face"]


def test_texts_state_the_thresholds_of_the_card(capsys):
    (info,) = list_detectors()
    low, high = f"{info.real_below}", f"{info.fake_above}"
    assert f'"fake" above {high}, "real" below {low}' in info.card
    assert f"{low} and {high} for the reference detector" in analyze_video.__doc__
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"real below {low}, fake above {high}" in shown


def test_the_files_leave_room_in_the_wheel():
    folder = files("skdeepfake") / "weights"
    n_bytes = sum(len(file.read_bytes()) for file in folder.iterdir())
    assert n_bytes < 14e6


def test_a_file_of_ones_own(tmp_path, arrays, faces, pipeline):
    facts = {
        "size": 160,
        "margin": 0.1,
        "n_frames": 3,
        "class_count": [1, 3],
        "real_below": 0.4,
        "fake_above": 0.6,
    }
    path = tmp_path / "mine.npz"
    sha256 = write_detector(path, arrays, facts)
    loaded = load_detector(path, sha256=sha256.upper())
    assert loaded["sampler"].n_frames == 3
    assert loaded["cropper"].margin == 0.1
    assert loaded["detector"].class_prior_.tolist() == [0.25, 0.75]
    expected = pipeline[-1].predict_proba(faces)
    np.testing.assert_array_equal(loaded[-1].predict_proba(faces), expected)
    with pytest.raises(ModelFileError, match=f"has the SHA-256 {sha256}, but 00"):
        load_detector(path, sha256="00")


def test_threads_share_a_detector_without_onnxruntime(faces):
    detector = load_detector()[-1].set_params(engine="opencv")
    expected = detector.predict_frame_proba(faces)[..., 1]
    parts = [faces[:, : n % faces.shape[1] + 1] for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(detector.predict_frame_proba, parts))
    for each in found:
        scores = expected[:, : each.shape[1]]
        np.testing.assert_allclose(each[..., 1], scores, atol=1e-5)


def test_several_people_get_answers_of_their_own(rendered_videos):
    path = rendered_videos.data[:1]
    several = load_detector(max_faces=3).set_params(sampler__n_frames=4)
    faces = several[:-1].transform(path)
    assert faces.shape[1] == 3 * 4
    assert faces[:, ::3].any()
    assert not faces[:, 1::3].any()
    people = several[-1].predict_person_proba(faces)
    assert np.isnan(people[:, 1:]).all()
    np.testing.assert_array_equal(several.predict_proba(path), people[:, 0])
    # Searching for several people can change the dlib box of a face slightly.
    expected = load_detector().set_params(sampler__n_frames=4).predict_proba(path)
    np.testing.assert_allclose(people[:, 0], expected, atol=0.02)
    assert load_detector(max_faces=None)[-1].aggregation.max_faces == 10


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "damaged.npz"
    content = bytearray(FILE.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    sha256 = list_detectors()[0].sha256
    with pytest.raises(ModelFileError, match=f"but {sha256} was expected"):
        load_detector(path, sha256=sha256)
    with pytest.raises(ModelFileError, match="is not a detector file"):
        load_detector(path)


@pytest.mark.parametrize("weights", ["reference", "imagenet"])
def test_damaged_weights_of_the_package_are_refused(tmp_path, monkeypatch, weights):
    for name in _packaged_weights.SHA256:
        content = bytearray((_packaged_weights.FOLDER / f"{name}.npz").read_bytes())
        content[-1] ^= 1  # length of the zip comment, which readers ignore
        (tmp_path / f"{name}.npz").write_bytes(content)
    monkeypatch.setattr(_packaged_weights, "FOLDER", tmp_path)
    with pytest.raises(ModelFileError, match="file is damaged, or it is"):
        build_backbone("efficientnet_lite0", weights, 0, (32, 32, 3))
    if weights == "reference":
        with pytest.raises(ModelFileError, match="file is damaged, or it is"):
            load_detector()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"facts": np.array('{"format": 99}')}, "has format 99, which this version"),
        ({"facts": np.array("{}")}, "not a detector file"),
        ({"stem_conv/kernel": np.zeros((3, 3, 3, 8))}, "such as 'stem_conv/kernel'"),
        ({"stem_bn/beta": np.full(32, np.nan)}, "such as 'stem_bn/beta'"),
        ({"more": np.zeros(1)}, "such as 'more'"),
        ({"more": np.zeros(2**25, np.float32)}, "unpacked size"),
        ({"more": np.array([{}], dtype=object)}, "not a detector file"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, changed, message):
    with np.load(FILE) as stored:
        np.savez(tmp_path / "wrong.npz", **{**stored, **changed})
    with pytest.raises(ModelFileError, match=message):
        load_detector(tmp_path / "wrong.npz")


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"neither a detector .*'reference'.* nor a"):
        load_detector("refrence")
    shutil.copy(FILE, tmp_path / "reference")  # file with the name of a detector
    assert load_detector(tmp_path / "reference")


# -- real clips ------------------------------------------------------------------


def test_no_real_clip_is_called_fake(real_videos, pipeline):
    (info,) = list_detectors()
    real = real_videos.data[real_videos.target == 0][:2]
    verdicts = [info.verdict(p) for p in pipeline.predict_proba(real)[:, 1]]
    assert "fake" not in verdicts
