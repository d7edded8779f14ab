"""One image explained: what a network says of it, its maps by every method asked for, and its gates.

Knows files and explanations; no folder of images, no figure, no command line.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array

from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import evaluate
from neurallnet_jax.evaluation.evaluate import Prediction
from neurallnet_jax.explain import faithfulness, trial
from neurallnet_jax.explain import methods as table
from neurallnet_jax.explain.attribution import Attribution
from neurallnet_jax.explain.controls import CONTROLS
from neurallnet_jax.explain.faithfulness import Curves
from neurallnet_jax.explain.gates import GateTrace, gate_traces
from neurallnet_jax.explain.trial import Case, Settings
from neurallnet_jax.images.folder import open_files
from neurallnet_jax.models import Classifier
from neurallnet_jax.workflows import explain

__all__ = ["Explained", "Map", "explain_image"]


@dataclass(frozen=True, eq=False)
class Map:
    """One method on one image.

    Attributes:
        found: The heat map.
        curves: Its curves of deletion and insertion.
        figures: Areas and shares by metric, see `trial.figures`.
    """

    found: Attribution
    curves: Curves
    figures: Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class Explained:
    """One image with its maps.

    Attributes:
        prediction: What the model says of it.
        image: As the model sees it, uint8 (height, width, channels).
        target: Name of the class that is explained.
        maps: By method.
        controls: The same of maps that no model made.
        refused: Methods that the model cannot have, where all were asked for.
        gates: Attention gates over time, where all methods were asked for and the model has gates.
    """

    prediction: Prediction
    image: np.ndarray
    target: str
    maps: Mapping[str, Map]
    controls: Mapping[str, Map]
    refused: Mapping[str, str]
    gates: tuple[GateTrace, ...] = ()


def explain_image(
    saved: Checkpoint,
    path: Path,
    *,
    names: Sequence[str],
    layer: str | None = None,
    target: str | None = None,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Explained:
    """Return the maps of one image, which is resized and turned into 8-bit RGB as `predict` does.

    Args:
        saved: The model.
        path: The image.
        names: Methods, or `all` alone.
        layer: Which layer to look at.
        target: Name of the class to explain; None for the one that the model says.
        settings: Steps, replacement and seed.
        progress: Called with runs of the network done and runs in all, roughly, see `methods.Method.evaluations`.

    Raises:
        ValueError: A bad image, or an unknown method, layer or class; one line.
    """
    classifier = models.from_checkpoint(saved)
    chosen = explain.select(classifier, names, layer=layer)
    place = explain.class_place(saved, target)
    settings = explain.with_temperature(settings, saved)
    files = open_files([path], saved.spec.image_size, on_bad_image="fail")
    (prediction,) = evaluate.predict(saved, files)
    place = saved.classes.index(prediction.label) if place is None else place
    (image,) = models.prepare(files.pixels, saved.preprocessing.white_level)
    (whole,) = open_files([path], explain.REGION_SIZE, on_bad_image="fail").pixels
    case = Case(image, place, explain.regions_of(whole, saved.spec.image_size))
    follow = faithfulness.make_follow(
        classifier, steps=settings.steps, replacement=settings.replacement, temperature=settings.temperature
    )
    key = jax.random.key(settings.seed)
    maps: dict[str, Map] = {}
    every = {**chosen.ready, **CONTROLS}
    shown = _Progress(
        {name: table.METHODS[name].evaluations for name in chosen.ready} | dict.fromkeys(CONTROLS, 1), progress
    )
    for name, method in every.items():
        found = method(classifier)(classifier.variables, image, place, key, progress=shown.within(name))
        curves = follow(image, found.heat, place, seed=settings.seed)
        maps[name] = Map(found, curves, trial.figures(found, case, curves, seed=settings.seed))
        shown.within(name)(1, 1)
    controls = {name: maps.pop(name) for name in CONTROLS}
    gates = _gates(classifier, image, key) if list(names) == [explain.ALL] else ()
    return Explained(prediction, image, saved.classes[place], maps, controls, chosen.refused, gates)


@dataclass(frozen=True, eq=False)
class _Progress:
    """Progress of methods that follow each other, in runs of the network."""

    costs: Mapping[str, int]
    show: Callable[[int, int], None] | None

    def within(self, name: str) -> Callable[[int, int], None]:
        """Return what a method calls with evaluations done and in all."""
        names = list(self.costs)
        before = sum(self.costs[one] for one in names[: names.index(name)])

        def told(done: int, total: int) -> None:
            if self.show:
                self.show(before + self.costs[name] * done // total, sum(self.costs.values()))

        return told


def _gates(classifier: Classifier, image: np.ndarray, key: Array) -> tuple[GateTrace, ...]:
    """Return the gates of the attention that looks at the image; none where there is no such attention."""
    network = classifier.spec
    if not isinstance(network, spec.Network) or not any(isinstance(one, spec.SqueezeExcite) for one in network.layers):
        return ()
    return gate_traces(classifier)(classifier.variables, image, key)
