"""The whole chain on drawn smears: draw, train, evaluate, convert, run Lava, compare, estimate energy, report.

Knows both packages and no command line; what it does is what the commands do, in one go.
"""

import platform
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np

import neurallnet_jax
from lava_port import port as ports
from lava_port import reference
from lava_port.energy import counts, estimate, profiles
from lava_port.energy import report as energy_json
from lava_port.energy.results import EnergyReport
from lava_port.port import Port
from lava_port.runtime import compat
from neurallnet_jax import config
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import evaluate, selection
from neurallnet_jax.evaluation.evaluate import Evaluation
from neurallnet_jax.images import folder, synthetic
from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.training import logs
from neurallnet_jax.training import run as runs
from neurallnet_jax.workflows import demo_page, simulate
from neurallnet_jax.workflows.convert import convert

__all__ = ["Demo", "Steps", "run", "to_json"]

COUNT = 200
"""Smears drawn of each class."""
LAVA_IMAGES = 4
"""Images that run in Lava."""
_SPLIT = "random"
_SAMPLES = 8
_PROFILES = ("horowitz45", "loihi1_davies2018")

Advance: TypeAlias = Callable[[int, int], None]
Steps: TypeAlias = Callable[[str], AbstractContextManager[Advance]]
"""Called with the name of a step; its context yields a function that hears what is done and what there is in all."""


@dataclass(frozen=True, eq=False)
class Demo:
    """What the demo found.

    Attributes:
        checkpoint: The trained network.
        evaluation: Its scores on the smears kept apart for the test.
        port: The integer network.
        integer_accuracy: Accuracy of the integer network on the same smears.
        parity: One entry per backend compared with the NumPy reference.
        lava: Why Lava was left out, None where it ran.
        energy: The estimate.
        activity: Spikes of every layer.
        report: The HTML page.
    """

    checkpoint: Checkpoint
    evaluation: Evaluation
    port: Port
    integer_accuracy: float
    parity: tuple[simulate.Parity, ...]
    lava: str | None
    energy: EnergyReport
    activity: simulate.Activity
    report: Path


def run(
    out: Path,
    *,
    seed: int = 0,
    command: str = "neurallnet demo",
    watching: AbstractContextManager[runs.Watcher] | None = None,
    steps: Steps = lambda name: nullcontext(lambda done, total: None),
) -> Demo:
    """Run the chain and leave smears, RUN, PORT and report in `out`.

    Args:
        out: Folder to write; it must not exist or be empty.
        seed: Seed of drawings and training.
        command: The command line, for the report.
        watching: Who watches the training.
        steps: Who is told of the other steps.

    Raises:
        ValueError: `out` holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: exists and is not an empty folder; name another one with --out, or remove it")
    chosen = config.preset("tiny")
    with steps("drawing smears") as advance:
        synthetic.write_folder(
            out / "smears", count=COUNT, seed=seed, image_size=chosen.network.image_size, progress=advance
        )
    with watching or nullcontext(runs.Watcher()) as watcher:
        request = runs.Request(str(out / "smears"), chosen.network, chosen.training, split=_SPLIT, seed=seed)
        trained = runs.train(request, out / "run", command=command, watcher=watcher).checkpoint
    if trained is None:
        raise KeyboardInterrupt
    dataset = folder.open_folder(out / "smears", trained.spec.image_size, classes=trained.classes)
    chosen_images = selection.select(dataset, seen=trained.seen, test=trained.test, only="test")
    with steps("scoring") as advance:
        evaluation = evaluate.evaluate(trained, dataset, chosen_images, progress=advance)
    port = convert(trained)
    ports.save(port, out / "port")
    pixels = np.asarray(dataset.pixels[chosen_images.places])
    with steps("running the integer network") as advance:
        simulated = simulate.simulate(port.fixed, pixels, backend="emulator", potentials=True, progress=advance)
    lava = _why_no_lava()
    few = selection.spread(np.arange(len(pixels)), LAVA_IMAGES)
    with steps("comparing spikes, Lava included" if lava is None else "comparing spikes") as advance:
        parity = simulate.check_parity(
            port.fixed,
            pixels[few],
            backends=("reference", "emulator", *(() if lava else ("lava",))),
            progress=advance,
        )
    energy = estimate.estimate(port.fixed, counts.counts(port.fixed, simulated.activity), profiles.select(_PROFILES))
    right = simulated.scores.argmax(axis=1) == dataset.labels[chosen_images.places]
    found = Demo(
        checkpoint=trained,
        evaluation=evaluation,
        port=port,
        integer_accuracy=float(right.mean()),
        parity=parity,
        lava=lava,
        energy=energy,
        activity=simulated.activity,
        report=out / "report.html",
    )
    with steps("writing the report"):
        demo_page.write(_content(found, dataset, chosen_images, few, out, command), found.report)
    return found


def to_json(found: Demo, *, seconds: float) -> dict[str, Any]:
    """Return the demo's result as plain data."""
    return {
        "accuracy": found.evaluation.scores.accuracy,
        "balanced_accuracy": found.evaluation.scores.balanced_accuracy,
        "integer_accuracy": found.integer_accuracy,
        "n": found.evaluation.scores.n,
        "parity": {
            **{entry.right: entry.equal for entry in found.parity},
            **({} if found.lava is None else {"lava": None, "lava_reason": found.lava}),
        },
        "energy": energy_json.to_json(found.energy, accuracy=found.integer_accuracy),
        "report": str(found.report),
        "seconds": seconds,
    }


def _why_no_lava() -> str | None:
    try:
        compat.require_lava()
    except ValueError as error:
        return str(error)
    return None


def _content(
    found: Demo,
    dataset: Dataset,
    chosen: selection.Selection,
    few: np.ndarray,
    out: Path,
    command: str,
) -> demo_page.ReportContent:
    shown = selection.spread(np.arange(len(chosen.places)), _SAMPLES)
    # One image is drawn as a raster; the reference needs no compilation for it.
    trace = reference.run_fixed(found.port.fixed, np.asarray(dataset.pixels[chosen.places[few[:1]]]))
    entries = [found.evaluation.predictions[place] for place in shown.tolist()]
    probabilities = np.array([list(entry.probabilities.values()) for entry in entries])
    names = {"emulator": "JAX emulator", "lava": "Lava", "reference": "NumPy reference"}
    parity = [demo_page.Parity(names[one.left], names[one.right], len(few), one.layers) for one in found.parity]
    if found.lava is not None:
        parity.append(demo_page.Parity(names["reference"], names["lava"], 0, demo_page.Missing(found.lava)))
    return demo_page.ReportContent(
        title="From drawn smears to spikes and joules",
        subtitle="A small spiking network with attention, trained in JAX, turned into integers and run in Lava.",
        command=command,
        data=f"Every image here was drawn by a program, {len(dataset)} smears of four classes; none shows a patient.",
        facts=(
            ("neurallnet-jax", neurallnet_jax.__version__),
            ("Python", platform.python_version()),
            ("JAX", f"{jax.__version__} on {jax.devices()[0].device_kind}"),
            ("Lava", compat.lava_version() or "not installed"),
            ("System", f"{platform.system()} {platform.machine()}"),
        ),
        classes=found.checkpoint.classes,
        samples=demo_page.Samples(
            np.asarray(dataset.pixels[chosen.places[shown]]),
            dataset.labels[chosen.places[shown]],
            probabilities.argmax(axis=1),
            probabilities,
        ),
        scores=found.evaluation.scores,
        intervals=found.evaluation.intervals,
        epochs=demo_page.epoch_records(logs.read(out / "run")),
        layers=demo_page.layer_figures(found.checkpoint, found.activity),
        parity=parity,
        rounding=found.port.rounding,
        trace=trace,
        energy=found.energy,
        notes=(f"Accuracy of the integer network on the same images: {found.integer_accuracy:.4f}.",),
    )
