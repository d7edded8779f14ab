import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import novelty, trust
from neurallnet_jax.evaluation.held_out import HeldOut
from neurallnet_jax.metrics import calibration


def held_out(n: int, seed: int = 0, *, groups: int = 20, regions: bool = True, scale: float = 3.0) -> HeldOut:
    """Logits of two classes that are `scale` times too large, in groups of neighbours that share their luck."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) * groups // n
    margin = rng.normal(1.5, 1.2, n)
    labels = (rng.random(n) < 1 / (1 + np.exp(margin * rng.choice([-1, 1], n)))).astype(int)
    sign = np.where(rng.random(n) < 1 / (1 + np.exp(-np.abs(margin))), 1, -1)
    towards = np.where(labels == 1, 1, -1) * sign * np.abs(margin)
    logits = scale * np.stack([-towards / 2, towards / 2], axis=1)
    places, distances = {}, {}
    if regions:
        known = {kind: rng.normal(size=(60, 3)) for kind in ("stain", "structure")}
        places = novelty.locate(known)
        distances = novelty.distances(places, {kind: rng.normal(size=(n, 3)) for kind in places})
    return HeldOut(labels, logits.astype(np.float32), group, places, distances, 60, f"{n} drawn images")


@pytest.fixture(scope="module")
def report(saved: Checkpoint) -> trust.TrustReport:
    return trust.calibrate(saved, held_out(400), trust.Settings(risk=0.1))[1]


def test_overconfident_logits_get_the_temperature_that_undoes_it_and_errors_fall(report):
    assert report.temperature == pytest.approx(3, rel=0.2)
    assert report.previous is None
    for name in ("ece", "nll", "brier"):
        assert getattr(report.after, name) < getattr(report.before, name)
    assert report.before == report.uncalibrated


def test_the_sets_hold_what_was_asked_on_groups_they_were_not_fitted_on(report):
    assert report.sets.coverage == pytest.approx(0.9, abs=0.04)
    assert len(report.part_coverage) == report.parts == 5
    assert report.groups == 20


def test_what_is_measured_on_an_image_does_not_know_its_own_label(saved):
    """Turning the labels of one part round changes the rules of the others and never its own probabilities."""
    held = held_out(200)
    parts = trust.deal(held.labels, held.groups, 5)
    crossed = trust._cross_fit(held, trust.Settings(risk=0.1), parts, None)
    own = parts == 2
    turned = dataclasses.replace(held, labels=np.where(own, 1 - held.labels, held.labels))
    again = trust._cross_fit(turned, trust.Settings(risk=0.1), parts, None)
    np.testing.assert_array_equal(again.probabilities[own], crossed.probabilities[own])
    np.testing.assert_array_equal(again.held[own], crossed.held[own])
    assert not np.array_equal(again.probabilities[~own], crossed.probabilities[~own])


def test_the_checkpoint_gets_what_all_images_say(saved):
    held = held_out(300)
    made, report = trust.calibrate(saved, held, trust.Settings(risk=0.1, method="aps"), record={"data": "x"})
    assert made.temperature == report.temperature == calibration.fit_temperature(held.labels, held.logits)
    assert made.trust == report.trust
    assert made.trust is not None
    assert made.trust.conformal.method == "aps"
    assert made.trust.conformal.n == 300
    assert [region.kind for region in made.trust.regions] == ["stain", "structure"]
    assert made.trust.provenance["data"] == "x"
    assert made.trust.provenance["images"] == 300
    assert made.weights is saved.weights


def test_false_warnings_on_other_groups_are_about_as_many_as_asked(saved):
    held = held_out(1500, groups=300)
    report = trust.calibrate(saved, held, trust.Settings(risk=0.1, false_warnings=0.1))[1]
    assert set(report.warned) == {"stain", "structure", "any"}
    assert report.warned["any"] == pytest.approx(0.1, abs=0.03)
    assert max(report.warned["stain"], report.warned["structure"]) <= report.warned["any"]


def test_abstention_for_a_risk_or_a_share_answered(saved):
    risk = trust.calibrate(saved, held_out(600), trust.Settings(risk=0.1))[1]
    assert risk.risk is not None
    assert risk.risk < 0.15 < risk.curve.risk[-1]
    share = trust.calibrate(saved, held_out(600), trust.Settings(risk=None, answered=0.7))[1]
    assert share.answered == pytest.approx(0.7, abs=0.05)


def test_what_cannot_be_fitted_is_said_and_the_rest_stands(saved):
    held = dataclasses.replace(held_out(100, regions=False), labels=np.zeros(100, int))
    held.logits[:] = [2.0, -2.0]
    before = dataclasses.replace(saved, temperature=1.7)
    made, report = trust.calibrate(before, held, trust.Settings())
    assert made.temperature == 1.7
    assert made.trust is not None
    assert made.trust.regions == ()
    assert report.warned == {}
    assert any("the temperature stays as it was" in note for note in report.notes)
    assert any("fewer than 10 of the training images" in note for note in report.notes)
    wrong = dataclasses.replace(held, labels=np.ones(100, int))
    made, report = trust.calibrate(before, wrong, trust.Settings())
    assert made.trust is not None
    assert made.trust.abstention is None
    assert report.answered is None
    assert any("abstention was not fitted: no confidence reaches" in note for note in report.notes)


def test_few_images_promise_fewer_false_warnings_than_asked_and_say_so(saved):
    report = trust.calibrate(saved, held_out(30), trust.Settings(risk=0.5))[1]
    assert any("30 held-out images promise at most 6.5 % false warnings, not 2 %" in note for note in report.notes)


@pytest.mark.parametrize(
    ("n", "settings_", "message"),
    [
        (8, {}, "8 images cannot promise a coverage of 0.9, which needs at least 9"),
        (30, {"coverage": 0.99}, "needs at least 99"),
        (16, {"by_class": True}, "^class (calm|wild): .* leave out the quantiles by class"),
    ],
)
def test_too_few_images_are_refused(saved, n, settings_, message):
    with pytest.raises(ValueError, match=message):
        trust.calibrate(saved, held_out(n), trust.Settings(**settings_))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"coverage": 1.0}, "coverage: 1.0 is not between 0 and 1"),
        ({"coverage": -1}, "coverage: -1 is not between 0 and 1"),
        ({"coverage": float("nan")}, "coverage: nan is not between 0 and 1"),
        ({"false_warnings": 0}, "false warnings: 0 is not between 0 and 1"),
        ({"answered": 0.9}, "name one of the two"),
        ({"risk": None}, "name one of the two"),
    ],
)
def test_settings_out_of_range_are_refused(settings_, message):
    with pytest.raises(ValueError, match=message):
        trust.Settings(**settings_)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=60).filter(
        lambda images: len({group for _, group in images}) > 1
    ),
    st.integers(2, 6),
)
def test_groups_are_never_cut_and_no_part_is_empty(images, parts):
    labels, groups = (np.array(column) for column in zip(*images, strict=True))
    dealt = trust.deal(labels, groups, parts)
    for group in np.unique(groups):
        assert len(set(dealt[groups == group])) == 1
    used = sorted(set(dealt.tolist()))
    assert used == list(range(len(used)))
    assert 2 <= len(used) <= parts


def test_every_class_is_spread_over_the_parts():
    labels, groups = np.repeat(np.arange(4), 50), np.arange(200) // 10
    dealt = trust.deal(labels, groups, 5)
    for label in range(4):
        assert np.bincount(dealt[labels == label]).tolist() == [10] * 5


def test_one_group_alone_is_refused():
    with pytest.raises(ValueError, match="neighbours of one another"):
        trust.deal(np.zeros(5, int), np.zeros(5, int), 5)


def test_a_report_survives_json(report):
    data = json.loads(json.dumps(trust.to_json(report), allow_nan=False))
    assert {"temperature", "ece"} <= set(data)
    assert {"before", "after"} <= set(data["ece"])
    again = trust.from_json(data)
    assert trust.to_json(again) == trust.to_json(report)
    assert again.trust == report.trust
    with pytest.raises(ValueError, match="no result of `neurallnet calibrate`"):
        trust.from_json({"accuracy": 1})
