"""The fingerprint of a run's code: it changes when, and only when, code does that the run depends
on."""

import shutil
import subprocess
from pathlib import Path

import pytest

from loralab import code

FILES = {
    "proxies/one.py": "import lora\nfrom theory import law\nfrom loralab.statistics import mean\n",
    "proxies/other.py": "from theory import law\n",
    "lora/__init__.py": "from .layer import Layer\n",
    "lora/layer.py": "from . import product\n",
    "lora/product.py": "from .deep.kernel import fuse\n",
    "lora/deep/__init__.py": "",  # an import of a module runs its package too
    "lora/deep/kernel.py": "from ..last import stop\n",
    "lora/last.py": "import numpy\nfrom numpy import linalg\n",
    "lora/lonely.py": "",
    "theory/law.py": "def far():\n    import theory.late\n",
    "theory/late.py": "",
    "loralab/statistics/__init__.py": "from loralab.statistics.student import mean\n",
    "loralab/statistics/student.py": "from loralab import table\n",
    "loralab/table.py": "",
    "README.md": "",
    # as in site-packages, where the project lies beside all that it depends on
    "numpy/__init__.py": "from numpy import core\n",
    "numpy/core.py": "",
    "numpy/linalg/__init__.py": "",
}
NEEDED = {
    "proxies/one.py",
    "lora/__init__.py",
    "lora/layer.py",
    "lora/product.py",
    "lora/deep/__init__.py",
    "lora/deep/kernel.py",
    "lora/last.py",
    "theory/law.py",
    "theory/late.py",
    "loralab/statistics/__init__.py",  # a package of loralab/ whole, and nothing beyond it
    "loralab/statistics/student.py",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    return tmp_path


def fingerprint(project: Path) -> str:
    code.fingerprint.cache_clear()
    return code.fingerprint(project / "proxies/one.py")


def test_the_closure_is_what_is_imported_directly_or_not(project):
    found = {
        file.relative_to(project).as_posix() for file in code.closure(project / "proxies/one.py")
    }
    assert found == NEEDED


@pytest.mark.parametrize("name", FILES)
def test_an_edit_counts_where_the_file_is_needed(project, name):
    before = fingerprint(project)
    with (project / name).open("a") as file:
        file.write("# edited\n")
    assert (fingerprint(project) != before) == (name in NEEDED)


def test_a_file_that_changes_its_name_counts(project):
    before = fingerprint(project)
    (project / "proxies/one.py").write_text(
        "import lora\nfrom theory import rule\nfrom loralab.statistics import mean\n"
    )
    renamed = fingerprint(project)
    shutil.move(project / "theory/law.py", project / "theory/rule.py")
    assert len({before, renamed, fingerprint(project)}) == 3


def test_a_file_from_elsewhere_counts_by_its_name_and_content(project, tmp_path_factory):
    """A trial of the user's own, which needs nothing but a name."""
    folders = [tmp_path_factory.mktemp("elsewhere") for _ in range(2)]
    found = []
    for folder, text in zip((*folders, folders[1]), ("a = 1", "a = 1", "a = 2"), strict=True):
        (folder / "own.py").write_text(text)
        code.fingerprint.cache_clear()
        found.append(code.fingerprint(folder / "own.py"))
    assert found[0] == found[1] != found[2]
    assert {len(bytes.fromhex(each)) for each in found} == {8}, "64 bits"


def test_the_same_code_in_another_folder_has_the_same_fingerprint(
    project, tmp_path_factory, monkeypatch
):
    before, elsewhere = fingerprint(project), tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(project, elsewhere)
    monkeypatch.setattr(code, "ROOT", elsewhere)
    assert fingerprint(elsewhere) == before


def test_runs_are_kept_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    assert code.home() == tmp_path
    monkeypatch.setenv("LORALAB_HOME", "~/there")
    assert code.home() == Path.home() / "there"
    monkeypatch.delenv("LORALAB_HOME")
    assert code.home() == code.ROOT
    monkeypatch.setattr(code, "ROOT", tmp_path)  # an installed package: no checkout around it
    monkeypatch.chdir(tmp_path)
    assert code.home() == tmp_path


def test_a_changed_tree_is_dirty_and_trials_as_they_come_are_no_change(monkeypatch, tmp_path):
    trials, module = tmp_path / "evidence" / "trials" / "one.jsonl.xz", tmp_path / "module.py"
    trials.parent.mkdir(parents=True)

    def commit() -> str:
        code.provenance.cache_clear()
        return code.provenance()["commit"]

    def git(*words: str) -> None:
        own = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *own, *words], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(code, "ROOT", tmp_path)
    assert commit() == "unknown", "no repository"
    for file in (trials, module):
        file.write_text("1")
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    clean = commit()
    trials.write_text("2")
    assert commit() == clean
    module.write_text("2")
    assert commit() == f"{clean}-dirty"
    code.provenance.cache_clear()


def test_provenance_needs_no_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    code.provenance.cache_clear()
    assert code.provenance()["commit"] == "unknown"
    code.provenance.cache_clear()


def test_a_line_that_moves_to_the_next_file_counts(project):
    late, law = project / "theory/late.py", project / "theory/law.py"  # read in this order
    late.write_text("# note\n")
    before = fingerprint(project)
    late.write_text("")
    law.write_text("# note\n" + FILES["theory/law.py"])
    assert fingerprint(project) != before
