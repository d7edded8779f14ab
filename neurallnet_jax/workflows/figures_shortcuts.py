"""The pictures of the audit of shortcuts: what each reaches beside chance, and what a RUN loses without them.

Knows the answer of the audit; computes nothing. Rules are told apart by fill and hatch, so that grey prints read alike.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from neurallnet_jax.evaluation.edits import EDITS, RunScore
from neurallnet_jax.evaluation.shortcut_audit import Audit
from neurallnet_jax.evaluation.shortcuts import REFERENCE, Shortcut
from neurallnet_jax.metrics.rules import RULES
from neurallnet_jax.workflows import wording
from neurallnet_jax.workflows.figures import LIGHT, WIDTH, Theme, headed, styled, to_svg

__all__ = ["edit_bars", "shortcut_bars"]

_HEIGHT = 0.36
_ROW = 0.5
_HATCHES = ("", "////")


def shortcut_bars(audit: Audit, *, theme: Theme = LIGHT) -> bytes:
    """Return the balanced accuracy of every shortcut under every rule as SVG: a bar for the mean, a dot for each fold.

    The dotted line is chance, the dashed one the colour line.

    Raises:
        ValueError: No shortcut has a figure.
    """
    names = list(dict.fromkeys(one.name for one in audit.shortcuts if one.folds))
    if not names:
        raise ValueError("the audit holds no figure; there are no bars to draw")
    found = {(one.name, one.rule): one for one in audit.shortcuts}
    with styled((WIDTH, _ROW * len(names) + 1.3), theme) as figure:
        axis = figure.subplots()
        for row, name in enumerate(names):
            for place, rule in enumerate(RULES):
                at = row + (place - (len(RULES) - 1) / 2) * _HEIGHT
                if one := found.get((name, rule)):
                    _bar(axis, one, at, theme, _HATCHES[place % len(_HATCHES)])
        _lines(axis, audit.chance, audit.colour_line, theme)
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        _scale(axis)
        rules = [Patch(label=rule, **_style(theme, hatch)) for rule, hatch in zip(RULES, _HATCHES, strict=True)]
        dots = Line2D([], [], marker="o", linestyle="", color=theme.ink, label="each fold")
        figure.legend(handles=[*rules, dots, *_line_keys(audit.colour_line, theme)], loc="outside upper left", ncols=5)
        return to_svg(figure)


def edit_bars(run: RunScore, chance: float, *, theme: Theme = LIGHT) -> bytes:
    """Return a RUN under every edit, and below it the shortcuts on the same images, as SVG of balanced accuracies.

    Whiskers are the interval of the drop over groups. Controls are hatched, shortcuts (nearest neighbour) dotted; the
    dotted line is chance, the dashed one the colour line on the same images.
    """
    alone = [one for one in run.shortcuts if one.rule == REFERENCE and one.mean is not None]
    rows = len(run.edits) + len(alone)
    with styled((WIDTH, 0.3 * rows + 1.2), theme) as figure:
        axis = figure.subplots()
        unedited = run.edits[0].balanced_accuracy
        for row, edit in enumerate(run.edits):
            control = edit.name.startswith("control")
            axis.barh(row, edit.balanced_accuracy, height=0.62, **_style(theme, _HATCHES[control]))
            if edit.interval is not None and EDITS[edit.name]:
                low, high = unedited - edit.interval[1], unedited - edit.interval[0]
                axis.plot([low, high], [row, row], color=theme.ink, linewidth=1.3, marker="|", markersize=6)
        for row, one in enumerate(alone, start=len(run.edits)):
            axis.barh(row, one.mean or 0.0, height=0.62, **_style(theme, "....", theme.second))
        _lines(axis, chance, run.colour_line, theme)
        names = [*(edit.name for edit in run.edits), *(f"{one.name} alone" for one in alone)]
        axis.set_yticks(range(rows), [name.replace("alone alone", "alone") for name in names])
        axis.set_ylim(rows - 0.5, -0.5)
        _scale(axis)
        whisker = Line2D([], [], color=theme.ink, marker="|", markersize=6, label="95 % of the drop, over groups")
        figure.legend(handles=[whisker, *_line_keys(run.colour_line, theme)], loc="outside upper left", ncols=3)
        headed(axis, f"{wording.shorten(run.run, 40)}: what was taken out, and shortcuts on the same images", theme)
        return to_svg(figure)


def _bar(axis: Axes, one: Shortcut, at: float, theme: Theme, hatch: str) -> None:
    if one.mean is None:
        return
    axis.barh(at, one.mean, height=_HEIGHT * 0.92, **_style(theme, hatch))
    axis.plot(one.folds, [at] * len(one.folds), marker="o", linestyle="", color=theme.ink, markersize=2.6, zorder=3)


def _lines(axis: Axes, chance: float, colour: float | None, theme: Theme) -> None:
    axis.axvline(chance, color=theme.muted, linewidth=1.1, linestyle=":")
    if colour is not None:
        axis.axvline(colour, color=theme.second, linewidth=1.3, linestyle="--", zorder=4)


def _line_keys(colour: float | None, theme: Theme) -> list[Line2D]:
    keys = [Line2D([], [], color=theme.muted, linestyle=":", label="chance")]
    if colour is not None:
        keys.append(Line2D([], [], color=theme.second, linestyle="--", label=f"colour line, {colour:.3f}"))
    return keys


def _scale(axis: Axes) -> None:
    axis.set_xlim(0, 1)
    axis.set_xlabel("balanced accuracy", loc="right")
    axis.grid(axis="x")
    axis.tick_params(axis="y", length=0)


def _style(theme: Theme, hatch: str, edge: str = "") -> dict[str, Any]:
    if hatch:
        return {"facecolor": theme.shade, "edgecolor": edge or theme.first, "hatch": hatch, "linewidth": 0.7}
    return {"facecolor": theme.first, "edgecolor": theme.first, "linewidth": 0.7}
