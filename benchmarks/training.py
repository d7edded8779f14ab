"""What the backward pass of our own gives: one training step of a preset, against plain differentiation of the equations.

Arms, in one process and in turn, so that other work on the machine slows both alike: `plain` lets JAX differentiate the
unrolled equations of `network/neurons.py`; `ours` is the step that `neurallnet train` runs.
Times are milliseconds per image and step: on the wall, and of all processor cores together, which other work disturbs less.
Every run appends one line to the results file.

Command: uv run python benchmarks/training.py
Time: about a minute on two free cores, most of it compilation.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from neurallnet_jax import checkpoint, config, models
from neurallnet_jax.network import neurons, spiking
from neurallnet_jax.training import allocator, loop

RESULTS = Path(__file__).parent / "results" / "training.jsonl"


def main(preset: str, size: int, batch: int, rounds: int, results: Path) -> None:
    """Measure both arms, print them and append a line."""
    kept = allocator.keep_freed_memory()
    with plainly():
        arms = {"plain": compiled(preset, size, batch)}
    arms["ours"] = compiled(preset, size, batch)
    times = race({name: run for name, (run, _) in arms.items()}, rounds)
    line: dict[str, Any] = {"preset": preset, "image_size": size, "batch": batch, "rounds": rounds}
    for name, (_, temporary) in arms.items():
        wall, cores = times[name].T / batch * 1e3
        line[name] = {
            "wall_ms": {"median": round(float(np.median(wall)), 2), "least": round(float(wall.min()), 2)},
            "cores_ms": {"median": round(float(np.median(cores)), 2), "least": round(float(cores.min()), 2)},
            "temporary_mb": round(temporary / 1e6, 1),
        }
        print(f"{name:<6} {line[name]}")
    line["ratio"] = {
        kind: round(line["plain"][kind]["median"] / line["ours"][kind]["median"], 2) for kind in ("wall_ms", "cores_ms")
    }
    line |= {"keeps_freed_memory": kept, "load": round(os.getloadavg()[0], 1), "jax": jax.__version__}
    line["machine"] = f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"plain / ours: {line['ratio']} (JAX {line['jax']}, {line['machine']}, load {line['load']})")
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def unrolled(drive: spiking.Drive, du: Any, dv: Any, *, steps: int, **options: Any) -> jax.Array:
    """Return what `spiking.fire` returns, as equations that JAX differentiates."""
    over = lambda array, lead: array.reshape(*lead, *(1,) * (drive.value.ndim - 1 - len(lead)), -1)
    current, bias = drive.value, over(drive.bias, (1, 1))
    if drive.factor is not None:
        current = current * over(drive.factor, (1, 1))
    if drive.gate is not None:
        gate = over(drive.gate, drive.gate.shape[:2])
        current, bias = gate * current, gate * bias
    return neurons.unroll(neurons.lif(du, dv, **options), current, bias, steps=steps)


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Differentiate plainly what is traced meanwhile."""
    with mock.patch.object(spiking, "fire", unrolled):
        yield


def compiled(preset: str, size: int, batch: int) -> tuple[Callable[[], None], int]:
    """Return a function that runs one step, and the bytes of temporary arrays it needs."""
    chosen = config.preset(preset)
    network = dataclasses.replace(chosen.network, image_size=(size, size))
    classifier = models.create(network, tuple("abcd"), preprocessing=checkpoint.Preprocessing(), key=jax.random.key(0))
    step = loop.make_step(classifier, chosen.training, steps_per_epoch=40, weights=np.ones(4, np.float32), seed=0)
    state, _ = loop.begin(classifier, chosen.training, 40)
    rng = np.random.default_rng(0)
    pixels = jnp.asarray(rng.integers(0, 256, (batch, size, size, 3), np.uint8))
    labels = jnp.asarray(rng.integers(0, 4, batch), jnp.int32)
    program = step.lower(state, pixels, labels).compile()  # pyright: ignore[reportFunctionMemberAccess]
    states = [state]

    def run() -> None:
        states[0], _ = program(states[0], pixels, labels)
        jax.block_until_ready(states[0])

    return run, program.memory_analysis().temp_size_in_bytes


def race(arms: dict[str, Callable[[], None]], rounds: int) -> dict[str, np.ndarray]:
    """Return seconds on the wall and of all cores, (rounds, 2) per arm, the arms in turn."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    for turn in range(rounds + 1):
        for name, run in arms.items():
            wall, cores = time.perf_counter(), time.process_time()
            run()
            if turn:
                times[name].append((time.perf_counter() - wall, time.process_time() - cores))
    return {name: np.array(found) for name, found in times.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="neurallnet", choices=sorted(config.PRESETS))
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    main(arguments.preset, arguments.image_size, arguments.batch, arguments.rounds, arguments.results)
