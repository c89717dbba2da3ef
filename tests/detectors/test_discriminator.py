"""GAN detectors without a generator, with one class and with Wasserstein loss."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops
from sklearn.ensemble import VotingClassifier
from sklearn.utils import Bunch

from skdeepfake import persistence
from skdeepfake.detectors import CNNDetector, GANDetector, Generator


def small(generator: Any = None, **params: Any) -> GANDetector:
    settings = {
        "discriminator_filters": (4,),
        "dropout": 0.0,
        "learning_rate": 0.01,
        "batch_size": 40,
        "epochs": 4,
        "validation_fraction": None,
        "random_state": 0,
    }
    return GANDetector(generator=generator, **{**settings, **params})


def game(**params: Any) -> Generator:
    settings = {"noise_dim": 4, "filters": (4,), "momentum": 0.5, "learning_rate": 0.01}
    return Generator(**{**settings, **params})


# -- discriminator without a generator -------------------------------------------


def test_discriminator_alone_is_a_plain_network(videos: Bunch, tmp_path: Path) -> None:
    found = small(label_smoothing=0.2).fit(videos.X, videos.y)
    assert found.score(videos.X, videos.y) == 1.0
    assert set(found.history_) == {"loss", "accuracy"}
    convolution, dense = 4 * (5 * 5 * 3 + 1), 8 * 8 * 4 + 1
    assert found.model_.count_params() == convolution + dense
    with pytest.raises(AttributeError, match="generator=None"):
        found.generate(1)
    persistence.save(found, tmp_path / "model.skops", optimizer=True)
    for other in (
        persistence.load(tmp_path / "model.skops"),
        pickle.loads(pickle.dumps(found)),
    ):
        np.testing.assert_array_equal(
            other.predict_proba(videos.X), found.predict_proba(videos.X)
        )
        other.partial_fit(videos.X, videos.y)
        assert len(other.history_["loss"]) == 5


def test_labels_are_smoothed_without_a_generator_too(videos: Bunch) -> None:
    found = small(label_smoothing=0.4, optimizer="sgd", learning_rate=1e-9, epochs=1)
    found.fit(videos.X, videos.y)
    proba = found.predict_frame_proba(videos.X)[..., 1]
    target = videos.y[:, None] * 0.6 + 0.2
    entropy = -target * np.log(proba) - (1 - target) * np.log(1 - proba)
    np.testing.assert_allclose(found.history_["loss"], entropy.mean(), rtol=1e-4)


def test_generator_is_forgotten_when_there_is_none(videos: Bunch) -> None:
    found = small(game(), epochs=1).fit(videos.X, videos.y)
    found.set_params(generator=None).fit(videos.X, videos.y)
    assert not hasattr(found, "generator_")


def test_none_of_the_first_version_is_the_papers_generator(videos: Bunch) -> None:
    found = small(game(), epochs=1).fit(videos.X, videos.y)
    state = {**found.__getstate__(), "generator": None}
    other = GANDetector.__new__(GANDetector)
    other.__setstate__(state)
    assert other.generator == "paper"


def test_voting_makes_an_ensemble_of_discriminators(videos: Bunch) -> None:
    members = [
        ("shallow", small()),
        ("deep", small(discriminator_filters=(4, 4), random_state=1)),
        ("cnn", CNNDetector(filters=(2,), dense_units=2, epochs=1, random_state=0)),
    ]
    ensemble = VotingClassifier(members, voting="soft").fit(videos.X, videos.y)
    mean = np.mean([m.predict_proba(videos.X) for m in ensemble.estimators_], axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(videos.X), mean)
    assert ensemble.score(videos.X, videos.y) == 1.0


# -- one class -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        pytest.param(0, 1, marks=pytest.mark.nightly),
        ("real", "fake"),
        pytest.param(False, True, marks=pytest.mark.nightly),
    ],
)
def test_generated_images_are_the_other_class(
    videos: Bunch, real: Any, fake: Any
) -> None:
    X = videos.X[videos.y == 1]  # bright, while generated images are gray
    y = np.array([real] * len(X))
    label = int(fake > real)  # the index of the class
    found = small(
        game(learning_rate=1e-6), generated_label=label, validation_fraction=0.5
    ).fit(X, y)
    assert found.classes_.tolist() == sorted([real, fake])
    assert found.class_count_.tolist() == [4, 4]
    generated = found.generate(8, random_state=0)
    assert (found.predict(generated) == fake).all()
    assert (found.predict(X) == real).all()
    assert "val_loss" not in found.history_
    found.partial_fit(X, y)
    assert len(found.history_["loss"]) == 5


@pytest.mark.parametrize(
    "params",
    [{"generator": None, "generated_label": 1}, {"generator": game()}],
)
def test_one_class_needs_generated_fakes(videos: Bunch, params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="2 classes"):
        small(**params).fit(videos.X, np.zeros(10, int))


def test_all_fake_is_no_class_to_train_on(videos: Bunch) -> None:
    with pytest.raises(ValueError, match="2 classes"):
        small(game(), generated_label=1).fit(videos.X, np.ones(10, int))


# -- Wasserstein -----------------------------------------------------------------


def test_critic_is_clipped_and_still_ranks(videos: Bunch) -> None:
    found = small(game(loss="wasserstein", clip=0.05)).fit(videos.X, videos.y)
    weights = found.model_.discriminator.get_weights()
    assert max(abs(w).max() for w in weights) == pytest.approx(0.05)
    proba = found.predict_proba(videos.X)[:, 1]
    assert proba[videos.y == 1].min() > proba[videos.y == 0].max()


def test_losses_are_differences_of_mean_logits(videos: Bunch) -> None:
    settings = {"optimizer": "sgd", "learning_rate": 1e-12, "generated_label": 1}
    generator = game(loss="wasserstein", clip=100.0, learning_rate=1e-12)
    found = small(generator, epochs=1, **settings).fit(videos.X, videos.y)
    model = found.model_
    images = model.get_layer("scaling")(videos.X.reshape(-1, 16, 16, 3))
    logits = ops.convert_to_numpy(model.discriminator(images))
    sign = 1 - 2 * np.repeat(videos.y, 4)[:, None]
    np.testing.assert_allclose(
        found.history_["loss"], (sign * logits).mean(), rtol=1e-4
    )
    deceiving = found.history_["generator_loss"][0]
    generated = found.history_["discriminator_loss"][0] - found.history_["loss"][0]
    np.testing.assert_allclose(deceiving, -generated, rtol=1e-3)
