import dataclasses

import pytest

from neurallnet_jax import spec
from neurallnet_jax.baselines import applications, choke
from neurallnet_jax.baselines.applications import Graph


def names(graph: Graph) -> list[str]:
    return [graph.name(layer) for layer in choke.chokes(graph)]


def by_search(graph: Graph) -> list[str]:
    """Return the layers without which no path leads from the image to the scores, by looking for one."""
    edges = list(graph.edges())
    found = []
    for place, layer in enumerate(graph.layers[:-1]):
        reached, waiting = set(), [-1]
        while waiting:
            here = waiting.pop()
            for before, after in edges:
                if before == here and after != place and after not in reached:
                    reached.add(after)
                    waiting.append(after)
        if len(graph.layers) - 1 not in reached:
            found.append(graph.name(layer))
    return found


def test_what_a_branch_leads_past_is_no_choke_point(graph):
    """The sum of two branches: the rectifier inside one of them does not see what goes through the other."""
    assert names(graph) == ["stem", "top"]
    assert graph.name(choke.pooled(graph)) == "top"


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "vgg19"])
def test_every_choke_point_is_one_that_a_search_finds(name):
    graph = applications.build(spec.KerasNetwork(name, (64, 64)))
    searched = by_search(graph)
    assert set(names(graph)) <= set(searched)
    # What the search finds besides is no activation over space.
    for layer in graph.layers:
        if graph.name(layer) in set(searched) - set(names(graph)):
            activation = getattr(layer, "activation", None)
            plain = type(layer).__name__ != "Activation" and (activation is None or activation.__name__ == "linear")
            assert plain or len(layer.output.shape) == 2, layer.name


@pytest.mark.parametrize(
    ("name", "last", "pooled"),
    [("resnet50", "conv5_block3_out", True), ("densenet121", "relu", True), ("vgg19", "block5_conv4", False)],
)
def test_the_last_map_is_pooled_where_a_mean_feeds_the_scores(name, last, pooled):
    graph = applications.build(spec.KerasNetwork(name, (64, 64)))
    assert names(graph)[-1] == last
    end = choke.pooled(graph)
    assert (graph.name(end) if end is not None else None) == (last if pooled else None)


def test_every_block_of_resnet_ends_in_a_choke_point():
    found = names(applications.build(spec.KerasNetwork("resnet50", (64, 64))))
    assert found == ["conv1_relu", *(f"conv{stage}_block{block}_out" for stage, blocks in ((2, 3), (3, 4), (4, 6), (5, 3))
                                     for block in range(1, blocks + 1))]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "last"),
    [
        (spec.KerasNetwork("inception-resnet-v2", (75, 75)), "conv_7b_ac"),
        # Building alone: its training step takes minutes to compile.
        (spec.KerasNetwork("efficientnet-b7", (32, 32)), "top_activation"),
    ],
    ids=lambda one: getattr(one, "name", one),
)
def test_dropout_on_the_way_to_the_scores_is_nothing_at_rest(network, last):
    graph = applications.build(network)
    assert graph.name(choke.pooled(graph)) == names(graph)[-1] == last


def test_scores_that_are_no_linear_layer_are_not_pooled(graph):
    assert choke.pooled(dataclasses.replace(graph, layers=graph.layers[:-1])) is None
