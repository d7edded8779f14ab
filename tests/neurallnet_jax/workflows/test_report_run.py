"""A report made from a RUN and a folder: every part there, or missing with what makes it."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from neurallnet_jax import checkpoint
from neurallnet_jax.workflows import report_run
from neurallnet_jax.workflows.page import Absent
from neurallnet_jax.workflows.report_content import PARTS, RunReport
from neurallnet_jax.workflows.report_inputs import Given


@contextmanager
def silent(_: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda done, total: None


def made(run: Path, data: Path, **options: object) -> RunReport:
    return report_run.report(str(run), data, command="c", quick=True, watching=silent, **options)  # type: ignore[arg-type]


def test_all_that_can_be_computed_is(reported) -> None:
    report = reported.report
    assert [name for name in PARTS if isinstance(getattr(report, name), Absent)] == [
        "crossvalidation",
        "explain",
        "ablation",
    ]
    assert report.only == "test"
    assert set(report.seconds) == {"scores", "trust", "leaks", "shortcuts", "robustness"}
    assert report.robustness.n == 2
    assert report.shortcuts.scheme == "random"
    assert report.scores.scores.n == sum(one.part == "test" for one in report.manifest.entries)


def test_failures_are_the_images_told_wrong_the_surest_first(reported) -> None:
    found, table = reported.report.failures, reported.report.scores.table
    wrong = table.probabilities.argmax(axis=1) != table.labels
    assert found.wrong == wrong.sum() > 0
    assert {one.path for one in found.shown} == {path for path, bad in zip(table.paths, wrong, strict=True) if bad}
    sure = [one.probability for one in found.shown]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == table.probabilities[wrong].max()
    assert all(one.answer != one.truth and one.image for one in found.shown)


def test_the_colour_line_is_that_of_the_same_images(reported) -> None:
    run = reported.report.shortcuts.runs[0]
    assert reported.report.scores.colour_line == pytest.approx(run.colour_line)


def test_a_run_that_has_seen_everything_gets_no_score_and_says_why(reported, tmp_path: Path) -> None:
    saved = checkpoint.load(reported.run)
    everything = dataclasses.replace(saved, seen=(*saved.seen, *saved.test), test=())
    checkpoint.save(everything, tmp_path / "all")
    report = made(tmp_path / "all", reported.data)
    for name in ("scores", "trust", "robustness", "failures"):
        assert isinstance(getattr(report, name), Absent)
    assert "has seen every image" in report.scores.reason
    assert report.trust.command.startswith("neurallnet calibrate all --data smears")
    assert report.only is None


def test_quick_leaves_out_what_takes_long_and_pictures_can_be_left_out(reported) -> None:
    report = made(reported.run, reported.data, pictures=False)
    assert [name for name in PARTS if isinstance(getattr(report, name), Absent)] == [
        "shortcuts", "crossvalidation", "robustness", "explain", "ablation",
    ]  # fmt: skip
    assert "--quick" in report.shortcuts.reason
    assert report.shortcuts.command == "neurallnet audit shortcuts smears --run run --json F"
    assert not any(one.image for one in report.failures.shown)
    assert np.array_equal(report.scores.scores.confusion, reported.report.scores.scores.confusion)


def test_a_wrong_result_is_refused_before_anything_is_computed(reported, crossvalidated: Path) -> None:
    with pytest.raises(ValueError, match="is of other images"):
        made(reported.run, reported.data, given=Given(crossvalidation=crossvalidated))
