"""Train one network of your own design on handwritten digits, without a search.

Shows a candidate as a value, and that training goes on from the bytes it returned:

    python examples/train_one_architecture.py [EPOCHS]
"""

import sys

from nas_cifar10.config.schema import DataConfig, TrainingConfig
from nas_cifar10.data.dataset import read
from nas_cifar10.data.describe import fingerprint
from nas_cifar10.data.parts import search_parts
from nas_cifar10.segment import SEARCH, Failed, Segment, train_segment
from nas_cifar10.space.candidate import Architecture, Block, Candidate


def train(epochs: int) -> float:
    """Return the validation accuracy after so many epochs."""
    data = read(DataConfig(source="digits"), seed=0)
    blocks = (Block("conv", 32, 3), Block("conv", 64, 3))
    candidate = Candidate(Architecture(blocks), training=(("learning_rate", 0.003),))
    checkpoint, accuracy = None, 0.0
    for epoch in range(1, epochs + 1):
        segment = Segment(
            candidate=candidate,
            training=TrainingConfig(batch_size=32),
            data=fingerprint(data),
            seed=0,
            stream=SEARCH,
            trial=0,
            stop=epoch,  # one epoch further than the checkpoint
            precision="fp32",
            measure_precision="fp32",
        )
        result = train_segment(segment, search_parts(data), checkpoint)
        if isinstance(result, Failed):
            raise SystemExit(result.reason)
        checkpoint, accuracy = result.checkpoint, result.epochs[-1].measured.accuracy
        print(f"epoch {epoch}: validation accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    train(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
