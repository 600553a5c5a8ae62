"""A retrain that begins with another run's weights: what it takes, what it refuses, resuming."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from made_retrain import go, made_job
from made_study import made_config
from made_trained import nas, refused, trained_run
from nas_cifar10.errors import StateError
from nas_cifar10.retrain.job import Job
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.folder import RetrainFolder, RunFolder

ONE = ("space.depth=2", "space.channels=4", "space.kernel_size=3", "search.trials=1")
RICH = (*ONE, "space.norm=batch", "space.stem=whitening", "space.convolutions=2", "space.skip=add")
RECIPES = {
    "plain": (),
    "muon": ("training.optimizer=muon", "training.flip=random"),
    "averaged": ("training.weight_averaging=0.9", "training.schedule=cosine"),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return trained_run(tmp_path_factory.mktemp("source"), *RICH, "name=source & <co>")


def begun(
    run: RunFolder, source: RunFolder, *overrides: str, resume: bool = False, drawn: bool = False
) -> Any:
    settings = (f"retrain.start_from={source.root}", *overrides)
    words = [word for key in settings for word in ("--set", key)]
    words += ["--resume"] if resume else []
    return nas("retrain", "--run", run.root, *words, drawn=drawn)


def kept(folder: RetrainFolder) -> tuple[bytes, Any]:
    return folder.model.read_bytes(), read_json(folder.metrics) | {"seconds": 0}


def weights(folder: RetrainFolder) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(folder.model, weights_only=True)
    return found


def test_other_classes_begin_with_the_weights_and_a_new_last_layer(
    source: RunFolder, tmp_path: Path
) -> None:
    run = trained_run(tmp_path, *RICH, "data.image_size=12", "seed=5")
    fresh = kept(run.retrain)
    assert begun(run, source, "retrain.freeze=2", "retrain.epochs=1").exit_code == 0
    theirs, ours = weights(source.retrain), weights(run.retrain)
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]) != name.startswith("head."), name
    assert begun(run, source).exit_code == 0
    assert kept(run.retrain) != fresh
    assert not torch.equal(weights(run.retrain)["block2.0.weight"], theirs["block2.0.weight"])


def test_model_card_and_page_say_where_it_began(source: RunFolder, tmp_path: Path) -> None:
    run = trained_run(tmp_path, *RICH, "seed=5")
    assert "start" not in read_json(run.retrain.description)["provenance"]
    assert begun(run, source, "retrain.freeze=1", drawn=True).exit_code == 0
    origin = read_json(run.retrain.description)["provenance"]
    digest = hashlib.sha256(source.retrain.model.read_bytes()).hexdigest()
    theirs = read_json(source.retrain.description)["provenance"]
    assert origin["start"] == {
        "run": str(source.root),
        "sha256": digest,
        **{key: theirs[key] for key in ("study", "trial", "fingerprint")},
    }
    assert origin["retrain"]["freeze"] == 1
    card = run.retrain.card.read_text()
    assert "Trained from the weights of another model" in card
    assert "source &amp; &lt;co&gt;" in card
    assert "the stem and 1 of the blocks stayed as they were, on train + validation" in card
    apart = "The pictures must not be among those that the model it began with learnt from"
    assert apart in card
    page = run.page.read_text(encoding="utf-8")
    assert "It began with the weights of another run" in page
    assert "study source &amp; &lt;co&gt;, trial 0" in page
    unread = ("retrain.monitor=validation", "retrain.test=false")
    assert begun(run, source, *unread, drawn=True).exit_code == 0
    assert apart in run.retrain.card.read_text()
    assert "must not be among these validation pictures" in run.page.read_text(encoding="utf-8")


@pytest.mark.parametrize("overrides", RECIPES.values(), ids=RECIPES.keys())
@pytest.mark.parametrize("freeze", [0, 1, 2])
def test_a_stopped_one_goes_on_to_the_same_bits(
    source: RunFolder, tmp_path: Path, overrides: tuple[str, ...], freeze: int
) -> None:
    start = (f"retrain.start_from={source.root}", f"retrain.freeze={freeze}")
    whole, parts = (transferred(tmp_path / name, *start, *overrides) for name in ("a", "b"))
    go(whole)
    go(parts, epochs=1)
    assert len(go(parts, resume=True)) == 2
    assert kept(parts.folder) == kept(whole.folder)


def transferred(folder: Path, *overrides: str) -> Job:
    """Return a retrain of the source's network on other pictures, of other seeds."""
    return made_job(folder, *RICH, "seed=3", *overrides, space=RICH)


def test_other_starting_weights_do_not_go_on_from_a_checkpoint(
    source: RunFolder, tmp_path: Path
) -> None:
    run = trained_run(tmp_path, *RICH, "seed=5")
    for overrides in ((), ("retrain.freeze=1",)):
        result = begun(run, source, *overrides, resume=True)
        assert result.exit_code == 78, result.output
        assert "or one that began with other weights" in result.stderr
    assert begun(run, source).exit_code == 0
    anew = ("--set", "retrain.start_from=null")
    assert nas("retrain", "--run", run.root, "--resume", *anew).exit_code == 78


REFUSED = {
    "seven": (("space.kernel_size=5",), "kernel_size of block 1 is 3 there, 5 here"),
    "wider": (("space.channels=8",), "channels of block 1 is 4 there, 8 here"),
    "deeper": (("space.depth=1",), "2 blocks there, 1 here"),
    "stemmed": (("space.stem=none",), "stem is whitening there, none here"),
    "active": (("space.activation=gelu",), "activation of block 1 is relu there, gelu here"),
}


@pytest.mark.parametrize(("overrides", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_a_network_that_differs_is_refused_in_one_line(
    source: RunFolder, tmp_path: Path, overrides: tuple[str, ...], told: str
) -> None:
    run = trained_run(tmp_path, *RICH, *overrides)
    before = kept(run.retrain)
    result = begun(run, source)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("retrain.")]
    start = f"retrain.start_from: {source.root}: its network must be that of trial 0 in all but"
    assert line.startswith(f"{start} the head: {told}; search a space")
    assert kept(run.retrain) == before


def test_too_many_frozen_blocks_and_the_run_itself_are_refused(
    source: RunFolder, tmp_path: Path
) -> None:
    run = trained_run(tmp_path, *RICH, "seed=5")
    result = begun(run, source, "retrain.freeze=3")
    assert result.exit_code == 2
    assert "retrain.freeze: must be at most 2, the blocks of trial 0, got 3" in result.stderr
    own = begun(run, run)
    assert (own.exit_code, "is the run itself" in own.stderr) == (2, True)


def test_a_model_of_other_colours_is_refused(source: RunFolder, tmp_path: Path) -> None:
    job = transferred(tmp_path)
    images = job.data.images.expand(-1, 3, -1, -1)
    coloured = replace(job.data, images=images)
    with pytest.raises(ValueError, match="its pictures have 1 channels, these have 3"):
        made_job(
            tmp_path / "b", *RICH, f"retrain.start_from={source.root}", data=coloured, space=RICH
        )


def test_a_missing_or_damaged_source_is_told_before_anything_is_trained(
    source: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text((source.root.parent / "config.yaml").read_text())
    words = ("run", "--config", tmp_path / "config.yaml", "--run", tmp_path / "run")
    none = ("--set", f"retrain.start_from={tmp_path / 'none'}")
    told = f"retrain.start_from: {tmp_path}/none/retrain/model.json: no such file"
    assert told in refused(66, *words, *none)
    assert not (tmp_path / "run/study.db").exists()
    copy = RunFolder(tmp_path / "copy").retrain
    copy.root.mkdir(parents=True)
    copy.description.write_bytes(source.retrain.description.read_bytes())
    copy.model.write_bytes(source.retrain.model.read_bytes()[:-100])
    damaged = ("--set", f"retrain.start_from={copy.root.parent}")
    told = f"retrain.start_from: {copy.root}/model.pt: damaged"
    assert told in refused(65, *words, *damaged)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (("space.channels=[8,16]",), "blocks.0.channels: must be in space.channels, which is [8, "),
        (("space.depth=1",), "blocks: number of blocks must be in space.depth, which is 1, got 2"),
        (("space.stem=conv",), "stem: must be in space.stem, which is conv, got whitening"),
    ],
)
def test_a_space_without_the_network_is_told_before_the_search(
    source: RunFolder, tmp_path: Path, overrides: tuple[str, ...], told: str
) -> None:
    words = with_start(source, tmp_path, *overrides)
    said = refused(2, *words)
    start = f"retrain.start_from: {source.root}: no network of this space is its network: "
    assert start + told in said
    assert not (tmp_path / "run/study.db").exists()


def test_more_frozen_blocks_than_there_are_is_told_before_the_search(
    source: RunFolder, tmp_path: Path
) -> None:
    words = with_start(source, tmp_path, "retrain.freeze=3")
    assert "retrain.freeze: must be at most 2, the blocks of" in refused(2, *words)
    assert not (tmp_path / "run/study.db").exists()


def with_start(source: RunFolder, folder: Path, *overrides: str) -> list[object]:
    """Return a whole run that would begin with the source's weights."""
    (folder / "config.yaml").write_text((source.root.parent / "config.yaml").read_text())
    settings = (*RICH, f"retrain.start_from={source.root}", *overrides)
    sets = [word for key in settings for word in ("--set", key)]
    return ["run", "--config", folder / "config.yaml", "--run", folder / "run", *sets]


def test_workers_of_two_threads_train_after_the_weights_were_looked_at(tmp_path: Path) -> None:
    """A process whose threads have computed cannot be forked, and large weights wake them."""
    short = ("training.epochs=1", "retrain.epochs=1", "search.trials=2")
    wide = (*ONE, "space.channels=64", *short)
    source = trained_run(tmp_path / "source", *wide)
    begin = f"retrain.start_from={source.root}"
    settings = (*wide, begin, "search.workers=2", "training.threads=2")
    sets = [word for key in settings for word in ("--set", key)]
    config = str(source.root.parent / "config.yaml")
    words = ["run", "--config", config, "--run", str(tmp_path / "run"), *sets]
    assert subprocess.run([sys.executable, "-m", "nas_cifar10", *words]).returncode == 0


def test_a_run_on_fewer_classes_begins_with_the_weights(tmp_path: Path) -> None:
    """From four folders to three, each a run of one command."""
    four = trained_run(tmp_path / "four", *RICH, *folders_of_noise(tmp_path / "a", 4))
    begin = (f"retrain.start_from={four.root}", "retrain.freeze=2", "retrain.epochs=1")
    three = trained_run(tmp_path / "three", *RICH, *folders_of_noise(tmp_path / "b", 3), *begin)
    theirs, ours = weights(four.retrain), weights(three.retrain)
    assert (len(theirs["head.bias"]), len(ours["head.bias"])) == (4, 3)
    for name in ours:
        if not name.startswith("head."):
            assert torch.equal(ours[name], theirs[name]), name


def folders_of_noise(root: Path, classes: int) -> tuple[str, ...]:
    """Write 20 pictures a class; return how a config names them."""
    generator = np.random.default_rng(classes)
    for number in range(classes):
        (folder := root / f"train/class {number}").mkdir(parents=True)
        for picture in range(20):
            noise = generator.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(noise).save(folder / f"{picture}.png")
    source = ("data.source=image_folder", f"data.root={root}", "data.image_size=8")
    return (*source, "data.limit=null")


def test_other_colours_are_told_before_the_search(source: RunFolder, tmp_path: Path) -> None:
    words = with_start(source, tmp_path, *folders_of_noise(tmp_path / "pictures", 2))
    assert "its pictures have 1 channels, these have 3" in refused(2, *words)
    assert not (tmp_path / "run/study.db").exists()


def test_a_checkpoint_names_its_start(source: RunFolder, tmp_path: Path) -> None:
    job = transferred(tmp_path, f"retrain.start_from={source.root}")
    go(job, epochs=1)
    with pytest.raises(StateError, match="began with other weights"):
        go(replace(job, source=None), resume=True)
    assert made_config().retrain.start_from is None


def test_a_run_that_would_begin_with_itself_is_refused_while_its_model_is_there(
    source: RunFolder, tmp_path: Path
) -> None:
    words = ["--overwrite", "--run", source.root]
    said = refused(2, *with_start(source, tmp_path), *words)
    assert "is the run itself, whose model is replaced; name another run" in said
    assert source.retrain.model.exists()
