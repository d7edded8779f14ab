"""Weights that others have trained, read from a local file into a Keras network whose last layer begins anew.

Knows the files of Keras; downloads nothing.
"""

import contextlib
import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurallnet_jax import spec
from neurallnet_jax.baselines import applications, backend
from neurallnet_jax.baselines.applications import APPLICATIONS, Convention, tensors

__all__ = ["ENDINGS", "Pretrained", "check_file", "load"]

ENDINGS = (".weights.h5", ".keras", ".h5")
"""Files of Keras 3, and the older ones that keras.applications publishes."""

_IMAGENET_CLASSES, _IMAGENET_SIZE = 1000, (224, 224)
_NORMALISED = np.array([0.485, 0.456, 0.406])


@dataclass(frozen=True, eq=False)
class Pretrained:
    """What a file holds for a network.

    Attributes:
        weights: Arrays by name, float32, as in `checkpoint.Checkpoint`; those of the last layers are missing.
        convention: What the weights take for input; the first kernel holds what `Preprocessing` cannot say.
        fresh: Names of the layers that begin anew.
    """

    weights: dict[str, np.ndarray]
    convention: Convention
    fresh: tuple[str, ...]


def check_file(network: spec.AnyNetwork, path: Path, sha256: str | None = None) -> str:
    """Return the SHA-256 of a file of weights, before anything is built.

    Raises:
        ValueError: The network takes none, or the file is missing, is of another kind or has another hash; one line.
    """
    if not isinstance(network, spec.KerasNetwork):
        raise ValueError(
            f"--weights {path}: holds weights of Keras, and {spec.called(network)} is none of its networks; use --from RUN"
        )
    if not path.name.endswith(ENDINGS):
        raise ValueError(f"{path}: is no file of Keras weights; expected a name that ends in {', '.join(ENDINGS)}")
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; nothing is downloaded, fetch it yourself and name its place")
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    found = digest.hexdigest()
    if sha256 is not None and found != sha256.strip().lower():
        raise ValueError(f"{path}: its SHA-256 is {found}, not {sha256}; it is another file than you expect")
    return found


def load(network: spec.KerasNetwork, path: Path) -> Pretrained:
    """Return the weights of a file for a network; what stands behind its last convolution begins anew.

    Args:
        network: Which.
        path: A file of Keras, of the network with or without its 1,000 classes of ImageNet, or with as many as `network`
            has.

    Raises:
        ValueError: No such file, or one of another network; one line.
    """
    graph = applications.build(network)
    model, top = _read(network, path)
    convention = APPLICATIONS[network.name].convention
    for layer in model.layers:
        if type(layer).__name__ == "Normalization":
            _check_normalisation(layer, path)
    names = applications.names_of(model.operations)
    taken = {names[layer.name]: layer for layer in model.layers if layer.name not in top}
    weights, fresh = {}, []
    for layer in graph.layers:
        if not layer.variables:
            continue
        source = taken.get(graph.name(layer))
        if source is None:
            fresh.append(graph.name(layer))
            continue
        for kind, own in (("params", source.trainable_variables), ("batch_stats", source.non_trainable_variables)):
            for one in own:
                weights[f"{kind}/{graph.name(layer)}/{one.name}"] = np.asarray(one.value, np.float32)
    first = next(graph.name(layer) for layer in graph.layers if type(layer).__name__ == "Conv2D")
    kernel = f"params/{first}/kernel"
    weights[kernel] = _folded(weights[kernel], convention)
    return Pretrained(weights, convention, tuple(fresh))


def _read(network: spec.KerasNetwork, path: Path) -> tuple[Any, frozenset[str]]:
    """Return a model that holds the weights of a file, and which of its layers are the top, to be left out."""
    backend.load()
    published = dataclasses.replace(network, image_size=_IMAGENET_SIZE, classes=_IMAGENET_CLASSES)
    forms: tuple[tuple[spec.KerasNetwork, dict[str, Any]], ...] = (
        (network, {"include_top": False}),
        (published, {}),
        (network, {}),
    )
    reasons = []
    for form, options in forms:
        model = applications.abstract_model(form, **options)
        for one in model.variables:
            one.assign(np.zeros(one.shape, one.dtype))
        try:
            with backend.broadcasting(), contextlib.redirect_stdout(None):
                model.load_weights(str(path))
        except Exception as error:  # noqa: BLE001 - what h5py and Keras raise about a file has no common class
            reasons.append(" ".join(str(error).split())[:160])
            continue
        return model, _top(model)
    raise ValueError(f"{path}: does not hold the weights of {network.name} ({reasons[0]}); name another file")


def _top(model: Any) -> frozenset[str]:
    """Return the layers behind the last one over space."""
    spatial = [place for place, layer in enumerate(model.layers) if len(tensors(layer.output)[0].shape) == 4]
    return frozenset(layer.name for layer in model.layers[spatial[-1] + 1 :])


def _check_normalisation(layer: Any, path: Path) -> None:
    mean = np.asarray(layer.mean).ravel()
    if mean.shape != _NORMALISED.shape or np.abs(mean - _NORMALISED).max() > 1e-3:
        raise ValueError(
            f"{path}: normalises its input by the means {np.round(mean, 3).tolist()}, not by those of ImageNet; "
            "only weights of ImageNet are taken"
        )


def _folded(kernel: np.ndarray, convention: Convention) -> np.ndarray:
    if convention.blue_first:
        kernel = kernel[:, :, ::-1]
    factors = np.asarray(convention.factors, np.float32)
    return np.ascontiguousarray(kernel * factors[:, None])
