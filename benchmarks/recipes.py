"""What was tried to make the network generalise: one recipe per name, trained on the folds of a split, one line per fold.

A line holds, of the last epoch, balanced accuracy and cross-entropy on the validation images, balanced accuracy on the same
images under seven changes of light and tint (`shifted`), and the scores of the test images. Recipes are chosen by the first
three; the test scores are there to be quoted once a recipe is chosen. The best epoch is the one with the highest validation
score, as `keep: best` would have it.

Command: uv run python benchmarks/recipes.py --data ../shared/data/taleqani --recipe white-geometry --network spiking
Time: two to nine minutes a fold on two cores of an AMD EPYC.
"""

import argparse
import dataclasses
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from neurallnet_jax import checkpoint, config, models, spec
from neurallnet_jax.images import folder, splits
from neurallnet_jax.metrics import calibration, scores
from neurallnet_jax.training import allocator, beginning, loop

OUT = Path(__file__).parent / "results" / "recipes.jsonl"

GEOMETRY = {"scale": (0.8, 1.25), "shift": 0.1}

WHITE = {"white_level": 235, **GEOMETRY}

STEM = {**WHITE, "stem": (8, 4), "image_size": 224}

BALANCED = {**STEM, "class_weighting": False, "logit_adjustment": 1.0, "warmup_epochs": 1.0, "epochs": 20}

FOCUS = {**BALANCED, "sharpness": 1.0}

RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "white": {"white_level": 235},
    "white-geometry": WHITE,
    "white-geometry-mixing": {**WHITE, "mixing": 0.3},
    "white-geometry-stain": {**WHITE, "stain": 0.1},
    "white-geometry-twin": {**WHITE, "twin_epochs": 25, "epochs": 12},
    "stem": STEM,
    "balanced": BALANCED,
    "balanced-stain": {**BALANCED, "stain": 0.15, "gain": 0.1, "offset": 0.03},
    "balanced-stain-more": {**BALANCED, "stain": 0.25, "gain": 0.15, "offset": 0.05},
    "balanced-focus": FOCUS,
    "neurallnet": {**FOCUS, "twin_epochs": 20, "epochs": 12},
    "colour": {"gain": 0.12, "offset": 0.04, "stain": 0.1},
}
"""Changes to the first recipe: 128 px, gain 0.06, offset 0.02, scale 0.9 to 1.11, shift 0.06, no white balance.

`stem` is the kernel and stride of the first convolution; its networks begin with 24 channels, the others with 16. The
results also hold recipes whose code was not kept: `white-tint`, which levelled the tint of the background, not its
brightness; `stem-7`, with a first convolution of 7 x 7 and a last one of stride 1; `balanced-no-bar`, all scale bars
painted over; and `balanced-exchange`, where half of the training images take over some of the stain density of
another image of the batch. The lines `student...` are networks taught by one and the same twin, that of `balanced`:
as `neurallnet` is, with answers softened by a temperature of 2, with a leak of 0.2, with a peak learning rate of
1.5e-3, with class shares added to both scores, and with labels in place of answers.
"""

FIRST = config.Training(
    epochs=25,
    learning_rate=4e-3,
    weight_decay=0.05,
    augmentation=config.Augmentation(scale=(0.9, 1.11), shift=0.06, gain=0.06, offset=0.02, stain=0.0),
)

LIGHT: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    *(
        lambda pixels, gain=gain: pixels * np.array(gain)
        for gain in ((0.9, 0.9, 0.9), (1.1, 1.1, 1.1), (1.08, 0.95, 1.0), (0.95, 1.0, 1.08), (1.0, 1.06, 0.94))
    ),
    *(lambda pixels, gamma=gamma: 255 * (pixels / 255) ** gamma for gamma in (0.85, 1.15)),
)
"""Changes of light and tint that validation images are seen under."""


class Quiet:
    """Prints every fifth epoch."""

    should_stop = staticmethod(lambda: False)
    clock = staticmethod(time.perf_counter)

    def step(self, epoch: int, step: int, steps_per_epoch: int, metrics: loop.StepMetrics) -> None:
        """Say nothing."""

    def epoch(self, record: loop.EpochRecord, state: loop.TrainState, best: loop.Best) -> None:
        """Print loss and score."""
        if record.epoch % 5 == 0:
            score = record.validation or float("nan")
            print(f"  epoch {record.epoch}: loss {record.loss:.3f}, validation {score:.4f}", file=sys.stderr)


def training_of(recipe: Mapping[str, Any], spiking: bool, epochs: int | None) -> config.Training:
    """Return the settings of a recipe; those of a twin where the network does not spike."""
    augmented, trained = (
        {field.name for field in dataclasses.fields(kind)} for kind in (config.Augmentation, config.Training)
    )
    augmentation = dataclasses.replace(FIRST.augmentation, **{k: v for k, v in recipe.items() if k in augmented})
    rest = {key: value for key, value in recipe.items() if key in trained}
    training = dataclasses.replace(FIRST, augmentation=augmentation, **rest)
    if training.twin_epochs and not spiking:
        training = config.training_of_twin(training)
    return dataclasses.replace(training, epochs=epochs or training.epochs)


def network_of(recipe: Mapping[str, Any], spiking: bool, image_size: int) -> spec.Network:
    """Return the network of a recipe."""
    stem = recipe.get("stem", (3, 2))
    widths = (24 if "stem" in recipe else 16, 32, 64, 128, 192)
    network = spec.neurallnet(
        widths=widths, image_size=(image_size, image_size), stem=stem, attention=spec.SqueezeExcite(delay=2)
    )
    return network if spiking else spec.relu_twin(network)


def run(
    dataset: folder.Dataset, split: splits.Split, training: config.Training, network: spec.Network, seed: int
) -> dict[str, Any]:
    """Train on one fold and return its line."""
    parts = {part: splits.indices(split, part) for part in ("train", "validation", "test")}
    pixels = models.prepare(np.asarray(dataset.pixels), training.white_level)
    mean = pixels[parts["train"]].reshape(-1, 3).mean(axis=0)
    preprocessing = checkpoint.Preprocessing(tuple(round(x) for x in mean.tolist()), white_level=training.white_level)
    classifier = models.create(network, dataset.classes, preprocessing=preprocessing, key=jax.random.key(seed))
    data = loop.TrainingData(pixels, dataset.labels, parts["train"], parts["validation"])
    started = time.perf_counter()
    if training.twin_epochs:
        twin = beginning.twin(classifier, jax.random.key(seed))
        first = loop.fit(twin, data, config.training_of_twin(training), seed=seed, progress=Quiet())
        classifier = beginning.begin(classifier, first.best.variables)
    fitted = loop.fit(classifier, data, training, seed=seed, progress=Quiet())
    seconds = time.perf_counter() - started
    predict = models.make_predict(classifier)

    def score(variables: models.Variables, part: str, change: Callable | None = None) -> scores.Scores:
        shown = np.asarray(dataset.pixels[parts[part]])
        if change:
            shown = np.clip(change(shown.astype(np.float64)), 0, 255).round().astype(np.uint8)
        probabilities = calibration.apply_temperature(predict(variables, shown), 1.0)
        return scores.score(dataset.labels[parts[part]], probabilities, dataset.classes)

    last = fitted.state.averaged
    validation, test = score(last, "validation"), score(last, "test")
    return {
        "validation": validation.balanced_accuracy,
        "validation_loss": validation.log_loss,
        "shifted": float(np.mean([score(last, "validation", change).balanced_accuracy for change in LIGHT])),
        "test": test.balanced_accuracy,
        "test_loss": test.log_loss,
        "test_recall": [entry.recall for entry in test.per_class],
        "best_epoch": fitted.best.epoch,
        "test_of_best_epoch": score(fitted.best.variables, "test").balanced_accuracy,
        "images": {part: len(places) for part, places in parts.items()},
        "seconds": round(seconds, 1),
    }


def show(path: Path) -> None:
    """Print means over the folds and seeds of every recipe, as a table in Markdown."""
    by_recipe: dict[tuple, list[dict[str, Any]]] = {}
    names = ("recipe", "network", "image_size", "twin_epochs", "epochs", "split", "margin")
    for text in path.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        by_recipe.setdefault(tuple(line.get(name, 0) for name in names), []).append(line)
    columns = ("validation", "validation_loss", "shifted", "test", "test_of_best_epoch")
    print(f"| {' | '.join((*names, 'runs', *columns))} | test by fold |")
    print(f"|{' --- |' * (len(names) + len(columns) + 2)}")
    for key, lines in by_recipe.items():
        known = {name: [line[name] for line in lines if line.get(name) is not None] for name in columns}
        means = [f"{np.mean(found):.4f}" if len(found) == len(lines) else "" for found in known.values()]
        folds = " ".join(f"{line['fold']}: {line['test']:.3f}" for line in sorted(lines, key=lambda one: one["fold"]))
        print(f"| {' | '.join((*map(str, key), str(len(lines)), *means))} | {folds} |")


def main(arguments: argparse.Namespace) -> None:
    """Run the folds, print and append their lines."""
    allocator.keep_freed_memory()
    recipe, spiking = RECIPES[arguments.recipe], arguments.network == "spiking"
    image_size = arguments.image_size or recipe.get("image_size", 128)
    dataset = folder.open_folder(arguments.data, (image_size, image_size))
    training, network = training_of(recipe, spiking, arguments.epochs), network_of(recipe, spiking, image_size)
    for fold in arguments.folds:
        split = splits.make_split(
            dataset.records, scheme=arguments.split, fold=fold, seed=arguments.seed, margin=arguments.margin
        )
        line = {
            "recipe": arguments.recipe, "network": arguments.network, "image_size": image_size,
            "epochs": training.epochs, "twin_epochs": training.twin_epochs,
            "split": arguments.split, "margin": arguments.margin, "fold": fold,
            "seed": arguments.seed, **run(dataset, split, training, network, arguments.seed),
            "jax": jax.__version__, "machine": f"{platform.machine()}, {jax.devices()[0].device_kind}",
        }  # fmt: skip
        print(json.dumps(line))
        with arguments.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the table of what has been run, and run nothing")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--recipe", choices=RECIPES)
    parser.add_argument("--network", choices=("spiking", "relu"), default="spiking")
    parser.add_argument("--image-size", type=int, help="pixels (default: the recipe's)")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--split", choices=("contiguous", "blocks", "random"), default="contiguous")
    parser.add_argument("--margin", type=int, default=24)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if given.show:
        show(given.out)
    elif not (given.data and given.recipe):
        parser.error("--data and --recipe are needed, or --show")
    else:
        main(given)
