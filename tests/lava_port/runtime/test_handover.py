import dataclasses
import json

import numpy as np
import pytest

from lava_port import passes, reference
from lava_port.graph import GraphError
from lava_port.runtime.handover import load_graph, load_trace, save_graph, save_trace
from lava_port.trace import FACTS, compare


def test_a_graph_survives_the_files_field_by_field(everything, tmp_path):
    save_graph(everything, tmp_path)
    loaded = load_graph(tmp_path)
    assert (loaded.steps, loaded.classes) == (everything.steps, everything.classes)
    for mine, other in zip(everything.nodes, loaded.nodes, strict=True):
        assert type(mine) is type(other)
        for field in dataclasses.fields(mine):
            left, right = getattr(mine, field.name), getattr(other, field.name)
            assert type(left) is type(right), field.name
            if isinstance(left, np.ndarray):
                assert left.dtype == right.dtype
                np.testing.assert_array_equal(left, right)
            else:
                assert left == right


def test_a_float_graph_survives_the_files_as_well(lowered, networks, images_of, tmp_path):
    network = networks["delayed"]
    graph = passes.fold(lowered(network, 0))
    save_graph(graph, tmp_path)
    images = images_of((*network.image_size, 3), 2, 0)
    loaded = load_graph(tmp_path)
    assert [type(node) for node in loaded.nodes] == [type(node) for node in graph.nodes]
    expected = reference.run_float(graph, images, potentials=True)
    assert not any(
        entry.mismatches for entry in compare(expected, reference.run_float(loaded, images, potentials=True))
    )


def test_integers_of_numpy_become_plain_ones(everything, tmp_path):
    nodes = (dataclasses.replace(everything.nodes[0], offset=tuple(np.array([100, 128, 255]))), *everything.nodes[1:])
    save_graph(dataclasses.replace(everything, nodes=nodes), tmp_path)
    assert load_graph(tmp_path).nodes[0].offset == (100, 128, 255)


def test_a_node_of_unknown_type_is_refused_by_name(everything, tmp_path):
    save_graph(everything, tmp_path)
    structure = json.loads((tmp_path / "graph.json").read_text())
    structure["nodes"][2]["type"] = "FixedDream"
    (tmp_path / "graph.json").write_text(json.dumps(structure))
    with pytest.raises(GraphError, match="node 'hold': unknown type 'FixedDream'; known are FixedInput"):
        load_graph(tmp_path)


def test_a_trace_survives_the_file(everything, images_of, tmp_path):
    trace = reference.run_fixed(everything, images_of((12, 10, 3), 2, 0), potentials=True)
    arrays = {"scores": trace.scores}
    for layer in trace.layers:
        arrays |= {f"{layer.name}/spikes": layer.spikes, f"{layer.name}/potential": layer.potential}
        if layer.gate is not None:
            arrays[f"{layer.name}/gate"] = layer.gate
        arrays |= {f"{layer.name}/{fact}": getattr(layer, fact) for fact in FACTS}
    save_trace(arrays, tmp_path / "trace.npz")
    loaded = load_trace(everything, tmp_path / "trace.npz")
    assert not any(entry.mismatches for entry in compare(trace, loaded))
    assert [layer.gate is None for layer in loaded.layers] == [layer.gate is None for layer in trace.layers]
    for mine, other in zip(trace.layers, loaded.layers, strict=True):
        for fact in FACTS:
            np.testing.assert_array_equal(getattr(mine, fact), getattr(other, fact))
    assert (loaded.steps, loaded.total_steps) == (trace.steps, trace.total_steps)
