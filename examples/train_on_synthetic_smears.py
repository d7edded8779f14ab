"""Draw a folder of smears, train a small spiking network on it, and score it on images kept apart.

Run it: uv run python examples/train_on_synthetic_smears.py OUT
"""

import argparse
import dataclasses
from pathlib import Path

from neurallnet_jax import config
from neurallnet_jax.evaluation import evaluate, selection
from neurallnet_jax.images import folder, synthetic
from neurallnet_jax.training import run


def main(out: Path, *, count: int = 200, epochs: int = 20) -> float:
    """Return the balanced accuracy on the test images; `out` holds the smears and the RUN afterwards."""
    preset = config.preset("tiny")
    size = preset.network.image_size
    synthetic.write_folder(out / "smears", count=count, seed=0, image_size=size)

    training = dataclasses.replace(preset.training, epochs=epochs)
    request = run.Request(str(out / "smears"), preset.network, training, split="random")
    checkpoint = run.train(request, out / "run").checkpoint
    assert checkpoint is not None, "nobody asked the training to stop"

    dataset = folder.open_folder(out / "smears", size, classes=checkpoint.classes)
    chosen = selection.select(dataset, seen=checkpoint.seen, test=checkpoint.test, only="test")
    result = evaluate.evaluate(checkpoint, dataset, chosen)
    print(f"{result.scores.n} test images, balanced accuracy {result.scores.balanced_accuracy:.3f}")
    return result.scores.balanced_accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write")
    main(parser.parse_args().out)
