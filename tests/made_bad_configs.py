"""Bad configs, at least two for every rule of docs/configuration.md, and what is said of each."""

from dataclasses import dataclass

import yaml

GOOD = """\
name: good
data: {source: image_folder}
space:
  training: {learning_rate: {low: 1e-4, high: 1e-2}}
search:
  baseline:
    architecture: {blocks: [{channels: 16, kernel_size: 3}, {channels: 32, kernel_size: 5}]}
    training: {learning_rate: 1e-3}
"""
BLOCKS = "search.baseline.architecture.blocks"
MARK = "here"

# Rules about one key: what must not be set; the message opens with the key.
KEYS: dict[str, tuple[str, ...]] = {
    "name": ("name=", "name=3", "name=' '", f"name={'x' * 201}", 'name="a\\nb"', 'name="\\0"'),
    "seed": ("seed=-1", "seed=4294967296", "seed=1.5", "seed=x"),
    "data": ("data=", "data=digits", "data=[digits]"),
    "data.source": ("data.source=mnist", "data.source=", "data={root: data}"),
    "data.root": ('data.root=""', "data.root=3", 'data.root="a\\0"', "data.root=" + "x" * 1001),
    "data.image_size": ("data.image_size=1", "data.image_size=1025", "data.image_size=32.0"),
    "data.validation_images": (
        "data.validation_images=0",
        "data.validation_images=1.0",
        "data.validation_images=-0.1",
        "data.validation_images=all",
    ),
    "data.test_images": ("data.test_images=-1", "data.test_images=0.0", "data.test_images="),
    "data.limit": ("data.limit=0", "data.limit=0.5", "data.limit=-1"),
    "data.on_bad_image": ("data.on_bad_image=ignore", "data.on_bad_image=false"),
    "space": ("space=", "space=[2, 3]", "space=plain"),
    "space.depth": ("space.depth=0", "space.depth=[2, 11]", "space.depth={low: 0, high: 3}"),
    "space.channels": ("space.channels=[0, 16]", "space.channels=4097", "space.channels=16.0"),
    "space.kernel_size": (
        "space.kernel_size=[3, 4]",
        "space.kernel_size=33",
        "space.kernel_size={low: 2, high: 5}",
    ),
    **{
        f"space.{key}": (f"space.{key}=yes", f"space.{key}=[{good}, some]", f"space.{key}=3")
        for key, good in {
            "kind": "conv",
            "norm": "none",
            "activation": "relu",
            "pooling": "max",
            "skip": "add",
            "stem": "none",
            "head": "max",
        }.items()
    },
    "space.initialisation": ("space.initialisation=zero", "space.initialisation={low: 0, high: 1}"),
    "space.convolutions": ("space.convolutions=0", "space.convolutions=[1, 9]"),
    "space.dropout": ("space.dropout=1", "space.dropout={low: -0.1, high: 0.5}"),
    "space.training": ("space.training=", "space.training=0.01"),
    "space.training.learning_rate": (
        "space.training.learning_rate={low: 0, high: 1}",
        "space.training.learning_rate={low: -0.1, high: 1}",
        "space.training.learning_rate=[1e-3, 101]",
        "space.training.learning_rate=.nan",
        "space.training.learning_rate=fast",
    ),
    "space.training.batch_size": (
        "space.training.batch_size=[32, 0]",
        "space.training.batch_size=100001",
        "space.training.batch_size={low: 1.5, high: 3}",
    ),
    "space.training.weight_decay": (
        "space.training.weight_decay=-0.1",
        "space.training.weight_decay=[0, 11]",
        "space.training.weight_decay={low: 0, high: much}",
    ),
    "space.training.label_smoothing": (
        "space.training.label_smoothing=1.0",
        "space.training.label_smoothing=[0.1, -0.1]",
    ),
    "space.training.translate": ("space.training.translate=1.5", "space.training.translate=-1"),
    "space.training.cutout": ("space.training.cutout=[8, -8]", "space.training.cutout=1025"),
    "space.training.colour_jitter": (
        "space.training.colour_jitter=1.1",
        "space.training.colour_jitter={low: -0.1, high: 1}",
    ),
    "space.training.mixup": ("space.training.mixup=101", "space.training.mixup=x"),
    "training": ("training=", "training=5"),
    "training.epochs": ("training.epochs=0", "training.epochs=10001", "training.epochs=5.0"),
    "training.batch_size": ("training.batch_size=0", "training.batch_size=[32]"),
    "training.learning_rate": (
        "training.learning_rate=0",
        "training.learning_rate=.inf",
        "training.learning_rate=1e-3x",
    ),
    "training.optimizer": ("training.optimizer=lamb", "training.optimizer="),
    "training.momentum": ("training.momentum=1", "training.momentum=-0.1"),
    "training.schedule": ("training.schedule=linear", "training.schedule=none"),
    "training.weight_decay": ("training.weight_decay=-1e-4", "training.weight_decay=11"),
    "training.bias_factor": ("training.bias_factor=0", "training.bias_factor=1001"),
    "training.label_smoothing": ("training.label_smoothing=1", "training.label_smoothing=-0.1"),
    "training.weight_averaging": ("training.weight_averaging=1", "training.weight_averaging=ema"),
    "training.flip": ("training.flip=true", "training.flip=vertical"),
    "training.translate": ("training.translate=-1", "training.translate=2.0"),
    "training.cutout": ("training.cutout=-8", "training.cutout=half"),
    "training.colour_jitter": ("training.colour_jitter=2", "training.colour_jitter=-0.1"),
    "training.mixup": ("training.mixup=-1", "training.mixup=101"),
    "training.precision": ("training.precision=fp16", "training.precision=32"),
    "training.threads": ("training.threads=0", "training.threads=all", "training.threads=1025"),
    "search": ("search=", "search=[]"),
    "search.trials": ("search.trials=0", "search.trials=ten", "search.trials=1000000001"),
    "search.cohort": ("search.cohort=0", "search.cohort=2.5"),
    "search.objectives": (
        "search.objectives=[macs, accuracy]",
        "search.objectives=[accuracy]",
        "search.objectives=[accuracy, macs, macs]",
        "search.objectives=[accuracy, macro_f1]",
        "search.objectives=[accuracy, speed]",
        "search.objectives=accuracy",
        "search.objectives=[]",
    ),
    "search.objective": ("search.objective=loss", "search.objective=[accuracy]"),
    "search.sampler": ("search.sampler=tpe", "search.sampler="),
    "search.sampler.name": ("search.sampler.name=grid", "search.sampler.name=TPE"),
    "search.sampler.startup_trials": (
        "search.sampler.startup_trials=0",
        "search.sampler.startup_trials=true",
    ),
    "search.schedule": ("search.schedule=none", "search.schedule=[hyperband]"),
    "search.schedule.name": ("search.schedule.name=asha", "search.schedule.name="),
    "search.schedule.reduction_factor": (
        "search.schedule.reduction_factor=1",
        "search.schedule.reduction_factor=101",
    ),
    "search.constraints": ("search.constraints=", "search.constraints=50000"),
    "search.constraints.max_parameters": (
        "search.constraints.max_parameters=0",
        "search.constraints.max_parameters=5e4",
    ),
    "search.constraints.max_macs": (
        "search.constraints.max_macs=-1",
        "search.constraints.max_macs=few",
    ),
    "search.constraints.max_latency_ms": (
        "search.constraints.max_latency_ms=0",
        "search.constraints.max_latency_ms=2ms",
    ),
    "search.workers": ("search.workers=-1", "search.workers=0", "search.workers=all"),
    "search.executor": ("search.executor=slurm", "search.executor=null"),
    "search.ray": ("search.ray=auto", "search.ray=3"),
    "search.ray.address": ("search.ray.address=first.example.org", "search.ray.address=host:99999"),
    "search.ray.cpus": ("search.ray.cpus=0", "search.ray.cpus=all"),
    "search.ray.gpus": ("search.ray.gpus=-1", "search.ray.gpus=none"),
    "search.max_losses": ("search.max_losses=0", "search.max_losses=never"),
    "search.storage_retry_seconds": (
        "search.storage_retry_seconds=0",
        "search.storage_retry_seconds=for ever",
    ),
    "search.max_minutes": ("search.max_minutes=0", "search.max_minutes=soon"),
    "search.baseline": ("search.baseline=small", "search.baseline=[16, 3]"),
    "search.baseline.architecture": (
        "search.baseline.architecture=",
        "search.baseline={training: {learning_rate: 1e-3}}",
    ),
    BLOCKS: (f"{BLOCKS}=[]", f"{BLOCKS}=16-32", "search.baseline.architecture={}"),
    f"{BLOCKS}.N.kind": (
        f"{BLOCKS}=[{{kind: pool, channels: 16, kernel_size: 3}}]",
        f"{BLOCKS}=[{{kind: , channels: 16, kernel_size: 3}}]",
    ),
    **{
        f"{BLOCKS}.N.{key}": tuple(
            f"{BLOCKS}=[{{channels: 16, kernel_size: 3, {key}: {value}}}]" for value in values
        )
        for key, values in {
            "convolutions": ("0", "9"),
            "norm": ("layer", ""),
            "activation": ("tanh", "[relu]"),
            "pooling": ("2", "min"),
            "dropout": ("1", "-0.1"),
            "skip": ("true", "add", "add, kind: residual, convolutions: 2"),
        }.items()
    },
    "search.baseline.architecture.stem": (
        "search.baseline.architecture.stem=patch",
        "search.baseline.architecture.stem=",
    ),
    "search.baseline.architecture.head": (
        "search.baseline.architecture.head=mean",
        "search.baseline.architecture.head=[max]",
    ),
    "search.baseline.architecture.initialisation": (
        "search.baseline.architecture.initialisation=zero",
        "search.baseline.architecture.initialisation=1",
    ),
    f"{BLOCKS}.N.channels": (
        f"{BLOCKS}=[{{channels: 0, kernel_size: 3}}]",
        f"{BLOCKS}=[{{kernel_size: 3}}]",
    ),
    f"{BLOCKS}.N.kernel_size": (
        f"{BLOCKS}=[{{channels: 16, kernel_size: 4}}]",
        f"{BLOCKS}=[{{channels: 16, kernel_size: '3'}}]",
    ),
    "search.baseline.training": ("search.baseline.training=", "search.baseline.training=1e-3"),
    "search.baseline.training.learning_rate": (
        "search.baseline.training.learning_rate=0",
        "search.baseline.training.learning_rate=[1e-3]",
    ),
    **{
        f"search.baseline.training.{key}": (
            f"search.baseline.training.{key}=-1",
            f"search.baseline.training.{key}=[1]",
        )
        for key in (
            "weight_decay",
            "label_smoothing",
            "translate",
            "cutout",
            "colour_jitter",
            "mixup",
        )
    },
    "search.baseline.training.batch_size": (
        "search.baseline.training.batch_size=0",
        "search.baseline.training.batch_size=64.0",
    ),
    "retrain": ("retrain=", "retrain=30"),
    "retrain.epochs": ("retrain.epochs=0", "retrain.epochs=1e2"),
    "retrain.monitor": ("retrain.monitor=train", "retrain.monitor=false"),
    "retrain.freeze": ("retrain.freeze=-1", "retrain.freeze=11", "retrain.freeze=all"),
    "retrain.start_from": ("retrain.start_from=3", "retrain.start_from=' '"),
    "retrain.views": ("retrain.views=true", "retrain.views=[flip]", "retrain.views=translate"),
    "retrain.seeds": ("retrain.seeds=0", "retrain.seeds=3.0"),
    "retrain.test": ("retrain.test=no", "retrain.test=0", "retrain.test="),
}

# Rules about many keys: the message opens with the key that was set.
FORMS: dict[str, tuple[str, ...]] = {
    "choices": ("space.depth=[]", "space.channels=[16, 16]", "space.training.batch_size=[8, 8]"),
    "ranges": (
        "space.depth={low: 3, high: 2}",
        "space.channels={low: 16}",
        "space.kernel_size={low: 3, high: 5, step: 2}",
        "space.training.batch_size={low: 8, high: 64, log: 1}",
        "space.training.weight_decay={low: 0, high: 0.1, log: true}",
    ),
    "known_keys": ("training.lr=0.1", "epochs=3", "search.max_hours=3", "data.value=1"),
}

# Rules about `--set` itself: the message opens with all of it.
SETS: dict[str, tuple[str, ...]] = {
    "set_form": ("search.trials", "=3", "search..trials=3", "name='x"),
    "set_reaches_keys": ("name.x=1", "space.training.learning_rate.low.x=1"),
}

# Rules between keys: what is set together, and the key that the message opens with.
TOGETHER: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "pools_fit": (
        ("space.depth", ("data.image_size=8",)),
        ("space.depth", ("space.depth=[2, 6]",)),
        ("space.depth", ("space.depth=[2, 5]", "space.stem=[none, whitening]")),
    ),
    "searched_or_set": (
        ("training.learning_rate", ("training.learning_rate=1e-3",)),
        (
            "training.batch_size",
            (
                "training.batch_size=64",
                "space.training.batch_size=[64, 128]",
                "search.baseline.training.batch_size=64",
            ),
        ),
    ),
    "shifts_fit": (
        ("training.translate", ("training.translate=32",)),
        ("training.cutout", ("training.cutout=9", "data.image_size=8", "space.depth=[2, 3]")),
        (
            "space.training.cutout",
            ("space.training.cutout=[8, 64]", "search.baseline.training.cutout=8"),
        ),
    ),
    "kernels_are_not_logarithmic": (
        ("space.kernel_size.log", ("space.kernel_size={low: 3, high: 5, log: true}",)),
        ("space.kernel_size.log", ("space.kernel_size={low: 1, high: 31, log: true}",)),
    ),
    "exhaustive_is_finite": (
        ("search.sampler.name", ("search.sampler.name=exhaustive",)),
        (
            "search.sampler.name",
            (
                "search.sampler={name: exhaustive}",
                "space.training.learning_rate={low: 1e-4, high: 1, log: true}",
            ),
        ),
    ),
    "objectives_agree": (
        (
            "search.objective",
            ("search.objective=macro_f1", "search.objectives=[accuracy, macs]"),
        ),
        (
            "search.objective",
            ("search={objective: accuracy, objectives: [macro_f1, latency]}",),
        ),
    ),
    "test_stays_unread": (
        ("retrain.monitor", ("retrain.test=false",)),
        ("retrain.monitor", ("retrain={test: false, monitor: test}",)),
    ),
    "frozen_is_learnt": (
        ("retrain.freeze", ("retrain.freeze=1",)),
        ("retrain.freeze", ("retrain={freeze: 2, epochs: 3}",)),
    ),
    "baseline_in_space": (
        (BLOCKS, ("space.depth=[3, 4]",)),
        (f"{BLOCKS}.0.channels", ("space.channels=32",)),
        (f"{BLOCKS}.1.kernel_size", ("space.kernel_size=3",)),
        ("search.baseline.architecture.head", ("space.head=[max, average]",)),
        ("search.baseline.training.learning_rate", ("search.baseline.training={}",)),
        (
            "search.baseline.training.batch_size",
            ("search.baseline.training.batch_size=64",),
        ),
    ),
}

# Rules about the file: its bytes, and what the message says after the place.
FILES: dict[str, tuple[tuple[str, bytes], ...]] = {
    "file_is_text": (
        (":9: is not UTF-8 text", GOOD.encode() + b"# \xff\n"),
        (":1: is not UTF-8 text", GOOD.encode("utf-16")),
        (": is larger than", GOOD.encode() + b"#" * 100_000),
        (":9: not valid YAML", GOOD.encode() + b"retrain: {epochs: 3"),
        (":9: not valid YAML: character U+0000", GOOD.encode() + b"\0"),
    ),
    "file_is_a_mapping": (
        (": is empty", b""),
        (": is empty", b"# nothing yet\n"),
        (": must be a mapping of keys", b"- name: x\n"),
        (":9: one document a file", GOOD.encode() + b"---\nname: y\n"),
    ),
    "known_keys": ((":9: dta: no such key; did you mean data?", GOOD.encode() + b"dta: 3\n"),),
    "keys_once": (
        (":9: name: given twice, on lines 1 and 9", GOOD.encode() + b"name: y\n"),
        (":9: retrain.epochs: given twice", GOOD.encode() + b"retrain: {epochs: 3, epochs: 3}\n"),
    ),
    "no_anchors_or_tags": (
        (":9: anchors and aliases", GOOD.encode() + b"seed: &x 3\n"),
        (":9: anchors and aliases", GOOD.encode() + b"seed: *x\n"),
        (":9: tags are not allowed", GOOD.encode() + b"seed: !!python/name:os.system\n"),
    ),
    "sane_sizes": (
        (":9: nested more than 20 levels", GOOD.encode() + b"seed: " + b"[" * 5000),
        (":9: a number has at most 40 digits", GOOD.encode() + b"seed: " + b"9" * 5000),
    ),
    "name": ((":1: name: is required", GOOD.replace("name: good", "seed: 1").encode()),),
    "data": ((":1: data: is required", GOOD.replace("data: {", "retrain: {} # {").encode()),),
}


def in_the_file(override: str) -> tuple[int, bytes]:
    """Return the good config with a key set in the file itself, and the line it stands on."""
    key, _, raw = override.partition("=")
    *above, last = key.split(".")
    values = yaml.safe_load(GOOD)
    section = values
    for name in above:
        section = section.setdefault(name, {})
    section[last] = MARK
    lines = yaml.safe_dump(values, sort_keys=False).split("\n")
    (number,) = (n for n, line in enumerate(lines, start=1) if MARK in line)
    return number, "\n".join(lines).replace(MARK, raw).encode()


@dataclass(frozen=True)
class Bad:
    """One bad config: a file, overrides, and how the message goes on after the file's name."""

    rule: str
    says: str
    overrides: tuple[str, ...] = ()
    content: bytes = GOOD.encode()
    line: int | None = None


def written(rule: str, override: str) -> Bad:
    """Return a bad config whose bad value stands in the file, on a line that must be named."""
    line, content = in_the_file(override)
    return Bad(rule, f":{line}: {rule.replace('.N.', '.0.')}", content=content, line=line)


BAD_CONFIGS = [
    *(
        Bad(rule, rule.replace(".N.", ".0."), (override,))
        for rule, overrides in KEYS.items()
        for override in overrides
    ),
    *(written(rule, override) for rule, overrides in KEYS.items() for override in overrides),
    *(
        Bad(rule, override.partition("=")[0], (override,))
        for rule, overrides in FORMS.items()
        for override in overrides
    ),
    *(
        Bad(rule, f"{override}: ", (override,))
        for rule, overrides in SETS.items()
        for override in overrides
    ),
    *(
        Bad(rule, f"{key}: ", overrides)
        for rule, entries in TOGETHER.items()
        for key, overrides in entries
    ),
    *(
        Bad(rule, says, content=content)
        for rule, entries in FILES.items()
        for says, content in entries
    ),
]
