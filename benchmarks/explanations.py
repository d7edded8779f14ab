"""Seconds per explanation of one drawn smear, method by method, with default options and batch 1, after compilation.

The methods take turns, round after round, so that a machine whose speed drifts slows all of them. Wall time is what a user
waits; processor time is what the machine did for it, over all cores, and hardly depends on what else runs there.

Command: uv run python benchmarks/explanations.py --json result.json
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import jax

from neurallnet_jax import checkpoint, models
from neurallnet_jax.explain import methods
from neurallnet_jax.images import synthetic

ROUNDS = 5


def main(run: str, names: list[str]) -> dict[str, dict[str, float]]:
    """Print and return the median seconds by method."""
    saved = checkpoint.load(run)
    classifier = models.from_checkpoint(saved)
    image = models.prepare(synthetic.draw(2, 0, saved.spec.image_size)[None], saved.preprocessing.white_level)[0]
    explainers = {name: methods.make(name)(classifier) for name in names or methods.for_classifier(classifier).names}
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in explainers}
    for number in range(ROUNDS + 1):
        for name, explain in explainers.items():
            wall, worked = time.perf_counter(), time.process_time()
            explain(classifier.variables, image, 0, jax.random.key(number))
            # The first round compiles.
            if number:
                spent[name].append((time.perf_counter() - wall, time.process_time() - worked))
    print(f"{platform.platform()}, Python {platform.python_version()}, jax {jax.__version__}, {run}, {ROUNDS} rounds")
    print(f"{'method':24}{'wall s, median (least-most)':>32}{'processor s':>14}")
    found = {}
    for name, times in spent.items():
        walls, works = zip(*times, strict=True)
        found[name] = {"seconds": statistics.median(walls), "processor_seconds": statistics.median(works)}
        spread = f"{found[name]['seconds']:.3f} ({min(walls):.3f}-{max(walls):.3f})"
        print(f"{name:24}{spread:>32}{found[name]['processor_seconds']:>14.3f}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default=checkpoint.PRETRAINED)
    parser.add_argument("--methods", nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = main(arguments.run, arguments.methods)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2))
