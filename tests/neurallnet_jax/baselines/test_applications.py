import pytest

from neurallnet_jax import spec
from neurallnet_jax.baselines import applications
from neurallnet_jax.baselines.applications import APPLICATIONS


def test_every_network_of_the_spec_has_its_constructor_and_source():
    keras = applications.backend.load()
    assert set(APPLICATIONS) == set(spec.KERAS_NETWORKS)
    for one in APPLICATIONS.values():
        assert callable(getattr(keras.applications, one.constructor))
        assert "arXiv" in one.source
        assert min(one.convention.factors) > 0


def test_the_graph_begins_behind_what_a_network_does_to_its_input(graph):
    assert [graph.name(layer) for layer in graph.layers][:2] == ["zero_padding2d", "conv2d"]
    assert graph.inputs.shape == (None, 9, 7, 3)


def test_a_second_network_of_a_process_has_the_names_of_the_first(graph, model_of):
    again = applications.graph_of(model_of(rate=0.5))
    assert {layer.name for layer in again.layers} != {layer.name for layer in graph.layers}
    assert [again.name(layer) for layer in again.layers] == [graph.name(layer) for layer in graph.layers]
    assert len(set(graph.names.values())) == len(graph.layers)


def test_edges_lead_from_what_was_before_to_what_hears_it(graph):
    names = ["image", *(graph.name(layer) for layer in graph.layers)]
    edges = {(names[before + 1], names[after + 1]) for before, after in graph.edges()}
    assert ("image", "zero_padding2d") in edges
    assert {("stem", "conv2d_1"), ("stem", "add"), ("depthwise_conv2d", "add")} <= edges
    assert all(before < after for before, after in graph.edges())


def test_a_size_that_a_network_does_not_take_is_refused():
    with pytest.raises(ValueError, match="inception-resnet-v2 takes images of at least 75 x 75 pixels, not 74 x 75"):
        applications.build(spec.KerasNetwork("inception-resnet-v2", (74, 75)))


def test_a_model_without_numbers_knows_its_shapes():
    model = applications.abstract_model(spec.KerasNetwork("resnet50", (32, 32), classes=3))
    assert model.outputs[0].shape == (None, 3)
    assert sum(one.shape[0] == 64 for one in model.trainable_variables) > 1
