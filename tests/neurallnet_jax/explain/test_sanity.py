"""Randomised weights change the map of a gradient and leave that of an edge detector."""

import dataclasses

import jax
import numpy as np
import pytest

from neurallnet_jax import spec
from neurallnet_jax.explain import controls, methods, sanity


@pytest.fixture(scope="module")
def fresh(classifier_of, relu):
    return classifier_of(relu.spec, relu.classes, seed=11).variables


def cascaded(explain, classifier, stages, image) -> list[tuple[float, bool]]:
    return list(
        sanity.parameter_randomisation(
            explain, classifier.variables, stages, image=image, target=1, key=jax.random.key(0)
        )
    )


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def drawn(relu, fresh, images):
    return sanity.randomised(relu, fresh, sanity.cascade(relu), images, jax.random.key(0))


def test_the_cascade_goes_from_the_last_layer_to_the_first(spiking):
    stages = sanity.cascade(spiking)
    assert [stage.down_to for stage in stages] == ["dense_1", "conv_2", "conv_1"]
    assert stages[0].layers == ("dense_1",)
    assert stages[1].layers == ("dense_1", "gate_2", "norm_2", "conv_2")
    assert set(stages[-1].layers) == set(spiking.variables["params"])


def test_a_network_whose_order_is_not_told_is_drawn_anew_as_a_whole(relu, fresh, images):
    other = dataclasses.replace(relu, spec="a network of others")
    (stage,) = sanity.cascade(other)
    assert (stage.down_to, set(stage.layers)) == (sanity.EVERYTHING, set(relu.variables["params"]))
    assert sanity.randomised(other, fresh, [stage], images, jax.random.key(0)) == (fresh,)


def test_only_the_layers_of_a_stage_are_drawn_anew(relu, fresh, drawn):
    for stage, mixed in zip(sanity.cascade(relu), drawn, strict=True):
        assert mixed["params"].keys() == relu.variables["params"].keys()
        for name, leaves in mixed["params"].items():
            assert leaves is (fresh if name in stage.layers else relu.variables)["params"][name]
        for name, leaves in mixed["batch_stats"].items():
            assert (leaves is relu.variables["batch_stats"][name]) == (name not in stage.layers)


def test_statistics_of_new_layers_are_those_of_the_images(relu, drawn, images):
    """Once they are, a pass in training and one at rest say the same of these images."""
    key = jax.random.key(0)
    trained, _ = relu.train(drawn[-1], images, key)
    at_rest = relu.apply(drawn[-1], images, key)
    np.testing.assert_allclose(at_rest.logits, trained.logits, atol=0.05 * np.abs(trained.logits).max())


def test_a_gradient_loses_its_map_and_an_edge_detector_keeps_it(relu, drawn, image):
    assert cascaded(controls.edges(relu), relu, drawn, image) == [(1, False)] * 3
    by_gradient = cascaded(methods.make("grad-cam", layer=relu.layers[0])(relu), relu, drawn, image)
    assert len(by_gradient) == 3
    assert abs(by_gradient[-1][0]) < 0.6


def test_without_a_change_of_weights_every_map_stays(relu, image):
    explain = methods.make("grad-cam", layer=relu.layers[0])(relu)
    assert cascaded(explain, relu, [relu.variables], image) == [(pytest.approx(1), False)]


def test_a_map_that_went_flat_is_said_to_be_flat(relu, image):
    silent = jax.tree.map(lambda leaf: 0 * leaf, relu.variables)
    explain = methods.make("grad-cam", layer=relu.layers[0])(relu)
    assert cascaded(explain, relu, [silent], image) == [(0, True)]


def test_a_map_turned_round_agrees_because_only_absolute_values_count():
    heat = np.array([[3.0, -1.0], [0.5, 2.0]])
    assert sanity.agreement(heat, -heat) == pytest.approx(1)


def test_a_network_with_a_static_gate_has_a_cascade(classifier_of):
    network = spec.neurallnet(2, widths=(4,), image_size=(8, 8), steps=2, attention=spec.StaticGate())
    stages = sanity.cascade(classifier_of(network, ("a", "b")))
    assert stages[-1].layers[0] == "dense_1"
    assert stages[-1].layers[-1] == "conv_1"
