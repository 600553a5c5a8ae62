"""The whole tool on a machine that reaches nobody."""

import json
import subprocess
from pathlib import Path

import pytest

from made_chaos import by_itself
from made_tiny import tiny_yaml

pytestmark = pytest.mark.chaos

TINY = tiny_yaml(name="tiny", search="trials: 4, cohort: 2, workers: 2")


def cut_off() -> tuple[str, ...]:
    """Return the command that starts another without a network, or skip."""
    for words in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        try:
            subprocess.run([*words, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return words
    pytest.skip("unshare --net is not permitted here")


def test_search_retrain_and_report_need_no_network(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    before = cut_off()
    done = by_itself(tmp_path, "run", "--config", "tiny.yaml", "--run", "out", before=before)
    assert done.code == 0, done.said
    assert json.loads((tmp_path / "out" / "retrain" / "metrics.json").read_text())["test"]


def test_pictures_that_are_not_there_are_named_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("source: digits", "source: cifar10"))
    done = by_itself(tmp_path, "run", "--config", "tiny.yaml", before=cut_off())
    assert done.code == 66, done.said
    assert "cifar-10-python.tar.gz" in done.said
    assert "Traceback" not in done.said
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]
