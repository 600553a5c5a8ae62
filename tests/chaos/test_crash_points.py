"""Each place where the study or a file changes hands: killed, failing, or out of disk there."""

import ast
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from made_chaos import FULL, UNEXPECTED, Tally, intact, leftovers, outcome, whole_job
from made_search import place_in, reopen, table, timeless
from nas_cifar10 import crash
from nas_cifar10.crash import POINTS

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork: no thread runs
]

SRC = Path(crash.__file__).parent


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    assert outcome(functools.partial(whole_job, folder)) == 0
    return folder


def crashing(folder: Path, plan: str) -> Callable[[], None]:
    def act() -> None:
        os.environ["NAS_CRASH_AT"] = plan
        whole_job(folder)

    return act


@pytest.mark.parametrize(("how", "code"), [("kill", -9), ("raise", UNEXPECTED), ("enospc", 74)])
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_there_changes_no_number(
    straight: Path, tmp_path: Path, tally: Tally, point: str, how: str, code: int
) -> None:
    passed = 0
    for number in (1, 2, 5) if FULL else (1,):
        found = outcome(crashing(tmp_path, f"{point}:{number}:{how}"))
        assert found in (code, 0)
        passed += found == code
    assert passed, "the point is never come to"
    assert outcome(functools.partial(whole_job, tmp_path)) == 0
    one, other = place_in(tmp_path), place_in(straight)
    assert table(reopen(one)) == table(reopen(other))
    assert timeless(one.run.trials) == timeless(other.run.trials)
    assert one.run.best.read_bytes() == other.run.best.read_bytes()
    weights = [torch.load(p.run.retrain.model, weights_only=True) for p in (one, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
    scores = [json.loads(p.run.retrain.metrics.read_text()) for p in (one, other)]
    assert scores[0]["test"] == scores[1]["test"]
    assert intact(one.run.study)
    assert [path for path in leftovers(tmp_path) if path != one.run.retrain.checkpoint] == []
    tally(f"crash points, {how}", points=1, crashes=passed, same_table=1)


def test_every_point_is_passed_somewhere_and_no_other() -> None:
    passed = [
        ast.literal_eval(node.args[0])
        for path in SRC.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "crash_point"
    ]
    assert sorted(passed) == sorted(POINTS)
