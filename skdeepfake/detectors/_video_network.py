"""Networks of whole videos, for training with attention."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ._aggregation import CLIP, EPSILON


class VideoNetwork(keras.Model):
    """Network for videos that weights the predictions of a network for frames."""

    def __init__(self, of_frames: keras.Model) -> None:
        super().__init__()
        self.of_frames = of_frames

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the probabilities of videos."""
        videos, present = inputs
        shape = ops.shape(videos)
        frames = ops.reshape(videos, (-1, *videos.shape[2:]))
        proba, weight = ops.split(self.of_frames(frames, training=training), 2, axis=1)
        proba = ops.clip(proba, CLIP, 1 - CLIP)
        odds = ops.reshape(ops.log(proba) - ops.log1p(-proba), shape[:2])
        weight = ops.reshape(weight, shape[:2]) * present
        total = ops.sum(weight, axis=1, keepdims=True) + EPSILON
        return ops.sigmoid(ops.sum(weight * odds, axis=1, keepdims=True) / total)


class TwoAnswersNetwork(keras.Model):
    """Network with two probabilities per video and a loss for each.

    The second comes from the weighted frames. Metrics use the first.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute both probabilities of videos."""
        return self.network(inputs, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the sum of both losses."""
        answers = ops.split(y_pred, 2, axis=1)
        return sum(
            super(TwoAnswersNetwork, self).compute_loss(
                x, y, answer, sample_weight, training
            )
            for answer in answers
        )

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Compute the metrics of the first probability."""
        return super().compute_metrics(x, y, y_pred[:, :1], sample_weight)
