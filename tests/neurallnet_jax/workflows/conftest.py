"""A small run from drawn weights to joules, as a report is given it; the network is not trained."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from lava_port import graph, lower, passes, quantise, reference, trace
from lava_port.energy import activity, chips, counts, estimate, fit, profiles
from lava_port.energy.results import EnergyReport
from lava_port.quantise import LayerRounding
from neurallnet_jax import checkpoint, config, spec
from neurallnet_jax.evaluation import ablation_results, arms, crossvalidation_table
from neurallnet_jax.explain import trial
from neurallnet_jax.explain.faithfulness_result import Faithfulness, Figure, Row, Stage
from neurallnet_jax.images import splits, synthetic
from neurallnet_jax.images.folder import open_folder
from neurallnet_jax.metrics import intervals, scores
from neurallnet_jax.training.loop import EpochRecord
from neurallnet_jax.workflows import demo_page, report_run
from neurallnet_jax.workflows.page import Card
from neurallnet_jax.workflows.report_content import RunReport

SIZE = (32, 32)


def small_network() -> spec.Network:
    return spec.neurallnet(widths=(8, 16), image_size=SIZE, steps=4, attention=spec.SqueezeExcite(delay=2))


def drawn_weights(network: spec.Network) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    weights = {}
    for name, shape in lower.weight_shapes(network).items():
        fan_in = int(np.prod(shape[:-1])) or 1
        kernel = name.endswith("kernel")
        drawn = rng.normal(0, 1.5 / np.sqrt(fan_in), shape) if kernel else rng.uniform(0.3, 0.8, shape)
        weights[name] = np.asarray(drawn, np.float32)
    return weights


@pytest.fixture(scope="session")
def images() -> tuple[np.ndarray, np.ndarray]:
    return synthetic.dataset(2, 0, SIZE)


@pytest.fixture(scope="session")
def ported() -> tuple[graph.FixedGraph, tuple[LayerRounding, ...]]:
    network = small_network()
    lowered = lower.lower(network, drawn_weights(network), offset=(128,) * 3, scale=64.0, classes=synthetic.CLASSES)
    return quantise.quantise(passes.fold(lowered))


@pytest.fixture(scope="session")
def run(ported: tuple[graph.FixedGraph, object], images: tuple[np.ndarray, np.ndarray]) -> trace.Trace:
    return reference.run_fixed(ported[0], images[0])


@pytest.fixture(scope="session")
def energy(ported: tuple[graph.FixedGraph, object], run: trace.Trace) -> EnergyReport:
    counted = counts.counts(ported[0], activity.measure(ported[0], run))
    return estimate.estimate(ported[0], counted, profiles.select(["horowitz45", "loihi1_davies2018"]))


@pytest.fixture(scope="session")
def placed_energy(
    ported: tuple[graph.FixedGraph, object], run: trace.Trace, images: tuple[np.ndarray, np.ndarray]
) -> EnergyReport:
    """All profiles, with labels, on the cores of Loihi 2."""
    placement, unplaced = fit.place_first(ported[0], chips.select(["loihi2"]))
    counted = counts.counts(ported[0], activity.measure(ported[0], run), placement=placement)
    return estimate.estimate(ported[0], counted, profiles.select(), labels=images[1], unplaced=unplaced)


@pytest.fixture(scope="session")
def epochs() -> tuple[EpochRecord, ...]:
    rng = np.random.default_rng(1)
    return tuple(
        EpochRecord(
            epoch=epoch,
            step=6 * epoch,
            loss=1.4 * 0.85**epoch,
            accuracy=1 - 0.7 * 0.8**epoch,
            rates={"lif_1": 0.12 + 0.01 * float(rng.random()), "lif_2": 0.0 if epoch == 1 else 0.05},
            validation=1 - 0.75 * 0.8**epoch,
            validation_loss=1.5 * 0.87**epoch,
            best=epoch <= 7,
            images_per_second=400.0,
            warnings=("layer 'lif_2' is silent: 0.00000 spikes per neuron and step",) if epoch == 1 else (),
        )
        for epoch in range(1, 9)
    )


@pytest.fixture(scope="session")
def content_of(
    ported: tuple[graph.FixedGraph, tuple[LayerRounding, ...]],
    images: tuple[np.ndarray, np.ndarray],
    run: trace.Trace,
    energy: EnergyReport,
    epochs: tuple[EpochRecord, ...],
) -> Callable[..., demo_page.ReportContent]:
    """Return a function that makes a whole report; keywords replace parts of it, `classes` everywhere at once."""
    pixels, labels = images

    def make(classes: tuple[str, ...] = synthetic.CLASSES, **parts: object) -> demo_page.ReportContent:
        rng = np.random.default_rng(2)
        truth = np.tile(np.arange(4), 20)
        logits = 2.5 * np.eye(4)[truth] + rng.normal(0, 1, (80, 4))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        sampled = probabilities[: len(pixels)]
        whole: dict[str, object] = {
            "title": "From a drawn smear to spikes and joules",
            "subtitle": "A network trained in a minute, run as integers in three programs, and priced.",
            "command": "neurallnet demo --out demo",
            "data": "The images are synthetic: a program drew them, they show no patient.",
            "facts": (("neurallnet-jax", "0.1.0"), ("jax", "0.10.2"), ("Processor", "2 cores, x86_64")),
            "classes": classes,
            "samples": demo_page.Samples(pixels, labels, sampled.argmax(axis=1), sampled),
            "scores": scores.score(truth, probabilities, classes),
            "intervals": intervals.bootstrap(truth, probabilities, np.arange(80), draws=50),
            "epochs": epochs,
            "layers": (
                demo_page.LayerFigures("lif_1", (16, 16, 8), 312, 1234.5, 0.15, 8),
                demo_page.LayerFigures("readout", (4,), 68, None, None, 8),
            ),
            "parity": (demo_page.Parity("NumPy reference", "Lava", len(pixels), trace.compare(run, run)),),
            "rounding": ported[1],
            "trace": run,
            "energy": energy,
            "headline": (Card("Time", "131 s", "from the first drawn cell to this page"),),
            "notes": ("The network was trained for 8 epochs.",),
        }
        return demo_page.ReportContent(**{**whole, **parts})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def ablated() -> ablation_results.Ablation:
    """Two seeds of five arms, of which `static` is dead once and `identity` equals `none`, and one that failed."""
    labels, groups = (0, 0, 0, 0, 1, 1, 1, 1), (0, 0, 1, 1, 2, 2, 3, 3)

    def outcome(arm: str, seed: int, right: int, silent: tuple[str, ...] = ()) -> ablation_results.Outcome:
        predicted = tuple(label if place < right else 1 - label for place, label in enumerate(labels))
        return ablation_results.Outcome(
            arm, seed, f"runs/{arm}/seed-{seed}", balanced_accuracy=right / 8, accuracy=right / 8, validation=0.5,
            best_epoch=1, parameters=1234, rates={"lif_1": 0.1, "lif_2": 0.3}, rate=0.15, spikes=60.0, silent=silent,
            seconds=4.0, weights=f"{seed}", labels=labels, groups=groups, predicted=predicted, machine={"jax": "1"},
        )  # fmt: skip

    outcomes = [
        *(outcome("se", seed, right) for seed, right in enumerate((8, 6))),
        *(outcome(arm, seed, 6) for seed in range(2) for arm in ("none", "identity", "steps-1")),
        *(outcome("static", seed, 4, silent) for seed, silent in enumerate(((), ("lif_2",)))),
        ablation_results.Outcome("rate", 0, "runs/rate/seed-0", error="step 1: the loss is not a number"),
    ]
    protocol = {
        "data": "smears", "image_size": [64, 64], "steps": 4, "split": "contiguous", "fold": 1, "seeds": 2, "epochs": 24
    }  # fmt: skip
    every = arms.arms(arms.baseline(config.preset("tiny").network))
    return ablation_results.summarise(every, outcomes, protocol)


# --- The report of a RUN


class Reported(NamedTuple):
    """A report with the RUN and the folder it was made from."""

    report: RunReport
    run: Path
    data: Path


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """A whole report on 48 drawn smears, of a network that was drawn too: its split is made up, nothing is trained."""
    root = tmp_path_factory.mktemp("reported")
    data, place = root / "smears", root / "run"
    synthetic.write_folder(data, count=12, seed=0, image_size=SIZE)
    dataset = open_folder(data, SIZE)
    parts = tuple(("test", "validation", "train")[record.number % 3] for record in dataset.records)
    split = dataclasses.replace(splits.make_split(dataset.records, scheme="random", fold=0, seed=0), parts=parts)
    hashes = {
        part: tuple(dataset.records[one].sha256 for one in splits.indices(split, part).tolist())
        for part in ("train", "validation", "test")
    }
    network = small_network()
    saved = checkpoint.Checkpoint(
        network,
        drawn_weights(network),
        checkpoint.Preprocessing(),
        dataset.classes,
        seen=hashes["train"] + hashes["validation"],
        test=hashes["test"],
        provenance={
            "command": f"neurallnet train --data {data} --out {place}",
            "data": {"digest": splits.digest(dataset), "images": len(dataset)},
            "split": {"scheme": "random", "fold": 0, **{part: len(some) for part, some in hashes.items()}},
            "seed": 0,
            "training": {"epochs": 3, "augmentation": {"flip": True}},
            "versions": {"neurallnet-jax": "0.1.0"},
        },
    )
    checkpoint.save(saved, place)
    splits.write_split(split, dataset, place / "split.csv")
    made = report_run.report(str(place), data, command="neurallnet report run --data smears", limit=2, watching=silent)
    return Reported(made, place, data)


@contextmanager
def silent(_: str) -> Iterator[Callable[[int, int], None]]:
    """Show no progress."""
    yield lambda done, total: None


@pytest.fixture(scope="session")
def faithful() -> Faithfulness:
    """Two methods and a control, whose figures are drawn."""
    rng = np.random.default_rng(6)
    names = (*trial.METRICS, *(f"{region}_ratio" for region in trial.REGIONS))

    def row(method: str, *, control: bool) -> Row:
        values = {name: float(rng.random()) for name in names}
        found = {name: Figure(value, intervals.Interval(value - 0.1, value + 0.1), 9) for name, value in values.items()}
        return Row(method, control, found, (Stage("dense_1", found["randomised"], 0.0),))

    return Faithfulness(
        rows=(row("grad-cam", control=False), row("lime", control=False), row("random", control=True)),
        refused={"saliency": "the gradient goes through surrogates"}, n=9, seen=0, masks=2, checked=3, groups=8,
        no_interval=None, note=None, target="predicted", settings={"replacement": "background", "noise": 2.0},
    )  # fmt: skip


@pytest.fixture(scope="session")
def full(
    reported: Reported, crossvalidated: Path, ablated: ablation_results.Ablation, faithful: Faithfulness
) -> RunReport:
    """The same with a cross-validation, explanations and an ablation, of other images than these: for the page alone."""
    folds = crossvalidation_table.tabulate(crossvalidated)
    return dataclasses.replace(reported.report, crossvalidation=folds, explain=faithful, ablation=ablated)
