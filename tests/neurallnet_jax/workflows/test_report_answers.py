"""First sentences: each with the figures of its result."""

import dataclasses

from neurallnet_jax.workflows import report_answers, wording


def test_leaks_say_whether_a_twin_crosses(reported) -> None:
    found = reported.report.leaks
    assert "none of them crosses" in report_answers.leaks(found)
    assert "nothing crosses" in report_answers.leaks(dataclasses.replace(found, split=None))


def test_scores_say_both_intervals_and_the_colour_line(reported) -> None:
    found = reported.report.scores
    said = report_answers.scores(found, None)
    assert wording.percent(found.scores.balanced_accuracy) in said
    assert f"colour alone gets {wording.percent(found.colour_line)}" in said
    assert "over groups" in said
    assert "over images" in said
    without = report_answers.scores(dataclasses.replace(found, colour_line=None), "the folder is another")
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
        report_answers.ablation(full.ablation),
        report_answers.card(full.subject),
    ]
    assert all(one.endswith(".") and ". " not in one for one in said)
