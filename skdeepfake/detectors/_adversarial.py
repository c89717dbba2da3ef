"""A discriminator and a generator as one Keras model, trained against each other."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ._adversarial_training import AdversarialTraining
from ._attention import NetworkOfVideos


@keras.saving.register_keras_serializable(package="skdeepfake")
class AdversarialModel(AdversarialTraining, keras.Model):
    """A classifier whose training also trains a generator to deceive it.

    To Keras it is the classifier: called, evaluated and stopped by that.

    Parameters
    ----------
    classifier : keras.Model
        From images to probabilities: a layer named "scaling" to the generator's
        range, a network named "discriminator" from scaled images to logits, and the
        sigmoid.
    generator : keras.Model
        From noise to scaled images.
    generator_optimizer : keras.optimizers.Optimizer
        What updates the generator; the model is compiled with the discriminator's.
    generated_label : {0, 1}, default=0
        What the discriminator shall call a generated image.
    label_smoothing : float, default=0.0
        How far the discriminator's targets are drawn towards one half, as in Keras.
    seed : int or None, default=None
        Of the noise that images are generated from.
    name : str, default="adversarial"
        Name of the model.
    """

    def __init__(
        self,
        classifier: keras.Model,
        generator: keras.Model,
        generator_optimizer: keras.optimizers.Optimizer,
        *,
        generated_label: int = 0,
        label_smoothing: float = 0.0,
        seed: int | None = None,
        name: str = "adversarial",
    ) -> None:
        super().__init__(classifier.input, classifier.output, name=name)
        self.set_against(
            generator,
            generator_optimizer,
            generated_label=generated_label,
            label_smoothing=label_smoothing,
            seed=seed,
        )

    @property
    def discriminator(self) -> keras.Model:
        """The network from scaled images to logits."""
        return self.get_layer("discriminator")

    @property
    def labelling(self) -> keras.Model:
        """The discriminator."""
        return self.discriminator

    def labelled_images(self, inputs: Any) -> tuple[Any, Any]:
        """Scale the images.

        Parameters
        ----------
        inputs : tensor
            The images.

        Returns
        -------
        images : tensor
            The same, scaled.
        n_images : int or tensor
            Their number.
        """
        return self.get_layer("scaling")(inputs), ops.shape(inputs)[0]

    # -- saving --------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Give what the model is built from, in Keras' serial form.

        Returns
        -------
        dict
            The arguments of the constructor.
        """
        serialize = keras.saving.serialize_keras_object
        return {
            "classifier": serialize(keras.Model(self.input, self.output)),
            "generator": serialize(self.generator),
            "generator_optimizer": serialize(self.generator_optimizer),
            "generated_label": self.generated_label,
            "label_smoothing": self.label_smoothing,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> AdversarialModel:
        """Build the model from what `get_config` gave.

        Parameters
        ----------
        config : dict
            The arguments of the constructor.
        custom_objects : dict or None, default=None
            Classes by name that Keras does not know.

        Returns
        -------
        AdversarialModel
            The model, not compiled.
        """
        networks = ("classifier", "generator", "generator_optimizer")
        built = {
            name: keras.saving.deserialize_keras_object(
                config[name], custom_objects=custom_objects
            )
            for name in networks
        }
        return cls(**{**config, **built})


class AdversarialVideos(AdversarialTraining, keras.Model):
    """An adversarial model that is trained on the answers for whole videos.

    Parameters
    ----------
    model : AdversarialModel
        Of frames; its networks and its optimizers are trained.
    odds : NetworkOfVideos
        That of its classifier, which gives log-odds.
    """

    def __init__(self, model: AdversarialModel, odds: NetworkOfVideos) -> None:
        super().__init__()
        self.labelling = odds
        self.discriminator = model.discriminator
        self.set_against(
            model.generator,
            model.generator_optimizer,
            generated_label=model.generated_label,
            label_smoothing=model.label_smoothing,
            seed=None,
        )
        self.noise_seed = model.noise_seed

    def labelled_images(self, inputs: Any) -> tuple[Any, Any]:
        """Count the frames.

        Parameters
        ----------
        inputs : pair of tensors
            Videos and which of their frames are present.

        Returns
        -------
        inputs : pair of tensors
            The same.
        n_images : int or tensor
            Number of frames.
        """
        n_videos, n_frames = ops.shape(inputs[1])
        return inputs, n_videos * n_frames

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the probabilities of videos.

        Parameters
        ----------
        inputs : pair of tensors
            Videos and which of their frames are present.
        training : bool or None, default=None
            Whether it is called in training.

        Returns
        -------
        tensor of shape (n_videos, 1)
            Probabilities.
        """
        return ops.sigmoid(self.labelling(inputs, training=training))
