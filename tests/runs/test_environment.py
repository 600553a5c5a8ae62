"""What produced a number: versions and commit, without torch."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas_cifar10.runs import environment


def test_versions_commit_and_machine_are_there() -> None:
    found = environment.describe()
    assert set(found) == {"versions", "commit", "machine"}
    assert set(found["versions"]) == {
        "python",
        "nas-cifar10",
        "torch",
        "torchvision",
        "optuna",
        "scikit-learn",
        "numpy",
        "pillow",
    }
    assert all(re.match(r"\d+\.", version) for version in found["versions"].values())
    assert found["commit"] is None or re.fullmatch(r"[0-9a-f]{7,40}(-dirty)?", found["commit"])
    assert set(found["machine"]) == {"system", "processor"}


def test_nothing_heavy_is_imported_for_it() -> None:
    code = (
        "import sys; from nas_cifar10.runs import environment; environment.describe();"
        "sys.exit('torch' in sys.modules or 'optuna' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_PACKAGES", ("no-such-package",))
    assert environment.describe()["versions"]["no-such-package"] is None


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert environment.describe()["commit"] is None


def test_somebody_elses_checkout_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    (tmp_path / "environment.py").touch()
    if environment._git("--version") is None:
        pytest.skip("needs git")
    assert environment._git("init") is not None
    assert environment.describe()["commit"] is None
