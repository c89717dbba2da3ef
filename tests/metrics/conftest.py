from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def scored():
    """Labels, probabilities with ties, and weights of 203 samples."""
    rng = np.random.RandomState(7)
    y_true = (rng.uniform(size=203) < 0.4).astype(int)
    logit = rng.normal(1.5 * y_true - 0.7, 1.2)
    proba = np.round(1 / (1 + np.exp(-logit)), 2).clip(0.01, 0.99)
    return y_true, proba, rng.uniform(0.2, 3, size=203)
