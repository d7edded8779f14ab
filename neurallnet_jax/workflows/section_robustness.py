"""What a robustness test found as a section of a page, and as a page of its own: curves, tables, how to read them.

Knows what the figures mean and how to say it; measures nothing and shows no image.
"""

from collections.abc import Mapping
from pathlib import Path

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.evaluation.robustness_result import Condition, Robustness, Summary
from neurallnet_jax.images import corruptions
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.workflows import figures, figures_robustness, page, section_scores, wording
from neurallnet_jax.workflows.page import Absent, Block, Card, Points, Section, Table

__all__ = ["NOTICE", "render", "section", "write"]

NOTICE = (
    "The corruptions are computed, one at a time; what another microscope, stain or laboratory does is not among them.",
    "For research and teaching only; the network is no medical device.",
)
"""What a page says at its head."""

_SILENT = 0.5
"""Share of its clean rate below which a layer is named."""


def section(results: Mapping[str, Robustness]) -> Section:
    """Return curves, tables and rates of one model, or of several on the same images, by name."""
    blocks: list[Block] = [_curves(results)]
    for name, found in results.items():
        of = f" of {name}" if len(results) > 1 else ""
        line = section_scores.colour_block(found.colour_line, found.colour_line_reason)
        blocks += [_summaries(found, of), line, _conditions(found, of), *_rates(found, of)]
    blocks.append(Points("How to read this", _reading(next(iter(results.values())))))
    return Section(
        "robustness",
        "What if the images get worse?",
        "Images are made worse on purpose, in eight ways and up to five degrees, and given to the network again; a "
        "reading that rests on the cells should fall late and slowly.",
        tuple(blocks),
    )


def render(results: Mapping[str, Robustness], *, command: str) -> str:
    """Return a page that needs nothing else; equal results give equal text."""
    found = next(iter(results.values()))
    return page.render(
        page.Page(
            title="What if the images get worse?",
            subtitle=f"{', '.join(results)} on {found.n:,} images in {found.groups:,} groups of neighbouring captures",
            command=command,
            notice=(*NOTICE, *_seen(found)),
            cards=tuple(card for name, one in results.items() for card in _cards(name, one)),
            sections=(section(results),),
            footer="Written by neurallnet-jax.",
        )
    )


def write(results: Mapping[str, Robustness], path: Path, *, command: str) -> Path:
    """Write the page to `path` and return it; a killed run leaves the old file or the new one.

    Raises:
        ValueError: The place cannot be written.
    """
    write_atomically(path, render(results, command=command).encode())
    return path


def _cards(name: str, found: Robustness) -> tuple[Card, ...]:
    worst = max(found.summaries, key=lambda one: one.drop)
    return (
        Card(
            name,
            wording.percent(found.clean.balanced_accuracy),
            f"balanced accuracy, clean {_span(found.clean.interval)}",
        ),
        Card(
            "Corrupted",
            wording.percent(found.overall.balanced_accuracy),
            f"mean over corruptions and severities {_span(found.overall.interval)}",
        ),
        Card(
            "Hurts most",
            corruptions.CORRUPTIONS[worst.name].title,
            f"falls by {_points(worst.drop)} points {_span(worst.drop_interval)}",
        ),
    )  # fmt: skip


def _curves(results: Mapping[str, Robustness]) -> Block:
    worst = {name: min(found.conditions, key=lambda one: one.balanced_accuracy) for name, found in results.items()}
    said = "; ".join(
        f"{name}: lowest at {_called(one)}, {wording.percent(one.balanced_accuracy)}" for name, one in worst.items()
    )
    return page.picture(
        figures_robustness.corruption_curves(results),
        figures_robustness.corruption_curves(results, theme=figures.DARK),
        alt=f"Balanced accuracy over the severity, a panel per corruption. {said}. The tables below have every number.",
        caption="From clean images (–) to severity 5; the numbers below an axis are what a severity means.",
    )


def _summaries(found: Robustness, of: str) -> Table:
    return Table(
        f"Means over the severities{of}",
        ("Corruption", "Balanced accuracy", "95 % interval", "Drop, points", "95 % interval", "Way to chance"),
        "lrrrrr",
        tuple(_summary_row(one) for one in (*found.summaries, found.overall)),
    )


def _summary_row(one: Summary) -> tuple[str, ...]:
    known = corruptions.CORRUPTIONS.get(one.name)
    return (
        "All of them" if known is None else known.title,
        wording.percent(one.balanced_accuracy),
        _span(one.interval),
        _points(one.drop),
        _span(one.drop_interval),
        wording.percent(one.lost, 2),
    )


def _conditions(found: Robustness, of: str) -> Table:
    layers = tuple(found.clean.rates)
    rows = [
        (
            "Clean",
            wording.percent(found.clean.balanced_accuracy),
            _span(found.clean.interval),
            *3 * (wording.NOTHING,),
            *(wording.number(found.clean.rates[layer]) for layer in layers),
        )
    ]
    for one in found.conditions:
        rows.append(
            (
                _called(one),
                wording.percent(one.balanced_accuracy),
                _span(one.interval),
                _points(one.drop),
                _span(one.drop_interval),
                wording.percent(one.changed, 2),
                *(wording.number(one.rates[layer]) for layer in layers),
            )
        )
    return Table(
        f"Every corruption and severity{of}; of layers: spikes per neuron and step",
        (
            "Corruption", "Balanced accuracy", "95 % interval", "Drop, points", "95 % interval", "Answers changed", *layers,
        ),
        "l" + "r" * (5 + len(layers)),
        tuple(rows),
        folded=True,
    )  # fmt: skip


def _rates(found: Robustness, of: str) -> list[Block]:
    if not any(found.clean.rates.values()):
        return [Absent(f"Firing rates{of}", "no layer of the network spikes")]
    quiet = [
        f"{layer} at {_called(one)}: {wording.rounded(one.rates[layer] / rate)} times its clean rate"
        for one in found.conditions
        for layer, rate in found.clean.rates.items()
        if rate and one.rates[layer] < _SILENT * rate
    ]
    drawn = page.picture(
        figures_robustness.rate_curves(found),
        figures_robustness.rate_curves(found, theme=figures.DARK),
        alt=f"Firing rate of every layer over the severity, as a multiple of the clean rate{of}. "
        + ("Falling below half: " + "; ".join(quiet) if quiet else "No layer falls below half of its clean rate."),
        caption="Spikes per neuron and step, as multiples of those of clean images: a network that falls silent has not "
        "misread the image, it has not seen it.",
    )
    return [drawn, *([Points(f"Layers below half of their clean rate{of}", tuple(quiet))] if quiet else [])]


def _reading(found: Robustness) -> tuple[str, ...]:
    lines = [
        f"A drop is clean minus corrupted, in percentage points; its interval draws the {found.groups:,} groups once for "
        "both, so it is narrower than the two intervals apart suggest. An interval that holds 0 shows no drop.",
        "Way to chance: the mean drop as a share of what lies between clean and guessing, from 0 % to 100 %.",
        "Severities are not comparable between corruptions: 8 px of blur and 45 degrees are no equal harm.",
        "A fall late and slow does not prove that cells are read: blur leaves colour, and colour alone tells most images.",
        *_seen(found),
    ]
    if found.no_interval:
        lines.append(f"There are no intervals: {found.no_interval}.")
    return tuple(lines)


def _seen(found: Robustness) -> tuple[str, ...]:
    if not found.seen:
        return ()
    return (
        f"{found.seen:,} of the {found.n:,} images were seen in training or selection, which flatters all figures.",
    )


def _called(one: Condition) -> str:
    chosen = corruptions.CORRUPTIONS[one.name]
    return f"{chosen.title} {one.severity} ({one.parameter:g}; {chosen.unit})"


def _points(drop: float) -> str:
    return f"{100 * drop:.1f}"


def _span(interval: Interval | None) -> str:
    return (
        wording.NOTHING
        if interval is None
        else f"[{100 * interval.low:.1f},{wording.NO_BREAK}{100 * interval.high:.1f}]"
    )
