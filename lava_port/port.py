"""A PORT on disk: both graphs of a converted network, what rounding cost, and where it came from.

Knows the format and no backend; whatever is damaged, newer or not a PORT is refused in one line.

A PORT is a folder of three files: `port.json` (structure and provenance, with the SHA-256 of the other two),
`fixed.safetensors` (the integer network; even weights are stored as their halves, one byte each) and
`float.safetensors` (the float graph, and the SHA-256 of every image seen in training).
"""

import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from lava_port import shapes
from lava_port.graph import FixedGraph, FixedNode, FixedReadout, Graph, GraphError, Node
from lava_port.scales import LayerRounding
from neurallnet_jax.checkpoint import pack_hashes, unpack_hashes

__all__ = ["FIXED_NAME", "FORMAT_VERSION", "Port", "is_port", "load", "plain_arrays", "save"]

FORMAT_VERSION = 3
"""Version 1 also held the spec of the network it came from, which nothing needs, and 2 knew no white balance; both are read
as before."""
_STRUCTURE, FIXED_NAME, _FLOAT = "port.json", "fixed.safetensors", "float.safetensors"
_NODES = {kind.__name__: kind for kind in (*get_args(Node), *get_args(FixedNode))}
_HASHES = ("seen", "test")
"""Fields that hold hashes; on disk they are arrays of bytes beside the float graph."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Port:
    """A converted network.

    Attributes:
        graph: Its float graph, nothing folded.
        fixed: The integer network that hardware runs.
        rounding: What rounding cost, per layer.
        seen: SHA-256 (hexadecimal) of every image file that training or selection used.
        test: SHA-256 of every image that the split kept apart for the test.
        provenance: Where it came from, plain JSON data; holds the checkpoint's digest.
    """

    graph: Graph
    fixed: FixedGraph
    rounding: tuple[LayerRounding, ...]
    seen: tuple[str, ...]
    test: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the scores."""
        return self.fixed.classes

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images it reads, pixels."""
        height, width, _ = self.graph.nodes[0].shape
        return height, width

    @property
    def logit_scale(self) -> float:
        """Logit per unit of the integer class scores."""
        readout = self.fixed.nodes[-1]
        assert isinstance(readout, FixedReadout), "a graph ends with its read-out"
        return readout.scale


def is_port(folder: Path) -> bool:
    """Return whether `folder` holds a PORT, whole or damaged."""
    return (Path(folder) / _STRUCTURE).is_file()


def save(port: Port, folder: Path) -> None:
    """Write a PORT; an older one of the same name is replaced only once the new one is complete.

    Raises:
        ValueError: `folder` exists and is no PORT, it cannot be written, or the hash of an image is no SHA-256.
    """
    folder = Path(folder)
    if folder.exists() and not is_port(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is no PORT; nothing was written, name another folder or remove it")
    wrong = [digest for digest in (*port.seen, *port.test) if not re.fullmatch("[0-9a-f]{64}", digest)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no SHA-256 of an image; expected 64 hexadecimal digits")
    fresh = folder.parent / f".{folder.name}.{os.getpid()}.new"
    old = folder.parent / f".{folder.name}.{os.getpid()}.old"
    try:
        fresh.mkdir(parents=True)
        _write(port, fresh)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{folder}: cannot be written ({reason}); free some space or name another place") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def load(folder: Path) -> Port:
    """Return the PORT that `save` wrote, exact to the last bit.

    Raises:
        ValueError: There is none, a file is missing or damaged, or a newer version wrote it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; a PORT is what convert-to-lava writes")
    if not is_port(folder):
        raise ValueError(f"{folder} is no PORT: it has no {_STRUCTURE}; a PORT is what convert-to-lava writes")
    try:
        data = json.loads((folder / _STRUCTURE).read_text(encoding="utf-8"))
        version = data["format_version"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{folder / _STRUCTURE} is damaged; convert the run again") from None
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ValueError(
            f"{folder} has format {version}, this version reads up to {FORMAT_VERSION}; update neurallnet-jax"
        )
    fixed, floats = (_read_arrays(folder / name, data) for name in (FIXED_NAME, _FLOAT))
    try:
        return _from_json(data, fixed, floats)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / _STRUCTURE} is damaged ({error}); convert the run again") from None
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None


def plain_arrays(graph: Graph | FixedGraph) -> tuple[dict[str, Any], Arrays]:
    """Return a graph for others: its structure as JSON data, and its arrays by name, each in the type it has here.

    Where a node of the structure holds an array, it says `{"array": name, "dtype": type, "halved": false}`.
    """
    arrays: Arrays = {}
    return _graph_to_json(graph, arrays, packed=False), arrays


# --- The folder


def _write(port: Port, folder: Path) -> None:
    fixed: Arrays = {}
    floats: Arrays = {field: pack_hashes(getattr(port, field)) for field in _HASHES}
    first = port.graph.nodes[0]
    data: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "classes": list(port.classes),
        "image_size": list(port.image_size),
        "offset": _plain(getattr(first, "offset", None)),
        "scale": getattr(first, "scale", None),
        "white_level": getattr(first, "white_level", None),
        "rounding": [dataclasses.asdict(layer) for layer in port.rounding],
        "provenance": dict(port.provenance),
        "graph": _graph_to_json(port.graph, floats),
        "fixed": _graph_to_json(port.fixed, fixed),
    }
    safetensors.save_file(fixed, folder / FIXED_NAME)
    safetensors.save_file(floats, folder / _FLOAT)
    data["sha256"] = {name: _digest(folder / name) for name in (FIXED_NAME, _FLOAT)}
    (folder / _STRUCTURE).write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read_arrays(path: Path, data: Mapping[str, Any]) -> Arrays:
    if not path.is_file():
        raise ValueError(f"{path.parent} lacks {path.name}; convert the run again")
    named = data.get("sha256")
    if not isinstance(named, dict) or _digest(path) != named.get(path.name):
        raise ValueError(
            f"{path} is damaged: its SHA-256 is not the one that {_STRUCTURE} names; convert the run again"
        )
    try:
        return safetensors.load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); convert the run again") from None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _from_json(data: Mapping[str, Any], fixed: Arrays, floats: Arrays) -> Port:
    if not isinstance(data["provenance"], dict):
        raise TypeError("its provenance is no mapping")
    graphs = Graph(*_graph_from_json(data["graph"], floats)), FixedGraph(*_graph_from_json(data["fixed"], fixed))
    for graph in graphs:
        shapes.check(graph)
    return Port(
        graph=graphs[0],
        fixed=graphs[1],
        rounding=tuple(LayerRounding(**entry) for entry in data["rounding"]),
        **{field: unpack_hashes(floats[field]) for field in _HASHES},
        provenance=data["provenance"],
    )


# --- Graphs


def _graph_to_json(graph: Graph | FixedGraph, arrays: Arrays, *, packed: bool = True) -> dict[str, Any]:
    nodes = [_node_to_json(node, arrays, packed) for node in graph.nodes]
    return {"steps": graph.steps, "classes": list(graph.classes), "nodes": nodes}


def _node_to_json(node: Node | FixedNode, arrays: Arrays, packed: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": type(node).__name__}
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if isinstance(value, np.ndarray):
            name = f"{node.name}/{field.name}"
            arrays[name], halved = _packed(value) if packed else (np.ascontiguousarray(value), False)
            entry[field.name] = {"array": name, "dtype": value.dtype.name, "halved": halved}
        else:
            entry[field.name] = _plain(value)
    return entry


def _graph_from_json(data: Mapping[str, Any], arrays: Arrays) -> tuple[Any, int, tuple[str, ...]]:
    nodes = tuple(_node_from_json(dict(entry), arrays) for entry in data["nodes"])
    return nodes, data["steps"], tuple(data["classes"])


def _node_from_json(entry: dict[str, Any], arrays: Arrays) -> Any:
    kind = entry.pop("type", None)
    if kind not in _NODES:
        raise GraphError(
            f"node {entry.get('name')!r} is of unknown type {kind!r}; a newer version may have written it, "
            "update neurallnet-jax"
        )
    fields = {
        key: _unpacked(arrays[value["array"]], value) if isinstance(value, dict) else _tuples(value)
        for key, value in entry.items()
    }
    node = _NODES[kind](**fields)
    shapes.check_types(node)
    return node


def _packed(array: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return an integer array in the smallest type that holds it, and whether it was halved to fit one byte."""
    if array.dtype.kind not in "iu" or not array.size:
        return np.ascontiguousarray(array), False
    halved = array.dtype == np.int16 and not (array % 2).any() and array.min() >= -256 and array.max() <= 254
    array = array // 2 if halved else array
    kinds = (np.int8, np.int16, np.int32, np.int64)
    kind = next(k for k in kinds if np.iinfo(k).min <= array.min() and array.max() <= np.iinfo(k).max)
    return np.ascontiguousarray(array.astype(kind)), bool(halved)


def _unpacked(array: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    array = array.astype(np.dtype(str(entry["dtype"])))
    return array * array.dtype.type(2) if entry["halved"] else array


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
