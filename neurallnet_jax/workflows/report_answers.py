"""The first sentence of every section of a report: what was found. Computes nothing but differences of what it is given."""

from neurallnet_jax.evaluation.ablation_results import Ablation
from neurallnet_jax.evaluation.crossvalidation_table import CrossValidation
from neurallnet_jax.evaluation.evaluate import Evaluation
from neurallnet_jax.evaluation.leaks import Leaks
from neurallnet_jax.evaluation.robustness_result import Robustness
from neurallnet_jax.evaluation.shortcut_audit import Audit
from neurallnet_jax.evaluation.trust import TrustReport
from neurallnet_jax.explain.faithfulness_result import Faithfulness
from neurallnet_jax.images.corruptions import CORRUPTIONS
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.workflows import section_explain, section_scores, wording
from neurallnet_jax.workflows.report_content import Failures, Manifest, Subject

__all__ = ["ablation", "card", "crossvalidation", "explain", "failures", "leaks", "provenance", "robustness", "scores",
           "shortcuts", "trust"]  # fmt: skip


def provenance(manifest: Manifest, only: str | None) -> str:
    """Say how many images there are, and how many of them the RUN has seen."""
    seen = sum(one.part in ("train", "validation", "seen") for one in manifest.entries)
    apart = {"test": "its split kept apart", "unseen": "it has not seen"}
    scored = "none is left to score it on" if only is None else f"it is scored on those that {apart[only]}"
    return f"Of {len(manifest.entries):,} images the RUN has seen {seen:,} in training or selection; {scored}."


def leaks(found: Leaks) -> str:
    """Say whether a twin crosses."""
    crossing = sum(pair.crosses for pair in (*found.pairs, *found.within))
    twins = len(found.pairs) + len(found.within)
    if found.split is None and found.other is None:
        return f"There are {twins:,} pairs of twins; the RUN has seen no image of this folder, so nothing crosses."
    if not twins:
        return "There is no pair of twins, so none stands on both sides."
    verdict = "none crosses" if not crossing else f"{crossing:,} of them cross, which flatters every score"
    sides = "between what the RUN has seen and what it is scored on" if found.split else "between the folders"
    again = sum(pair.crosses for pair in found.overlaps)
    also = f"; {again:,} other photographs of the same field do" if again else ""
    return f"Of {twins:,} pairs of twins {verdict} {sides}{also}."


def shortcuts(found: Audit) -> str:
    """Say how far colour gets where the RUN gets so far."""
    whole = (
        f"colour alone gets a balanced accuracy of {wording.percent(found.colour_line)} over {len(found.folds)} folds"
    )
    if not found.runs:
        return f"{_upper(whole)}; no RUN is set beside it."
    run = found.runs[0]
    score = run.edits[0].balanced_accuracy
    if run.colour_line is None:
        return (
            f"{_upper(whole)}; the RUN gets {wording.percent(score)} on {run.images:,} images, without a colour line."
        )
    gap = 100 * (score - run.colour_line)
    side = "above" if gap >= 0 else "below"
    return (
        f"On the same {run.images:,} images colour alone gets {wording.percent(run.colour_line)} and the RUN "
        f"{wording.percent(score)}, {abs(gap):.1f} points {side}; {whole}."
    )


def scores(found: Evaluation) -> str:
    """Say the balanced accuracy with both intervals and the colour line."""
    both = found.intervals["balanced_accuracy"]
    line = found.colour_line
    reason = found.colour_line_reason
    beside = f"no colour line ({reason})" if line is None else f"colour alone gets {wording.percent(line)}"
    return (
        f"Balanced accuracy {wording.percent(found.scores.balanced_accuracy)} on {found.scores.n:,} images, 95 % over "
        f"groups {_span(both.group)}, over images "
        f"{_span(both.image)}; {beside}."
    )


def crossvalidation(found: CrossValidation) -> str:
    """Say the mean of every split beside colour."""
    said = "; ".join(
        f"{one.name}: {wording.percent(one.means['balanced_accuracy'].mean)}, colour alone {wording.percent(one.colour)}"
        for one in found.splits
    )
    return f"Mean balanced accuracy over {len(found.folds)} folds and {len(found.seeds)} seeds: {said}."


def trust(found: TrustReport) -> str:
    """Say what calibration and conformal sets give."""
    asked = found.trust.conformal.coverage
    return (
        f"On {found.n:,} images that the RUN has not seen, the calibration error goes from "
        f"{wording.number(found.before.ece)} to {wording.number(found.after.ece)}, and sets of "
        f"{found.sets.mean_size:.2f} classes hold the true one in {wording.percent(found.sets.coverage)} of cases, where "
        f"{wording.percent(asked)} were asked for."
    )


def robustness(found: Robustness) -> str:
    """Say how far the score falls, and under what most."""
    worst = max(found.summaries, key=lambda one: one.drop)
    return (
        f"On {found.n:,} images, balanced accuracy falls from {wording.percent(found.clean.balanced_accuracy)} to "
        f"{wording.percent(found.overall.balanced_accuracy)} over all corruptions, most under "
        f"{CORRUPTIONS[worst.name].title.lower()}, to {wording.percent(worst.balanced_accuracy)}."
    )


def explain(found: Faithfulness) -> str:
    """Say which method is most faithful, and how much of its evidence lies on the scale bar."""
    return section_explain.answer(found)


def ablation(found: Ablation) -> str:
    """Say how many arms differ from what they are compared with."""
    compared = [one for one in found.arms if one.difference is not None]
    apart = [
        one.name
        for one in compared
        if one.difference is not None
        and one.difference.interval is not None
        and not one.difference.interval.low <= 0 <= one.difference.interval.high
    ]
    said = f": {', '.join(apart)}" if apart else ""
    return f"Of {len(compared)} arms, {len(apart)} differ from their reference by more than their 95 % interval{said}."


def failures(found: Failures) -> str:
    """Say how many images are told wrong, and how surely."""
    if not found.wrong:
        return f"None of {found.n:,} images is told wrong."
    unwarned = sum(not one.warnings for one in found.shown)
    return (
        f"Of {found.n:,} images {found.wrong:,} are told wrong, the surest with a probability of "
        f"{wording.percent(found.shown[0].probability)}; {unwarned:,} of the {len(found.shown):,} listed come without a "
        "warning."
    )


def card(subject: Subject) -> str:
    """Say what the RUN is and is not."""
    return (
        f"A research network of {subject.parameters:,} trained numbers for {len(subject.classes)} classes of smears; "
        "research use only, not a medical device."
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _span(found: Interval | None) -> str:
    return "none" if found is None else section_scores.interval_text("balanced_accuracy", found)
