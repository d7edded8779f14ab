"""A table of faithfulness as a section of a page, and as a page of its own: what each method is worth on this network.

Knows what the figures mean and how to say it; measures nothing and shows no image.
"""

from pathlib import Path

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.explain.faithfulness_result import Faithfulness, Figure, Row
from neurallnet_jax.workflows import figures, figures_faithfulness, page, wording
from neurallnet_jax.workflows.page import Block, Card, Points, Section, Table

__all__ = ["NOTICE", "answer", "render", "section", "write"]

NOTICE = (
    "A heat map says where a network's score comes from, not whether it is right, and no map proves that cells are read.",
    "For research and teaching only; the network is no medical device.",
)
"""What a page says at its head."""

TITLE = "Where does it look, and can the maps be believed?"

_WORDS = {"cells": "cells", "background": "background", "scale_bar": "scale bar"}


def section(found: Faithfulness) -> Section:
    """Return curves, places, stability and randomised weights of all methods."""
    blocks: list[Block] = [
        page.picture(
            figures_faithfulness.gains(found),
            figures_faithfulness.gains(found, theme=figures.DARK),
            alt="By how much every method beats a random order, and how much evidence lies on each region. "
            f"{answer(found)} "
            "The tables below have every number.",
            caption="Dots are means, lines their 95 % intervals over groups. Right of the dotted line: better than "
            "a random order; "
            "more evidence than the area would hold by chance. Controls, which ask no network, are marked *.",
        ),
        _curves(found),
        _places(found),
    ]
    if found.masks:
        blocks.append(_masks(found))
    if found.rows[0].cascade:
        blocks.append(
            page.picture(
                figures_faithfulness.cascade(found),
                figures_faithfulness.cascade(found, theme=figures.DARK),
                alt="Rank correlation with the map of the trained network while weights are drawn anew from the top; the "
                "table below has every number.",
                caption="A method that explains the network falls towards 0. One that stays at 1 draws the image.",
            )
        )
    blocks += [_checks(found), Points("How to read this", _reading(found))]
    lead = (
        "Pixels that a heat map calls evidence are taken out, or put back, and the network is asked again; the same "
        "is done "
        "with a random order, with the middle of the image and with its edges."
    )
    return Section("explain", TITLE, lead, tuple(blocks))


def answer(found: Faithfulness) -> str:
    """Say, in one sentence, which method is most faithful, and how much of its evidence lies on the scale bar."""
    best = _best(found)
    if best is None:
        return f"No method was tested on the {found.n:,} images."
    said = (
        f"On {found.n:,} images {best.method} is the most faithful by deletion, with an area "
        f"{_value(best.figures['deletion_over_random'])} below that of a random order"
    )
    beaten = [row.method for row in _tested(found) if not _beats(row.figures["deletion_over_random"])]
    if beaten:
        said += f"; not shown to beat that order: {', '.join(beaten)}"
    share, area = (best.figures[f"scale_bar_{kind}"].value for kind in ("share", "area"))
    if share is None:
        return f"{said}; no image has a scale bar."
    return (
        f"{said}; {wording.percent(share)} of the evidence of {best.method} lies on the scale bar, which is "
        f"{wording.percent(area)} of the area."
    )


def render(found: Faithfulness, *, run: str, command: str) -> str:
    """Return a page that needs nothing else; equal results give equal text."""
    seen = (f"{found.seen:,} of the {found.n:,} images were seen in training or selection.",) if found.seen else ()
    return page.render(
        page.Page(
            title=TITLE,
            subtitle=f"{run} on {found.n:,} images in {found.groups:,} groups of neighbouring captures",
            command=command,
            notice=(*NOTICE, *seen),
            cards=_cards(found),
            sections=(section(found),),
            footer="Written by neurallnet-jax. Research use only; not a medical device.",
        )
    )


def write(found: Faithfulness, path: Path, *, run: str, command: str) -> Path:
    """Write the page to `path` and return it; a killed run leaves the old file or the new one.

    Raises:
        ValueError: The place cannot be written.
    """
    write_atomically(path, render(found, run=run, command=command).encode())
    return path


def _cards(found: Faithfulness) -> tuple[Card, ...]:
    best = _best(found)
    if best is None:
        return ()
    return (
        Card("Most faithful", best.method, f"deletion {_value(best.figures['deletion'])}"),
        *(
            Card(
                f"On the {_WORDS[region]}",
                wording.percent(best.figures[f"{region}_share"].value),
                f"of its evidence, on {wording.percent(best.figures[f'{region}_area'].value)} of the area",
            )
            for region in ("cells", "scale_bar")
        ),
    )


def _tested(found: Faithfulness) -> list[Row]:
    return [row for row in found.rows if not row.control and row.figures["deletion_over_random"].value is not None]


def _best(found: Faithfulness) -> Row | None:
    return max(_tested(found), key=lambda row: row.figures["deletion_over_random"].value or 0.0, default=None)


def _curves(found: Faithfulness) -> Table:
    metrics = (
        "deletion", "deletion_over_random", "deletion_over_centre", "insertion", "insertion_over_random",
        "insertion_over_centre",
    )  # fmt: skip
    return Table(
        f"Areas under the curves, {found.n:,} images, with 95 % intervals over {found.groups:,} groups",
        ("Method", "Deletion ↓", "Over random", "Over centre", "Insertion ↑", "Over random", "Over centre"),
        "lrrrrrr",
        tuple((_name(row), *(_value(row.figures[metric]) for metric in metrics)) for row in found.rows),
    )


def _places(found: Faithfulness) -> Table:
    header = [column for word in _WORDS.values() for column in (word.capitalize(), "of the area", "ratio")]
    return Table(
        "Where the evidence lies: share of the evidence, share of the area, and their ratio, which is 1 by chance",
        ("Method", *header),
        "l" + "r" * len(header),
        tuple(
            (
                _name(row),
                *(
                    cell
                    for region in _WORDS
                    for cell in (
                        wording.percent(row.figures[f"{region}_share"].value),
                        wording.percent(row.figures[f"{region}_area"].value),
                        _value(row.figures[f"{region}_ratio"], 2),
                    )
                ),
            )
            for row in found.rows
        ),
    )


def _masks(found: Faithfulness) -> Table:
    return Table(
        f"Against weak masks of blasts, {found.masks:,} images: thresholds of colour, cleaned, no ground truth",
        ("Method", "Hottest pixel inside", "Evidence inside", "IoU", "Area of the mask"),
        "lrrrr",
        tuple(
            (
                _name(row),
                *(_value(row.figures[metric], 2) for metric in ("pointing", "inside", "iou")),
                wording.percent(row.figures["mask_area"].value),
            )
            for row in found.rows
        ),
    )


def _checks(found: Faithfulness) -> Table:
    stages = [stage.down_to for stage in found.rows[0].cascade]
    columns = ("mean_change", "max_change", "noise_correlation", "repeated")
    return Table(
        f"Stability and randomised weights, {found.checked:,} images; (e): some of the maps are flat then",
        ("Method", "Change under noise", "At most", "Rank under noise", "Rank when redrawn",
         *(f"Anew down to {stage}" for stage in stages), "Shuffled labels", "Flat maps", "Seconds"),
        "l" + "r" * (len(columns) + len(stages) + 3),
        tuple(
            (
                _name(row),
                *(wording.number(row.figures[metric].value, 2) for metric in columns),
                *(
                    wording.number(stage.figure.value, 2) + (" (e)" if stage.emptied else "") for stage in row.cascade
                ),
                wording.number(row.figures["shuffled"].value, 2),
                wording.percent(row.figures["flat"].value, 2),
                wording.number(row.figures["seconds"].value, 2),
            )
            for row in found.rows
        ),
    )  # fmt: skip


def _reading(found: Faithfulness) -> tuple[str, ...]:
    taken = {
        "background": "the level of the empty slide",
        "offset": "the mean colour of the training",
        "mean": "the mean colour of the image",
        "blur": "the image blurred",
    }.get(str(found.settings.get("replacement")), "something else")
    lines = [
        "Deletion: the area under the probability of the class while the hottest pixels go first; insertion: while "
        "they come "
        f"first. What is taken out becomes {taken}. Over random: the same for a random order minus it (for insertion the "
        "other way), so above 0 is better.",
        "A curve can fall because an image with holes is like none the network has seen. The random order has such "
        "holes too, "
        "which is why the difference counts and not the area.",
        "Share of the evidence on scale bar and background beside their share of the area: much more than the area "
        "is the mark "
        "of a shortcut. Less is no proof of none, since a map may be wrong.",
        "Rank correlations compare absolute maps. Drawn anew, a network knows nothing: a map that stays draws the image.",
    ]
    if found.masks:
        lines.append(
            "Weak masks hold smudged cells and debris and lack some blasts; no method can reach 1 against them."
        )
    if any(row.figures["shuffled"].value is None for row in found.rows):
        lines.append("Label randomisation was not tested: it takes a second RUN, see docs/explain.md.")
    lines += [f"Not for this network: {name}: {reason}." for name, reason in found.refused.items()]
    if found.no_interval:
        lines.append(f"There are no intervals: {found.no_interval}.")
    if found.note:
        lines.append(f"{found.note[:1].upper()}{found.note[1:]}.")
    if found.seen:
        lines.append(f"{found.seen:,} of the {found.n:,} images were seen in training or selection.")
    return tuple(lines)


def _beats(figure: Figure) -> bool:
    low = figure.value if figure.interval is None else figure.interval.low
    return low is not None and low > 0


def _name(row: Row) -> str:
    return f"{row.method} *" if row.control else row.method


def _value(figure: Figure, digits: int = 3) -> str:
    if figure.value is None:
        return wording.NOTHING
    if figure.interval is None:
        return f"{figure.value:.{digits}f}"
    low, high = (f"{end:.{digits}f}" for end in (figure.interval.low, figure.interval.high))
    return f"{figure.value:.{digits}f} [{low},{wording.NO_BREAK}{high}]"
