"""First sentences: each with the figures of its result."""

import dataclasses

from neurallnet_jax.evaluation.leaks import Member, Pair
from neurallnet_jax.workflows import report_answers, wording


def test_leaks_say_whether_a_twin_crosses(reported) -> None:
    found = reported.report.leaks
    assert "so none stands on both sides" in report_answers.leaks(dataclasses.replace(found, pairs=(), within=()))
    assert "nothing crosses" in report_answers.leaks(dataclasses.replace(found, split=None))


def test_pairs_that_cross_are_counted(reported) -> None:
    first, second = (
        Member(0, f"Pro/{number}.png", "Pro-B", number, part) for number, part in ((1, "train"), (2, "test"))
    )
    pair = Pair("exact", first, second, 1.0, "none", (0.0, 0.0, 1.0, 1.0), crosses=True, conflict=False)
    still = dataclasses.replace(pair, crosses=False)
    found = dataclasses.replace(reported.report.leaks, pairs=(pair, still), within=(), overlaps=(pair,))
    said = report_answers.leaks(found)
    assert said.startswith("Of 2 pairs of twins 1 of them cross")
    assert "1 other photographs of the same field do" in said
    assert "2 pairs of twins none crosses" in report_answers.leaks(dataclasses.replace(found, pairs=(still, still)))


def test_scores_say_both_intervals_and_the_colour_line(reported) -> None:
    found = reported.report.scores
    said = report_answers.scores(found)
    assert wording.percent(found.scores.balanced_accuracy) in said
    assert f"colour alone gets {wording.percent(found.colour_line)}" in said
    assert "over groups" in said
    assert "over images" in said
    without = report_answers.scores(
        dataclasses.replace(found, colour_line=None, colour_line_reason="the folder is another")
    )
    assert "no colour line (the folder is another)" in without


def test_shortcuts_compare_on_the_same_images(reported) -> None:
    found = reported.report.shortcuts
    run = found.runs[0]
    gap = 100 * (run.edits[0].balanced_accuracy - run.colour_line)
    said = report_answers.shortcuts(found)
    assert f"{abs(gap):.1f} points {'above' if gap >= 0 else 'below'}" in said
    assert "no RUN is set beside it" in report_answers.shortcuts(dataclasses.replace(found, runs=()))


def test_failures_say_how_many_come_without_a_warning(reported) -> None:
    found = reported.report.failures
    unwarned = sum(not one.warnings for one in found.shown)
    assert f"{found.wrong} are told wrong" in report_answers.failures(found)
    assert f"{unwarned} of the {len(found.shown)} listed" in report_answers.failures(found)
    assert "None of" in report_answers.failures(dataclasses.replace(found, wrong=0, shown=()))


def test_every_answer_is_one_sentence(full) -> None:
    said = [
        report_answers.provenance(full.manifest, full.only),
        report_answers.crossvalidation(full.crossvalidation),
        report_answers.trust(full.trust),
        report_answers.robustness(full.robustness),
        report_answers.explain(full.explain),
        report_answers.ablation(full.ablation),
        report_answers.card(full.subject),
    ]
    assert all(one.endswith(".") and ". " not in one for one in said)
