"""Project files are consistent with the code, README and each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import skdeepfake

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = ["bug_report.yml", "feature_request.yml"]


def text(path: str | Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def read(path: str | Path) -> Any:
    return yaml.safe_load(text(path))


def workflow(name: str) -> Any:
    return read(f".github/workflows/{name}.yml")


def steps(jobs: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in jobs.values() for step in job["steps"]]


def commands(name: str, job: str | None = None) -> list[str]:
    """Return the lines of all `run` steps of a workflow."""
    jobs = workflow(name)["jobs"]
    chosen = jobs if job is None else {job: jobs[job]}
    runs = [step["run"] for step in steps(chosen) if "run" in step]
    return [line.strip() for run in runs for line in run.splitlines()]


PROJECT = tomllib.loads(text("pyproject.toml"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = [
    version
    for classifier in PROJECT["classifiers"]
    if (version := classifier.rpartition("Python :: ")[2]).startswith("3.")
]


# -- workflows -------------------------------------------------------------------


def test_workflows_are_named_after_their_files() -> None:
    names = [path.stem for path in WORKFLOWS]
    assert names == ["docs", "nightly", "release", "tests"]
    assert [workflow(name)["name"] for name in names] == names


def test_matrix_is_what_pyproject_and_readme_promise() -> None:
    matrix = workflow("tests")["jobs"]["newest"]["strategy"]["matrix"]
    assert matrix["python"] == PYTHONS
    assert all(isinstance(version, str) for version in matrix["python"])  # not 3.1
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}." in text("README.md")
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


def test_oldest_dependencies_are_tested_on_the_oldest_python() -> None:
    jobs = workflow("tests")["jobs"]
    (version,) = [
        step["with"]["python-version"]
        for step in jobs["oldest"]["steps"]
        if "setup-python" in step.get("uses", "")
    ]
    assert version == PYTHONS[0]
    (install,) = [line for line in commands("tests", "oldest") if "uv pip" in line]
    assert "--resolution lowest-direct" in install
    assert install.endswith(' -e ".[test]"')
    wanted = [*PROJECT["dependencies"], *EXTRAS["test"]]
    bounded = [Requirement(line) for line in wanted]
    assert all(
        any(each.operator == ">=" for each in requirement.specifier)
        for requirement in bounded
        if requirement.name != "skdeepfake"
    )


def test_commands_of_readme_are_run_as_it_says() -> None:
    (test,) = re.findall(r"^pip install .*&& pytest.*$", text("README.md"), re.M)
    assert commands("tests", "newest") == [test]
    assert commands("tests", "ci") == ["make ci"]
    assert commands("nightly") == ["make nightly"]
    assert commands("docs") == ['pip install -e ".[docs]"', "make docs"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_may_do_no_more_than_it_must(path: Path) -> None:
    found = read(path)
    assert found["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in found[True]  # YAML's `on`
    assert "secrets" not in text(path)
    allowed = {
        "deploy": {"pages": "write", "id-token": "write"},
        "publish": {"id-token": "write"},
    }
    for name, job in found["jobs"].items():
        assert job.get("permissions") == allowed.get(name), name
        assert job["timeout-minutes"] <= 90, name
    for step in steps(found["jobs"]):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        # Names that others can choose, such as branches, are not passed to a shell.
        assert "${{" not in step.get("run", "")


def test_site_is_deployed_from_main_alone() -> None:
    jobs = workflow("docs")["jobs"]
    condition = "github.event_name == 'push' && github.ref == 'refs/heads/main'"
    assert jobs["deploy"]["if"] == condition
    assert jobs["deploy"]["needs"] == "build"
    (uploaded,) = [
        step["with"]["path"]
        for step in jobs["build"]["steps"]
        if "upload-pages-artifact" in step.get("uses", "")
    ]
    assert f" docs {uploaded}\n" in text("Makefile")


def test_release_is_built_where_nothing_may_be_published() -> None:
    found = workflow("release")
    assert found[True] == {"push": {"tags": ["v*"]}}
    jobs = found["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["environment"] == "release"
    assert [step["uses"].partition("@")[0] for step in jobs["publish"]["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]
    assert "python -m build" in commands("release", "build")


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("tag", "section", "said"),
    [
        ("v{}", "## [{}] - 2026-12-01", None),
        ("v9.9.9", "## [{}] - 2026-12-01", "the tag is v9.9.9, but the version"),
        ("{}", "## [{}] - 2026-12-01", "the tag is"),
        ("v{}", "## [Unreleased]", "CHANGELOG.md has no section"),
    ],
)
def test_release_stops_where_tag_version_and_changelog_differ(
    tmp_path: Path, tag: str, section: str, said: str | None
) -> None:
    version = skdeepfake.__version__
    (check,) = [
        step["run"]
        for step in workflow("release")["jobs"]["build"]["steps"]
        if "CHANGELOG.md" in step.get("run", "")
    ]
    (tmp_path / "CHANGELOG.md").write_text(section.format(version), encoding="utf-8")
    done = subprocess.run(
        ["bash", "-e", "-c", check.replace("$(python ", f'$("{sys.executable}" ')],
        cwd=tmp_path,
        env={
            **os.environ,
            "GITHUB_REF_NAME": tag.format(version),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == (said is not None), done.stderr
    assert (said or "") in done.stdout


# -- issues ----------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
def test_form_asks_each_question_once(name: str) -> None:
    form = read(f".github/ISSUE_TEMPLATE/{name}")
    assert form.keys() == {"name", "description", "labels", "body"}
    kinds = [part["type"] for part in form["body"]]
    assert set(kinds) == {"markdown", "textarea"}
    asked = [part["id"] for part in form["body"] if part["type"] == "textarea"]
    assert len(set(asked)) == len(asked) >= 3
    assert not read(".github/ISSUE_TEMPLATE/config.yml")["blank_issues_enabled"]


def test_bug_report_warns_of_faces_and_its_commands_run(tmp_path: Path) -> None:
    form = read(".github/ISSUE_TEMPLATE/bug_report.yml")
    assert form["body"][0]["attributes"]["value"].startswith("**Do not upload videos,")
    asked = {part.get("id"): part["attributes"] for part in form["body"]}
    code = [
        re.search(r'`python -c "(.+?)"', asked[name]["description"])[1]
        for name in ("versions", "video")
    ]
    for line in code:
        compile(line, "bug_report.yml", "exec")
    video = [sys.executable, "-c", code[1], str(tmp_path / "none.mp4")]
    done = subprocess.run(video, capture_output=True, text=True, check=True)
    assert "No such file" in done.stderr  # from FFmpeg
    assert "none.mp4" in done.stderr
    modules = code[0].partition(";")[0].removeprefix("import ").split(", ")
    assert modules == ["skdeepfake", "sklearn", "keras", "cv2"]


def test_pull_request_is_asked_for_what_contributing_asks_for() -> None:
    template = text(".github/PULL_REQUEST_TEMPLATE.md")
    for command in re.findall(r"`(make \w+)`", template):
        assert command.removeprefix("make ") in targets()
    assert "CHANGELOG.md" in template
    assert "benchmarks/" in template


# -- Makefile, CONTRIBUTING, CITATION --------------------------------------------


def targets() -> dict[str, str]:
    """Return the descriptions of the targets in the Makefile."""
    return dict(re.findall(r"^([a-z]+):.*## (.*)$", text("Makefile"), re.M))


def test_setup_installs_extras_that_are_there() -> None:
    (extras,) = re.findall(r'install -e "\.\[(.+)\]"', text("Makefile"))
    assert set(extras.split(",")) <= EXTRAS.keys()
    names = {Requirement(line).name for line in EXTRAS["docs"]}
    assert {"sphinx", "myst-parser", "pydata-sphinx-theme"} <= names


def test_map_of_contributing_names_what_is_in_the_package() -> None:
    (drawn,) = re.findall(r"^skdeepfake/\n((?: .*\n)+)", text("CONTRIBUTING.md"), re.M)
    named = re.findall(r"^  (\S+) +\S", drawn, re.M)
    there = [
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "skdeepfake").iterdir()
        if (path.suffix == ".py" or list(path.glob("*.py")))  # skips empty folders
        and not path.name.startswith("__")
    ]
    assert sorted(named) == sorted(there)
    for inner in re.findall(r"^    (\S+) +\S", drawn, re.M):
        assert list((ROOT / "skdeepfake").glob(f"*/{inner}")), inner


def test_contributing_leads_to_files_and_targets_that_are_there() -> None:
    contributing = text("CONTRIBUTING.md")
    links = re.findall(r"\]\((?!\w+:)([^)#]+)", contributing)
    assert {"docs/development/extending.md", "docs/development/architecture.md"} <= {
        *links
    }
    assert [link for link in links if not (ROOT / link).exists()] == []
    said = set(re.findall(r"\bmake (\w+)`?", contributing))
    assert said - {"sure"} >= targets().keys() - {"help"}


def test_citation_is_of_this_version_under_this_licence() -> None:
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == skdeepfake.__version__ == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["type"] == "software"
    assert citation["authors"] == [{"name": "The skdeepfake developers"}]
    (paper,) = citation["references"]
    assert paper["title"] == "Deepfake detection"
    assert [author["family-names"] for author in paper["authors"]] == [
        *("Volisetty", "Sen", "Savala")
    ]
    assert paper["year"] == 2023
    # README cites the same paper.
    assert 'Volisetty, Sen and Savala, "Deepfake detection" (2023)' in re.sub(
        r"\s+", " ", text("README.md")
    )


def test_hooks_run_what_lint_runs() -> None:
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    hooks = {hook["id"]: hook["entry"] for hook in repository["hooks"]}
    assert hooks == {
        "ruff-check": "ruff check --fix",
        "ruff-format": "ruff format",
        "mypy": "mypy",
    }
