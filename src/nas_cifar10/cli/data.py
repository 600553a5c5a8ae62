"""The command that reads and describes pictures, and what is said before they are read."""

import json

from nas_cifar10.cli.logs import on_screen
from nas_cifar10.cli.output import announce, print_table
from nas_cifar10.config.schema import Config
from nas_cifar10.data.dataset import read
from nas_cifar10.data.describe import describe
from nas_cifar10.described import DUPLICATES, PARTS


def describe_data(config: Config, *, as_json: bool) -> None:
    """Print what the pictures are."""
    with on_screen(0):
        announce_reading(config)
        found = describe(read(config.data, config.seed))
    if as_json:
        print(json.dumps(found, indent=2))
        return
    rows = [("class", "  ".join(f"{part:>10}" for part in PARTS))]
    for name in found["class_names"]:
        rows.append((name, "  ".join(f"{found['pictures'][part][name]:>10,}" for part in PARTS)))
    rows.append(("total", "  ".join(f"{found['totals'][part]:>10,}" for part in PARTS)))
    for part, share in found["majority_accuracy"].items():
        rows.append((f"majority class, {part}", f"{share:.4f} accuracy"))
    rows.append(("shape", " x ".join(map(str, found["shape"]))))
    rows += [(told, f"{found['duplicates'][pair]:,}") for pair, told in DUPLICATES.items()]
    rows.append(("left out", f"{found['skipped']:,} unreadable, {found['ignored']:,} not pictures"))
    rows.append(("fingerprint", found["fingerprint"]))
    print_table(rows)


def announce_reading(config: Config, loudness: int = 0) -> None:
    """Say where pictures are read from: a folder of many takes a minute."""
    where = "" if config.data.source == "digits" else f" in {config.data.root}"
    announce(f"reading the pictures of {config.data.source}{where}", quiet=loudness < 0)
