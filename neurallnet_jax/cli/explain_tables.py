"""The tables that `explain` prints. Computes nothing."""

from neurallnet_jax.cli.output import console, show_table
from neurallnet_jax.cli.tables import show_predictions
from neurallnet_jax.explain.faithfulness_result import Faithfulness, Figure, Row
from neurallnet_jax.workflows.explain_image import Explained

__all__ = ["show_faithfulness", "show_image"]


def show_image(found: Explained) -> None:
    """Print what the network says of an image, and figures and facts of every map of it."""
    show_predictions([found.prediction])
    show_table(
        f"evidence for {found.target}",
        ["method", "deletion", "insertion", "cells", "background", "scale bar", "facts"],
        [
            [
                name,
                *(_three(one.figures.get(metric)) for metric in ("deletion", "insertion")),
                *(
                    _of(one.figures.get(f"{region}_share"), one.figures.get(f"{region}_area"))
                    for region in ("cells", "background", "scale_bar")
                ),
                "; ".join(f"{fact} {value:.4g}" for fact, value in one.found.facts.items()) or "-",
            ]
            for name, one in {**found.maps, **found.controls}.items()
        ],
        caption="deletion: area under the probability while the hottest pixels go, the lower the better; insertion: "
        "while they "
        "come, the higher the better. Cells, background, scale bar: share of the evidence, and of the area. The last three "
        "rows ask no network",
    )
    for name, reason in found.refused.items():
        console().print(f"not for this network: {name}: {reason}", markup=False)


def show_faithfulness(found: Faithfulness, *, title: str) -> None:
    """Print curves and places of all methods, then stability and randomised weights."""
    masks = f"; weak masks on {found.masks}" if found.masks else ""
    show_table(
        f"{title}: {found.n} images, target {found.target}{masks}",
        ["method", "deletion", "over random", "insertion", "over random", "cells x", "background x", "scale bar %",
         "scale bar x",         *(["pointing", "inside", "IoU"] if found.masks else [])],
        [
            [
                _name(row),
                *(
                    _span(row.figures[metric])
                    for metric in ("deletion", "deletion_over_random", "insertion", "insertion_over_random")
                ),
                *(_span(row.figures[f"{region}_ratio"], 2) for region in ("cells", "background")),
                _percent(row.figures["scale_bar_share"]),
                _span(row.figures["scale_bar_ratio"], 2),
                *((_span(row.figures[metric], 2) for metric in ("pointing", "inside", "iou")) if found.masks else ()),
            ]
            for row in found.rows
        ],
        caption="areas under curves with 95 % over groups; over random: by how much better than a random order, on "
        "the same "
        "images. x: share of the evidence over share of the area, 1 is chance. * a control, which asks no network",
        width=220,
    )  # fmt: skip
    stages = [stage.down_to for stage in found.rows[0].cascade]
    show_table(
        f"stability and randomised weights: {found.checked} images",
        ["method", "change, mean", "change, max", "rank, noise", "rank, redrawn", *(f"to {stage}" for stage in stages),
         "shuffled labels", "flat", "seconds"],
        [
            [
                _name(row),
                *(
                    _three(row.figures[metric].value)
                    for metric in ("mean_change", "max_change", "noise_correlation", "repeated")
                ),
                *(_stage(stage.figure.value, stage.emptied) for stage in row.cascade),
                _three(row.figures["shuffled"].value),
                _three(row.figures["flat"].value),
                _three(row.figures["seconds"].value),
            ]
            for row in found.rows
        ],
        caption="change: of the map under noise of "
        f"{found.settings['noise']} grey levels, relative; rank: Spearman's correlation of absolute maps, the rest "
        f"as well; to: "
        "all weights from the top down to that layer drawn anew, near 0 is as it should be; (e): some maps are flat "
        "then. Flat: "
        "share of all maps that say nothing. Seconds: per map",
        width=220,
    )  # fmt: skip
    out = console()
    for name, reason in found.refused.items():
        out.print(f"not for this network: {name}: {reason}", markup=False)
    if found.seen:
        out.print(f"{found.seen} of the images were seen in training or selection", markup=False)
    for note in (found.no_interval and f"no intervals: {found.no_interval}", found.note):
        if note:
            out.print(note, markup=False)


def _name(row: Row) -> str:
    return f"{row.method} *" if row.control else row.method


def _stage(value: float | None, emptied: float | None) -> str:
    return _three(value) + (" (e)" if emptied else "")


def _span(figure: Figure, digits: int = 3) -> str:
    if figure.value is None:
        return "-"
    if figure.interval is None:
        return f"{figure.value:.{digits}f}"
    return f"{figure.value:.{digits}f} [{figure.interval.low:.{digits}f}, {figure.interval.high:.{digits}f}]"


def _percent(figure: Figure) -> str:
    return "-" if figure.value is None else f"{100 * figure.value:.2f}"


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _of(share: float | None, area: float | None) -> str:
    return "-" if share is None or area is None else f"{100 * share:.1f} of {100 * area:.1f} %"
