"""What the delay of attention costs: test accuracy of four kinds of gate, five seeds each, floats and integers.

Arms: `delay 0` gates every step with its own statistics, as papers draw it, and runs on hardware in simulation only;
`delay 2` with those of 2 steps earlier, which is what the path squeeze -> excite -> neuron takes, and learned constants
before; `initial gate only` with learned constants in every step; `none` has no gates.

A reduced protocol, the same for every arm: 64 px, T = 4, the layers of preset `neurallnet`, fold 1 of `contiguous`,
24 epochs with that preset's settings, the epoch chosen on the validation images. Each finished training is one line of
the results file, and a later run of this script goes on after the last of them.

Command: uv run python benchmarks/attention_delay.py --data ../shared/data/taleqani
Time: two to three minutes for each of the 20 trainings, on two cores of an AMD EPYC.
"""

import argparse
import dataclasses
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lava_port import emulator
from neurallnet_jax import config, models, spec
from neurallnet_jax.cli.watching import BarWatcher
from neurallnet_jax.images import folder, splits
from neurallnet_jax.metrics import calibration, scores
from neurallnet_jax.training import run
from neurallnet_jax.workflows import simulate
from neurallnet_jax.workflows.convert import convert

RESULTS = Path(__file__).parent / "results" / "attention_delay.jsonl"
SIZE, FOLD, EPOCHS, SEEDS = (64, 64), 1, 24, range(5)
ARMS: dict[str, spec.SqueezeExcite | spec.StaticGate | None] = {
    "delay 0": spec.SqueezeExcite(delay=0),
    "delay 2": spec.SqueezeExcite(delay=2),
    "initial gate only": spec.StaticGate(),
    "none": None,
}


def main(data: Path, results: Path) -> None:
    """Train what is missing from the results, then print the table."""
    results.parent.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        for arm in ARMS:
            if (arm, seed) not in {(line["arm"], line["seed"]) for line in read(results)}:
                line = measure(data, arm, seed)
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
    show(read(results))


def measure(data: Path, arm: str, seed: int) -> dict[str, Any]:
    """Train one network and score it on the test images of the fold."""
    preset = config.preset("neurallnet")
    network = spec.neurallnet(image_size=SIZE, attention=ARMS[arm])
    training = dataclasses.replace(preset.training, epochs=EPOCHS)
    request = run.Request(str(data), network, training, split="contiguous", fold=FOLD, seed=seed)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, BarWatcher() as watcher:
        result = run.train(request, Path(scratch) / "run", watcher=watcher)
    saved = result.checkpoint
    assert saved is not None, "nobody asked the training to stop"
    dataset = folder.open_folder(data, SIZE)
    test = splits.indices(splits.make_split(dataset.records, scheme="contiguous", fold=FOLD), "test")
    labels, pixels = dataset.labels[test], np.asarray(dataset.pixels[test])
    classifier = models.from_checkpoint(saved)
    output = jax.jit(classifier.apply)(classifier.variables, pixels, jax.random.key(0))
    port = convert(saved)
    integers = emulator.prepare(port.fixed, batch=16).run(pixels).scores
    return {
        "arm": arm,
        "seed": seed,
        "balanced_accuracy": balanced(
            labels, calibration.apply_temperature(np.asarray(output.logits), 1.0), saved.classes
        ),
        "balanced_accuracy_integers": balanced(labels, simulate.probabilities(port, integers), saved.classes),
        "validation": result.validation,
        "best_epoch": result.best_epoch,
        "images": len(test),
        "rates": {name: round(float(rate), 4) for name, rate in output.rates.items()},
        "seconds": round(time.perf_counter() - started, 1),
        "protocol": {"image_size": SIZE[0], "split": "contiguous", "fold": FOLD, "epochs": EPOCHS},
        "jax": jax.__version__,
        "machine": f"{platform.machine()}, {jax.devices()[0].device_kind}",
    }


def balanced(labels: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> float:
    """Return the balanced accuracy of class probabilities."""
    return round(scores.score(labels, probabilities, classes).balanced_accuracy, 4)


def read(results: Path) -> list[dict[str, Any]]:
    """Return the lines of the results file."""
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines() if line]


def show(lines: list[dict[str, Any]]) -> None:
    """Print mean and spread per arm."""
    print(f"{'gates':<18} {'seeds':>5} {'float':>16} {'integers':>16}   firing rates")
    for arm in ARMS:
        own = [line for line in lines if line["arm"] == arm]
        if own:
            columns = [
                np.array([line[key] for line in own]) for key in ("balanced_accuracy", "balanced_accuracy_integers")
            ]
            figures = "  ".join(
                f"{column.mean():.3f} +- {column.std(ddof=min(1, len(own) - 1)):.3f}" for column in columns
            )
            rates = np.mean([list(line["rates"].values()) for line in own], axis=0)
            print(f"{arm:<18} {len(own):>5}  {figures}   {' '.join(f'{rate:.2f}' for rate in rates)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    main(arguments.data, arguments.results)
