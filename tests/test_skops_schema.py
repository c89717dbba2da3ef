"""Files that claim more data than they contain, or contain unsafe objects."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC, OneClassSVM

from skdeepfake import _skops_schema, persistence
from skdeepfake.exceptions import ModelFileError, UntrustedModelError
from skdeepfake.preprocessing import Resizer

X = np.random.RandomState(0).uniform(size=(40, 3))
Y = (X[:, 0] > X[:, 1]).astype(int)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.skops"


def refusal(content: bytes, path: Path) -> str:
    path.write_bytes(content)
    with pytest.raises((UntrustedModelError, ModelFileError)) as raised:
        persistence.load(path)
    return str(raised.value)


def archive_of(schema: Any, **members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, member in members.items():
            archive.writestr(name.replace("_", "."), member)
    return content.getvalue()


def node(kind: str, content: Any, key: int | None = None, **more: Any) -> Any:
    """Describe a list, a tuple, a dict or an array like skops."""
    module = "numpy" if kind == "ndarray" else "builtins"
    loader = {"ndarray": "NdArrayNode"}.get(kind, f"{kind.capitalize()}Node")
    described = {"__class__": kind, "__module__": module, "__loader__": loader}
    described |= {"content": content, "__id__": key, **more}
    return described


def model_with(value: Any, **members: bytes) -> bytes:
    """Write a Resizer with a value that is described by a given node."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(Resizer()))) as archive:
        schema = json.loads(archive.read("schema.json"))
    schema["content"]["content"]["size"] = value
    return archive_of(schema, **members)


def array_bytes(array: np.ndarray, **header: Any) -> bytes:
    file = io.BytesIO()
    if header:
        np.lib.format.write_array_header_1_0(file, header)
    else:
        np.save(file, array)
    return file.getvalue()


def with_array(content: bytes, **header: Any) -> bytes:
    array = node("ndarray", None, 5, type="numpy", file="5.npy")
    return model_with(array, **{"5_npy": array_bytes(np.zeros(2), **header) + content})


# -- references ----------------------------------------------------------------------


def described(key: int) -> Any:
    return node("list", [], key)


def cached(key: int) -> Any:
    return {**node("list", None, key), "__loader__": "CachedNode"}


@pytest.mark.parametrize(
    ("refer", "message"),
    [
        (lambda key: {"__id__": key}, "refers to the object 1 without content"),
        (described, "describes the object 2 in two ways"),
        (cached, "describes the object 2 in two ways"),
    ],
)
def test_references_that_double_at_each_level_are_refused(
    refer: Callable[[int], Any], message: str, path: Path
) -> None:
    lists = described(1)
    for key in range(2, 60):
        lists = node("list", [lists, refer(key - 1)], key)
    content = model_with(lists)
    assert len(content) < 2_000
    assert message in refusal(content, path)


def test_object_in_itself_is_refused(path: Path) -> None:
    inner = node("list", [node("list", [], 7)], 7)
    assert "in two ways, or inside itself" in refusal(model_with(inner), path)


def test_objects_that_are_referred_to_twice_are_loaded_as_one(path: Path) -> None:
    shared = LogisticRegression().fit(X, Y)
    estimator = VotingClassifier([("a", shared), ("b", shared)], weights=[0.5, 0.5])
    persistence.save(estimator, path)
    loaded = persistence.load(path)
    assert loaded.estimators[0][1] is loaded.estimators[1][1]


def test_number_of_objects_and_size_are_limited(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = model_with(node("list", [node("list", [])] * 100))
    path.write_bytes(content)
    assert persistence.load(path).size == [[]] * 100
    monkeypatch.setattr(_skops_schema, "_MAX_NODES", 100)
    assert "describes more than 100 objects" in refusal(content, path)
    monkeypatch.setattr(_skops_schema, "_MAX_BYTES", 1000)
    assert "schema.json has more than 1000 bytes" in refusal(content, path)


def test_member_is_read_for_one_object_only(path: Path) -> None:
    two = [node("ndarray", None, k, type="numpy", file="5.npy") for k in (5, 6)]
    array = array_bytes(np.zeros(2))
    for arrays in (two, [node("ndarray", None, type="numpy", file="5.npy")]):
        content = model_with(node("list", arrays), **{"5_npy": array})
        assert "'5.npy' belongs to two objects" in refusal(content, path)


# -- arrays --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        {"descr": "<f8", "fortran_order": False, "shape": (2**37,)},
        {"descr": "|V0", "fortran_order": False, "shape": (2**60,)},
        {"descr": "<f8", "fortran_order": False, "shape": (0, 2**50)},
        {"descr": "<f8", "fortran_order": False, "shape": (3,)},
        {"descr": "<f8", "fortran_order": False, "shape": (-1, -2)},
    ],
)
def test_array_that_claims_more_than_it_has_is_refused(
    header: dict[str, Any], path: Path
) -> None:
    message = refusal(with_array(b"", **header), path)
    assert f"'5.npy' claims the shape {header['shape']}" in message


def test_array_of_objects_in_numpy_format_is_refused(path: Path) -> None:
    header = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    assert "'5.npy' is an array of objects" in refusal(with_array(b"", **header), path)


def test_arrays_in_a_grid_of_objects_are_refused(path: Path) -> None:
    """NumPy would copy each element once for each reference."""
    array = node("ndarray", None, 5, type="numpy", file="5.npy")
    for shape, refused in ((node("tuple", [1, 2]), True), (node("tuple", [2]), False)):
        grid = node("ndarray", [array, array], type="json", shape=shape)
        shape["content"] = [
            {**node("json", str(n)), "is_json": True} for n in shape["content"]
        ]
        content = model_with(grid, **{"5_npy": array_bytes(np.zeros(2))})
        if refused:
            assert "arrays in an array of objects" in refusal(content, path)
        else:
            path.write_bytes(content)
            assert [*map(len, persistence.load(path).size)] == [2, 2]


def test_number_of_bytes_that_numpy_would_allocate_is_refused(path: Path) -> None:
    array = node("ndarray", None, 5, type="numpy", file="5.npy")
    content = model_with(
        {**array, "__class__": "void"}, **{"5_npy": array_bytes(np.array(2**40))}
    )
    assert "numpy.void" in refusal(content, path)


# -- estimators ----------------------------------------------------------------------


def test_kernel_machine_whose_indices_lead_elsewhere_is_refused(path: Path) -> None:
    """Its prediction would cause a segmentation fault."""
    machine = SVC(kernel="precomputed").fit(X @ X.T, Y)
    machine.support_[:] = 2**30
    content = skops.io.dumps(machine)
    assert skops.io.get_untrusted_types(data=content) == []
    assert "it contains sklearn.svm._classes.SVC" in refusal(content, path)


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (OneClassSVM(), "sklearn.svm._classes.OneClassSVM"),
        (KMeans(2, n_init=1), "sklearn.cluster._kmeans.KMeans"),
        (KNeighborsClassifier(), "neighbors._classification.KNeighborsClassifier"),
        (RandomForestClassifier(1), "sklearn.ensemble._forest.RandomForestClassifier"),
        (HistGradientBoostingClassifier(), "HistGradientBoostingClassifier"),
        (OneHotEncoder(), "sklearn.preprocessing._encoders.OneHotEncoder"),
        (CountVectorizer(), "sklearn.feature_extraction.text.CountVectorizer"),
        (make_pipeline(KNeighborsClassifier()), "KNeighborsClassifier"),
        (Resizer(csr_array(np.eye(2))), "scipy.sparse._csr.csr_array"),
        (Resizer(np.random.RandomState(0)), "numpy.random.mtrand.RandomState"),
        (Resizer(np.random.default_rng(0)), "numpy.random._generator.Generator"),
    ],
)
def test_what_is_compiled_and_checks_no_indices_is_refused(
    estimator: BaseEstimator, name: str, path: Path
) -> None:
    with pytest.raises(UntrustedModelError, match="cannot be saved safely") as raised:
        persistence.save(estimator, path)
    assert name in str(raised.value)
    assert name in refusal(skops.io.dumps(estimator), path)


def test_trusted_by_name_it_is_loaded(path: Path) -> None:
    machine = SVC().fit(X, Y)
    name = ["sklearn.svm._classes.SVC"]
    persistence.save(machine, path, trusted=name)
    loaded = persistence.load(path, trusted=name)
    np.testing.assert_array_equal(loaded.predict(X), machine.predict(X))


@pytest.mark.parametrize(
    "make",
    [
        LogisticRegression,
        RidgeClassifier,
        SGDClassifier,
        LinearSVC,
        lambda: make_pipeline(QuantileTransformer(n_quantiles=9), LogisticRegression()),
        lambda: CalibratedClassifierCV(LogisticRegression(), cv=2),
        lambda: CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=2),
        lambda: CalibratedClassifierCV(
            LogisticRegression(), method="temperature", cv=2
        ),
        lambda: VotingClassifier([("a", LogisticRegression()), ("b", LinearSVC())]),
        lambda: StackingClassifier([("a", LogisticRegression())], cv=2),
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    ],
)
def test_linear_models_and_what_combines_them_are_trusted(
    make: Callable[[], Any], path: Path
) -> None:
    fitted = make().fit(X, Y)
    persistence.save(fitted, path)
    np.testing.assert_array_equal(persistence.load(path).predict(X), fitted.predict(X))


def test_estimators_that_are_trusted_exist() -> None:
    for name in _skops_schema.ESTIMATORS:
        module, _, attribute = name.rpartition(".")
        assert hasattr(__import__(module, fromlist=[attribute]), attribute), name
