"""The tables that `robustness` prints. Computes nothing."""

from collections.abc import Mapping

from neurallnet_jax.cli.output import console, show_table
from neurallnet_jax.cli.tables import colour_text
from neurallnet_jax.evaluation.robustness_result import Robustness
from neurallnet_jax.images.corruptions import CORRUPTIONS
from neurallnet_jax.metrics.intervals import Interval

__all__ = ["show_robustness"]


def show_robustness(found: Robustness, *, title: str) -> None:
    """Print every corruption and severity with intervals and rates, then the means over the severities."""
    clean = found.clean
    show_table(
        f"{title}: {found.n} images",
        ["corruption", "severity", "balanced accuracy", "95 %", "drop", "95 % of it", "changed", "rates by layer"],
        [
            ["clean", "", _four(clean.balanced_accuracy), _span(clean.interval), "", "", "", _rates(clean.rates)],
            *(
                [
                    CORRUPTIONS[one.name].title,
                    f"{one.severity}: {one.parameter:g}",
                    _four(one.balanced_accuracy),
                    _span(one.interval),
                    _four(one.drop),
                    _span(one.drop_interval),
                    f"{100 * one.changed:.1f} %",
                    _rates(one.rates),
                ]
                for one in found.conditions
            ),
        ],
        caption="severity: "
        + "; ".join(f"{CORRUPTIONS[one.name].title}, {CORRUPTIONS[one.name].unit}" for one in found.summaries)
        + ". Changed: share of images with another answer than when clean. Rates: spikes per neuron and step",
        width=160,
    )  # fmt: skip
    show_table(
        "means over the severities",
        ["corruption", "balanced accuracy", "95 %", "drop", "95 % of it", "way to chance"],
        [
            [
                "all" if one.name not in CORRUPTIONS else CORRUPTIONS[one.name].title,
                _four(one.balanced_accuracy),
                _span(one.interval),
                _four(one.drop),
                _span(one.drop_interval),
                "-" if one.lost is None else f"{100 * one.lost:.1f} %",
            ]
            for one in (*found.summaries, found.overall)
        ],
        caption=f"intervals over {found.groups} groups of neighbouring captures, those of a drop paired; way to chance: "
        f"drop as a share of clean minus {found.chance:.4g}; {found.seen} of the images were seen in training or selection"
        + (", which flatters the figures" if found.seen else ""),
    )
    console().print(f"mean corruption error {found.error:.4f} (1 - balanced accuracy), clean "
                    f"{1 - found.clean.balanced_accuracy:.4f}", markup=False)  # fmt: skip
    console().print(colour_text(found.colour_line, found.colour_line_reason), markup=False)
    if found.no_interval:
        console().print(f"no intervals: {found.no_interval}", markup=False)


def _span(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"


def _four(value: float) -> str:
    return f"{value:.4f}"


def _rates(rates: Mapping[str, float]) -> str:
    return " ".join(f"{rate:.3f}" for rate in rates.values()) or "-"
