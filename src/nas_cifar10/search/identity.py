"""Which keys make a study what it is, and which may change when it goes on; knows no study."""

from collections.abc import Iterator, Mapping
from typing import Any

from nas_cifar10.errors import StateError

FREE = (
    "search.trials",
    "search.workers",
    "search.executor",
    "search.ray",
    "search.max_minutes",
    "search.max_losses",
    "search.storage_retry_seconds",
    "retrain",
)


def check(stored: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Compare two resolved configs as written.

    Raises:
        StateError: a key of the study's identity differs, or fewer trials are asked than before.
    """
    before, now = dict(_flat(stored)), dict(_flat(given))
    lines = [
        f"  {key}: {before.get(key, 'absent')} in the study, {now.get(key, 'absent')} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not _is_free(key)
    ]
    if now["search.trials"] < before["search.trials"]:
        asked, wanted = before["search.trials"], now["search.trials"]
        lines.append(f"  search.trials: {asked} in the study, {wanted} now; it may only grow")
    if lines:
        raise StateError(
            "this config does not fit the stored study; go on with the stored values, "
            "replace the study (nas search --overwrite), or give the new one another name:\n"
            + "\n".join(lines)
        )


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
