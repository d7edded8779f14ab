import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax.checkpoint import Preprocessing
from neurallnet_jax.explain.blanks import BLANKS, blank
from neurallnet_jax.explain.integrated_gradients import integrated_gradients

KEY = jax.random.key(0)


@pytest.mark.parametrize("baseline", BLANKS)
def test_of_a_line_every_pixel_has_its_weight_times_its_distance_from_the_blank(linear, image, baseline):
    weights = np.random.default_rng(1).normal(size=image.shape).astype(np.float32)
    classifier = linear(weights)
    found = integrated_gradients(classifier, baseline=baseline, steps=1)({}, image, 1, KEY)
    wanted = (weights * (image - blank(image, classifier.preprocessing, baseline))).sum(axis=-1)
    np.testing.assert_allclose(found.heat, wanted, rtol=1e-4, atol=1e-3)
    assert found.facts["completeness_error"] < 1e-4
    assert found.facts["sum"] == pytest.approx(wanted.sum(), rel=1e-4)


@pytest.mark.parametrize(("steps", "batch_size"), [(1, 8), (5, 3), (8, 8), (7, 1)])
def test_of_squares_the_middle_of_every_interval_is_exact(toy, image, steps, batch_size):
    """The integral of 2 x over a way is exact in its middle points; a batch that is filled up counts nothing twice."""
    tail = lambda features: jnp.square(features).sum(axis=(1, 2))[:, :2]
    explain = integrated_gradients(toy(lambda pixels: pixels, tail), steps=steps, batch_size=batch_size)
    empty = blank(image, Preprocessing(), "background")
    found = explain({}, image, 1, KEY)
    wanted = np.square(image[..., 1].astype(float)) - np.square(empty[..., 1])
    np.testing.assert_allclose(found.heat, wanted, rtol=1e-4, atol=0.5)
    assert found.facts["completeness_error"] < 1e-4


def test_more_steps_make_a_smooth_score_complete(toy, image):
    """The middle points of intervals of length h miss an integral of squares by a part of h^2."""
    tail = lambda features: jnp.power(features / 100, 3).sum(axis=(1, 2))[:, :2]
    error = lambda steps: integrated_gradients(toy(lambda pixels: pixels, tail), steps=steps)({}, image, 1, KEY).facts[
        "completeness_error"
    ]
    assert error(32) == pytest.approx(error(2) / 256, rel=0.05)


def test_a_relu_network_is_complete_and_a_spiking_one_is_not(spiking, relu, image):
    error = lambda classifier: integrated_gradients(classifier, steps=256)(classifier.variables, image, 1, KEY).facts[
        "completeness_error"
    ]
    assert error(relu) < 0.02
    assert error(spiking) > 0.05


def test_the_error_is_what_the_heat_misses(spiking, image):
    found = integrated_gradients(spiking)(spiking.variables, image, 1, KEY)
    scores = [
        float(spiking.apply(spiking.variables, pixels[None], KEY).logits[0, 1])
        for pixels in (image, blank(image, spiking.preprocessing, "background"))
    ]
    difference = scores[0] - scores[1]
    assert found.facts["score"] == pytest.approx(scores[0], abs=1e-5)
    assert found.facts["blank_score"] == pytest.approx(scores[1], abs=1e-5)
    wanted = abs(found.heat.sum() - difference) / abs(difference)
    assert found.facts["completeness_error"] == pytest.approx(wanted, rel=1e-3)


def test_where_the_blank_scores_like_the_image_there_is_no_relative_error(linear):
    flat = np.full((8, 8, 3), 90, np.uint8)
    found = integrated_gradients(linear(np.ones(flat.shape)))({}, flat, 1, KEY)
    assert not found.heat.any()
    assert "completeness_error" not in found.facts


def test_options_out_of_range_are_refused(relu):
    with pytest.raises(ValueError, match="integrated-gradients: steps is 0; expected a whole number from 1 up"):
        integrated_gradients(relu, steps=0)
    with pytest.raises(ValueError, match="integrated-gradients: no baseline 'black'; there are background, offset"):
        integrated_gradients(relu, baseline="black")  # pyright: ignore[reportArgumentType]
