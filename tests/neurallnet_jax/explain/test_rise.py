import jax
import numpy as np
import pytest

from neurallnet_jax.explain.rise import masks, rise

KEY = jax.random.key(2)


def test_of_a_line_every_pixel_has_its_evidence_times_the_chance_to_hide_it(linear):
    """Cells of one pixel are drawn apart, so that E[f | shown] - E[f] = (1 - kept) w (x - b), b the background.

    Its standard error over n masks that show a pixel is at most the deviation of f over sqrt(n).
    """
    rng = np.random.default_rng(3)
    image = rng.integers(0, 200, (4, 4, 3), dtype=np.uint8)
    image[0] = 200
    weights = (rng.normal(size=image.shape) / 100).astype(np.float32)
    evidence = (weights * (image - 200.0)).sum(axis=-1)
    samples, kept = 20_000, 0.3
    explain = rise(linear(weights), samples=samples, cells=4, kept=kept, score="logit", batch_size=500)
    found = explain({}, image, 1, KEY)
    deviation = np.sqrt(kept * (1 - kept) * np.square(evidence).sum())
    error = deviation / np.sqrt(samples * kept)
    assert np.abs(evidence).max() * (1 - kept) > 20 * error
    assert np.abs(found.heat - (1 - kept) * evidence).max() < 5 * error
    blank_score = 200 * weights.sum()
    assert found.facts["mean_score"] == pytest.approx(blank_score + kept * evidence.sum(), abs=5 * error)


def test_where_nothing_counts_the_map_is_empty(linear, image):
    found = rise(linear(np.zeros(image.shape)), samples=20)({}, image, 1, KEY)
    np.testing.assert_allclose(found.heat, 0, atol=1e-7)
    assert found.facts == {"mean_score": pytest.approx(0.5), "samples": 20.0}


@pytest.mark.parametrize(("size", "cells"), [((8, 8), 8), ((12, 9), 4), ((10, 10), 1)])
def test_masks_show_each_pixel_with_the_same_chance(size, cells):
    drawn = np.asarray(masks(KEY, np.arange(4000, dtype=np.uint32), size=size, cells=cells, kept=0.25))
    assert drawn.shape == (4000, *size)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    # The deviation of a mean of 4,000 draws of 0 or 1.
    assert np.abs(drawn.mean(axis=0) - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 4000)


def test_a_mask_is_as_coarse_as_its_cells(linear):
    """Between pixels a cell of 8 apart there is no tie, between neighbours almost a full one."""
    drawn = np.asarray(masks(KEY, np.arange(2000, dtype=np.uint32), size=(32, 32), cells=4, kept=0.5))
    tie = lambda a, b: np.corrcoef(drawn[:, 16, a], drawn[:, 16, b])[0, 1]
    assert tie(10, 11) > 0.9
    assert abs(tie(6, 22)) < 0.1


def test_masks_are_shifted_so_that_no_pixel_is_always_the_middle_of_a_cell():
    """Middles are 0 or 1 and edges lie between; under shifts all pixels vary alike."""
    drawn = np.asarray(masks(KEY, np.arange(4000, dtype=np.uint32), size=(32, 32), cells=4, kept=0.5))
    spread = drawn.var(axis=0)
    assert spread.std() < 0.05 * spread.mean()


def test_a_mask_depends_on_the_key_and_its_number_only():
    take = lambda key, numbers: np.asarray(masks(key, np.asarray(numbers, np.uint32), size=(8, 8), cells=4, kept=0.5))
    np.testing.assert_array_equal(take(KEY, [5, 6, 7])[2], take(KEY, [7])[0])
    assert (take(KEY, [7]) != take(jax.random.key(3), [7])).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kept": 1.0}, "kept is 1.0; expected a probability above 0 and below 1"),
        ({"cells": 9}, "9 cells do not fit along 8 pixels"),
        ({"samples": 0}, "samples is 0; expected a whole number from 1 up"),
        ({"fill": "superpixel"}, "no fill 'superpixel'; there are background, offset, mean"),
    ],
)
def test_options_out_of_range_are_refused(relu, options, message):
    with pytest.raises(ValueError, match=f"^rise: {message}"):
        rise(relu, **options)
