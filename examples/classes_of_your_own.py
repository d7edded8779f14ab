"""Teach the shipped network other classes: a folder of your own, one sub-folder per class, and its weights as a start.

The names of the classes come from the folder; the last layer starts anew, all others from the shipped weights.

Run it: uv run python examples/classes_of_your_own.py IMAGES OUT
"""

import argparse
import dataclasses
from pathlib import Path

from neurallnet_jax import checkpoint, config
from neurallnet_jax.training import run


def main(images: Path, out: Path, *, epochs: int = 10) -> tuple[str, ...]:
    """Return the class names of the RUN that is written to `out`."""
    source = checkpoint.load("pretrained")
    training = dataclasses.replace(
        config.preset("neurallnet").training, epochs=epochs, twin_epochs=0, learning_rate=1e-3
    )
    request = run.Request(str(images), source.spec, training, split="random", source="pretrained")
    result = run.train(request, out)
    assert result.checkpoint is not None, "nobody asked the training to stop"
    print(f"{', '.join(result.checkpoint.classes)}: validation balanced accuracy {result.validation:.3f}")
    return result.checkpoint.classes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, help="folder with one sub-folder per class")
    parser.add_argument("out", type=Path, help="RUN to write")
    arguments = parser.parse_args()
    main(arguments.images, arguments.out)
