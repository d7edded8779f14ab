"""The report of a whole chain, from samples to joules, as one HTML file that explains itself.

Knows the order of its parts and the key figures; computes no result, and runs neither network nor backend.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lava_port.energy.results import EnergyReport
from lava_port.trace import first_mismatch
from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.workflows import demo_page_energy, demo_page_sections, page, wording
from neurallnet_jax.workflows.demo_page_content import (
    LayerFigures,
    Missing,
    Parity,
    ReportContent,
    Samples,
    epoch_records,
    layer_figures,
)
from neurallnet_jax.workflows.page import Card

__all__ = [
    "NOTICE",
    "LayerFigures",
    "Missing",
    "Parity",
    "ReportContent",
    "Samples",
    "epoch_records",
    "layer_figures",
    "render",
    "write",
]

NOTICE = (
    "For research and teaching only. This is not a medical device, and nothing here is fit to diagnose anybody.",
    "Every energy is an estimate: operations counted exactly, times published constants. Nothing was measured on a chip, "
    "and the section on energy says what the figures leave out.",
    "Lava, the framework whose processes run the integer network here, was archived by Intel in May 2026; 0.10.0 is its "
    "last release. Wherever this page speaks of Lava, it is a simulation on a processor, not a Loihi chip.",
    "The network is a reconstruction: the NeurALLNet paper published neither code nor the details of its architecture.",
)
"""What every report says at its head, after the sentence on its images."""


def render(content: ReportContent) -> str:
    """Return the report as one HTML page that needs nothing else; equal content gives equal text."""
    return page.render(
        page.Page(
            title=content.title,
            subtitle=content.subtitle,
            command=content.command,
            notice=(content.data, *NOTICE),
            cards=(*_cards(content), *content.headline),
            sections=(
                demo_page_sections.samples(content),
                demo_page_sections.scores(content),
                demo_page_sections.training(content),
                demo_page_sections.layers(content),
                demo_page_sections.raster(content),
                demo_page_sections.rounding(content),
                demo_page_sections.parity(content),
                demo_page_sections.energy(content),
                demo_page_sections.making(content),
            ),
            footer="Written by neurallnet-jax. Research use only; not a medical device.",
        )
    )


def write(content: ReportContent, path: Path) -> Path:
    """Write the report to `path` and return it; a killed run leaves the old file or the new one.

    Raises:
        ValueError: The place cannot be written.
    """
    write_atomically(path, render(content).encode())
    return path


# --- Key figures


def _cards(content: ReportContent) -> tuple[Card, ...]:
    return (
        _accuracy_card(content),
        _spikes_card(content.layers),
        _parity_card(content.parity),
        demo_page_energy.card(content.energy)
        if isinstance(content.energy, EnergyReport)
        else Card("Energy per image", "not estimated", content.energy.reason),
    )


def _accuracy_card(content: ReportContent) -> Card:
    label = "Balanced accuracy"
    if isinstance(content.scores, Missing):
        return Card(label, "not scored", content.scores.reason)
    chance = sum(entry.support > 0 for entry in content.scores.per_class)
    detail = f"on {content.scores.n:,} images; guessing gives {wording.percent(1 / chance, 2)}"
    found = demo_page_sections.interval_text(content, "balanced_accuracy")
    level = wording.percent(content.interval_level, 2)
    return Card(
        label,
        wording.percent(content.scores.balanced_accuracy),
        f"{detail}; {level} interval {found}" if found != wording.NOTHING else detail,
    )


def _spikes_card(layers: Sequence[LayerFigures] | Missing) -> Card:
    label = "Spikes per image"
    if isinstance(layers, Missing):
        return Card(label, "not counted", layers.reason)
    if not any(layer.spikes is not None for layer in layers):
        return Card(label, "none", "no layer of this network spikes")
    spiking = [layer for layer in layers if layer.spikes is not None]
    neurons = sum(int(np.prod(layer.shape)) for layer in spiking)
    spikes = sum(layer.spikes or 0.0 for layer in spiking)
    parameters = sum(layer.parameters for layer in layers)
    mean = f"mean of {demo_page_sections.images(spiking[0].images)}"
    detail = f"from {neurons:,} neurons, {mean}; {parameters:,} trained parameters"
    return Card(label, wording.number(spikes), detail)


def _parity_card(parity: Sequence[Parity]) -> Card:
    label = "Executions"
    made = [(entry, entry.layers) for entry in parity if not isinstance(entry.layers, Missing)]
    missing = [(entry.second, entry.layers.reason) for entry in parity if isinstance(entry.layers, Missing)]
    if not made:
        reasons = " ".join(f"{name}: {reason}" for name, reason in missing)
        return Card(label, "not compared", reasons or "No two executions were compared.")
    for entry, layers in made:
        differs = first_mismatch(layers)
        if differs is not None:
            detail = f"{entry.first} and {entry.second} first differ in {differs.name}"
            return Card(label, "they differ", detail, good=False)
    names = list(dict.fromkeys(name for entry, _ in made for name in (entry.first, entry.second)))
    spikes = max(sum(layer.spikes for layer in layers) for _, layers in made)
    detail = f"{', '.join(names)}: every one of {spikes:,} spikes, and every score"
    left_out = [f"{name} was not compared" for name, _ in missing]
    return Card(label, "identical", "; ".join([detail, *left_out]), good=True)
