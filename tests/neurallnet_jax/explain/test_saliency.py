import dataclasses

import jax
import numpy as np
import pytest

from neurallnet_jax.explain.saliency import saliency, surrogate_gradient

KEY = jax.random.key(0)


@pytest.mark.parametrize(("kind", "method"), [("relu", saliency), ("spiking", surrogate_gradient)])
def test_it_is_the_greatest_slope_of_the_score_of_the_whole_network(request, image, kind, method):
    classifier = request.getfixturevalue(kind)
    score = lambda pixels: classifier.apply(classifier.variables, pixels, KEY).logits[0, 1]
    slope = np.asarray(jax.jit(jax.grad(score))(image[None].astype(np.float32))[0])
    found = method(classifier)(classifier.variables, image, 1, KEY)
    assert slope.any()
    np.testing.assert_allclose(found.heat, np.abs(slope).max(axis=-1), rtol=1e-3, atol=1e-7)
    assert found.facts["score"] == pytest.approx(float(score(image[None])), abs=1e-5)


def test_of_a_line_it_is_the_greatest_weight_of_each_pixel(linear, image):
    weights = np.random.default_rng(1).normal(size=image.shape).astype(np.float32)
    found = saliency(linear(weights))({}, image, 1, KEY)
    np.testing.assert_array_equal(found.heat, np.abs(weights).max(axis=-1))


def test_each_has_its_own_kind_of_network(spiking, relu):
    with pytest.raises(ValueError, match=r"^saliency: the gradient of a spiking network goes through surrogates"):
        saliency(spiking)
    with pytest.raises(ValueError, match=r"^surrogate-gradient: no layer of this network spikes"):
        surrogate_gradient(relu)
    rate = dataclasses.replace(spiking, spec=dataclasses.replace(spiking.spec, encoding="rate"))
    with pytest.raises(ValueError, match=r"^surrogate-gradient: rate encoding has no gradient with respect to pixels"):
        surrogate_gradient(rate)
