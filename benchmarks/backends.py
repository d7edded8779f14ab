"""Images per second of one network on every backend, in turn: float model, emulator, reference, Lava, Lava as it comes.

The backends take turns, round after round, so that a machine whose speed drifts slows all of them; what counts are the
ratios of the medians. "Lava as it comes" is Lava with its own model of convolution, all else equal.

Command: uv run python benchmarks/backends.py --data ../shared/data/taleqani --json result.json
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import jax
import numpy as np

from lava_port import emulator, reference
from lava_port.runtime.host import LavaNetwork
from neurallnet_jax import checkpoint, models
from neurallnet_jax.images import folder
from neurallnet_jax.workflows.convert import convert

BATCH, ROUNDS = 16, 5
IMAGES = {"float model": 64, "emulator": 64, "reference": 16, "Lava": 8, "Lava as it comes": 1}
"""Images per round; all backends run a prefix of the same ones."""


def main(data: Path, run: str) -> dict[str, float]:
    """Print and return images per second by backend."""
    saved = checkpoint.load(run)
    port = convert(saved)
    dataset = folder.open_folder(data, saved.spec.image_size, classes=saved.classes)
    places = np.linspace(0, len(dataset) - 1, max(IMAGES.values())).astype(int)
    pixels = np.asarray(dataset.pixels[places])
    classifier = models.from_checkpoint(saved)
    predict, emulated = models.make_predict(classifier), emulator.prepare(port.fixed, batch=BATCH)
    with ExitStack() as stack:
        ours, stock = (
            stack.enter_context(LavaNetwork(port.fixed, stock_conv=stock, timeout_s=600)) for stock in (False, True)
        )
        backends: dict[str, Callable[[np.ndarray], object]] = {
            "float model": lambda images: predict(classifier.variables, images, batch_size=BATCH),
            "emulator": emulated.run,
            "reference": lambda images: reference.run_fixed(port.fixed, images),
            "Lava": ours.run,
            "Lava as it comes": stock.run,
        }
        speeds = measure(backends, pixels)
    show(speeds, run)
    return {name: statistics.median(values) for name, values in speeds.items()}


def measure(backends: dict[str, Callable[[np.ndarray], object]], pixels: np.ndarray) -> dict[str, list[float]]:
    """Return images per second of every round, after one round that is not counted."""
    speeds: dict[str, list[float]] = {name: [] for name in backends}
    for number in range(ROUNDS + 1):
        for name, run in backends.items():
            images = pixels[: IMAGES[name]]
            started = time.perf_counter()
            run(images)
            if number:
                speeds[name].append(len(images) / (time.perf_counter() - started))
    return speeds


def show(speeds: dict[str, list[float]], run: str) -> None:
    """Print machine, medians, spread and the ratios."""
    print(
        f"{platform.machine()}, {jax.devices()[0].device_kind}; Python {platform.python_version()}, JAX {jax.__version__}"
    )
    print(f"{run}: {ROUNDS} rounds, batches of {BATCH}")
    print(f"{'backend':<17} {'images/s':>9}  {'least to most':>16}  emulator is faster by")
    fastest = statistics.median(speeds["emulator"])
    for name, values in speeds.items():
        middle = statistics.median(values)
        print(f"{name:<17} {middle:>9.3g}  {min(values):>7.3g} {max(values):>8.3g}  {fastest / middle:>8.3g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", default="pretrained")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = main(arguments.data, arguments.run)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
