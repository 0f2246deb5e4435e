"""The workflows of the forge run what is there, on every Python that is promised."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import loralab

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "workflows"


def jobs(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))["jobs"]


def steps(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


CI, [RELEASE] = jobs("ci"), jobs("release").values()


def test_every_python_is_tested_with_lowest_and_newest_versions():
    assert CI["newest"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert any("--resolution lowest-direct" in step for step in steps(CI["lowest"]))
    assert steps(CI["run"]) == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("name", CI)
def test_a_job_has_a_limit_and_makes_what_there_is(name):
    assert CI[name]["timeout-minutes"] <= 60
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for step in steps(CI[name]):
        for target in re.findall(r"\bmake (\w+)", step):
            assert re.search(rf"^{target}:", targets, re.MULTILINE), f"make {target}"


def of_release(step: str, version: str, folder: Path) -> subprocess.CompletedProcess[str]:
    [command] = [x["run"] for x in RELEASE["steps"] if x.get("name") == step]
    (folder / "loralab").mkdir(exist_ok=True)
    for name in ("CHANGELOG.md", "loralab/__init__.py"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    env = os.environ | {"GITHUB_REF_NAME": f"v{version}"}
    return subprocess.run(["bash", "-e", "-c", command], cwd=folder, env=env, text=True)


@pytest.mark.parametrize("step", ["the tag is of this version", "notes"])
def test_a_release_is_of_this_version_alone(step, tmp_path):
    assert of_release(step, loralab.__version__, tmp_path).returncode == 0
    assert of_release(step, "9.9.9", tmp_path).returncode != 0


def test_the_notes_are_the_section_of_the_version(tmp_path):
    of_release("notes", loralab.__version__, tmp_path)
    lines = (tmp_path / "notes.md").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"## [{loralab.__version__}] - ")
    assert sum(line.startswith("## ") for line in lines) == 1
    assert len(lines) > 3
