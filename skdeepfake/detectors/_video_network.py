"""The network of whole videos that a detector with attention is trained as."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ._aggregation import CLIP, EPSILON


class VideoNetwork(keras.Model):
    """A network of frames with attention, as a network of whole videos."""

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
