"""A RUN or a PORT as a file for others: NIR, StableHLO or safetensors. Knows both packages and no command line."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import neurallnet_jax
from lava_port import port as ports
from lava_port.graph import Graph, InputNode
from lava_port.port import Port
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import spec
from neurallnet_jax.checkpoint import Checkpoint, write_atomically
from neurallnet_jax.workflows.convert import float_graph

__all__ = ["FORMATS", "Format", "Written", "check_place", "export", "float_graph_of", "open_source", "sidecar"]

Format: TypeAlias = Literal["nir", "stablehlo", "safetensors"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes:
        format: Its format.
        path: Where it lies.
        kind: `run` or `port`, what it was made from.
        bytes: Its size.
        sha256: Of its bytes, hexadecimal.
        sidecar: File beside it that describes it, or None where it describes itself.
        output: What the network in it puts out; None where it holds weights alone.
    """

    format: Format
    path: Path
    kind: Literal["run", "port"]
    bytes: int
    sha256: str
    sidecar: Path | None = None
    output: str | None = None


def open_source(name: str) -> Checkpoint | Port:
    """Return what a RUN or a PORT holds; `pretrained` is the shipped RUN.

    Raises:
        ValueError: There is neither, or it is damaged.
    """
    return ports.load(Path(name)) if ports.is_port(Path(name)) else checkpoints.load(name)


def float_graph_of(source: Checkpoint | Port) -> Graph:
    """Return the float graph of a RUN or a PORT, nothing folded.

    Raises:
        GraphError: A layer of the RUN without a place in it; the message names the layer.
    """
    return source.graph if isinstance(source, Port) else float_graph(source)


def sidecar(path: Path) -> Path:
    """Return where the description of a StableHLO file lies."""
    return path.parent / f"{path.name}.json"


def check_place(path: Path, form: Format) -> None:
    """Refuse a place that cannot be written before anything is computed.

    Raises:
        ValueError: It is a folder, or lies in a file.
    """
    for place in (path, sidecar(path)) if form == "stablehlo" else (path,):
        if place.is_dir():
            raise ValueError(f"{place}: is a folder; name a file")
    above = next((folder for folder in path.absolute().parents if folder.exists()), None)
    if above is None or not above.is_dir():
        raise ValueError(f"{path}: cannot be written ({above} is no folder); name another place")


def export(source: Checkpoint | Port, form: Format, path: Path, *, graph: Graph | None = None) -> Written:
    """Write a file for others and return what it is.

    Args:
        source: What to export.
        form: The format.
        path: The file; an older one is replaced once the new one is complete.
        graph: Float graph to say in NIR in place of the source's own, such as one with frozen gates.

    Raises:
        ValueError: The format cannot say this network, or the place cannot be written; the message names both.
    """
    check_place(path, form)
    if form == "nir":
        return _nir(source, path, graph or float_graph_of(source))
    if graph is not None:
        raise ValueError(f"another graph goes with NIR only; {form} holds the network as it is")
    if form == "stablehlo":
        return _stablehlo(source, path)
    if form == "safetensors":
        return _safetensors(source, path)
    raise ValueError(f"unknown format {form!r}; expected one of {', '.join(FORMATS)}")


# --- One function per format


def _nir(source: Checkpoint | Port, path: Path, graph: Graph) -> Written:
    from lava_port import to_nir

    to_nir.write(to_nir.to_nir(graph), path)
    return _written(source, "nir", path, output="class scores: the mean over the steps of the last layer's output")


def _stablehlo(source: Checkpoint | Port, path: Path) -> Written:
    from lava_port import to_stablehlo

    if isinstance(source, Port):
        exported = to_stablehlo.export_port(source.fixed)
        scale = source.logit_scale
        output = "class scores, exact integers; logits = logit_scale * scores"
        temperature = source.provenance.get("temperature")
    else:
        exported = to_stablehlo.export_function(_logits(source), (*source.spec.image_size, source.spec.channels))
        scale, output, temperature = 1.0, "logits, float32", source.temperature
    data = exported.serialize()
    write_atomically(path, bytes(data))
    described = {
        "format_version": 1,
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "neurallnet-jax": neurallnet_jax.__version__,
        "kind": _kind(source),
        "classes": list(source.classes),
        "input_meaning": "8-bit RGB pixels, (images, height, width, channels), as they are",
        "output_meaning": output,
        "logit_scale": scale,
        "temperature": temperature,
        **to_stablehlo.describe(exported),
    }
    write_atomically(sidecar(path), (json.dumps(described, indent=1, allow_nan=False) + "\n").encode())
    return _written(source, "stablehlo", path, sidecar=sidecar(path), output=output)


def _logits(saved: Checkpoint) -> Any:
    """Return the float model of a RUN as a function of uint8 images."""
    import jax

    from neurallnet_jax import models

    if saved.spec.encoding == "rate":
        raise ValueError(
            "encoding is 'rate', which draws spikes at random in every call; 'direct' and 'latency' export"
        )
    if saved.spec.shuffles != "none":
        raise ValueError(
            f"gates are shuffled over {saved.spec.shuffles} at random in every call, a control of ablations; "
            "export the arm whose gates are not shuffled"
        )
    classifier = models.from_checkpoint(saved)
    return lambda images: classifier.apply(classifier.variables, images, jax.random.key(0)).logits


def _safetensors(source: Checkpoint | Port, path: Path) -> Written:
    from safetensors.numpy import save

    said: dict[str, Any] = {
        "neurallnet-jax": neurallnet_jax.__version__,
        "kind": _kind(source),
        "classes": source.classes,
    }
    if isinstance(source, Port):
        structure, arrays = ports.plain_arrays(source.fixed)
        image = source.graph.nodes[0]
        assert isinstance(image, InputNode), "a graph begins with its input"
        said |= {"structure": structure, "temperature": source.provenance.get("temperature")}
        prepared = {"offset": image.offset, "scale": image.scale, "white_level": image.white_level}
        said |= {"preprocessing": prepared}
    else:
        arrays = {name: array.copy(order="C") for name, array in source.weights.items()}
        said |= {"spec": spec.network_to_json(source.spec), "temperature": source.temperature}
        said |= {"preprocessing": dataclasses.asdict(source.preprocessing)}
    # Values of safetensors metadata are text; each of ours is JSON.
    write_atomically(path, save(arrays, metadata={key: json.dumps(value) for key, value in said.items()}))
    return _written(source, "safetensors", path)


def _written(source: Checkpoint | Port, form: Format, path: Path, **rest: Any) -> Written:
    data = path.read_bytes()
    return Written(form, path, _kind(source), len(data), hashlib.sha256(data).hexdigest(), **rest)


def _kind(source: Checkpoint | Port) -> Literal["run", "port"]:
    return "port" if isinstance(source, Port) else "run"
