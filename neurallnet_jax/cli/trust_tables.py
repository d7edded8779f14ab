"""The tables that `calibrate` prints. Computes nothing."""

from neurallnet_jax.cli.output import console, show_table
from neurallnet_jax.evaluation.trust import TrustReport

__all__ = ["show_trust"]


def show_trust(report: TrustReport, *, title: str) -> None:
    """Print calibration, sets, abstention and warnings, each as measured on groups that it was not fitted on."""
    told = "-" if report.previous is None else f"{report.previous:.4g}"
    show_table(
        f"{title}: {report.source}",
        ["calibration", "temperature", "ECE", "NLL", "Brier"],
        [
            [name, temperature, one.ece, one.nll, one.brier]
            for name, temperature, one in (
                ("uncalibrated", "1", report.uncalibrated),
                ("before", told, report.before),
                ("after", "-" if report.temperature is None else f"{report.temperature:.4g}", report.after),
            )
        ],
        caption=f"after: cross-fitted over {report.parts} parts of {report.groups} groups of neighbouring captures",
    )
    rule, sets = report.trust.conformal, report.sets
    show_table(
        f"conformal sets ({rule.method}, {100 * rule.coverage:g} % asked)",
        ["images", "coverage", "mean classes in a set", "sets of one class"],
        [
            ["all", _percent(sets.coverage), f"{sets.mean_size:.2f}", _percent(sets.single)],
            *([name, _percent(share), "", ""] for name, share in zip(report.classes, sets.by_class, strict=True)),
        ],
        caption=f"on held-out groups; by part {', '.join(_percent(part) for part in report.part_coverage)}. The promise is "
        "for images exchangeable with these, an average over images and not for each block of captures",
    )
    abstention = report.trust.abstention
    if abstention is not None:
        show_table(
            f"abstention below probability {abstention.threshold:.4f} "
            f"({100 * abstention.value:g} % {'wrong' if abstention.target == 'risk' else 'answered'} asked)",
            ["answered", "wrong among them", "wrong if all were answered", "area under risk-coverage"],
            [[_percent(report.answered), _percent(report.risk), _percent(float(report.curve.risk[-1])), report.aurc]],
            caption="on held-out groups",
        )
    if report.warned:
        show_table(
            f"warnings ({report.reference} training images say what is usual)",
            ["kind", "unseen images warned of"],
            [[kind, _percent(share)] for kind, share in report.warned.items()],
            caption="false warnings, on held-out groups",
        )
    for note in report.notes:
        console().print(note, markup=False)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
