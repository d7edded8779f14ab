"""What host and worker hand each other in files: a network one way, the trace of a batch the other way.

Plain JSON and npz without pickle; knows neither Lava nor who reads.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np

from lava_port.graph import FixedGraph, FixedLif, FixedNode, Graph, GraphError, LifNode, Node, total_steps, windows
from lava_port.trace import FACTS, LayerTrace, Trace

__all__ = ["load_graph", "load_trace", "save_graph", "save_trace"]


def save_graph(graph: Graph | FixedGraph, folder: Path) -> None:
    """Write `graph.json` and `graph.npz` into `folder`."""
    arrays: dict[str, np.ndarray] = {}
    nodes = []
    for node in graph.nodes:
        fields: dict[str, Any] = {"type": type(node).__name__}
        for field in dataclasses.fields(node):
            value = getattr(node, field.name)
            if isinstance(value, np.ndarray):
                arrays[f"{node.name}/{field.name}"] = value
            else:
                fields[field.name] = value
        nodes.append(fields)
    np.savez(folder / "graph.npz", **arrays)  # pyright: ignore[reportArgumentType]
    structure = {"type": type(graph).__name__, "steps": graph.steps, "classes": graph.classes, "nodes": nodes}
    (folder / "graph.json").write_text(json.dumps(structure, default=_plain), encoding="utf-8")


def load_graph(folder: Path) -> Graph | FixedGraph:
    """Return the graph that `save_graph` wrote into `folder`.

    Raises:
        GraphError: A node of an unknown type.
    """
    structure = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
    graph_kind, node_kinds = {"Graph": (Graph, Node), "FixedGraph": (FixedGraph, FixedNode)}[structure["type"]]
    kinds = {kind.__name__: kind for kind in get_args(node_kinds)}
    nodes = []
    with np.load(folder / "graph.npz", allow_pickle=False) as arrays:
        for entry in structure["nodes"]:
            fields = {key: _tuples(value) for key, value in entry.items()}
            kind = fields.pop("type")
            if kind not in kinds:
                raise GraphError(f"node {fields['name']!r}: unknown type {kind!r}; known are {', '.join(kinds)}")
            prefix = fields["name"] + "/"
            stored = {key[len(prefix) :]: arrays[key] for key in arrays.files if key.startswith(prefix)}
            nodes.append(kinds[kind](**fields, **stored))
    return graph_kind(tuple(nodes), structure["steps"], tuple(structure["classes"]))


def save_trace(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write the arrays of a batch: `scores`, and per layer NAME `NAME/WHAT` for every array WHAT of its `LayerTrace`."""
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]


def load_trace(graph: Graph | FixedGraph, path: Path) -> Trace:
    """Return the trace of a batch through `graph` that `save_trace` wrote."""
    window = windows(graph)
    with np.load(path, allow_pickle=False) as arrays:
        layers = tuple(
            LayerTrace(
                node.name,
                window[node.name],
                arrays[f"{node.name}/spikes"],
                *(
                    arrays[key] if (key := f"{node.name}/{what}") in arrays else None
                    for what in ("potential", "gate", *FACTS)
                ),
            )
            for node in graph.nodes
            if isinstance(node, LifNode | FixedLif)
        )
        return Trace(layers, arrays["scores"], graph.steps, total_steps(graph))


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not go into JSON")
