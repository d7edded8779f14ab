"""The sections of a report: each turns results into tables, pictures and a sentence that explains them.

Knows what the results mean and how to say it; computes none of them. The section on energy stands in `demo_page_energy.py`.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lava_port.energy.results import EnergyReport
from lava_port.trace import Mismatch
from neurallnet_jax import spec
from neurallnet_jax.metrics.intervals import Intervals
from neurallnet_jax.workflows import demo_page_energy, figures, page, section_scores, wording
from neurallnet_jax.workflows.demo_page_content import Missing, ReportContent, Samples
from neurallnet_jax.workflows.page import Absent, Block, Section, Table

__all__ = [
    "energy",
    "images",
    "interval_text",
    "layers",
    "making",
    "parity",
    "raster",
    "rounding",
    "samples",
    "scores",
    "training",
]


def samples(content: ReportContent) -> Section:
    """Return some test images with the network's answers."""
    blocks: tuple[Block, ...]
    if isinstance(content.samples, Missing):
        blocks = (Absent("Sample images", content.samples.reason),)
    else:
        samples = content.samples
        right = int(np.sum(np.asarray(samples.labels) == np.asarray(samples.predicted)))
        caption = (
            f"{right} of these {len(samples.images)} are told right. {figures.RIGHT} right, {figures.WRONG} and a dashed "
            "frame wrong; the percentage is the probability that the network gives its answer."
        )
        blocks = (page.Gallery(tuple(_tiles(samples, content.classes)), caption),)
    return Section(
        "samples",
        "What the network sees, and says",
        "A few test images at the size the network works on, with its answer below each; it has not trained on them.",
        blocks,
    )


def _tiles(samples: Samples, classes: Sequence[str]) -> Iterable[page.Tile]:
    for image, truth, guess, row in zip(
        samples.images, samples.labels, samples.predicted, samples.probabilities, strict=True
    ):
        good = bool(truth == guess)
        said = f"{classes[guess]}, {wording.percent(float(row[guess]), 2)}"
        yield page.Tile(
            image=page.data_uri(figures.tile(image)),
            alt=f"Smear of class {classes[truth]}; the network says {said}, which is {'right' if good else 'wrong'}.",
            sign=figures.RIGHT if good else figures.WRONG,
            title=said,
            detail=f"is {classes[truth]}",
            good=good,
        )


def scores(content: ReportContent) -> Section:
    """Return scores with intervals, confusion and each class."""
    lead = (
        "Scores on images that neither trained nor selected the network. An interval says how far a score would move "
        "with other images of the same kind."
    )
    title = "How often is it right?"
    scores = content.scores
    if isinstance(scores, Missing):
        return Section("scores", title, lead, (Absent("Scores", scores.reason),))
    header = ("Metric", "Value", f"{wording.percent(content.interval_level, 2)} interval")
    rows = tuple(
        (text, section_scores.metric_text(name, getattr(scores, name)), interval_text(content, name))
        for name, text in section_scores.METRICS.items()
    )
    blocks: list[Block] = [Table(f"Scores on {scores.n:,} images", header, "lrr", rows)]
    if isinstance(content.intervals, Missing):
        blocks.append(Absent("Intervals", content.intervals.reason))
    else:
        blocks += _interval_reasons(content.intervals)
    if scores.undefined:
        blocks.append(page.Points("Not defined here", scores.undefined))
    blocks += [
        section_scores.confusion_picture(scores),
        section_scores.confusion_table(scores),
        section_scores.class_table(scores),
    ]
    return Section("scores", title, lead, tuple(blocks))


def interval_text(content: ReportContent, name: str) -> str:
    """Return the interval over groups, over images where the groups give none, or a dash."""
    if isinstance(content.intervals, Missing) or name not in content.intervals:
        return wording.NOTHING
    return section_scores.interval_text(name, content.intervals[name].group or content.intervals[name].image)


def _interval_reasons(intervals: Mapping[str, Intervals]) -> list[Block]:
    reasons = (entry.group_reason for entry in intervals.values())
    lines = tuple(dict.fromkeys(reason for reason in reasons if reason))
    return [page.Points("Why some intervals draw single images, or are missing", lines)] if lines else []


def training(content: ReportContent) -> Section:
    """Return the learning curve."""
    lead = (
        "The network starts from random weights. The loss falls while it learns; validation images, which it never trains "
        "on, say which epoch to keep; layers that fall silent or fire all the time would carry nothing."
    )
    epochs = content.epochs
    blocks: list[Block]
    if isinstance(epochs, Missing) or not epochs:
        reason = epochs.reason if isinstance(epochs, Missing) else "The log of the training holds no epoch."
        blocks = [Absent("Learning curve", reason)]
    else:
        best = next((record for record in reversed(epochs) if record.best), epochs[-1])
        said = (
            "" if best.validation is None else f", balanced accuracy {wording.percent(best.validation)} on validation"
        )
        blocks = [
            page.picture(
                figures.learning_curve(epochs),
                figures.learning_curve(epochs, theme=figures.DARK),
                alt=(
                    f"Loss from {wording.number(epochs[0].loss)} in epoch {epochs[0].epoch} to "
                    f"{wording.number(epochs[-1].loss)} in epoch {epochs[-1].epoch}; epoch {best.epoch} was kept{said}."
                ),
                caption=(
                    f"Epoch {best.epoch} was kept{said}. Training images are counted with augmentation and the weights "
                    "of the moment, validation images with averaged weights."
                ),
            )
        ]
        warnings = tuple(f"epoch {record.epoch}: {text}" for record in epochs for text in record.warnings)
        if warnings:
            blocks.append(page.Points("Layers that carried no information", warnings))
    return Section("training", "How it learned", lead, tuple(blocks))


def layers(content: ReportContent) -> Section:
    """Return the table of layers."""
    lead = (
        "Each layer convolves, weighs its channels by attention, and hands the result to neurons that spike or stay "
        "silent. The fewer spikes, the less work for hardware that works on spikes only."
    )
    title = "Layers and spikes"
    if isinstance(content.layers, Missing):
        return Section("layers", title, lead, (Absent("Layer table", content.layers.reason),))
    rows = tuple(
        (
            layer.name,
            " × ".join(map(str, layer.shape)),
            f"{int(np.prod(layer.shape)):,}",
            f"{layer.parameters:,}",
            wording.number(layer.spikes),
            wording.percent(layer.rate),
        )
        for layer in content.layers
    )
    header = ("Neurons", "Shape", "Number", "Parameters", "Spikes per image", "Spike in a step")
    over = f"; means of {images(content.layers[0].images)}" if content.layers else ""
    caption = f"Layers of neurons with the weights before them; the read-out sums up and does not spike{over}"
    blocks: list[Block] = [Table(caption, header, "llrrrr", rows)]
    silent = [layer.name for layer in content.layers if layer.spikes == 0]
    if silent:
        said = f"Silent on all of these images: {', '.join(silent)}. No layer after a silent one hears anything."
        blocks.append(page.Text(said))
    return Section("layers", title, lead, tuple(blocks))


def raster(content: ReportContent) -> Section:
    """Return the spikes of one image."""
    lead = (
        "The same image, step by step: a mark is a spike of one neuron. Every layer hears the one before it a step later, "
        "so its window of work, shaded, begins later too."
    )
    title = "Spikes in time"
    if isinstance(content.trace, Missing):
        return Section("raster", title, lead, (Absent("Spike raster", content.trace.reason),))
    trace, image = content.trace, content.raster_image
    rates = ", ".join(
        f"{layer.name} {wording.percent(float(layer.spikes[:, image].mean()), 2)}" for layer in trace.layers
    )
    scores = trace.scores[image]
    said = content.classes[int(np.argmax(scores))]
    picture = page.picture(
        figures.spike_raster(trace, image),
        figures.spike_raster(trace, image, theme=figures.DARK),
        alt=f"Spike raster of one image over {trace.total_steps} steps. Share of neurons that spike in a step: {rates}.",
        caption=(
            f"Left: up to {figures.NEURONS_SHOWN} neurons per layer, evenly spaced over all its places and channels. "
            f"Right: the share of all its neurons that spike in each step. The network sees T = {trace.steps} steps and "
            f"runs {trace.total_steps} until the last layer is done; the highest class score is that of {said}."
        ),
    )
    return Section("raster", title, lead, (picture,))


def rounding(content: ReportContent) -> Section:
    """Return what the integers cost."""
    lead = (
        "Neuromorphic chips compute in small integers. Weights become 8-bit numbers with a scale per channel, and the "
        "largest current and potential that any image could cause are proven to fit their registers."
    )
    title = "From floats to integers"
    if isinstance(content.rounding, Missing):
        return Section("rounding", title, lead, (Absent("Rounding report", content.rounding.reason),))
    rows = tuple(
        (
            row.name,
            wording.number(row.bits, 2),
            wording.percent(row.weight_error_rms),
            wording.percent(row.threshold_error),
            wording.percent(row.current_bound / row.current_limit),
            wording.percent(row.potential_bound / row.potential_limit),
            row.proof,
        )
        for row in content.rounding
    )
    header = ("Layer", "Bits", "Weight error", "Threshold error", "Current range", "Potential range", "Known from")
    caption = "What the rounding cost, and how much of each range the worst case fills (of a gate: its sums)"
    return Section("rounding", title, lead, (Table(caption, header, "lrrrrrl", rows),))


def parity(content: ReportContent) -> Section:
    """Return the comparisons of executions."""
    lead = (
        "One integer network, run by different programs, must give the same spikes in the same steps: whoever trusts one "
        "execution may then trust the others."
    )
    about = page.Text(
        "Lava runs the network as processes that exchange spikes, as neuromorphic hardware would, simulated on the "
        "processor. The NumPy reference is a second, independent reading of the same equations. Intel archived Lava in "
        "May 2026."
    )
    blocks: list[Block] = [about]
    if not content.parity:
        blocks.append(Absent("Comparison of executions", "No two executions were compared."))
    for entry in content.parity:
        name = f"{entry.first} and {entry.second}"
        if isinstance(entry.layers, Missing):
            blocks.append(Absent(name, entry.layers.reason))
        else:
            blocks.append(_parity_table(f"{name}, on {images(entry.images)}", entry.layers))
    return Section("parity", "Same spikes everywhere", lead, tuple(blocks))


def _parity_table(caption: str, layers: tuple[Mismatch, ...]) -> Table:
    rows = tuple(
        (
            layer.name,
            wording.NOTHING if layer.name == spec.Readout.__name__.lower() else f"{layer.spikes:,}",
            f"{layer.mismatches:,}",
            f"{figures.WRONG} first at {layer.first}" if layer.mismatches else f"{figures.RIGHT} identical",
        )
        for layer in layers
    )
    return Table(caption, ("Layer", "Spikes", "Differences", "Verdict"), "lrrl", rows)


def images(number: int) -> str:
    """Return a number of images in words."""
    return "one image" if number == 1 else f"{number:,} images"


def energy(content: ReportContent) -> Section:
    """Return the energy estimate."""
    if isinstance(content.energy, EnergyReport):
        return demo_page_energy.section(content.energy)
    blocks = (Absent("Energy estimate", content.energy.reason),)
    return Section("energy", demo_page_energy.TITLE, demo_page_energy.LEAD, blocks)


def making(content: ReportContent) -> Section:
    """Return notes, versions and sources."""
    blocks: list[Block] = []
    if content.notes:
        blocks.append(page.Points("Notes", tuple(content.notes)))
    if content.facts:
        blocks.append(Table("Versions and machine", ("What", "Value"), "ll", tuple(content.facts)))
    else:
        blocks.append(Absent("Versions and machine", "The run did not record them."))
    papers = (
        ("Network", page.source("Hassan, Shanto, Hasan, Momen 2026, Digital Health, doi 10.1177/20552076261466149")),
        ("Attention", "Hu, Shen, Sun 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507"),
        ("Lava", "lava-nc 0.10.0, Intel, August 2024; archived in May 2026"),
    )
    blocks.append(Table("What this builds on", ("Part", "Source"), "ll", papers))
    return Section(
        "making",
        "How this page was made",
        "Everything needed to make it again: the command stands at the head of the page, versions and machine here.",
        tuple(blocks),
    )
