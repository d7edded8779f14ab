"""The tables that commands print, one function per kind of result. Computes nothing."""

import math
from collections.abc import Iterator, Sequence

from lava_port.energy.activity import Activity
from lava_port.energy.chips import LIMITS
from lava_port.energy.fit import STORED, Fit, assumptions, verdict
from lava_port.energy.placement import Placement, Usage
from lava_port.quantise import LayerRounding
from neurallnet_jax.cli.output import console, show_table
from neurallnet_jax.evaluation.evaluate import Evaluation, Prediction
from neurallnet_jax.images.decode import one_line
from neurallnet_jax.workflows.freeze import Freezing
from neurallnet_jax.workflows.quantisation import Calibration
from neurallnet_jax.workflows.simulate import Parity

__all__ = [
    "colour_text",
    "show_activity",
    "show_calibration",
    "show_fit",
    "show_freezing",
    "show_parity",
    "show_predictions",
    "show_rounding",
    "show_scores",
]


def colour_text(line: float | None, reason: str | None) -> str:
    """Return the line that stands beside a headline figure: what colour alone gets on the same images."""
    if line is None:
        return f"no colour line: {reason}"
    return f"colour line: nearest neighbour on 18 colour statistics, balanced accuracy {line:.4f} on the same unseen images"


def show_scores(evaluation: Evaluation, *, title: str) -> None:
    """Print the metrics with both intervals, the classes, the confusion matrix, and how many images were seen."""
    scores = evaluation.scores
    rows = []
    for name, found in evaluation.intervals.items():
        value = getattr(scores, name)
        rows.append(
            [
                name.replace("_", " "),
                "-" if value is None else value,
                *(f"{one.low:.4f} to {one.high:.4f}" if one else "-" for one in (found.group, found.image)),
            ]
        )
    groups = next(iter(evaluation.intervals.values())).groups
    counts = ", ".join(f"{name} {count}" for name, count in zip(scores.classes, groups, strict=True))
    show_table(
        f"{title}: {scores.n} images",
        ["metric", "value", "95 % over groups", "95 % over images"],
        rows,
        caption=f"{sum(groups)} groups of neighbouring captures ({counts}); {evaluation.seen} of the images were seen in "
        "training or selection" + (", which flatters the figures" if evaluation.seen else ""),
    )
    out = console()
    out.print(colour_text(evaluation.colour_line, evaluation.colour_line_reason), markup=False)
    for line in dict.fromkeys(_of_intervals(evaluation)):
        out.print(line, markup=False)
    show_table(
        "by class (rows: truth, columns: prediction)",
        ["class", *scores.classes, "precision", "recall", "F1", "AUROC"],
        [
            [
                one.name,
                *row,
                *("-" if cell is None else cell for cell in (one.precision, one.recall, one.f1, one.auroc)),
            ]
            for one, row in zip(scores.per_class, scores.confusion.tolist(), strict=True)
        ],
    )
    for reason in scores.undefined:
        out.print(reason, markup=False)


def _of_intervals(evaluation: Evaluation) -> Iterator[str]:
    """Yield why intervals are missing, and what those without a width do not say."""
    for name, found in evaluation.intervals.items():
        if found.group_reason:
            yield f"no interval over groups: {found.group_reason}"
        if found.image_reason and found.image_reason != found.group_reason:
            yield f"no interval over images: {found.image_reason}"
        # One line is enough: what holds for accuracy holds for the rest.
        if found.note and name == "accuracy":
            yield f"accuracy: {found.note}"


def show_rounding(rounding: Sequence[LayerRounding]) -> None:
    """Print what rounding cost every layer, and how far its numbers can go."""
    show_table(
        "rounding to integers",
        ["layer", "bits", "weight error", "largest", "threshold error", "bias error", "current", "potential", "proof"],
        [
            [
                one.name,
                one.bits,
                f"{100 * one.weight_error_rms:.2f} %",
                f"{100 * one.weight_error_max:.2f} %",
                _share(one.threshold_error),
                _share(one.bias_error),
                f"{100 * one.current_bound / one.current_limit:.2g} %",
                f"{100 * one.potential_bound / one.potential_limit:.2g} %",
                one.proof,
            ]
            for one in rounding
        ],
        caption="errors: root mean square as a share of the weights, largest as a share of the channel's largest weight, "
        "thresholds and biases as a share of the threshold; current and potential (of a gate: its sums): worst case of any "
        "image, or, with the proof 'calibration', what images caused times a margin, as a share of what the hardware holds",
    )


def show_calibration(calibration: Calibration, *, title: str) -> None:
    """Print the firing rates of every layer in floats and integers, where they differ, and what that does to classes."""
    found = calibration.agreement
    rows = [[one.name, one.float_rate, one.integer_rate, f"{100 * one.differing:.2f} %"] for one in found.layers]
    show_table(
        f"{title}: {found.images} images",
        ["layer", "rate, floats", "rate, integers", "spikes that differ"],
        rows,
        caption=f"biases {'corrected' if calibration.bias_corrected else 'as they were'}: logits differ by "
        f"{found.logit_error:.3g} (root mean square), otherwise by {calibration.logit_error_otherwise:.3g}; "
        f"balanced accuracy {found.float_balanced_accuracy:.4f} in floats, "
        f"{found.integer_balanced_accuracy:.4f} in integers; "
        f"{100 * found.classes_differing:.2f} % of the images are told to be of another class; "
        f"{found.seen} of them were seen in training or selection" + (", which flatters both" if found.seen else ""),
    )


def show_activity(activity: Activity) -> None:
    """Print spikes per image and firing rate of every layer."""
    rows = []
    for layer in activity.layers:
        per_image = float(layer.spikes.sum(axis=0).mean())
        units = math.prod(layer.shape)
        rows.append([layer.name, units, per_image, per_image / (units * activity.steps)])
    show_table("activity", ["layer", "neurons", "spikes per image", "spikes per neuron and step"], rows)


def show_freezing(freezing: Freezing, *, title: str) -> None:
    """Print where gates were frozen, and which spikes and classes that changed."""
    show_table(
        f"{title}: {freezing.images} images",
        ["gate", "least", "mean", "greatest", "deviation while moving"],
        [[gate.name, gate.low, gate.mean, gate.high, gate.deviation] for gate in freezing.gates],
    )
    show_table(
        "spikes with moving and with frozen gates",
        ["layer", "moving", "frozen", "in one of the two only", "share"],
        [
            [layer.name, layer.spikes, layer.frozen_spikes, layer.differing, _share(layer.share)]
            for layer in freezing.layers
        ],
        caption=f"share: of all spikes that either network has; predicted classes that change: "
        f"{freezing.changed_classes} of {freezing.images} images"
        + (
            ""
            if freezing.right is None
            else f"; right with moving gates {freezing.right}, frozen {freezing.frozen_right}"
        ),
    )


def show_parity(parity: Parity, *, images: int) -> None:
    """Print spikes and mismatches of every layer."""
    show_table(
        f"{parity.right} against {parity.left}: {images} images",
        ["layer", "spikes", "mismatches", "first (image, step of the window, neuron)"],
        [
            [one.name, one.spikes, one.mismatches, "-" if one.first is None else ", ".join(map(str, one.first))]
            for one in parity.layers
        ],
    )


def show_fit(found: Fit) -> None:
    """Print where every layer lies on a chip, stored either way, and whether it fits."""
    for placement in found.placements.values():
        _show_placement(placement)
    out = console()
    for line in dict.fromkeys(line for one in found.placements.values() for line in one.unchecked):
        out.print(line, markup=False)
    for line in assumptions(found):
        out.print(line, markup=False)
    out.print(verdict(found), markup=False)


def _show_placement(placement: Placement) -> None:
    """Print one row per layer: its tiles, its cores, and how full the fullest of them is."""
    checked = {limit: placement.chip.figure(limit) is not None for limit in LIMITS}
    rows: list[list[object]] = [
        [
            layer.name,
            math.prod(layer.shape),
            " x ".join(map(str, layer.tile)),
            layer.cores,
            *(_used(one) for one in layer.usage),
            layer.binding or "-",
        ]
        for layer in placement.layers
    ]
    neurons = sum(math.prod(layer.shape) for layer in placement.layers)
    rows.append(["in all", neurons, "", placement.cores, *("" for _ in LIMITS), ""])
    show_table(
        f"{placement.chip.title}, {STORED[placement.sharing]}: {placement.cores:,} cores"
        + ("" if placement.fits else ", NOT the whole network"),
        [
            "layer", "neurons", "tile", "cores",
            *(limit if checked[limit] else f"{limit} (unchecked)" for limit in LIMITS), "bound by",
        ],
        rows,
        caption="tile: rows x columns x channels; limits: the fullest core; bound by: the limit that alone asks for the "
        "most cores; memory in bytes",
    )  # fmt: skip


def _used(usage: Usage) -> str:
    return f"{usage.used:,}" if usage.share is None else f"{usage.used:,} ({100 * usage.share:.0f} %)"


def show_predictions(predictions: Sequence[Prediction]) -> None:
    """Print one row per image, and its warnings below the table, a line each."""
    classes = list(predictions[0].probabilities)
    with_sets = predictions[0].doubt is not None
    show_table(
        "predictions (research use only; not a medical device)",
        ["image", "class", *classes, *(["set"] if with_sets else []), "warnings"],
        [
            [
                entry.path,
                f"abstained ({entry.label})" if entry.abstained else entry.label,
                *(f"{value:.3f}" for value in entry.probabilities.values()),
                *([", ".join(entry.doubt.members)] if entry.doubt else []),
                len(entry.warnings) or "-",
            ]
            for entry in predictions
        ],
    )
    out = console()
    for entry in predictions:
        for warning in entry.warnings:
            out.print(one_line(f"{entry.path}: {warning}"), markup=False)
        if entry.abstained and entry.abstained not in entry.warnings:
            out.print(one_line(f"{entry.path}: abstained: {entry.abstained}"), markup=False)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"
