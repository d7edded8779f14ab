"""What counting costs beside running: the emulator, `measure` and `counts`, with and without a placement.

All take turns, round after round, in one process, so that a machine whose speed drifts slows all of them. Counting without
and with a placement is to take at most half of the time of the emulator.

Command: uv run python benchmarks/counting.py --data ../shared/data/taleqani
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import jax
import numpy as np

from lava_port import emulator
from lava_port.energy.activity import Activity, measure
from lava_port.energy.chips import CHIPS
from lava_port.energy.counts import counts
from lava_port.energy.mapping import place
from neurallnet_jax import checkpoint
from neurallnet_jax.images import folder
from neurallnet_jax.workflows.convert import convert

BATCH, ROUNDS = 16, 5


def main(data: Path, run: str, images: int) -> None:
    """Print the seconds of every part, medians over the rounds, and their share of the emulator's."""
    saved = checkpoint.load(run)
    graph = convert(saved).fixed
    dataset = folder.open_folder(data, saved.spec.image_size, classes=saved.classes)
    pixels = np.asarray(dataset.pixels[np.linspace(0, len(dataset) - 1, images).astype(int)])
    placements = {
        f"{chip}, {how}": place(graph, CHIPS[chip], sharing=how) for chip in CHIPS for how in ("shared", "unrolled")
    }
    network = emulator.prepare(graph, batch=BATCH)
    network.run(pixels[:BATCH], potentials=True)
    seconds: dict[str, list[float]] = {name: [] for name in ("emulator", "measure", "counts", *placements)}
    for _ in range(ROUNDS):
        spent = dict.fromkeys(seconds, 0.0)
        parts = []
        for start in range(0, images, BATCH):
            began = time.perf_counter()
            trace = network.run(pixels[start : start + BATCH], potentials=True)
            ran = time.perf_counter()
            parts.append(measure(graph, trace))
            spent["emulator"] += ran - began
            spent["measure"] += time.perf_counter() - ran
        activity = Activity.join(parts)
        for name, placement in {"counts": None, **placements}.items():
            began = time.perf_counter()
            counts(graph, activity, placement=placement)
            spent[name] = time.perf_counter() - began
        for name, value in spent.items():
            seconds[name].append(value)
    show(seconds, run, images, {name: placement.cores for name, placement in placements.items()})


def show(seconds: dict[str, list[float]], run: str, images: int, cores: dict[str, int]) -> None:
    """Print machine, medians and spread; a share is that of `measure` and of these counts, of the emulator's time."""
    print(
        f"{platform.machine()}, {jax.devices()[0].device_kind}; Python {platform.python_version()}, JAX {jax.__version__}"
    )
    print(f"{run}: {images} images, {ROUNDS} rounds, batches of {BATCH}")
    print(f"{'part':<18} {'seconds':>8}  {'least to most':>14}  measure + this, of the emulator  cores")
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        whole = (
            "" if name in ("emulator", "measure") else f"{(middle['measure'] + middle[name]) / middle['emulator']:.0%}"
        )
        print(
            f"{name:<18} {middle[name]:>8.3g}  {min(values):>6.3g} {max(values):>7.3g}  {whole:>31}  {cores.get(name, '')}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", default=checkpoint.PRETRAINED)
    parser.add_argument("--images", type=int, default=506)
    given = parser.parse_args()
    main(given.data, given.run, given.images)
