"""Load damaged and malicious model files, and count the outcomes.

Small models of each kind are saved with `persistence.save` and randomly changed. Most
changes follow the structure of the file: values, types, references and subtrees of the
schema and of the description of the network, headers and values of arrays, weights, and
names, sizes and checksums of the archives. Others change bytes, as in `fuzz.py`. A
fifth are known attacks: chains of references, zip bombs, thousands of members, networks
and weights that claim gigabytes or are stored in other files, and support vector
machines with wrong indices. The change depends only on the seed and the number of the
mutant. Each file is loaded, and the model predicts probabilities if loading succeeds.

Three outcomes are expected:

- `fine`: a prediction.
- `error`: a `ModelFileError` or `UntrustedModelError`.
- `no answer`: a model that is loaded, but raises an error in the prediction.

All other outcomes are failures:

- `crash`: the end of the process.
- `hang`: 2 seconds of CPU time more than for the intact model.
- `memory`: more than 300 MB.
- `exception`: an exception of another class on loading.
- `different`: another prediction, although only bytes of the outer archive changed.
- `code`: a new process, a connection, or a file outside the temporary folder.

Linux only.

Example: ``python benchmarks/fuzz_models.py --mutants 3000 --json fuzz_models.json``
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import runpy
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import fuzz
import numpy as np
from _report import environment, print_table, write
from fuzz import Random

SECONDS, MEMORY = 2.0, 300e6
CLEAN = ("fine", "no answer", "error")
WRONG = ("crash", "hang", "memory", "exception", "different", "code")
MODELS = runpy.run_path(str(Path(__file__).parents[1] / "tests/models/write_models.py"))

ODD: list[Any] = [
    *(None, True, "", "x" * 10_000, [], {}, 0, -1, 1.5, 255, 2**16, 2**31 - 1, 2**31),
    *(
        2**40,
        2**63 - 1,
        2**70,
        -(2**40),
        float("nan"),
        float("inf"),
        "../x",
        "builtins",
    ),
    *("os", "system", "eval", "ListNode", "CachedNode", "ObjectNode", "FunctionNode"),
    *("MethodNode", "TypeNode", "OperatorFuncNode", "ConstructorFromReduceNode", "SVC"),
    *("sklearn.svm._classes", "Lambda", "keras.layers", "keras.utils", "get_file"),
    *("SparseMatrixNode", "ndarray", "numpy", "void", "float16", "int8", "unroll"),
]


class Model(NamedTuple):
    """An intact model, with its inputs and predictions."""

    name: str
    content: bytes
    X: np.ndarray
    answer: np.ndarray
    seconds: float


def make_models(folder: Path) -> list[Model]:
    """Save the models to be damaged."""
    import keras
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer, StandardScaler

    from skdeepfake import persistence
    from skdeepfake.augmentation import KerasAugmentation, RandomJPEG

    X = MODELS["inputs"]()
    plain = np.random.RandomState(0).uniform(size=(30, 4))
    y = (plain[:, 0] > plain[:, 1]).astype(int)
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    quantiles = make_pipeline(QuantileTransformer(n_quantiles=9), GaussianNB())
    augment = [RandomJPEG(), KerasAugmentation(keras.layers.RandomFlip())]
    made = {name: (MODELS["fitted_pipeline"](name)[-1], X[name]) for name in X}
    augmented = MODELS["fitted_pipeline"]("cnn", augment=augment)[-1]
    made["augmented"] = (augmented, X["cnn"])
    for name, estimator in [
        ("linear", linear),
        ("calibrated", CalibratedClassifierCV(linear, cv=2)),
        ("isotonic", CalibratedClassifierCV(quantiles, cv=2, method="isotonic")),
        ("voting", VotingClassifier([("a", linear), ("b", quantiles)], voting="soft")),
    ]:
        made[name] = (estimator.fit(plain, y), plain)
    models = []
    for name, (estimator, inputs) in made.items():
        path = folder / f"{name}.skops"
        persistence.save(estimator, path, optimizer=name == "cnn_rnn")
        began = time.process_time()
        answer = persistence.load(path).predict_proba(inputs)
        seconds = time.process_time() - began
        models.append(Model(name, path.read_bytes(), inputs, answer, seconds))
    return models


# -- damage ------------------------------------------------------------------


def mutant(models: list[Model], seed: int, number: int) -> tuple[Model, str, bytes]:
    """Return the model, the description of the damage, and the damaged file."""
    rng = np.random.default_rng([seed, number])
    model = models[number % len(models)]
    if rng.random() < 0.2:
        what, content = damage_archive(rng, model.content)
        return model, f"archive: {what}", content
    members = read(model.content)
    if rng.random() < 0.2:
        attack = fuzz._one(rng, list(ATTACKS))
        content = ATTACKS[attack](rng, members) or archive_of(members)
        return model, f"attack: {attack}", content
    names = []
    for _ in range(fuzz._few(rng, 3)):
        name = fuzz._one(rng, sorted(members))
        if rng.random() < 0.5:
            name = "schema.json"
        try:
            what, members[name] = damage_member(rng, name, members[name])
        except (ValueError, LookupError, MemoryError, zipfile.BadZipFile):
            what = "nothing"  # already damaged, or nothing to damage
        names.append(what)
    return model, "+".join(names), archive_of(members)


def read(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def damage_archive(rng: Random, content: bytes) -> tuple[str, bytes]:
    """Damage bytes of an archive, or fields of its headers."""
    data = bytearray(content)
    what = fuzz._one(
        rng, ("flip anywhere", "cut off", "insert", "zero", "field", "field", "double")
    )
    if what == "double":  # two archives in one
        return what, content + content
    if what != "field":
        fuzz.DAMAGE[what](rng, data, "", [])
        return what, bytes(data)
    for _ in range(fuzz._few(rng, 4)):
        sign = fuzz._one(rng, (b"PK\1\2", b"PK\3\4", b"PK\5\6"))
        places = [at for at in range(len(data)) if data[at : at + 4] == sign]
        if places:
            number = fuzz._one(rng, (0, 1, 8, 14, 2**16 - 1, 2**31, 2**32 - 1))
            at = fuzz._one(rng, places) + int(rng.integers(4, 46))
            form = fuzz._one(rng, ("<H", "<L"))
            if at + 4 <= len(data):
                struct.pack_into(
                    form, data, at, number % 2 ** (16 if form[1] == "H" else 32)
                )
    return what, bytes(data)


def damage_member(rng: Random, name: str, member: bytes) -> tuple[str, bytes]:
    if name.endswith(".json"):
        tree = json.loads(member)
        what = damage_tree(rng, tree)
        if rng.random() < 0.5:  # otherwise, most mutants have invalid references
            number_again(tree)
        return f"{name}: {what}", json.dumps(tree).encode()
    if name.endswith(".bin"):
        if rng.random() < 0.2:
            what, content = damage_archive(rng, member)
            return f"network archive: {what}", content
        inner = read(member)
        part = fuzz._one(rng, ("config.json", "config.json", "model.weights.h5"))
        what, inner[part] = damage_member(rng, part, inner[part])
        return f"network: {what}", archive_of(inner)
    data = bytearray(member)
    if name.endswith(".npy") and rng.random() < 0.6:
        return f"array: {damage_array(rng, data)}", bytes(data)
    what = fuzz._one(rng, ("flip anywhere", "cut off", "insert", "zero"))
    if rng.random() < 0.4:  # the structures of HDF5 contain addresses and sizes
        what = "number"
        for _ in range(fuzz._few(rng, 8)):
            at = int(rng.integers(max(1, len(data) // 8))) * 8
            number = fuzz._one(
                rng, (0, 1, 8, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1)
            )
            if at + 8 <= len(data):
                struct.pack_into("<Q", data, at, number)
    else:
        fuzz.DAMAGE[what](rng, data, "", [])
    return f"{name[-4:]}: {what}", bytes(data)


# -- attacks -----------------------------------------------------------------


def many_members(rng: Random, members: dict[str, bytes]) -> None:
    """Add empty members to the file or to its network."""
    network = next((name for name in members if name.endswith(".bin")), None)
    inner = read(members[network]) if network and rng.random() < 0.5 else members
    inner.update((f"{n}.npy", b"") for n in range(fuzz._few(rng, 40_000)))
    if network and inner is not members:
        members[network] = archive_of(inner)


def zeros(rng: Random, members: dict[str, bytes]) -> bytes:
    """Turn a member into a zip bomb, which may claim to be small."""
    name = fuzz._one(rng, sorted(members))
    members[name] += bytes(fuzz._few(rng, 2**28))
    data = bytearray(archive_of(members))
    at = data.rindex(b"PK\1\2")
    if rng.random() < 0.5:
        struct.pack_into("<L", data, at + 24, fuzz._few(rng, 2**20))
    return bytes(data)


def chain(rng: Random, members: dict[str, bytes]) -> None:
    """Insert nested lists, each of which refers to the next one several times."""
    tree = json.loads(members["schema.json"])
    form = int(rng.integers(3))
    lists = list_node([], 1)
    for key in range(2, int(rng.integers(5, 100))):
        below = [{"__id__": key - 1}, list_node([], key - 1), list_node(None, key - 1)]
        below[2]["__loader__"] = "CachedNode"
        lists = list_node([lists, *[below[form]] * int(rng.integers(1, 4))], key)
    nodes = [h for h, k in places_in(tree) if k == "content" and "__loader__" in h]
    holder = fuzz._one(rng, nodes)
    holder.clear()
    holder.update(lists)
    members["schema.json"] = json.dumps(tree).encode()


def list_node(content: Any, key: int) -> dict[str, Any]:
    return {
        **{"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"},
        **{"content": content, "__id__": key},
    }


def large_network(rng: Random, members: dict[str, bytes]) -> None:
    """Multiply the sizes in a network, or nest its layers."""

    def edit(tree: Any) -> None:
        places = list(places_in(tree))
        numbers = [(h, k) for h, k in places if type(h[k]) is int and h[k] > 0]
        for holder, key in [fuzz._one(rng, numbers) for _ in range(3)]:
            holder[key] *= fuzz._few(rng, 2**40)
        if rng.random() < 0.3:
            layers = tree["config"]["layers"]
            inner, name = layers[-1], layers[-1]["name"]
            for _ in range(int(rng.integers(3, 40))):
                inner = {
                    **{"module": "keras", "class_name": "Sequential"},
                    "config": {
                        "name": "x",
                        "layers": [inner] * int(rng.integers(1, 3)),
                    },
                }
                if len(json.dumps(inner)) > 10**6:
                    break
            nodes = layers[-1]["inbound_nodes"]
            layers[-1] = {**inner, "name": name, "inbound_nodes": nodes}

    edit_network(members, "config.json", lambda old: edited(old, edit))


def edited(content: bytes, edit: Any) -> bytes:
    tree = json.loads(content)
    edit(tree)
    return json.dumps(tree).encode()


def edit_network(members: dict[str, bytes], part: str, edit: Any) -> None:
    for name in [name for name in members if name.endswith(".bin")]:
        inner = read(members[name])
        if "config.json" in inner:
            inner[part] = edit(inner[part])
            members[name] = archive_of(inner)


def hostile_weights(rng: Random, members: dict[str, bytes]) -> None:
    """Store weights in another place, or with a larger size than they have."""
    import h5py

    def edit(content: bytes) -> bytes:
        file = io.BytesIO(content)
        with h5py.File(file, "r+") as weights:
            names: list[str] = []
            weights.visit(names.append)
            place = fuzz._one(rng, names)
            del weights[place]
            kind = int(rng.integers(5))
            if kind == 0:
                weights[place] = h5py.ExternalLink("/etc/passwd", "/")
            elif kind == 1:
                weights[place] = h5py.SoftLink(fuzz._one(rng, ["/", place, "/layers"]))
            elif kind == 2:
                weights.create_dataset(place, (fuzz._few(rng, 2**50),), "f4")
            elif kind == 3:
                outside = [("/etc/passwd", 0, 64)]
                weights.create_dataset(place, (4,), "f4", external=outside)
            else:
                size = fuzz._few(rng, 2**40)
                weights.create_dataset(place, (size,), "f4", chunks=(1,))
        return file.getvalue()

    edit_network(members, "model.weights.h5", edit)


def kernel_machine(rng: Random, members: dict[str, bytes]) -> bytes:
    """Save an estimator whose compiled code reads at invalid indices."""
    import skops.io
    from sklearn.cluster import KMeans
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    X = np.random.RandomState(0).uniform(size=(30, 4))
    made = fuzz._one(
        rng,
        [SVC(kernel="precomputed"), KMeans(2), KNeighborsClassifier(algorithm="brute")],
    )
    made.fit(X @ X.T if isinstance(made, SVC) else X, X[:, 0] > 0.5)
    for name, value in vars(made).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "i":
            setattr(made, name, value + fuzz._few(rng, 2**30))
    return skops.io.dumps(made)


ATTACKS = {
    "many members": many_members,
    "zeros": zeros,
    "chain": chain,
    "large network": large_network,
    "hostile weights": hostile_weights,
    "kernel machine": kernel_machine,
}


# -- damage to a description -------------------------------------------------


def number_again(tree: Any) -> None:
    """Assign the same `__id__` to objects with equal content, like skops."""
    holders = [holder for holder, key in places_in(tree) if key == "__id__"]
    for holder in holders:
        holder["__id__"] = 0
    contents = [json.dumps(holder) for holder in holders]
    numbers = {content: key + 1 for key, content in enumerate(dict.fromkeys(contents))}
    for holder, content in zip(holders, contents, strict=True):
        holder["__id__"] = numbers[content]


def damage_array(rng: Random, data: bytearray) -> str:
    array = np.load(io.BytesIO(data))
    what = fuzz._one(rng, ("shape", "dtype", "values"))
    header = np.lib.format.header_data_from_array_1_0(array)
    rest = array.tobytes()
    if what == "shape":
        header["shape"] = tuple(
            fuzz._one(rng, (0, 1, 3, -1, 2**20, 2**40, 2**62))
            for _ in range(int(rng.integers(4)))
        )
    elif what == "dtype":
        header["descr"] = fuzz._one(
            rng, ("|O", "|V0", "<U1", "<f2", "<i8", "<c16", "|b1")
        )
    else:
        numbers = rng.choice([0, -1, 2**30, 2**62, -(2**62), 7], array.size or 1)
        rest = numbers.astype(np.int64).tobytes()[: len(rest)].ljust(len(rest), b"\0")
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    data[:] = file.getvalue() + rest
    return what


def damage_tree(rng: Random, tree: Any) -> str:
    """Change a description in a few places."""
    names = []
    for _ in range(fuzz._few(rng, 3)):
        places = list(places_in(tree))
        holder, key = fuzz._one(rng, places)
        other_holder, other_key = fuzz._one(rng, places)
        what = fuzz._one(
            rng, ("odd", "odd", "swap", "copy", "lose", "repeat", "nest", "reference")
        )
        names.append(what)
        if what == "odd":
            holder[key] = fuzz._one(rng, ODD)
        elif what == "swap":
            value = json.loads(json.dumps(other_holder[other_key]))
            other_holder[other_key] = json.loads(json.dumps(holder[key]))
            holder[key] = value
        elif what == "copy":
            holder[key] = json.loads(json.dumps(other_holder[other_key]))
        elif what == "lose":
            del holder[key]
        elif what == "repeat" and isinstance(holder, list):
            holder[key:key] = [holder[key]] * fuzz._few(rng, 500)
        elif what == "nest":
            for _ in range(fuzz._few(rng, 200)):
                holder[key] = [holder[key]]
        elif what == "reference":
            nodes = [h for h, k in places if k == "__id__"]
            if len(nodes) > 1:
                target, source = fuzz._one(rng, nodes), fuzz._one(rng, nodes)
                target["__id__"] = source["__id__"]
    return "+".join(names)


def places_in(tree: Any) -> Any:
    """Yield all places of a description as container and key."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from places_in(value)


# -- one mutant --------------------------------------------------------------


def ask(path: str, model: Model, same: bool) -> dict[str, Any]:
    """Load a file, and predict with the model."""
    from skdeepfake import persistence
    from skdeepfake.exceptions import ModelFileError, UntrustedModelError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = persistence.load(path)
        except (ModelFileError, UntrustedModelError) as error:
            return {"outcome": "error", "detail": str(error)[-300:]}
        except BaseException as error:
            return {"outcome": "exception", "detail": repr(error)[-300:]}
        try:
            answer = np.asarray(loaded.predict_proba(model.X))
        except Exception as error:
            return {"outcome": "no answer", "detail": repr(error)[-300:]}
    if same and not np.array_equal(answer, model.answer):
        return {"outcome": "different", "detail": f"{answer[:2]}"}
    return {"outcome": "fine", "detail": ""}


def work_on(
    pipe: Connection, models: list[Model], seed: int, folder: str, log: str
) -> None:
    """Run the mutants whose numbers are received, and send their outcomes."""
    fuzz.set_up(folder, log)
    path = os.path.join(folder, "model.skops")
    for model in models:
        Path(path).write_bytes(model.content)
        assert ask(path, model, True)["outcome"] == "fine", model.name
    seen: list[str] = []
    watching = False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        started = event in ("os.system", "os.exec", "os.fork", "subprocess.Popen")
        writes = event == "open" and str(arguments[1]).startswith(("w", "a", "x"))
        outside = writes and not str(arguments[0]).startswith(folder)
        if watching and (started or outside or event == "socket.connect"):
            seen.append(f"{event} {arguments}")

    sys.addaudithook(watch)
    pipe.send("ready")
    while (number := pipe.recv()) is not None:
        model, damage, content = mutant(models, seed, number)
        Path(path).write_bytes(content)
        about = {"number": number, "container": model.name, "damage": damage}
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak
        before = fuzz.memory_of(os.getpid(), "VmRSS")
        seen.clear()
        began, watching = time.process_time(), True
        about |= ask(path, model, damage.startswith("archive"))
        watching = False
        about["seconds"] = time.process_time() - began
        about["bytes"] = fuzz.memory_of(os.getpid(), "VmHWM") - before
        if seen:
            about |= {"outcome": "code", "detail": seen[0]}
        elif about["seconds"] > SECONDS + model.seconds:
            about |= {"outcome": "hang"}
        elif about["bytes"] > MEMORY:
            about |= {"outcome": "memory"}
        pipe.send(about)
    pipe.send({})


class Worker(fuzz.Worker):
    """A process that loads mutants one at a time."""

    memory, hang, target = 4e9, 60.0, staticmethod(work_on)


# -- outcomes ----------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="first mutant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for mutants that fail")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    print("environment:", environment(), flush=True)
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="skdeepfake-fuzz-") as folder:
        work = Path(folder)
        models = make_models(work)
        worker: Worker | None = None
        for number in range(options.first, options.first + options.mutants):
            worker = worker or Worker(models, options.seed, work)
            result = worker.run(number)
            results.append(result)
            if "container" not in result:  # the process has ended
                worker = None
            if result["outcome"] in WRONG:
                model, damage, content = mutant(models, options.seed, number)
                result |= {"number": number, "container": model.name, "damage": damage}
                print(result, flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{number}.skops").write_bytes(content)
        if worker is not None:
            worker.close()
    rows = []
    for name in (*(model.name for model in models), "all"):
        mine = [r for r in results if name in (r["container"], "all")]
        outcomes = collections.Counter(r["outcome"] for r in mine)
        rows.append(
            {
                "model": name,
                "mutants": len(mine),
                **{outcome: outcomes[outcome] for outcome in (*CLEAN, *WRONG)},
                "most s": max((r["seconds"] for r in mine), default=0.0),
                "most MB": max((r.get("bytes", 0) for r in mine), default=0) / 1e6,
            }
        )
    print_table(rows)
    if options.json:
        write(results, options.json, table=rows, seed=options.seed)


if __name__ == "__main__":
    main()
