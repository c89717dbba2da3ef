"""Pickling of estimators that contain networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import numpy as np

from .._keras._optimizers import make_variables
from .._keras._packing import pack, unpack
from .._keras._trust import check_description, keeps_optimizer
from .._stateless import Versioned
from ..exceptions import ModelFileError

# Key of the training state in a pickle.
_TRAINING = "_training"


class PackedNetworks(Versioned):
    """Mixin that pickles networks as archives.

    List it before the base class that defines ``__getstate__`` and ``__setstate__``.
    """

    # Names of the attributes that are networks.
    _networks: ClassVar[tuple[str, ...]] = ("model_",)

    _written_by = ("skdeepfake", "keras")

    model_: keras.Model
    _trained_network: keras.Model
    _ensure_compiled_model: Callable[[], None]
    _initialize_callbacks: Callable[[], None]

    @property
    def _is_built(self) -> bool:
        return hasattr(self, "model_")

    def _training_variables(self) -> dict[str, list[Any]]:
        """Return the training variables that are not weights."""
        network = self._trained_network
        make_variables(network.optimizer, network.trainable_variables)
        weights = {id(weight) for weight in network.weights}
        return {
            "optimizer": network.optimizer.variables,
            "seeds": [v for v in network.variables if id(v) not in weights],
        }

    def _restore_training(self, kept: Any) -> None:
        """Restore the saved values of `_training_variables`."""
        self._ensure_compiled_model()
        for name, variables in self._training_variables().items():
            values = [np.asarray(value) for value in kept[name]]
            shapes = [value.shape for value in values]
            if shapes != [tuple(variable.shape) for variable in variables]:
                raise ModelFileError(
                    f"the saved state of the {name.replace('_', ' ')} does not match "
                    "the network and parameters of the detector"
                )
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        for name in ("_fit_callbacks", "_predict_callbacks", "_compiled", "_trained"):
            state.pop(name, None)
        for name in self._networks:
            if name in state:
                state[name] = pack(state[name])
        check_description(_without(state, self._networks))
        if keeps_optimizer.get() and self._is_built and self.model_.compiled:
            state[_TRAINING] = {
                name: [keras.ops.convert_to_numpy(v) for v in variables]
                for name, variables in self._training_variables().items()
            }
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        training = state.pop(_TRAINING, None)
        check_description(_without(state, self._networks))
        super().__setstate__(state)
        for name in self._networks:
            if name in state:
                setattr(self, name, unpack(state[name]))
        if self._is_built:
            self._initialize_callbacks()
            if training is not None:
                self._restore_training(training)


def _without(state: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Remove the networks, which are checked separately."""
    return {name: value for name, value in state.items() if name not in names}
