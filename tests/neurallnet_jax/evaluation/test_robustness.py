import dataclasses

import jax
import numpy as np
import pytest

from neurallnet_jax import models
from neurallnet_jax.evaluation import evaluate, robustness, robustness_result
from neurallnet_jax.evaluation.robustness import Scored
from neurallnet_jax.evaluation.selection import Selection, select
from neurallnet_jax.images import corruptions, decode
from neurallnet_jax.images.corruptions import CORRUPTIONS, SIDE

SIZE = (8, 8)
MOST = 36


def noise(seed: int, count: int) -> np.ndarray:
    """Return broad structure with grain, around 125 in the first half and around 130 in the second, hard to tell apart."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(50, 140, (count, 7, 7, 3)).repeat(32, axis=1).repeat(32, axis=2)
    coarse[count // 2 :] += 5
    return (coarse + rng.uniform(0, 60, coarse.shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def large(dataset_of):
    """36 images of 224 pixels in two classes."""
    return dataset_of(noise(0, MOST), [0] * (MOST // 2) + [1] * (MOST // 2))


@pytest.fixture(scope="module")
def grouped(large):
    """The same with every number in a block of its own."""
    records = tuple(dataclasses.replace(one, number=1 + 48 * place) for place, one in enumerate(large.records))
    return dataclasses.replace(large, records=records)


def every(dataset, seen: int = 0) -> Selection:
    return Selection(np.arange(len(dataset)), np.arange(len(dataset)) < seen)


def by_brightness(pixels: np.ndarray) -> Scored:
    """Take bright images for the second class; the rate is the mean grey level."""
    bright = pixels.mean(axis=(1, 2, 3)) / 255
    return Scored(np.stack([1 - bright, bright], axis=1), {"lif_1": float(bright.mean()), "lif_2": 0.0})


@pytest.fixture(scope="module")
def found(grouped):
    return robustness.measure(grouped, every(grouped, seen=7), by_brightness, image_size=SIZE, draws=300)


def test_every_corruption_stands_at_every_severity_in_order(found):
    assert [(one.name, one.severity) for one in found.conditions] == [
        (name, severity) for name in CORRUPTIONS for severity in (1, 2, 3, 4, 5)
    ]
    assert [one.parameter for one in found.conditions[:5]] == list(CORRUPTIONS["gaussian-noise"].levels)
    assert (found.n, found.seen, found.groups, found.chance) == (36, 7, 36, 0.5)
    assert found.no_interval is None


def test_figures_are_those_of_images_corrupted_one_by_one(found, grouped):
    """Without the test's batches and threads: corrupt, resize, score, count."""
    labels = grouped.labels
    clean = by_brightness(np.stack([decode.resized(image, SIZE) for image in grouped.pixels])).scores.argmax(axis=1)
    for name, severity in (("gaussian-noise", 5), ("illumination", 5), ("occlusion", 3)):
        worse = np.stack(
            [
                decode.resized(corruptions.corrupt(image, name, severity, key=record.sha256), SIZE)
                for image, record in zip(grouped.pixels, grouped.records, strict=True)
            ]
        )
        scored = by_brightness(worse)
        answers = scored.scores.argmax(axis=1)
        one = next(one for one in found.conditions if (one.name, one.severity) == (name, severity))
        recalls = [float((answers[labels == k] == k).mean()) for k in (0, 1)]
        assert one.balanced_accuracy == pytest.approx(np.mean(recalls))
        assert one.changed == pytest.approx((answers != clean).mean())
        assert one.drop == pytest.approx(found.clean.balanced_accuracy - one.balanced_accuracy)
        assert one.rates["lif_1"] == pytest.approx(scored.rates["lif_1"])


def test_what_a_model_does_not_look_at_costs_it_nothing(found):
    """Mean brightness survives blur and resampling, and so do all answers; the paired interval is a point."""
    for one in found.conditions:
        if one.name in ("gaussian-blur", "resampling"):
            assert (one.drop, one.changed) == (0, 0)
            assert one.drop_interval is not None
            assert (one.drop_interval.low, one.drop_interval.high) == (0, 0)


def test_what_it_looks_at_costs_it(found):
    summary = next(one for one in found.summaries if one.name == "illumination")
    assert summary.drop > 0.02
    assert summary.lost == pytest.approx(summary.drop / (found.clean.balanced_accuracy - 0.5))


def test_intervals_hold_their_values_and_pairing_narrows_them(found):
    for one in (*found.conditions, *found.summaries, found.overall):
        assert one.interval.low <= one.balanced_accuracy <= one.interval.high
        assert one.drop_interval.low <= one.drop <= one.drop_interval.high
    mild = next(one for one in found.conditions if (one.name, one.severity) == ("illumination", 1))
    assert mild.drop > 0
    width = lambda interval: interval.high - interval.low
    assert width(mild.drop_interval) < width(mild.interval) + width(found.clean.interval)


def test_means_count_every_corruption_alike(found):
    means = {
        name: np.mean([one.balanced_accuracy for one in found.conditions if one.name == name]) for name in CORRUPTIONS
    }
    assert {one.name: one.balanced_accuracy for one in found.summaries} == pytest.approx(means)
    assert found.overall.balanced_accuracy == pytest.approx(np.mean(list(means.values())))
    assert found.error == pytest.approx(1 - found.overall.balanced_accuracy)


def test_a_choice_of_corruptions_and_severities_gives_the_same_figures_for_them(found, grouped):
    some = robustness.measure(
        grouped,
        every(grouped),
        by_brightness,
        image_size=SIZE,
        names=["illumination", "gaussian-noise"],
        severities=[5, 3],
        draws=300,
    )
    assert [(one.name, one.severity) for one in some.conditions] == [
        ("gaussian-noise", 3), ("gaussian-noise", 5), ("illumination", 3), ("illumination", 5),
    ]  # fmt: skip
    assert all(one in found.conditions for one in some.conditions)
    assert some.clean == found.clean


def test_the_order_and_number_of_images_change_no_corruption(found, grouped):
    """Each image alone, backwards: the same number of right answers."""
    right = 0
    for place in reversed(range(0, MOST, 9)):
        alone = robustness.measure(
            grouped,
            Selection(np.array([place]), np.zeros(1, bool)),
            by_brightness,
            image_size=SIZE,
            names=["illumination"],
            severities=[5],
        )
        right += alone.conditions[0].balanced_accuracy
    some = robustness.measure(
        grouped,
        Selection(np.arange(0, MOST, 9), np.zeros(10, bool)),
        by_brightness,
        image_size=SIZE,
        names=["illumination"],
        severities=[5],
    )
    assert right / 4 == pytest.approx(some.conditions[0].balanced_accuracy)


def test_another_seed_draws_otherwise(grouped):
    first, second = (
        robustness.measure(
            grouped,
            every(grouped),
            by_brightness,
            image_size=SIZE,
            names=["illumination"],
            severities=[5],
            seed=seed,
            draws=10,
        )
        for seed in (0, 1)
    )
    assert first.conditions != second.conditions
    assert first.clean == second.clean


def test_without_groups_to_draw_there_is_a_reason_instead_of_intervals(large):
    one_block = dataclasses.replace(
        large, records=tuple(dataclasses.replace(one, number=1 + place) for place, one in enumerate(large.records))
    )
    found = robustness.measure(
        one_block, every(one_block), by_brightness, image_size=SIZE, names=["jpeg"], severities=[3]
    )
    assert found.no_interval == ("class 0 has only 1 group, so nothing varies between its draws; at least 2 are needed")
    assert found.clean.interval is None
    for one in (*found.conditions, found.overall):
        assert (one.interval, one.drop_interval) == (None, None)


def test_a_model_no_better_than_chance_has_no_way_to_lose(grouped):
    constant = lambda pixels: Scored(np.tile([1.0, 0.0], (len(pixels), 1)), {})
    found = robustness.measure(grouped, every(grouped), constant, image_size=SIZE, names=["jpeg"], draws=10)
    assert found.overall.lost is None
    assert found.clean.balanced_accuracy == 0.5


def test_progress_runs_over_all_conditions(grouped):
    heard = []
    robustness.measure(
        grouped,
        every(grouped),
        by_brightness,
        image_size=SIZE,
        names=["jpeg"],
        severities=[1, 2],
        draws=10,
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(36, 108), (72, 108), (108, 108)]


def test_images_of_another_size_are_refused(dataset):
    with pytest.raises(ValueError, match=f"folder: images are 8 x 8, corruptions take {SIDE}"):
        robustness.measure(dataset, every(dataset), by_brightness, image_size=SIZE)


def test_clean_images_get_the_answers_and_interval_of_evaluate(saved, grouped):
    """The float model on 36 images, a batch of 32 and one of 4, against `evaluate` on the images made small first."""
    small = np.stack([decode.resized(image, SIZE) for image in grouped.pixels])
    chosen = every(grouped)
    expected = evaluate.evaluate(saved, dataclasses.replace(grouped, pixels=small), chosen)
    found = robustness.measure(
        grouped, chosen, robustness.float_score(saved), image_size=SIZE, names=["jpeg"], severities=[3]
    )
    assert found.clean.balanced_accuracy == pytest.approx(expected.scores.balanced_accuracy)
    group = expected.intervals["balanced_accuracy"].group
    assert (found.clean.interval.low, found.clean.interval.high) == pytest.approx((group.low, group.high), abs=0.01)


def test_float_rates_are_means_over_images_whatever_the_batches(saved, grouped):
    """One call of all 36 images gives the same means as batches of 32 and 4."""
    small = np.stack([decode.resized(image, SIZE) for image in grouped.pixels])
    classifier = models.from_checkpoint(saved)
    whole = classifier.apply(classifier.variables, small, jax.random.key(0))
    scored = robustness.float_score(saved)(small)
    assert scored.rates == pytest.approx({name: float(rate) for name, rate in whole.rates.items()}, rel=1e-5)
    np.testing.assert_allclose(scored.scores, whole.logits, rtol=1e-4, atol=1e-5)


def test_what_was_found_survives_json(found):
    assert robustness_result.from_json(robustness_result.to_json(found)) == found


def test_unseen_alone_are_chosen_by_their_hashes(saved, grouped):
    chosen = select(grouped, seen=[one.sha256 for one in grouped.records[:26]], only="unseen")
    found = robustness.measure(grouped, chosen, by_brightness, image_size=SIZE, names=["jpeg"], draws=10)
    assert (found.n, found.seen) == (10, 0)
