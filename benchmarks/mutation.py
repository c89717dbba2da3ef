r"""Plant mutations in the package and count those that the tests detect.

One random expression is changed in each of ``--n`` modules. For each change, the tests
that execute the changed line run in a copy of the checkout until one fails. A run with
coverage records the lines that each test executes, and its seconds::

    pip install pytest-cov
    COVERAGE_FILE=lines.cov pytest -n 2 --cov=skdeepfake --cov-context=test \
        --cov-report= -o junit_family=xunit1 --junitxml=times.xml
    python benchmarks/mutation.py lines.cov times.xml --n 90 --seed 0 --json killed.json

``--compare before.json`` exits with 1 if a mutation that was detected before is not
detected now.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

from coverage import CoverageData

ROOT = Path(__file__).resolve().parent.parent

SWAPPED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


@dataclass(frozen=True)
class Mutation:
    """One changed expression. Lines are numbered from 1, columns from 0, in bytes."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    kind: str
    old: str
    new: str

    def apply(self, source: bytes) -> bytes:
        """Return the source with the expression replaced."""
        lines = source.splitlines(keepends=True)
        start = sum(map(len, lines[: self.line - 1])) + self.column
        end = sum(map(len, lines[: self.end_line - 1])) + self.end_column
        return source[:start] + self.new.encode() + source[end:]


# -- mutations ---------------------------------------------------------------


def mutations(path: Path) -> list[Mutation]:
    """List every possible mutation of a module."""
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    for node in ast.walk(tree):  # the type checker covers annotations
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
    found = []
    for node in _executed(tree):
        for kind, changed in _changes(node):
            found.append(
                Mutation(
                    path.relative_to(ROOT).as_posix(),
                    node.lineno,
                    node.col_offset,
                    node.end_lineno,
                    node.end_col_offset,
                    kind,
                    ast.get_source_segment(source, node) or "",
                    _text(node, changed),
                )
            )
    return [mutation for mutation in found if mutation.new != mutation.old]


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a module, except errors, messages and code for type checkers."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Raise | ast.JoinedStr):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if hasattr(child, "lineno"):
            yield child
        yield from _executed(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPPED:
            yield "comparison", _with(node, ops=[SWAPPED[type(op)]()])
        case ast.BinOp(op=op) if type(op) in SWAPPED:
            if not isinstance(node.left, ast.Constant | ast.JoinedStr) or isinstance(
                node.left.value if isinstance(node.left, ast.Constant) else "", int
            ):
                yield "arithmetic", _with(node, op=SWAPPED[type(op)]())
        case ast.BoolOp(op=op):
            yield "boolean", _with(node, op=SWAPPED[type(op)]())
        case ast.UnaryOp(op=ast.Not()):
            yield "not", node.operand
        case ast.IfExp(test=test):
            yield "condition", _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool()):
            yield "constant", ast.Constant(not node.value)
        case ast.Constant(value=int()):
            yield "constant", ast.Constant(node.value + 1)
        case ast.Call(keywords=[_, *_]):
            for number in range(len(node.keywords)):
                keywords = [k for i, k in enumerate(node.keywords) if i != number]
                yield "argument", _with(node, keywords=keywords)
        case ast.Return(value=ast.Tuple(elts=[first, second])):
            yield "return", ast.Return(ast.Tuple([second, first], ast.Load()))
        case ast.Return(value=ast.expr()):
            yield "return", ast.Return(ast.Constant(None))


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _text(node: ast.AST, changed: ast.AST) -> str:
    text = ast.unparse(ast.fix_missing_locations(changed))
    return text if isinstance(node, ast.Return) else f"({text})"


def draw(n: int, seed: int) -> list[Mutation]:
    """Draw one mutation from each of n modules, independently of other modules."""
    modules = sorted((ROOT / "skdeepfake").rglob("*.py"))
    random.Random(seed).shuffle(modules)
    drawn = []
    for path in modules:
        if len(drawn) < n and (possible := mutations(path)):
            name = path.relative_to(ROOT).as_posix()
            drawn.append(random.Random(f"{seed} {name}").choice(possible))
    return drawn


# -- selection of tests ------------------------------------------------------


class Tests:
    """The tests of one run, with the lines that they execute and their seconds."""

    def __init__(self, coverage_file: str, times: str) -> None:
        self.seconds: dict[str, float] = {}
        for case in ElementTree.parse(times).iter("testcase"):
            if case.find("failure") is None and case.find("error") is None:
                name = f"{case.get('file')}::{case.get('name')}"
                self.seconds[name] = float(case.get("time", 0))
        data = CoverageData(coverage_file)
        data.read()
        self.lines: dict[str, dict[int, set[str]]] = {}
        for file in data.measured_files():
            place = file[file.rindex("/skdeepfake/") + 1 :]
            self.lines[place] = {
                line: {c.rpartition("|")[0] for c in contexts} & self.seconds.keys()
                for line, contexts in data.contexts_by_lineno(file).items()
            }

    def of(self, mutation: Mutation, seconds: float) -> list[str]:
        """Return tests up to a total time, fast ones first and from all files in turn.

        Lines that run at import or in another process are attributed to the tests of
        their module, or of the folder that mirrors its package.
        """
        lines = self.lines.get(mutation.path, {})
        span = range(mutation.line, mutation.end_line + 1)
        found = set().union(*(lines.get(line, set()) for line in span))
        found = found or set().union(*lines.values())
        if not found:
            package = Path(mutation.path).parent.name.strip("_")
            found = {t for t in self.seconds if t.startswith(f"tests/{package}/")}
        by_file = defaultdict(list)
        for test in sorted(found, key=lambda test: (self.seconds[test], test)):
            by_file[test.partition("::")[0]].append(test)
        chosen, total = [], 0.0
        for test in filter(
            None, (t for row in zip_longest(*by_file.values()) for t in row)
        ):
            total += self.seconds[test]
            if chosen and total > seconds:
                break
            chosen.append(test)
        return chosen


# -- runs --------------------------------------------------------------------


def run(mutation: Mutation, tests: list[str], tree: Path, timeout: float) -> str:
    """Run tests on the mutated copy, and return the failed test or another reason.

    Return an empty string if all tests pass.
    """
    path = tree / mutation.path
    source = path.read_bytes()
    arguments = tree / "tests.txt"
    arguments.write_text("\n".join(tests), "utf-8")
    path.write_bytes(mutation.apply(source))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "--timeout=100"]
    command += ["-p", "no:cacheprovider", "-p", "no:randomly", "-n", "0"]
    try:
        done = subprocess.run(
            [*command, f"@{arguments}"],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return "(timeout)"
    finally:
        path.write_bytes(source)
    if done.returncode == 0:
        return ""
    lines = [*done.stderr.splitlines(), *done.stdout.splitlines()]
    found = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return found[-1] if found else f"(exit code {done.returncode})"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("coverage", help="coverage data with the contexts of tests")
    parser.add_argument("times", help="JUnit file of the same run")
    parser.add_argument("--n", type=int, default=90)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="paths of modules to mutate")
    parser.add_argument("--jobs", type=int, default=1, help="mutants in parallel")
    parser.add_argument("--seconds", type=float, default=120, help="tests per mutant")
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--compare", help="results of an earlier run to compare with")
    options = parser.parse_args()

    tests = Tests(options.coverage, options.times)
    with tempfile.TemporaryDirectory() as folder:
        local = threading.local()
        data = ROOT.parent / "shared" / "data"
        os.environ.setdefault("SKDEEPFAKE_DATA", str(data))
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # mutants may share a timestamp

        def check(mutation: Mutation) -> dict[str, object]:
            if not hasattr(local, "tree"):
                local.tree = Path(tempfile.mkdtemp(dir=folder)) / "checkout"
                ignored = shutil.ignore_patterns(".git", "__pycache__", "_build")
                shutil.copytree(ROOT, local.tree, ignore=ignored)
            chosen = tests.of(mutation, options.seconds)
            timeout = 120 + 4 * sum(tests.seconds[test] for test in chosen)
            by = run(mutation, chosen, local.tree, timeout) if chosen else ""
            print(
                f"{'killed' if by else 'SURVIVED':8} {mutation.path}:{mutation.line} "
                f"{mutation.kind}: {mutation.old[:50]!r} -> {mutation.new[:50]!r} "
                f"({len(chosen)} tests) {by[:90]}",
                flush=True,
            )
            return {**asdict(mutation), "tests": len(chosen), "killed_by": by}

        drawn = draw(options.n, options.seed)
        if options.only:
            drawn = [mutation for mutation in drawn if mutation.path in options.only]
        with ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(check, drawn))
    killed = [result for result in results if result["killed_by"]]
    print(f"{len(killed)} of {len(results)} killed; by kind:")
    everything = Counter(str(result["kind"]) for result in results)
    for kind, n in Counter(str(result["kind"]) for result in killed).items():
        print(f"  {kind}: {n} of {everything[kind]}")
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if not options.compare:
        return 0
    before = json.loads(Path(options.compare).read_text("utf-8"))
    names = ("path", "old", "new", "kind")
    now = {tuple(r[name] for name in names): r["killed_by"] for r in results}
    lost = [
        f"{r['path']}:{r['line']} {r['old']} -> {r['new']}: {r['killed_by']}"
        for r in before
        if r["killed_by"] and now.get(tuple(r[name] for name in names)) == ""
    ]
    print(f"{len(lost)} killed before and not now", *lost, sep="\n")
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
