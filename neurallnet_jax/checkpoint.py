"""A trained model on disk: spec, weights, preprocessing, class names, provenance and the hashes of every image seen.

Knows NumPy only; one file, so that a killed command leaves the old checkpoint or the new one.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from neurallnet_jax import spec
from neurallnet_jax.trust import Trust, trust_from_json, trust_to_json

__all__ = [
    "FILE_NAME",
    "FORMAT_VERSION",
    "PRETRAINED",
    "Checkpoint",
    "LayerSize",
    "Preprocessing",
    "digest",
    "is_run",
    "layer_sizes",
    "load",
    "locate",
    "pack_hashes",
    "save",
    "unpack_hashes",
    "write_atomically",
]

FORMAT_VERSION = 2
"""Version 1 knew no white balance; it is read as before."""
FILE_NAME = "checkpoint.safetensors"
PRETRAINED = "pretrained"
_SHIPPED = Path(__file__).parent / "weights"
_HASHES = ("seen", "test")
"""Fields that hold hashes; on disk they are arrays of bytes among the weights."""


@dataclass(frozen=True)
class Preprocessing:
    """From 8-bit pixels to the input of a network with direct encoding: `(pixel - offset) / scale`.

    Attributes:
        offset: One whole number per colour channel, so that `pixel - offset` is exact on integer hardware.
        scale: Divisor, pixels.
        white_level: Grey level that the background of every image is brought to first, per channel (`network/white.py`);
            None leaves light and tint as they were photographed.
    """

    offset: tuple[int, ...] = (128, 128, 128)
    scale: float = 64.0
    white_level: int | None = None

    def __post_init__(self) -> None:
        level = self.white_level
        if level is not None and not (isinstance(level, int) and 1 <= level <= 255):
            raise ValueError(
                f"white_level is {level!r}; expected a whole number in 1..255, or None, which balances nothing"
            )


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model.

    Attributes:
        spec: The network.
        weights: Arrays by name, float32: `params/<layer>/<weight>` and `batch_stats/<layer>/<statistic>`.
        preprocessing: How pixels become input.
        classes: Class names in the order of the logits.
        seen: SHA-256 (hexadecimal) of every image file that training or selection used.
        test: SHA-256 of every image that the split kept apart for the test.
        provenance: Where it comes from: command, data, split, versions, results. Plain JSON data.
        temperature: Divisor of the logits, fitted on images not seen in training; None before that.
        trust: Conformal rule, abstention and regions of warnings that `calibrate` fitted; None before that.
    """

    spec: spec.AnyNetwork
    weights: Mapping[str, np.ndarray]
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    seen: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    temperature: float | None = None
    trust: Trust | None = None

    def __post_init__(self) -> None:
        if len(self.classes) != self.spec.classes:
            raise ValueError(f"{len(self.classes)} class names for a network of {self.spec.classes} classes")
        if not isinstance(self.provenance, Mapping):
            raise ValueError(f"provenance is {self.provenance!r}; expected a mapping")
        if self.temperature is not None and not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature!r}; expected a number above zero, or None")
        if self.trust and len(self.trust.conformal.quantiles) not in (1, len(self.classes)):
            raise ValueError(f"trust: {len(self.trust.conformal.quantiles)} quantiles for {len(self.classes)} classes")
        for name, array in self.weights.items():
            if not np.isfinite(array).all():
                raise ValueError(f"weight {name!r} holds NaN or infinity; the training it comes from has failed")


@dataclass(frozen=True)
class LayerSize:
    """One row of `inspect`: a layer, its output without time and batch, its trained numbers."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    bytes: int


def save(checkpoint: Checkpoint, folder: Path) -> Path:
    """Write `checkpoint` into `folder`, beside its final name first, and return the file."""
    arrays: dict[str, np.ndarray] = {
        name: np.asarray(array, np.float32, order="C") for name, array in checkpoint.weights.items()
    }
    arrays |= {field: pack_hashes(getattr(checkpoint, field)) for field in _HASHES}
    header = {
        "format_version": FORMAT_VERSION,
        "spec": spec.network_to_json(checkpoint.spec),
        "preprocessing": dataclasses.asdict(checkpoint.preprocessing),
        "classes": list(checkpoint.classes),
        "provenance": dict(checkpoint.provenance),
        "temperature": checkpoint.temperature,
    }
    if checkpoint.trust is not None:
        header["trust"] = trust_to_json(checkpoint.trust)
    text = json.dumps(header)
    path = folder / FILE_NAME
    write_atomically(path, to_bytes(arrays, metadata={"checkpoint": text, "sha256": _digest(arrays, text)}))
    return path


def load(run: str | Path) -> Checkpoint:
    """Return the checkpoint of a RUN.

    Args:
        run: `pretrained`, or a folder that `train` wrote.

    Raises:
        ValueError: No checkpoint there, a damaged one, or one of a newer version.
    """
    path = locate(run)
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: cannot be read as a checkpoint ({error}); copy or train it again") from None
    if "checkpoint" not in metadata:
        raise ValueError(f"{path}: holds tensors but no checkpoint; it was written by something else")
    if metadata.get("sha256") != _digest(arrays, metadata["checkpoint"]):
        raise ValueError(f"{path}: its bytes do not match its digest; the file is damaged, copy or train it again")
    header: Any = None
    with contextlib.suppress(json.JSONDecodeError):
        header = json.loads(metadata["checkpoint"])
    version = header.get("format_version") if isinstance(header, dict) else None
    if not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
        raise ValueError(
            f"{path}: format version {version}, this release reads up to {FORMAT_VERSION}; upgrade neurallnet-jax"
        )
    try:
        hashes = {field: unpack_hashes(arrays.pop(field)) for field in _HASHES}
        return Checkpoint(
            spec=spec.network_from_json(header["spec"]),
            weights=arrays,
            preprocessing=Preprocessing(
                offset=tuple(header["preprocessing"]["offset"]),
                scale=header["preprocessing"]["scale"],
                white_level=header["preprocessing"].get("white_level"),
            ),
            classes=tuple(header["classes"]),
            **hashes,
            provenance=header["provenance"],
            temperature=header["temperature"],
            # Absent in files of trainings that nobody has calibrated since.
            trust=None if header.get("trust") is None else trust_from_json(header["trust"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def locate(run: str | Path) -> Path:
    """Return the checkpoint file of a RUN.

    Raises:
        ValueError: There is none.
    """
    if str(run) == PRETRAINED:
        path = _SHIPPED / FILE_NAME
        if not path.is_file():
            raise ValueError(f"this installation ships no {FILE_NAME}; reinstall neurallnet-jax or name a RUN")
        return path
    path = Path(run) / FILE_NAME
    if not path.is_file():
        raise ValueError(
            f"{run}: no RUN (a folder with {FILE_NAME}); name one that `neurallnet train` wrote, or 'pretrained'"
        )
    return path


def is_run(argument: str) -> bool:
    """Return whether a command-line argument names a RUN: `pretrained`, or a folder with a checkpoint."""
    return argument == PRETRAINED or (Path(argument) / FILE_NAME).is_file()


def digest(checkpoint: Checkpoint) -> str:
    """Return the SHA-256 (hexadecimal) of a checkpoint's weights and spec."""
    body = json.dumps(spec.network_to_json(checkpoint.spec), sort_keys=True)
    return _digest(checkpoint.weights, body)


def layer_sizes(checkpoint: Checkpoint, shapes: Mapping[str, tuple[int, ...]] | None = None) -> tuple[LayerSize, ...]:
    """Return every layer with its output shape, trained parameters and their bytes (statistics count as bytes only).

    Args:
        checkpoint: The model.
        shapes: Output shape of every layer by name, in order of execution, for a network that is not made of our own
            layers: only what runs it knows them (`models.layer_table`). Without them its layers stand in the order of
            their names, those without weights left out, and shapes are empty.
    """
    kinds = _kinds(checkpoint)
    found = {} if shapes is None else dict(shapes)
    if isinstance(checkpoint.spec, spec.Network):
        found = spec.shapes(checkpoint.spec)
    rows = []
    for name in found or kinds:
        own = {key: array for key, array in checkpoint.weights.items() if key.split("/")[1] == name}
        parameters = sum(array.size for key, array in own.items() if key.startswith("params/"))
        size = sum(array.nbytes for array in own.values())
        rows.append(LayerSize(name, kinds.get(name, "-"), found.get(name, ()), parameters, size))
    return tuple(rows)


def _kinds(checkpoint: Checkpoint) -> dict[str, str]:
    """Return the kind of every layer by name; of a network of others, what the names and ranks of its weights tell."""
    if isinstance(checkpoint.spec, spec.Network):
        return {name: type(layer).__name__ for name, layer in spec.named_layers(checkpoint.spec)}
    ranks: dict[str, dict[str, int]] = {}
    for key, array in checkpoint.weights.items():
        _, layer, weight = key.split("/")
        ranks.setdefault(layer, {})[weight] = array.ndim
    return {layer: _kind(own) for layer, own in sorted(ranks.items())}


def _kind(ranks: Mapping[str, int]) -> str:
    if "kernel" not in ranks:
        return "BatchNorm"
    return "Dense" if ranks["kernel"] == 2 else "Conv"


def pack_hashes(hashes: Iterable[str]) -> np.ndarray:
    """Return hexadecimal SHA-256 sums as bytes, uint8 (n, 32), sorted, each once."""
    distinct = sorted(set(hashes))
    return np.frombuffer(bytes.fromhex("".join(distinct)), np.uint8).reshape(len(distinct), 32)


def unpack_hashes(rows: np.ndarray) -> tuple[str, ...]:
    """Return what `pack_hashes` packed."""
    return tuple(bytes(row).hex() for row in rows)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path` and rename, so that a reader sees the old file or the new one.

    Raises:
        ValueError: The place cannot be written; nothing is left behind.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ValueError(
            f"{path}: cannot be written ({error.strerror or error}); free space or name another place"
        ) from None


def _digest(arrays: Mapping[str, np.ndarray], text: str) -> str:
    sha = hashlib.sha256(f"{text};".encode())
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"{name} {array.dtype} {array.shape};".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()
