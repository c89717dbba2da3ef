"""Sphinx extension that links names of other libraries to their documentation.

Unlike intersphinx, it does not need internet access during the build. Addresses are
derived from names or listed in a table.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes

# Patterns of the addresses, by library. {} is the name.
PATTERNS = {
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{}.html",
    "numpy": "https://numpy.org/doc/stable/reference/generated/{}.html",
    "pandas": "https://pandas.pydata.org/docs/reference/api/{}.html",
    "joblib": "https://joblib.readthedocs.io/en/stable/generated/{}.html",
    "matplotlib": "https://matplotlib.org/stable/api/_as_gen/{}.html",
}
# Addresses that do not follow the pattern of their library.
ADDRESSES = {
    "numpy.random.Generator": "https://numpy.org/doc/stable/reference/random/generator.html",
    "keras.Model": "https://keras.io/api/models/model/",
    "keras.callbacks.BackupAndRestore": (
        "https://keras.io/api/callbacks/backup_and_restore/"
    ),
    "keras.callbacks.Callback": "https://keras.io/api/callbacks/base_callback/",
    "keras.config.set_dtype_policy": (
        "https://keras.io/api/mixed_precision/policy/#setdtypepolicy-function"
    ),
    "keras.distribution.DataParallel": (
        "https://keras.io/api/distribution/data_parallel/"
    ),
    "keras.layers.Layer": "https://keras.io/api/layers/base_layer/",
    "keras.losses.Loss": "https://keras.io/api/losses/",
    "keras.optimizers.Optimizer": "https://keras.io/api/optimizers/",
}
# Types that become links in Parameters sections.
TYPES = (
    "joblib.Memory",
    "keras.Model",
    "keras.callbacks.Callback",
    "keras.optimizers.Optimizer",
    "matplotlib.axes.Axes",
    "matplotlib.figure.Figure",
    "numpy.random.Generator",
    "pandas.DataFrame",
    "sklearn.pipeline.Pipeline",
    "sklearn.utils.Bunch",
)


def address(name: str) -> str | None:
    """Return the address of the documentation of a name, or None if unknown."""
    if name in ADDRESSES:
        return ADDRESSES[name]
    pattern = PATTERNS.get(name.partition(".")[0])
    return pattern and pattern.format(name)


def resolve(app: Any, env: Any, node: Any, content: nodes.Element) -> Any:
    """Return a link for a reference that Sphinx cannot resolve."""
    target = address(node.get("reftarget", ""))
    if target is None:
        return None
    link = nodes.reference("", "", internal=False, refuri=target)
    link.append(content)
    return link


def setup(app: Any) -> dict[str, Any]:
    """Register the hook."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
