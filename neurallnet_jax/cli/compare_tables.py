"""The tables that `compare` prints. Computes nothing."""

from neurallnet_jax.cli.output import console, show_table
from neurallnet_jax.cli.tables import colour_text
from neurallnet_jax.evaluation import trained
from neurallnet_jax.evaluation.comparison import Comparison, ModelRow
from neurallnet_jax.evaluation.footprint import Latency
from neurallnet_jax.metrics.intervals import few
from neurallnet_jax.workflows.wording import NO_BREAK, si

__all__ = ["show_models", "show_operations", "show_tests", "show_training"]

_NAMES = {
    "mcnemar": "McNemar, exact",
    "delong": "DeLong",
    "group_bootstrap": "group bootstrap",
}


def show_models(found: Comparison) -> None:
    """Print what every model costs and how it does on the shared images, and how many images are left out."""
    scored = any(row.scores is not None for row in found.models)
    about = (
        f"{found.shared:,} images that all share and none has seen, in {sum(found.groups)} groups "
        f"({', '.join(f'{name} {count}' for name, count in zip(found.classes, found.groups, strict=True))})"
        if scored
        else "no images, so no scores; --data DIR names some"
    )
    show_table(
        f"{len(found.models)} model{'' if len(found.models) == 1 else 's'}: {about}",
        ["model", "parameters", "bytes", "MACs", "latency ms", "buffers", "balanced", "95 % over groups", "AUROC", "mAP",
         "precision", "recall", "F1", "images"],
        [_row(row, found.shared) for row in found.models],
        caption="MACs: one dense pass; latency: median (quartiles) of one image on the CPU, compiled, models in turns; "
        "buffers: bytes as the compiler plans them; balanced accuracy is the mean recall over classes; mAP, precision, "
        "recall and F1 are such means too",
        width=170,
    )  # fmt: skip
    out = console()
    for row in found.models:
        if row.scores is not None:
            line = colour_text(row.colour_line, row.colour_line_reason)
            out.print(
                f"{row.name}: {row.own:,} images of its own (balanced accuracy {row.own_balanced_accuracy:.4f}), "
                f"{row.left_out:,} left out because another lacks or has seen them, {row.seen:,} because it has seen "
                f"them itself; {line}",
                markup=False,
            )
    for reason in dict.fromkeys(
        entry.group_reason for row in found.models for entry in row.intervals.values() if entry.group_reason
    ):
        out.print(f"no interval over groups: {reason}", markup=False)
    for reason in dict.fromkeys(reason for row in found.models if row.scores for reason in row.scores.undefined):
        out.print(reason, markup=False)


def show_operations(found: Comparison) -> None:
    """Print what one image costs every model in operations, and in joules by profile."""
    rows = [(row.name, row.operations) for row in found.models if row.operations is not None]
    if not rows:
        return
    kinds = list(dict.fromkeys((one.profile, one.variant) for _, spent in rows for one in spent.energies))
    shown: list[list[object]] = []
    for name, spent in rows:
        energies = {(one.profile, one.variant): one.joules for one in spent.energies}
        shown.append(
            [
                name,
                *("-" if value is None else f"{value:,.0f}" for value in (spent.macs, spent.synops)),
                *(
                    "-" if energies.get(kind) is None else si(energies[kind], "J").replace(NO_BREAK, " ")
                    for kind in kinds
                ),
            ]
        )
    show_table(
        "what one image costs",
        ["model", "MACs", "synaptic ops", *(f"{profile}, {variant}" for profile, variant in kinds)],
        shown,
        caption="spiking: the integer network on images it has not seen; others: one dense pass times the constant of a "
        "multiply-accumulate, norms and activations free. horowitz45 is arithmetic alone; cpu, gpu and arm are whole "
        "machines of 2015 and earlier",
        width=170,
    )
    out = console()
    for name, spent in rows:
        reasons = [spent.reason, *(one.reason for one in spent.energies)]
        for reason in dict.fromkeys(one for one in reasons if one):
            out.print(f"{name}: {reason}", markup=False)


def show_training(found: Comparison) -> None:
    """Print how every model was trained."""
    for row in found.models:
        if row.trained is not None:
            console().print(f"{row.name} was trained on {trained.text(row.trained)}", markup=False)


def show_tests(found: Comparison) -> None:
    """Print the tests of every pair."""
    if not found.tests:
        return
    rows: list[list[object]] = [
        [
            f"{one.first} - {one.second}",
            _NAMES[one.test],
            one.of.replace("_", " ") + (f", {one.class_name}" if one.class_name else ""),
            "-" if one.difference is None else f"{one.difference:+.4f}",
            "-" if one.low is None else f"{one.low:+.4f} to {one.high:+.4f}",
            "-" if one.p is None else one.p,
            "-" if one.p_holm is None else one.p_holm,
        ]
        for one in found.tests
    ]
    show_table(
        "do they differ by more than chance?",
        ["models", "test", "of", "difference", "95 %", "p", "p, Holm"],
        rows,
        caption=f"Holm over all {len(found.tests)} tests. McNemar and DeLong take images for independent, which "
        "neighbouring captures are not: their p-values are too small. The bootstrap draws whole groups.",
    )
    if caution := few(found.groups, found.classes):
        console().print(caution, markup=False)
    for reason in dict.fromkeys(one.reason for one in found.tests if one.reason):
        console().print(reason, markup=False)


def _milliseconds(found: Latency) -> str:
    median, low, high = (f"{1e3 * value:.3g}" for value in (found.median, found.low, found.high))
    return f"{median} ({low} to {high})"


def _row(row: ModelRow, shared: int) -> list[object]:
    cost, scores = row.footprint, row.scores
    costs: list[object] = ["-"] * 5
    if cost is not None:
        costs = [
            cost.parameters,
            cost.bytes,
            cost.macs,
            "-" if cost.latency is None else _milliseconds(cost.latency),
            "-" if cost.buffer_bytes is None else cost.buffer_bytes,
        ]
    if scores is None:
        return [row.name, *costs, *["-"] * 7, 0]
    over = row.intervals["balanced_accuracy"].group
    known = (
        scores.auroc,
        scores.mean_average_precision,
        scores.macro_precision,
        scores.balanced_accuracy,
        scores.macro_f1,
    )
    return [
        row.name,
        *costs,
        scores.balanced_accuracy,
        "-" if over is None else f"{over.low:.4f} to {over.high:.4f}",
        *("-" if value is None else value for value in known),
        shared,
    ]
