"""A JSON file of a run read into a type of ours, or told what is wrong with it and what to do."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from nas_cifar10.errors import BadDataError, UnreadableError
from nas_cifar10.runs.files import read_json
from nas_cifar10.runs.reading import why

Record = TypeVar("Record")


def read_record(path: Path, kind: type[Record], advice: str) -> Record:
    """Read a file.

    Args:
        advice: How to go on without it.

    Raises:
        MissingInputError: there is none.
        UnreadableError: it cannot be read now, and may be good.
        BadDataError: it is damaged.
    """
    try:
        return TypeAdapter(kind).validate_python(read_json(path))
    except UnreadableError:
        raise
    except ValidationError as error:
        told = f"{path}: is damaged: {why(error)}"
    except BadDataError as error:
        told = str(error)
    raise BadDataError(f"{told}; {advice}")
