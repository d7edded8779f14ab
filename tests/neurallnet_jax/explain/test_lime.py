import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

from neurallnet_jax.explain.lime import draw, fit, lime, superpixel_means
from neurallnet_jax.explain.superpixels import slic

KEY = jax.random.key(1)


@given(seed=st.integers(0, 999), ridge=st.sampled_from([1e-3, 1.0, 20.0]), width=st.sampled_from([0.1, 0.25, 2.0]))
def test_the_line_is_that_of_scikit_learn(seed, ridge, width):
    """Weighted ridge regression, cosine distances and the share of variance explained, each computed elsewhere."""
    rng = np.random.default_rng(seed)
    shown = rng.integers(0, 2, (60, 12))
    shown[0], shown[1] = 1, 0
    scores = rng.normal(size=60) + shown @ rng.normal(size=12)
    distances = pairwise_distances(shown, shown[:1], metric="cosine").ravel()
    weights = np.sqrt(np.exp(-(distances**2) / width**2))
    line = Ridge(alpha=ridge).fit(shown, scores, sample_weight=weights)
    found = fit(shown, scores, kernel_width=width, ridge=ridge)
    np.testing.assert_allclose(found.coefficients, line.coef_, atol=1e-6)
    assert found.intercept == pytest.approx(line.intercept_, abs=1e-6)
    assert found.r2 == pytest.approx(line.score(shown, scores, sample_weight=weights), abs=1e-6)


def test_scores_that_are_all_the_same_have_no_slope():
    found = fit(np.random.default_rng(0).integers(0, 2, (9, 3)), np.full(9, 0.7))
    assert found.r2 == 0
    np.testing.assert_allclose(found.coefficients, 0, atol=1e-12)


def test_what_is_linear_over_superpixels_is_recovered(linear, image):
    """The score is a sum over pixels, so every superpixel's coefficient is what its pixels add over the background."""
    weights = (np.random.default_rng(2).normal(size=image.shape) / 100).astype(np.float32)
    image = image.copy()
    image[:2] = 255
    explain = lime(linear(weights), superpixels=9, samples=120, ridge=1e-6, score="logit", batch_size=50)
    found = explain({}, image, 1, KEY)
    segments = slic(image, 9)
    evidence = (weights * (image - 255.0)).sum(axis=-1)
    wanted = np.array([evidence[segments == one].sum() for one in range(segments.max() + 1)])[segments]
    np.testing.assert_allclose(found.heat, wanted, atol=1e-3)
    assert found.facts["r2"] == pytest.approx(1, abs=1e-4)
    assert found.facts["intercept"] == pytest.approx(255 * weights.sum(), abs=1e-3)
    assert found.facts["superpixels"] == segments.max() + 1


def test_a_superpixel_can_be_hidden_by_its_own_mean(linear, image):
    """Of a score that only asks for means over superpixels, nothing is lost."""
    segments = slic(image, 9)
    means = superpixel_means(image, segments)
    for one in range(segments.max() + 1):
        np.testing.assert_allclose(
            means[segments == one],
            np.broadcast_to(image[segments == one].mean(axis=0), (int((segments == one).sum()), 3)),
            rtol=1e-5,
        )
    flat = linear(np.full(image.shape, 0.01))
    assert np.abs(lime(flat, superpixels=9, score="logit", fill="superpixel")({}, image, 1, KEY).heat).max() < 1e-4
    assert np.abs(lime(flat, superpixels=9, score="logit")({}, image, 1, KEY).heat).max() > 1


def test_the_size_of_a_batch_changes_nothing_and_the_key_all_that_is_drawn(spiking, image):
    run = lambda key, size: (
        lime(spiking, samples=20, superpixels=9, batch_size=size)(spiking.variables, image, 1, key).heat
    )
    np.testing.assert_allclose(run(KEY, 4), run(KEY, 32), atol=1e-5)
    assert (run(KEY, 4) != run(jax.random.key(7), 4)).any()


def test_the_first_row_shows_all_and_the_others_each_superpixel_with_one_half():
    shown = draw(KEY, 2001, 30)
    assert shown[0].all()
    assert shown[1:].mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(60_000))
    assert len(np.unique(shown, axis=0)) == 2001


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 1}, "samples is 1; expected a whole number from 2 up"),
        ({"ridge": 0}, "ridge is 0; expected a number above zero"),
        ({"kernel_width": float("nan")}, "kernel_width is nan; expected a number above zero"),
        ({"fill": "black"}, "no fill 'black'; there are background, offset, mean, superpixel"),
        ({"score": "loss"}, "no score 'loss'; there are probability, logit"),
    ],
)
def test_options_out_of_range_are_refused(relu, options, message):
    with pytest.raises(ValueError, match=f"^lime: {message}"):
        lime(relu, **options)


def test_more_superpixels_than_pixels_are_refused(relu, image):
    with pytest.raises(ValueError, match="65 superpixels for an image of 8 x 8"):
        lime(relu, superpixels=65)(relu.variables, image, 1, KEY)
