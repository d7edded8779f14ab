"""Windows by position, and graphs that no backend could run."""

import dataclasses

import numpy as np
import pytest

from lava_port import graph
from lava_port.graph import FixedConv, FixedDense, FixedGraph, FixedHold, FixedInput, FixedLif, FixedReadout, GraphError


def nodes() -> tuple[graph.FixedNode, ...]:
    threshold, nothing = np.full(2, 8, np.int32), np.zeros(2, np.int32)
    return (
        FixedInput("input", (4, 4, 1), (0,)),
        FixedConv("conv_1", ("input",), (2, 2, 2), np.full((2, 1, 3, 3), 2, np.int16), (2, 2), ((1, 1), (1, 1))),
        FixedHold("hold", ("conv_1",), (2, 2, 2), 0),
        FixedLif("lif_1", ("hold",), (2, 2, 2), 4095, 0, threshold, nothing),
        FixedDense("dense_1", ("lif_1",), (3,), np.full((3, 8), 2, np.int16)),
        FixedReadout("readout", ("dense_1",), (3,), np.zeros(3, np.int64), 0.5),
    )


def made(changed: tuple[graph.FixedNode, ...] | None = None, steps: int = 4) -> FixedGraph:
    return FixedGraph(changed or nodes(), steps, ("a", "b", "c"))


def test_every_convolution_and_dense_layer_starts_a_step_later() -> None:
    """Input in step 0; conv_1 hands on in step 1, where hold and lif_1 work at once; dense_1 in step 2."""
    starts = {name: window.start for name, window in graph.windows(made()).items()}
    assert starts == {"input": 0, "conv_1": 1, "hold": 1, "lif_1": 1, "dense_1": 2, "readout": 2}
    assert all(window.stop - window.start == 4 for window in graph.windows(made()).values())


def test_the_network_runs_for_t_plus_depth_steps() -> None:
    assert graph.total_steps(made(steps=4)) == 4 + 2
    assert graph.total_steps(made(steps=1)) == 1 + 2


def test_neurons_come_in_execution_order() -> None:
    assert [node.name for node in graph.neurons(made())] == ["lif_1", "readout"]


def test_a_missing_node_is_refused_with_those_that_exist() -> None:
    with pytest.raises(GraphError, match="no node 'lif_9'; there are input, conv_1"):
        graph.find(made(), "lif_9")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n[1:], "begins with FixedInput"),
        (lambda n: n[:-1], "ends with FixedReadout"),
        (lambda n: (n[0], n[2], n[1], *n[3:]), "'hold': its input 'conv_1' does not come before it"),
        (lambda n: (*n[:2], dataclasses.replace(n[2], name="conv_1"), *n[3:]), "two nodes are called 'conv_1'"),
        (lambda n: (*n[:-1], dataclasses.replace(n[-1], shape=(2,))), "3 classes, but the read-out has shape"),
        (lambda n: (*n[:-1], dataclasses.replace(n[-1], scale=float("nan"))), "'readout': scale is nan"),
    ],
)
def test_a_graph_that_cannot_run_is_refused_by_name(change, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        made(change(nodes()))


def test_no_steps_are_refused() -> None:
    with pytest.raises(GraphError, match="at least one step"):
        made(steps=0)


def test_nan_in_float_weights_is_refused_by_node_and_field() -> None:
    weight = np.full((1, 1), np.nan)
    parts = (
        graph.InputNode("input", (1,), (0,), 1.0),
        graph.DenseNode("dense_1", ("input",), (1,), weight, np.zeros(1)),
        graph.ReadoutNode("readout", ("dense_1",), (1,)),
    )
    with pytest.raises(GraphError, match="'dense_1': weight holds NaN"):
        graph.Graph(parts, 1, ("a",))
