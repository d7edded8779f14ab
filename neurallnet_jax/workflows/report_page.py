"""The page of a report on a RUN: order, key figures and what is to be borne in mind.

Knows which section shows which part; computes no result.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.workflows import (
    checklists,
    model_card,
    page,
    report_answers,
    section_ablation,
    section_checklists,
    section_crossvalidation,
    section_explain,
    section_failures,
    section_leaks,
    section_provenance,
    section_robustness,
    section_scores,
    section_shortcuts,
    section_trust,
    wording,
)
from neurallnet_jax.workflows.page import Absent, Card, Section, Table
from neurallnet_jax.workflows.report_content import PARTS, RunReport

__all__ = ["NOTICE", "facts", "render", "write"]

NOTICE = (
    "Research use only. Not a medical device. Nothing here is fit to diagnose anybody.",
    "A score near the colour line does not show that cells are read; a score on twins of training images shows nothing.",
    "Capture numbers stand in for patients, whom nobody recorded. Quote the interval over groups, not the one over images.",
)
"""What every report says at its head."""

_TITLES = {
    "leaks": "Do images stand on both sides?",
    "shortcuts": "Could it be told without looking at cells?",
    "scores": "How often is it right?",
    "crossvalidation": "Cross-validation",
    "trust": "How far an answer may be trusted",
    "robustness": "What if the images get worse?",
    "explain": section_explain.TITLE,
    "ablation": "What each part of the network is worth",
    "failures": "What does it get wrong?",
}


def render(report: RunReport, *, roots: Sequence[Path] = ()) -> str:
    """Return the report as one HTML page that needs nothing else; equal reports give equal text.

    Args:
        report: What was found.
        roots: The image folder, where twins are to be shown as pictures; without it there are none.
    """
    held = facts(report)
    lists = checklists.checklists()
    sections = (
        dataclasses.replace(
            section_provenance.section(report.manifest, report.subject),
            answer=report_answers.provenance(report.manifest, report.only),
        ),
        *(_part(report, name, roots) for name in _TITLES),
        dataclasses.replace(model_card.section(report.subject), answer=report_answers.card(report.subject)),
        *(section_checklists.section(anchor, one, checklists.answers(one, held)) for anchor, one in lists.items()),
        _making(report),
    )
    return page.render(
        page.Page(
            title=f"Report on {report.subject.name}",
            subtitle=f"{len(report.manifest.entries):,} images of {report.manifest.data}. Research use only; not a medical "
            "device.",
            command=report.command,
            notice=_notice(report),
            cards=_cards(report),
            sections=sections,
            footer="Written by neurallnet-jax. Research use only; not a medical device.",
        )
    )


def write(report: RunReport, path: Path, *, roots: Sequence[Path] = ()) -> Path:
    """Write the page to `path` and return it; a killed run leaves the old file or the new one.

    Raises:
        ValueError: The place cannot be written.
    """
    write_atomically(path, render(report, roots=roots).encode())
    return path


def facts(report: RunReport) -> frozenset[str]:
    """Return the facts that the page of a report holds, by the names of `checklists.FACTS`."""
    held = {"data", "use", "input", "layers", "limits"}
    held |= {name for name in PARTS if name in checklists.FACTS and not isinstance(getattr(report, name), Absent)}
    known = section_provenance.split_known(report.manifest)
    if known and isinstance(report.subject.provenance.get("split"), dict):
        held.add("split")
    if not known:
        # Without a split there are twins, but nothing is said about parts.
        held.discard("leaks")
    if not isinstance(report.scores, Absent):
        held.add("internal" if known and report.only == "test" else "external")
        if report.scores.intervals.get("sensitivity") is not None:
            held.add("sensitivity")
    if model_card.training_known(report.subject):
        held.add("training")
        if model_card.software_known(report.subject):
            held.add("software")
    return frozenset(held)


def _part(report: RunReport, name: str, roots: Sequence[Path]) -> Section:
    found = getattr(report, name)
    if isinstance(found, Absent):
        lead = "This part belongs here. The command below makes it."
        return Section(name, _TITLES[name], lead, (found,), answer="Not on this page.")
    sections: dict[str, Callable[[Any], Section]] = {
        "leaks": lambda one: section_leaks.section(one, roots=roots),
        "shortcuts": section_shortcuts.section,
        "scores": section_scores.section,
        "crossvalidation": section_crossvalidation.section,
        "trust": section_trust.section,
        "robustness": lambda one: section_robustness.section({report.subject.name: one}),
        "explain": section_explain.section,
        "ablation": section_ablation.section,
        "failures": section_failures.section,
    }
    return dataclasses.replace(sections[name](found), answer=getattr(report_answers, name)(found))


def _notice(report: RunReport) -> tuple[str, ...]:
    lines: list[str] = list(NOTICE)
    if report.pictures:
        lines.append(
            "This page holds images of the folder: mind their terms before you pass it on. --no-images leaves them out."
        )
    if report.quick:
        lines.append("Made with --quick: parts that take over a minute are left out, and say so where they belong.")
    return tuple(lines)


def _cards(report: RunReport) -> tuple[Card, ...]:
    cards = []
    if isinstance(report.scores, Absent):
        cards.append(Card("Balanced accuracy", "not scored", report.scores.reason))
    else:
        cards.append(section_scores.card(report.scores))
        line = report.scores.colour_line
        cards.append(Card("Colour alone", wording.percent(line), report.colour_reason or "on the same images"))
    if not isinstance(report.leaks, Absent):
        crossing = sum(pair.crosses for pair in (*report.leaks.pairs, *report.leaks.within))
        cards.append(Card("Twins that cross", f"{crossing:,}", "pairs", report.leaks.clean))
    if not isinstance(report.trust, Absent):
        cards.append(section_trust.cards(report.trust)[0])
    if not isinstance(report.robustness, Absent):
        score = wording.percent(report.robustness.overall.balanced_accuracy)
        cards.append(Card("Corrupted images", score, "balanced accuracy, mean of all corruptions"))
    missing = [name for name in PARTS if isinstance(getattr(report, name), Absent)]
    cards.append(Card("Parts missing", f"{len(missing)} of {len(PARTS)}", ", ".join(missing) or "none"))
    return tuple(cards)


def _making(report: RunReport) -> Section:
    rows = tuple((name, _how(report, name)) for name in PARTS)
    made = tuple((name, value) for name, value in report.made.items())
    blocks = (
        Table("Parts", ("Part", "How it came here"), "lw", rows),
        Table("What made this page", ("What", "Value"), "lw", made),
    )
    missing = sum(isinstance(getattr(report, name), Absent) for name in PARTS)
    answer = (
        f"{len(PARTS) - missing} of {len(PARTS)} parts are here; computing took {sum(report.seconds.values()):.0f} s."
    )
    lead = "A part was computed for this page, or read from a result of the same images and the same RUN, by their digests."
    return Section("making", "How this page was made", lead, blocks, answer=answer)


def _how(report: RunReport, name: str) -> str:
    if isinstance(getattr(report, name), Absent):
        return "missing"
    if name == "failures":
        return "from the scores"
    seconds = report.seconds.get(name)
    return "read from a result that was handed in" if seconds is None else f"computed in {seconds:.1f} s"
