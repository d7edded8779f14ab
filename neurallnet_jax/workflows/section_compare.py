"""A comparison of models as a part of a page: a forest plot, one table of models, one of tests, and what to bear in mind.

Knows how to say what was found; computes none of it.
"""

from pathlib import Path

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.evaluation import trained
from neurallnet_jax.evaluation.comparison import ASSUMES, Comparison, ModelRow, PairTest
from neurallnet_jax.metrics.intervals import few
from neurallnet_jax.workflows import figures, figures_scores, page, section_scores, wording
from neurallnet_jax.workflows.figures_scores import ForestRow
from neurallnet_jax.workflows.page import Absent, Block, Card, Section, Table

__all__ = ["CAUTION", "TEST_NAMES", "section", "short_names", "write"]

TEST_NAMES = {
    "mcnemar": "McNemar, exact",
    "delong": "DeLong",
    "group_bootstrap": "bootstrap over groups",
}
"""What each kind of test is called."""

CAUTION = (
    "McNemar and DeLong take images for independent. Neighbouring captures resemble each other, so their p-values are too "
    "small; the bootstrap over groups of neighbours is the one to believe where they differ."
)
"""What stands beside every table of tests."""


def section(found: Comparison) -> Section:
    """Return models side by side, and whether they differ by more than chance."""
    names = short_names([row.name for row in found.models])
    blocks: list[Block] = []
    scored = [row for row in found.models if row.scores is not None]
    if scored:
        groups = ", ".join(f"{name} {count}" for name, count in zip(found.classes, found.groups, strict=True))
        blocks += [
            page.Text(
                f"{found.shared:,} images that every model shares and none has seen, in {sum(found.groups):,} groups of "
                f"neighbouring captures ({groups})."
            ),
            _forest(scored, names),
        ]
    else:
        blocks.append(Absent("Scores", "The models were given without images; name a folder with --data."))
    blocks.append(_scores_table(found, names))
    if scored and (
        without := tuple(f"{names[row.name]}: {row.colour_line_reason}" for row in scored if row.colour_line is None)
    ):
        blocks.append(page.Points("No colour line", without))
    blocks.append(_costs_table(found, names))
    if any(row.operations is not None for row in found.models):
        blocks.append(_operations_table(found, names))
        if whys := _reasons(found, names):
            blocks.append(page.Points("What was not counted or priced", whys))
    if how := tuple(
        f"{names[row.name]}: {trained.text(row.trained)}" for row in found.models if row.trained is not None
    ):
        blocks.append(page.Points("How each was trained", how))
    if found.tests:
        blocks += [page.Text(CAUTION), _tests_table(found.tests, names)]
        if caution := few(found.groups, found.classes):
            blocks.append(page.Text(f"{caution[0].upper()}{caution[1:]}."))
        if reasons := tuple(dict.fromkeys(one.reason for one in found.tests if one.reason)):
            blocks.append(page.Points("Tests that could not be made", reasons))
    lead = "The same images for all of them, so that what makes an image hard meets every model alike."
    return Section("comparison", "Which model is better, and is it more than chance?", lead, tuple(blocks))


def short_names(names: list[str]) -> dict[str, str]:
    """Return the last part of every path, or as many parts as tell them apart: a page may be given to others."""
    parts = [Path(name).parts or (name,) for name in names]
    for length in range(1, max(map(len, parts)) + 1):
        short = ["/".join(one[-length:]) for one in parts]
        if len(set(short)) == len(names):
            return dict(zip(names, short, strict=True))
    return {name: name for name in names}


def write(found: Comparison, path: Path, *, command: str) -> Path:
    """Write a page of a comparison and return its place; a killed run leaves the old file or the new one.

    Raises:
        ValueError: The place cannot be written.
    """
    names = short_names([row.name for row in found.models])
    cards = tuple(
        Card(
            names[row.name],
            wording.percent(row.scores.balanced_accuracy),
            "balanced accuracy; 95 % over groups "
            + section_scores.interval_text("balanced_accuracy", row.intervals["balanced_accuracy"].group),
        )
        for row in found.models
        if row.scores is not None
    )
    content = page.Page(
        title="Models side by side",
        subtitle=f"{len(found.models)} models on {found.shared:,} images that all share and none has seen",
        command=command,
        notice=section_scores.NOTICE,
        cards=cards,
        sections=(section(found),),
        footer="Written by neurallnet-jax. Research use only; not a medical device.",
    )
    write_atomically(path, page.render(content).encode())
    return path


def _forest(rows: list[ModelRow], names: dict[str, str]) -> page.Picture:
    lines = []
    for row in rows:
        assert row.scores is not None
        found = row.intervals["balanced_accuracy"]
        lines.append(ForestRow(names[row.name], row.scores.balanced_accuracy, found.group, found.image))
    label = "balanced accuracy"
    return page.picture(
        figures_scores.forest(lines, label=label),
        figures_scores.forest(lines, label=label, theme=figures.DARK),
        alt="Balanced accuracy of every model with both intervals; the table below has the numbers.",
        caption="The thick line draws whole groups of neighbouring captures, the thin one single images, as most papers "
        "do. Lines that overlap do not say that two models are alike: the tests below compare them image by image.",
    )


def _scores_table(found: Comparison, names: dict[str, str]) -> Table:
    rows = []
    for row in found.models:
        s = row.scores
        interval = row.intervals["balanced_accuracy"] if row.intervals else None
        rows.append(
            (
                names[row.name],
                wording.percent(s and s.balanced_accuracy),
                wording.percent(row.colour_line),
                section_scores.interval_text("balanced_accuracy", interval and interval.group),
                section_scores.interval_text("balanced_accuracy", interval and interval.image),
                *(wording.number(value) for value in (s and s.auroc, s and s.mean_average_precision)),
                *(wording.number(value) for value in (s and s.macro_precision, s and s.macro_f1)),
                f"{row.own:,}",
                f"{row.left_out + row.seen:,}",
            )
        )
    header = ("Model", "Balanced accuracy (recall)", "Colour alone", "95 % over groups", "95 % over images", "AUROC",
              "Mean average precision", "Precision", "F1", "Own images", "Left out")  # fmt: skip
    return Table("Scores on the shared images; means over classes", header, "l" + "r" * 10, tuple(rows))


def _costs_table(found: Comparison, names: dict[str, str]) -> Table:
    rows = []
    for row in found.models:
        one = row.footprint
        if one is None:
            rows.append((names[row.name], *[wording.NOTHING] * 8))
            continue
        time = one.latency
        rows.append(
            (
                names[row.name],
                one.kind,
                f"{one.steps}",
                " × ".join(map(str, one.image_size)),
                f"{one.parameters:,}",
                wording.si(one.bytes, "B"),
                wording.si(one.macs, ""),
                wording.NOTHING
                if time is None
                else f"{wording.si(time.median, 's')} ({wording.interval(time.low, time.high, 's')})",
                wording.NOTHING if one.buffer_bytes is None else wording.si(one.buffer_bytes, "B"),
            )
        )
    header = ("Model", "Kind", "T", "Input", "Parameters", "Bytes", "MACs, dense pass", "CPU latency (quartiles)",
              "Buffers")  # fmt: skip
    caption = (
        "What they cost: one image on the CPU, compiled, the models in turns; buffers as the compiler plans them, without "
        "the process around"
    )
    return Table(caption, header, "llrrrrrrr", tuple(rows))


def _operations_table(found: Comparison, names: dict[str, str]) -> Table:
    spent = [(row.name, row.operations) for row in found.models if row.operations is not None]
    kinds = list(dict.fromkeys((one.profile, one.variant) for _, own in spent for one in own.energies))
    rows = []
    for name, own in spent:
        joules = {(one.profile, one.variant): one.joules for one in own.energies}
        operations = (wording.si(own.macs, ""), wording.si(own.synops, ""))
        rows.append((names[name], *operations, *(wording.si(joules.get(kind), "J") for kind in kinds)))
    caption = (
        "What one image costs. Spiking: the integer network on images it has not seen. Others: one dense pass, each "
        "multiply-accumulate at the constant of the profile, norms and activations free. horowitz45 is arithmetic alone; "
        "cpu, gpu and arm are whole machines of 2015 and earlier"
    )
    header = ("Model", "MACs", "Synaptic operations", *(f"{profile}, {variant}" for profile, variant in kinds))
    return Table(caption, header, "l" + "r" * (len(header) - 1), tuple(rows))


def _reasons(found: Comparison, names: dict[str, str]) -> tuple[str, ...]:
    lines = []
    for row in found.models:
        if row.operations is not None:
            whys = (row.operations.reason, *(one.reason for one in row.operations.energies))
            lines += [f"{names[row.name]}: {why}" for why in dict.fromkeys(whys) if why]
    return tuple(lines)


def _tests_table(tests: tuple[PairTest, ...], names: dict[str, str]) -> Table:
    rows = []
    for one in tests:
        what = one.of.replace("_", " ") + (f", {one.class_name}" if one.class_name else "")
        interval = wording.NOTHING
        if one.low is not None and one.high is not None:
            interval = f"[{one.low:+.4f},{wording.NO_BREAK}{one.high:+.4f}]"
        rows.append(
            (
                f"{names[one.first]} − {names[one.second]}",
                TEST_NAMES[one.test],
                what,
                wording.NOTHING if one.difference is None else f"{one.difference:+.4f}",
                interval,
                wording.number(one.p, 2),
                wording.number(one.p_holm, 2),
                ASSUMES[one.test],
            )
        )
    header = ("Models", "Test", "Of", "Difference", "95 %", "p", "p, Holm", "Takes for granted")
    return Table(
        f"{len(tests)} tests; Holm's correction runs over all of them together", header, "lllrrrrl", tuple(rows)
    )
