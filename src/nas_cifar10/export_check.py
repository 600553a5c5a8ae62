"""An exported file in a process of its own, without the code that made it: pixels in, numbers out.

Run by `export` as `python -m nas_cifar10.export_check FORMAT FILE N C H W`; reads N pictures as
uint8 from stdin and writes (N, classes) float32 to stdout. Imports nothing of this project.
"""

import io
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]
Ask = Callable[[Images], Probabilities]

BATCH_PIXELS = 2**18  # of pictures that are answered at once, as in training


def onnx(path: str) -> Ask:
    """Load a file in onnxruntime; it must say by itself what its input and outputs are."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (images,), outputs = session.get_inputs(), session.get_outputs()
    if (images.name, images.type, outputs[0].name) != ("images", "tensor(uint8)", "probabilities"):
        raise ValueError(f"has input {images.name} {images.type}, output {outputs[0].name}")
    if "class_names" not in session.get_modelmeta().custom_metadata_map:
        raise ValueError("has no class names in its metadata")
    return lambda pixels: np.asarray(session.run(["probabilities"], {"images": pixels})[0])


def pt2(path: str) -> Ask:
    """Load a torch.export program."""
    import torch

    extra = {"metadata.json": ""}
    with Path(path).open("rb") as file:
        program = torch.export.load(file, extra_files=extra).module()
    if "class_names" not in extra["metadata.json"]:
        raise ValueError("has no class names in its metadata")

    def ask(pixels: Images) -> Probabilities:
        with torch.no_grad():
            return np.asarray(program(torch.from_numpy(pixels)).numpy())

    return ask


FORMATS = {"onnx": onnx, "pt2": pt2}


def main(form: str, path: str, shape: tuple[int, ...]) -> None:
    """Answer every picture: the first alone, then whole batches and what is left over."""
    images = np.empty(shape, np.uint8)
    stdin = cast(io.BufferedReader, sys.stdin.buffer)
    if stdin.readinto(images.data.cast("B")) != images.size:
        raise ValueError(f"needs {images.size:,} bytes of pictures, got fewer")
    ask = FORMATS[form](path)
    batch = max(1, BATCH_PIXELS // (shape[-2] * shape[-1]))
    starts = [0, *range(1, len(images), batch), len(images)]
    for start, stop in itertools.pairwise(starts):
        said = ask(images[start:stop])
        sys.stdout.buffer.write(said.astype(np.float32, copy=False).tobytes())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], tuple(map(int, sys.argv[3:])))
