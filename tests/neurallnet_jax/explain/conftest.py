"""Small classifiers whose true evidence is known, for the tests of explanations."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax import checkpoint, models, spec

SIZE = (8, 8)
NETWORK = spec.neurallnet(
    2, widths=(4, 8), image_size=SIZE, steps=4, attention=spec.SqueezeExcite(delay=2, min_hidden=2)
)


@pytest.fixture(scope="session")
def spiking(classifier_of) -> models.Classifier:
    return classifier_of(NETWORK, ("a", "b"))


@pytest.fixture(scope="session")
def relu(classifier_of) -> models.Classifier:
    return classifier_of(spec.relu_twin(NETWORK), ("a", "b"))


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def toy() -> Callable[..., models.Classifier]:
    """Return a function of `features(pixels) -> (batch, h, w, k)` and `tail(features) -> (batch, classes)`.

    The classifier has one layer, "all", no parameters, no spikes, and images of `size`.
    """

    def build(
        features: Callable[[Any], Any],
        tail: Callable[[Any], Any],
        *,
        size: tuple[int, int] = SIZE,
        pooled: bool = False,
    ) -> models.Classifier:
        network = spec.relu_twin(spec.neurallnet(2, widths=(1,), image_size=size))
        seen = lambda variables, pixels, key, layer: features(pixels)[None]
        ahead = lambda variables, features, key, layer: tail(features[0])
        whole = lambda variables, pixels, key: models.Output(tail(features(jnp.asarray(pixels, jnp.float32))), {})
        return models.Classifier(
            network,
            checkpoint.Preprocessing(),
            ("a", "b"),
            {},
            whole,
            lambda *arguments: (whole(*arguments), {}),
            ("all",),
            "all" if pooled else None,
            seen,
            ahead,
        )

    return build


@pytest.fixture(scope="session")
def linear(toy) -> Callable[..., models.Classifier]:
    """Return a function of weights (height, width, channels): class 1 scores `sum of weights x pixels`, class 0 nothing."""

    def build(weights: np.ndarray) -> models.Classifier:
        def tail(features: Any) -> Any:
            score = (features * jnp.asarray(weights, jnp.float32)[None]).sum(axis=(1, 2, 3))
            return jnp.stack([jnp.zeros_like(score), score], axis=1)

        return toy(lambda pixels: pixels, tail, size=(weights.shape[0], weights.shape[1]))

    return build
