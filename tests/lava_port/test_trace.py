"""Two traces of one network: every single difference is found, counted and located."""

import dataclasses

import numpy as np
import pytest

from lava_port import trace
from lava_port.graph import GraphError, Window
from lava_port.trace import LayerTrace, Trace


def made(batch: int = 3, seed: int = 0) -> Trace:
    random = np.random.default_rng(seed)
    layers = tuple(
        LayerTrace(
            f"lif_{lag}",
            Window(lag, lag + 4),
            random.integers(0, 2, (4, batch, 2, 2, 3), np.uint8),
            random.integers(-50, 50, (4, batch, 2, 2, 3), np.int32),
            random.integers(0, 257, (4, batch, 3)),
            *(random.integers(0, 3, (4, batch)) for _ in trace.FACTS),
        )
        for lag in (1, 2)
    )
    return Trace(layers, random.integers(-9, 9, (batch, 4)), 4, 7)


def changed(one: Trace, field: str, at: tuple[int, ...]) -> Trace:
    """Return a trace whose second layer differs at one place of one array."""
    array = getattr(one.layers[1], field).copy()
    array[at] ^= 1
    return dataclasses.replace(one, layers=(one.layers[0], dataclasses.replace(one.layers[1], **{field: array})))


def test_equal_traces_have_no_mismatch() -> None:
    found = trace.compare(made(), made())
    assert [entry.name for entry in found] == ["lif_1", "lif_2", "readout"]
    assert all(entry.mismatches == 0 and entry.first is None for entry in found)
    assert found[0].spikes == made().layers[0].spikes.sum()
    assert trace.first_mismatch(found) is None


@pytest.mark.parametrize("field", ["spikes", "potential"])
def test_one_flipped_bit_is_found_with_image_step_and_neuron(field: str) -> None:
    found = trace.compare(made(), changed(made(), field, (3, 2, 0, 1, 2)))
    assert found[1].mismatches == 1
    assert found[1].first == (2, 3, 0, 1, 2)
    assert trace.first_mismatch(found) == found[1]


def test_a_gate_that_differs_counts_at_every_neuron_it_multiplies() -> None:
    found = trace.compare(made(), changed(made(), "gate", (0, 1, 2)))
    assert found[1].mismatches == 4
    assert found[1].first == (1, 0, 0, 0, 2)


@pytest.mark.parametrize("fact", trace.FACTS)
def test_a_count_that_differs_counts_at_every_neuron_of_its_step(fact: str) -> None:
    found = trace.compare(made(), changed(made(), fact, (2, 1)))
    assert found[1].mismatches == 12
    assert found[1].first == (1, 2, 0, 0, 0)


def test_floats_may_differ_within_a_tolerance_but_spikes_may_not() -> None:
    def floats(one: Trace, shift: float) -> Trace:
        layers = tuple(dataclasses.replace(layer, potential=layer.potential + shift) for layer in one.layers)
        return dataclasses.replace(one, layers=layers, scores=one.scores + shift)

    near = floats(made(), 1e-9)
    assert any(entry.mismatches for entry in trace.compare(made(), near))
    assert not any(entry.mismatches for entry in trace.compare(made(), near, tolerance=1e-8))
    assert any(entry.mismatches for entry in trace.compare(made(), near, tolerance=1e-10))
    assert trace.compare(made(), changed(near, "spikes", (0, 0, 0, 0, 0)), tolerance=1e-8)[1].mismatches == 1


def test_a_score_that_differs_is_a_mismatch_of_the_read_out() -> None:
    scores = made().scores.copy()
    scores[1, 3] += 1
    found = trace.compare(made(), dataclasses.replace(made(), scores=scores))
    assert (found[-1].mismatches, found[-1].first) == (1, (1, 6, 3))


def test_the_first_difference_is_that_of_the_earliest_image() -> None:
    one = changed(changed(made(), "spikes", (0, 2, 0, 0, 0)), "spikes", (3, 1, 0, 0, 0))
    assert trace.compare(made(), one)[1].first == (1, 3, 0, 0, 0)


def test_traces_of_other_networks_or_batches_are_refused() -> None:
    with pytest.raises(GraphError, match="different networks"):
        trace.compare(made(), dataclasses.replace(made(), layers=made().layers[:1]))
    with pytest.raises(GraphError, match="different batches"):
        trace.compare(made(), made(batch=2))
    moved = dataclasses.replace(made().layers[0], window=Window(2, 6))
    with pytest.raises(GraphError, match="windows or shapes differ"):
        trace.compare(made(), dataclasses.replace(made(), layers=(moved, made().layers[1])))


def test_batches_join_and_their_differences_add_up() -> None:
    one, two = made(3, seed=1), made(2, seed=2)
    joined = trace.concatenate([one, two])
    assert joined.scores.shape == (5, 4)
    np.testing.assert_array_equal(joined.layer("lif_2").spikes[:, 3:], two.layers[1].spikes)
    other = changed(two, "spikes", (1, 1, 1, 0, 0))
    whole = trace.compare(joined, trace.concatenate([one, other]))
    parts = [trace.compare(one, one), trace.shifted(trace.compare(two, other), 3)]
    assert trace.add_up(parts) == whole
    assert whole[1].first == (4, 1, 1, 0, 0)


def test_nothing_to_join_is_refused() -> None:
    with pytest.raises(GraphError, match="no traces"):
        trace.concatenate([])


def test_a_missing_layer_is_refused_with_those_that_exist() -> None:
    with pytest.raises(GraphError, match="no layer 'lif_3'; it has lif_1, lif_2"):
        made().layer("lif_3")
