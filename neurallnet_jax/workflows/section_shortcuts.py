"""The audit of shortcuts as a section of a page, and as a page of its own.

Knows what the audit found and how to say it; measures nothing.
"""

from pathlib import Path

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.evaluation.edits import UNEDITED, EditScore, RunScore
from neurallnet_jax.evaluation.shortcut_audit import Audit
from neurallnet_jax.evaluation.shortcuts import Shortcut
from neurallnet_jax.workflows import figures_shortcuts, page, wording
from neurallnet_jax.workflows.figures import DARK
from neurallnet_jax.workflows.page import Absent, Block, Card, Section, Table

__all__ = ["render", "section", "write"]

TITLE = "Could it be told without looking at cells?"
LEAD = (
    "Colour of the slide, the scale bar's corner, focus and file say nothing of a disease, yet each may differ between "
    "classes. A network whose score lies near what they reach alone has not been shown to read cells."
)


def section(audit: Audit) -> Section:
    """Return the section: what every shortcut reaches, and what each RUN loses without them."""
    blocks: list[Block] = [_shortcut_picture(audit), page.Text(_how_split(audit)), _shortcut_table(audit)]
    reasons = dict.fromkeys(f"{one.name}: {one.reason}." for one in audit.shortcuts if one.reason)
    if reasons:
        blocks.append(page.Points("What some of them cannot tell", tuple(reasons)))
    for run in audit.runs:
        blocks += _run_blocks(audit, run)
    if not audit.runs:
        blocks.append(Absent("A model without its shortcuts", "No RUN was named; `--run RUN` scores one."))
    return Section("shortcuts", TITLE, LEAD, tuple(blocks))


def render(audit: Audit, *, command: str) -> str:
    """Return an audit as one HTML page that needs nothing else; equal audits give equal text.

    Args:
        audit: What was found.
        command: The command line that made it, for the page.
    """
    return page.render(
        page.Page(
            title="How far shortcuts get",
            subtitle=f"{audit.images:,} images of {audit.data}: {', '.join(audit.classes)}",
            command=command,
            notice=("For research and teaching only; the network is no medical device.",),
            cards=_cards(audit),
            sections=(section(audit),),
            footer="Written by neurallnet-jax.",
        )
    )


def write(audit: Audit, path: Path, *, command: str) -> Path:
    """Write the page to `path` and return it; a killed run leaves the old file or the new one."""
    write_atomically(path, render(audit, command=command).encode())
    return path


def _cards(audit: Audit) -> tuple[Card, ...]:
    detail = f"nearest neighbour on 18 colour statistics, mean of {len(audit.folds)} fold(s), {audit.scheme}"
    cards = [
        Card("Colour line", wording.percent(audit.colour_line), detail),
        Card("Chance", wording.percent(audit.chance), f"{len(audit.classes)} classes, balanced accuracy"),
    ]
    for run in audit.runs:
        score, line = run.edits[0].balanced_accuracy, run.colour_line
        detail = "no colour line" if line is None else f"colour line on the same images {wording.percent(line)}"
        cards.append(Card(run.run, wording.percent(score), detail, None if line is None else score > line))
    return tuple(cards)


def _how_split(audit: Audit) -> str:
    folds = ", ".join(map(str, audit.folds))
    margin = (
        "" if audit.margin is None else f", with {audit.margin} capture numbers left out on either side of the test"
    )
    return (
        f"Split: {audit.scheme}, fold {folds}{margin}. A rule knows the training and validation images and is scored on "
        f"the test images; chance is {wording.percent(audit.chance)}. The dashed line is the colour line."
    )


def _shortcut_picture(audit: Audit) -> page.Picture:
    best = max((one for one in audit.shortcuts if one.mean is not None), key=lambda one: one.mean or 0.0)
    return page.picture(
        figures_shortcuts.shortcut_bars(audit),
        figures_shortcuts.shortcut_bars(audit, theme=DARK),
        alt=(
            f"Balanced accuracy of each shortcut. The best is {best.name} ({best.rule}) with "
            f"{wording.percent(best.mean)}; the table below has all of them."
        ),
        caption="Bars are means over the folds, dots the folds; full: nearest neighbour, hatched: linear model.",
    )


def _shortcut_table(audit: Audit) -> Table:
    header = ("What is known of an image", "Numbers", "Rule", *(f"Fold {fold}" for fold in audit.folds), "Mean")
    rows = tuple(_shortcut_row(one, len(audit.folds)) for one in audit.shortcuts)
    return Table("Balanced accuracy of shortcuts", header, "lrl" + "r" * (len(audit.folds) + 1), rows)


def _shortcut_row(one: Shortcut, folds: int) -> tuple[str, ...]:
    each = [wording.percent(value) for value in one.folds] or [wording.NOTHING] * folds
    return one.name, str(one.numbers or wording.NOTHING), one.rule, *each, wording.percent(one.mean)


def _run_blocks(audit: Audit, run: RunScore) -> list[Block]:
    blocks: list[Block] = [
        page.picture(
            figures_shortcuts.edit_bars(run, audit.chance),
            figures_shortcuts.edit_bars(run, audit.chance, theme=DARK),
            alt=f"Balanced accuracy of {run.run} under each edit. "
            + "; ".join(f"{edit.name}: {wording.percent(edit.balanced_accuracy)}" for edit in run.edits),
            caption=(
                f"{run.run} on {run.images:,} {run.only} images; whiskers are 95 % intervals of the drop over "
                f"{sum(run.groups)} groups of neighbouring captures. Hatched: controls; dotted: shortcuts."
            ),
        ),
        _edit_table(run),
    ]
    if run.reason:
        blocks.append(Absent(f"Shortcuts on the images of {run.run}", run.reason))
    else:
        rows = tuple((one.name, one.rule, wording.percent(one.mean)) for one in run.shortcuts if one.mean is not None)
        caption = (
            f"Shortcuts on the same {run.images:,} images, with the {run.known:,} images known that {run.run} has seen"
        )
        blocks.append(Table(caption, ("What is known", "Rule", "Balanced accuracy"), "llr", rows, folded=True))
    reasons = tuple(dict.fromkeys(edit.reason for edit in run.edits if edit.reason))
    if reasons:
        blocks.append(page.Points("Why intervals are missing", reasons))
    return blocks


def _edit_table(run: RunScore) -> Table:
    header = ("Taken out", "Balanced accuracy", "Drop, points", "95 % over groups", "Classes changed")
    return Table(f"{run.run} without its shortcuts", header, "lrrrr", tuple(_edit_row(edit) for edit in run.edits))


def _edit_row(edit: EditScore) -> tuple[str, ...]:
    if edit.name == UNEDITED:
        nothing = wording.NOTHING
        return edit.name, wording.percent(edit.balanced_accuracy), nothing, nothing, nothing
    ends = edit.interval
    return (
        edit.name,
        wording.percent(edit.balanced_accuracy),
        f"{100 * edit.drop:+.1f}",
        wording.NOTHING if ends is None else f"[{100 * ends[0]:+.1f},{wording.NO_BREAK}{100 * ends[1]:+.1f}]",
        wording.percent(edit.changed),
    )
