"""What `calibrate` found as a section of a page, and as a page of its own. Fits nothing, shows no image."""

from pathlib import Path

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.evaluation.trust import TrustReport
from neurallnet_jax.workflows import figures_trust, page, wording
from neurallnet_jax.workflows.figures import DARK, LIGHT
from neurallnet_jax.workflows.page import Absent, Block, Card, Picture, Points, Section, Table

__all__ = ["cards", "render", "section", "write"]

_NOTICE = (
    "For research and teaching only; the network is no medical device.",
    "The promise of a coverage is for images like those that were calibrated on, on average, not for another laboratory.",
)


def section(report: TrustReport) -> Section:
    """Return calibration, sets, abstention and warnings as one section."""
    return Section(
        anchor="trust",
        title="How far an answer may be trusted",
        lead=(
            f"Fitted on {report.source}. Every figure comes from rules fitted on other groups of captures than it was "
            f"measured on ({report.groups} groups in {report.parts} parts)."
        ),
        blocks=(
            _quality(report),
            _reliability(report),
            _sets(report),
            *_abstention(report),
            _warnings(report),
            *((Points("What could not be fitted", report.notes),) if report.notes else ()),
        ),
    )


def cards(report: TrustReport) -> tuple[Card, ...]:
    """Return the key figures."""
    asked = report.trust.conformal.coverage
    found = [
        Card(
            "Calibration error", wording.percent(report.after.ece, 2), f"before {wording.percent(report.before.ece, 2)}"
        ),
        Card(
            "Sets hold the true class",
            wording.percent(report.sets.coverage),
            f"{wording.percent(asked)} asked; {report.sets.mean_size:.2f} classes in a set",
            report.sets.coverage >= asked,
        ),
    ]
    if report.answered is not None and report.risk is not None:
        found.append(
            Card("Answered", wording.percent(report.answered), f"{wording.percent(report.risk)} of them wrong")
        )
    if report.warned:
        found.append(Card("False warnings", wording.percent(report.warned["any"]), "of unseen images"))
    return tuple(found)


def render(report: TrustReport, *, command: str) -> str:
    """Return a page of its own; equal reports give equal text."""
    return page.render(
        page.Page(
            title="How far an answer may be trusted",
            subtitle=f"{report.n:,} held-out images of {len(report.classes)} classes",
            command=command,
            notice=_NOTICE,
            cards=cards(report),
            sections=(section(report),),
            footer="Written by neurallnet-jax.",
        )
    )


def write(report: TrustReport, path: Path, *, command: str) -> Path:
    """Write the page to `path` and return it; a killed run leaves the old file or the new one.

    Raises:
        ValueError: The place cannot be written.
    """
    write_atomically(path, render(report, command=command).encode())
    return path


def _quality(report: TrustReport) -> Table:
    temperatures = (1.0, report.previous, report.temperature)
    rows = zip(
        ("uncalibrated", "before", "after"),
        temperatures,
        (report.uncalibrated, report.before, report.after),
        strict=True,
    )
    return Table(
        "Calibration: expected calibration error, negative log-likelihood (nats), Brier score",
        ("probabilities", "temperature", "ECE", "NLL", "Brier"),
        "lrrrr",
        tuple(
            (name, "-" if at is None else f"{at:.4g}", f"{one.ece:.4f}", f"{one.nll:.4f}", f"{one.brier:.4f}")
            for name, at, one in rows
        ),
    )


def _reliability(report: TrustReport) -> Picture:
    light, dark = (figures_trust.reliability(*report.reliability, theme=theme) for theme in (LIGHT, DARK))
    return page.picture(
        light,
        dark,
        alt="Accuracy over the probability of the predicted class, before and after calibration",
        caption="On the dotted line a probability means what it says. The larger a dot, the more images it stands for.",
    )


def _sets(report: TrustReport) -> Table:
    rule, sets = report.trust.conformal, report.sets
    return Table(
        f"Conformal sets ({rule.method}, {100 * rule.coverage:g} % asked): share that holds the true class; by part of the "
        f"groups {', '.join(_percent(part) for part in report.part_coverage)}",
        ("images", "coverage", "mean classes in a set", "sets of one class"),
        "lrrr",
        (
            ("all", _percent(sets.coverage), f"{sets.mean_size:.2f}", _percent(sets.single)),
            *((name, _percent(share), "", "") for name, share in zip(report.classes, sets.by_class, strict=True)),
        ),
    )


def _abstention(report: TrustReport) -> tuple[Block, ...]:
    rule = report.trust.abstention
    if rule is None:
        return (Absent("Abstention", "no threshold was fitted"),)
    light, dark = (
        figures_trust.risk_coverage(report.curve, answered=report.answered, risk=report.risk, theme=theme)
        for theme in (LIGHT, DARK)
    )
    aim = f"{100 * rule.value:g} % {'wrong among the answers' if rule.target == 'risk' else 'of the images answered'}"
    return (
        page.picture(
            light,
            dark,
            alt="Share of wrong answers over the share of images answered",
            caption=f"Area under the curve {report.aurc:.4f}. Diamond: thresholds chosen for {aim}; the checkpoint "
            f"abstains below probability {rule.threshold:.4f}.",
        ),
    )


def _warnings(report: TrustReport) -> Block:
    if not report.warned:
        return Absent("Warnings of unlike images", "too few of the training images were at hand to say what is usual")
    return Table(
        f"False warnings: share of unseen images warned of, by what {report.reference:,} training images say is usual",
        ("kind", "warned"),
        "lr",
        tuple((kind, _percent(share)) for kind, share in report.warned.items()),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
