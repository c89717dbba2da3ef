"""Validate the schema of a skops file before skops creates objects from it.

skops trusts all estimators of scikit-learn, and checks types but not contents. Compiled
code of estimators does not check indices, so that a forged file could access any
memory. Furthermore, chains of references in a small schema could take exponential time.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .exceptions import ModelFileError, UntrustedModelError

SCHEMA = "schema.json"

_MAX_BYTES = 2**23
_MAX_NODES = 50_000

# Maximum length of the axes of an array whose elements take no bytes.
_MAX_EMPTY = 2**20


def _of(module: str, names: str) -> list[str]:
    return [f"sklearn.{module}.{name}" for name in names.split()]


# Meta-estimators, and estimators that predict with NumPy and SciPy alone, which check
# shapes and indices. Trees, neighbors, clusters and kernels are excluded.
ESTIMATORS = frozenset(
    [
        *_of("calibration", "CalibratedClassifierCV _CalibratedClassifier"),
        *_of("calibration", "_SigmoidCalibration _TemperatureScaling"),
        *_of("compose._column_transformer", "ColumnTransformer"),
        *_of("decomposition._incremental_pca", "IncrementalPCA"),
        *_of("decomposition._pca", "PCA"),
        *_of("decomposition._truncated_svd", "TruncatedSVD"),
        *_of("discriminant_analysis", "LinearDiscriminantAnalysis"),
        *_of("discriminant_analysis", "QuadraticDiscriminantAnalysis"),
        *_of("dummy", "DummyClassifier DummyRegressor"),
        *_of("ensemble._bagging", "BaggingClassifier"),
        *_of("ensemble._stacking", "StackingClassifier"),
        *_of("ensemble._voting", "VotingClassifier"),
        *_of("ensemble._weight_boosting", "AdaBoostClassifier"),
        *_of("feature_selection._from_model", "SelectFromModel"),
        *_of("feature_selection._univariate_selection", "SelectKBest"),
        *_of("feature_selection._univariate_selection", "SelectPercentile"),
        *_of("feature_selection._variance_threshold", "VarianceThreshold"),
        *_of("frozen._frozen", "FrozenEstimator"),
        *_of("impute._base", "SimpleImputer"),
        *_of("isotonic", "IsotonicRegression"),
        *_of("linear_model._base", "LinearRegression"),
        *_of("linear_model._bayes", "BayesianRidge"),
        *_of("linear_model._coordinate_descent", "Lasso LassoCV"),
        *_of("linear_model._coordinate_descent", "ElasticNet ElasticNetCV"),
        *_of("linear_model._logistic", "LogisticRegression LogisticRegressionCV"),
        *_of("linear_model._passive_aggressive", "PassiveAggressiveClassifier"),
        *_of("linear_model._perceptron", "Perceptron"),
        *_of("linear_model._ridge", "Ridge RidgeCV RidgeClassifier RidgeClassifierCV"),
        *_of("linear_model._stochastic_gradient", "SGDClassifier SGDRegressor"),
        *_of("model_selection._classification_threshold", "FixedThresholdClassifier"),
        *_of("model_selection._classification_threshold", "TunedThresholdClassifierCV"),
        *_of("model_selection._search", "GridSearchCV RandomizedSearchCV"),
        *_of("multiclass", "OneVsRestClassifier"),
        *_of("naive_bayes", "BernoulliNB ComplementNB GaussianNB MultinomialNB"),
        *_of("pipeline", "Pipeline FeatureUnion"),
        *_of("preprocessing._data", "Binarizer MaxAbsScaler MinMaxScaler Normalizer"),
        *_of("preprocessing._data", "PowerTransformer QuantileTransformer"),
        *_of("preprocessing._data", "RobustScaler StandardScaler"),
        *_of("preprocessing._encoders", "OrdinalEncoder"),
        *_of("preprocessing._function_transformer", "FunctionTransformer"),
        *_of("preprocessing._label", "LabelBinarizer LabelEncoder"),
        *_of("svm._classes", "LinearSVC"),
        *_of("utils._bunch", "Bunch"),
    ]
)

# Nodes that skops trusts regardless of their contents. Compiled code does not check the
# indices in sparse matrices and in the states of random number generators.
_UNCHECKED = ("SparseMatrixNode", "RandomStateNode", "RandomGeneratorNode")


def check_schema(members: Mapping[str, bytes], trusted: frozenset[str]) -> set[str]:
    """Validate the members of a skops file and return types that are not trusted.

    The result is limited to types that skops itself trusts.
    """
    if len(members[SCHEMA]) > _MAX_BYTES:
        raise UntrustedModelError(f"its {SCHEMA} has more than {_MAX_BYTES} bytes")
    walk = _Walk(members)
    walk.values(json.loads(members[SCHEMA]))
    return walk.types - ESTIMATORS - trusted


class _Walk:
    """Single pass over the nodes of a schema.

    skops writes the description of an object at each reference, so that all nodes with
    the same `__id__` must have the same size. If they do, following references takes at
    most as many steps as reading the schema, and no object contains itself.
    """

    def __init__(self, members: Mapping[str, bytes]) -> None:
        self._members = members
        self._n_nodes = 0
        self._sizes: dict[Any, int] = {}
        self._owners: dict[str, Any] = {}  # `__id__` of the owner of each member
        self.types: set[str] = set()

    def values(self, part: Any, flat: bool = False) -> int:
        """Visit a part and return its size; `flat` forbids arrays inside."""
        if isinstance(part, dict):
            if "__id__" in part or "__loader__" in part:
                return self._node(part, flat)
            return 1 + sum(self.values(value, flat) for value in part.values())
        if isinstance(part, list):
            return 1 + sum(self.values(item, flat) for item in part)
        return 1 + (len(part) // 64 if isinstance(part, str) else 0)

    def _node(self, node: dict[str, Any], flat: bool) -> int:
        self._n_nodes += 1
        if self._n_nodes > _MAX_NODES:
            raise UntrustedModelError(f"it describes more than {_MAX_NODES} objects")
        key = node.get("__id__")
        if (loader := node.get("__loader__")) is None:
            raise UntrustedModelError(
                f"it refers to the object {key!r} without content"
            )
        name = f"{node['__module__']}.{node['__class__']}"
        if loader in _UNCHECKED or (
            loader == "ObjectNode" and name.startswith("sklearn.")
        ):
            self.types.add(name)
        if loader == "NdArrayNode":
            self._array(node, name, flat)
        file = node.get("file")
        # skops reads a member once for each object it belongs to.
        if file and (key is None or self._owners.setdefault(file, key) != key):
            raise UntrustedModelError(f"its member {file!r} belongs to two objects")
        # NumPy copies the elements of arrays inside multidimensional object arrays.
        flat = flat or (node.get("type") == "json" and not _has_one_axis(node))
        size = 1 + sum(self.values(value, flat) for value in node.values())
        if key is not None and self._sizes.setdefault(key, size) != size:
            raise UntrustedModelError(
                f"it describes the object {key!r} in two ways, or inside itself"
            )
        return size

    def _array(self, node: dict[str, Any], name: str, flat: bool) -> None:
        if node["type"] != "numpy":
            return
        if flat:
            raise UntrustedModelError("it contains arrays in an array of objects")
        if name == "numpy.void":  # allocates the number of bytes given by the array
            self.types.add(name)
        _check_array(self._members[node["file"]], node["file"])


def _has_one_axis(node: Mapping[str, Any]) -> bool:
    shape = node["shape"]
    return shape.get("__loader__") == "TupleNode" and len(shape["content"]) == 1


def _check_array(content: bytes, name: str) -> None:
    """Check that an array in NumPy's format contains all its elements."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise UntrustedModelError(f"its member {name!r} is an array of objects")
    n_bytes = len(content) - file.tell()
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != n_bytes or (claimed == 0 and max(shape, default=0) > _MAX_EMPTY):
        raise ModelFileError(
            f"its member {name!r} claims the shape {shape} of {dtype}, but has "
            f"{n_bytes} bytes"
        )
