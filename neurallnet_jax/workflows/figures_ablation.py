"""The picture of an ablation: accuracy of every seed, the paired difference, and firing rates, arm below arm.

Knows the results of an ablation, and no figure other than the one it draws.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from neurallnet_jax.evaluation.ablation_results import ArmResult
from neurallnet_jax.evaluation.arms import BASELINE
from neurallnet_jax.workflows import figures, wording
from neurallnet_jax.workflows.figures import LIGHT, Theme

__all__ = ["dots"]

DEAD = "dead"
_LONGEST_NAME = 24


def dots(arms: Sequence[ArmResult], *, theme: Theme = LIGHT) -> bytes:
    """Return one row per arm as SVG: a dot per seed and a bar at their mean, the difference with its interval, and the
    firing rate of every layer. A dead arm is drawn hollow and called dead.

    Raises:
        ValueError: There is no arm.
    """
    if not arms:
        raise ValueError("no arm to draw; an ablation has at least its baseline")
    with figures.styled((figures.WIDTH, 0.27 * len(arms) + 1.3), theme) as figure:
        scores, differences, rates = figure.subplots(1, 3, sharey=True, width_ratios=(5, 4, 4))
        for place, arm in enumerate(arms):
            _scores(scores, place, arm, theme)
            _difference(differences, place, arm, theme)
            _rates(rates, place, arm, theme)
        base = next((arm.balanced_accuracy for arm in arms if arm.name == BASELINE), None)
        if base is not None:
            scores.axvline(base, color=theme.muted, linewidth=0.9, linestyle=":", zorder=0)
        differences.axvline(0, color=theme.muted, linewidth=0.9, linestyle=":", zorder=0)
        for axis, title in (
            (scores, "Balanced accuracy"),
            (differences, "Difference [95 %]"),
            (rates, "Firing rate by layer"),
        ):
            figures.headed(axis, title, theme)
            axis.grid(axis="x")
            axis.tick_params(axis="y", length=0)
        scores.set_yticks(range(len(arms)), [_label(arm) for arm in arms])
        scores.set_ylim(len(arms) - 0.5, -0.5)
        differences.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.3g}" if value else "0"))
        rates.set_xlim(left=0)
        live = Line2D([], [], marker="o", linestyle="", color=theme.first, label="one seed, or one layer")
        dead = Line2D(
            [], [], marker="o", linestyle="", color=theme.second, markerfacecolor="none", label="of a dead arm"
        )
        figure.legend(handles=[live, dead], loc="outside lower center", ncols=2)
        return figures.to_svg(figure)


def _label(arm: ArmResult) -> str:
    mark = f" ({DEAD})" if arm.dead else " (failed)" if not arm.seeds else ""
    return wording.shorten(arm.name, _LONGEST_NAME) + mark


def _style(arm: ArmResult, theme: Theme) -> dict[str, Any]:
    colour = theme.second if arm.dead else theme.first
    return {"color": colour, "markerfacecolor": "none" if arm.dead else colour}


def _scores(axis: Axes, place: int, arm: ArmResult, theme: Theme) -> None:
    axis.plot(arm.by_seed, [place] * len(arm.by_seed), marker="o", linestyle="", alpha=0.75, **_style(arm, theme))
    if arm.balanced_accuracy is not None:
        axis.vlines(arm.balanced_accuracy, place - 0.32, place + 0.32, color=theme.ink, linewidth=1.4)


def _difference(axis: Axes, place: int, arm: ArmResult, theme: Theme) -> None:
    if arm.difference is None:
        return
    style = _style(arm, theme)
    if arm.difference.interval is not None:
        axis.hlines(
            place, arm.difference.interval.low, arm.difference.interval.high, color=style["color"], linewidth=1.2
        )
    axis.plot([arm.difference.mean], [place], marker="o", linestyle="", **style)


def _rates(axis: Axes, place: int, arm: ArmResult, theme: Theme) -> None:
    values = list(arm.rates.values())
    axis.plot(values, [place] * len(values), marker="o", linestyle="", alpha=0.75, **_style(arm, theme))
