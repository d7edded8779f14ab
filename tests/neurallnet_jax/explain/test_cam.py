import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax.explain.cam import cam
from neurallnet_jax.explain.resizing import to_image

KEY = jax.random.key(0)


@pytest.mark.parametrize("kind", ["spiking", "relu"])
@pytest.mark.parametrize("target", [0, 1])
def test_the_map_is_the_dense_weights_times_the_features(request, image, kind, target):
    classifier = request.getfixturevalue(kind)
    found = cam(classifier)(classifier.variables, image, target, KEY)
    features = jax.jit(classifier.features, static_argnums=3)
    seen = features(classifier.variables, image[None].astype(np.float32), KEY, classifier.pooled)[:, 0]
    dense = classifier.variables["params"]["dense_1"]
    maps = seen @ dense["kernel"][:, target]
    assert maps.any()
    np.testing.assert_allclose(found.heat, to_image(maps.mean(axis=0)[None], (8, 8))[0], atol=1e-5)
    if kind == "spiking":
        np.testing.assert_allclose(found.steps, to_image(maps, (8, 8)), atol=1e-5)
    else:
        assert found.steps is None
    # Nothing of the score is left out.
    assert found.facts["bias"] == pytest.approx(float(dense["bias"][target]), abs=1e-6)
    assert found.facts["score"] - found.facts["bias"] == pytest.approx(float(maps.mean()), abs=1e-5)


def test_evidence_against_the_class_is_negative(toy, image):
    """The score is minus the mean of what lies above grey level 128, over all places and colours."""
    tail = lambda features: jnp.stack([features.mean(axis=(1, 2, 3)), -features.mean(axis=(1, 2, 3))], axis=1)
    found = cam(toy(lambda pixels: jnp.maximum(pixels - 128, 0), tail, pooled=True))({}, image, 1, KEY)
    np.testing.assert_allclose(found.heat, -np.maximum(image.astype(float) - 128, 0).mean(axis=-1), rtol=1e-5)


def test_a_network_that_is_not_pooled_is_refused(linear):
    with pytest.raises(ValueError, match=r"^cam: no layer's mean over space goes straight into the class scores"):
        cam(linear(np.ones((8, 8, 3))))
