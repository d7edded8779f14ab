"""The images that a RUN tells wrong, the surest answer first, as a section of a page. Chooses and scores none."""

from neurallnet_jax.workflows import page, wording
from neurallnet_jax.workflows.figures import WRONG
from neurallnet_jax.workflows.page import Block, Gallery, Section, Table, Tile
from neurallnet_jax.workflows.report_content import Failure, Failures

__all__ = ["section"]


def section(found: Failures) -> Section:
    """Return pictures, where there are any, and a table of the same images with truth, answer and warnings."""
    blocks: list[Block] = []
    tiles = tuple(_tile(one) for one in found.shown if one.image)
    if tiles:
        more = f"{len(tiles):,} of {found.wrong:,}" if found.wrong > len(tiles) else f"all {found.wrong:,}"
        blocks.append(Gallery(tiles, f"Images told wrong, {more}, the surest answer first."))
    elif found.shown:
        blocks.append(page.Text("Pictures are left out; the table names the files."))
    if found.shown:
        blocks += [_pairs(found), _table(found), page.Text(f"Warnings come from: {found.rules}.")]
    lead = (
        "A wrong answer with a high probability and no warning is the dangerous kind: nothing in the answer tells the "
        "reader to doubt it."
    )
    return Section("failures", "What does it get wrong?", lead, tuple(blocks))


def _tile(one: Failure) -> Tile:
    warned = "; warned" if one.warnings else ""
    return Tile(
        image=str(one.image),
        alt=f"{one.path}: {one.truth}, told {one.answer}",
        sign=WRONG,
        title=f"{one.truth}, told {one.answer}",
        detail=f"{wording.percent(one.probability)}{warned}; {one.path}",
        good=False,
    )


def _pairs(found: Failures) -> Table:
    pairs = sorted({(one.truth, one.answer) for one in found.shown})
    own = {pair: [one for one in found.shown if (one.truth, one.answer) == pair] for pair in pairs}
    rows = tuple(
        (truth, answer, f"{len(some):,}", f"{sum(bool(one.warnings) for one in some):,}")
        for (truth, answer), some in sorted(own.items(), key=lambda item: -len(item[1]))
    )
    return Table(
        "Which class for which, among those listed", ("True class", "Told", "Images", "Warned of"), "llrr", rows
    )


def _table(found: Failures) -> Table:
    rows = tuple(
        (
            one.path,
            one.truth,
            one.answer,
            wording.percent(one.probability),
            wording.percent(one.of_truth),
            "; ".join(one.warnings) or wording.NOTHING,
        )
        for one in found.shown
    )
    header = ("Image", "True class", "Told", "Probability of that", "Of the true class", "Warnings")
    return Table(f"Images told wrong, {len(rows):,} of {found.wrong:,}", header, "wllrrw", rows)
