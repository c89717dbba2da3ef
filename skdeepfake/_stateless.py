"""Transformers that learn nothing from the data."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator, TransformerMixin

from ._versions import Versioned


class StatelessTransformer(Versioned, TransformerMixin, BaseEstimator):
    """A transformer whose `fit` only checks its parameters.

    Subclasses declare ``_parameter_constraints`` and write ``transform``, which
    calls ``self._validate_params()`` first, since it may run without ``fit``.
    """

    _parameter_constraints: ClassVar[dict[str, Any]]

    def fit(self, X: Any, y: Any = None) -> Any:
        """Check the parameters; nothing is learnt from the data.

        Parameters
        ----------
        X : array-like of shape (n_samples,)
            Not used.
        y : None
            Not used, present for the API's sake.

        Returns
        -------
        self : object
            The transformer itself.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        return tags
