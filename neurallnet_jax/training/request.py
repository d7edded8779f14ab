"""What a training is asked to do, as plain data and back, and how two requests differ in words.

Knows the settings; opens no image and trains nothing.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from neurallnet_jax import config, spec
from neurallnet_jax.config import Training
from neurallnet_jax.images import splits

__all__ = ["Request", "differences", "from_json", "to_json"]


@dataclass(frozen=True)
class Request:
    """What a training is asked to do.

    Attributes:
        data: Image folder with one sub-folder per class.
        network: The network; its number of outputs is set to the number of classes found.
        training: How to train.
        split: `contiguous`, `blocks`, `random`, `all`, or the path of a manifest.
        fold: Fold of the split.
        seed: Decides initial weights, order and augmentation (and the `random` split).
        source: RUN whose weights to begin with, or None; they must fit the network. Where the classes differ, the last
            dense layer begins anew.
        on_bad_image: Whether a file that is no image is skipped or stops the training.
        margin: Capture numbers left out on either side of a `contiguous` test fifth.
        weights: File of Keras with weights to begin with, or None; see `baselines/pretrained.py`.
        weights_sha256: The hash it should have, hexadecimal, or None.
    """

    data: str
    network: spec.AnyNetwork
    training: Training
    split: str = "contiguous"
    fold: int = 0
    seed: int = 0
    source: str | None = None
    on_bad_image: Literal["skip", "fail"] = "fail"
    margin: int = splits.TEST_MARGIN
    weights: str | None = None
    weights_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.weights and self.source:
            raise ValueError(
                f"both the RUN {self.source} and the file {self.weights} are to begin with; name one of them"
            )
        if self.weights_sha256 and not self.weights:
            raise ValueError("a SHA-256 of weights is given and no file of them; name it with --weights")
        splits.check_margin(self.split, self.margin)
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; expected 0..{2**32 - 1}")
        if self.source and self.training.twin_epochs:
            raise ValueError(
                f"twin_epochs: training begins with the weights of {self.source}, not a twin's; set it to 0"
            )


def to_json(request: Request) -> dict[str, Any]:
    """Return a request as plain data."""
    fields = dataclasses.asdict(request)
    fields["network"] = spec.network_to_json(request.network)
    fields["training"] = config.training_to_json(request.training)
    return fields


def from_json(data: Mapping[str, Any]) -> Request:
    """Return the request that `to_json` wrote; what a version did not know yet has its default.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    fields = dict(data)
    fields["network"] = spec.network_from_json(fields["network"])
    fields["training"] = config.training_from_json(fields["training"])
    return Request(**fields)


def differences(before: Any, now: Any) -> tuple[str, ...]:
    """Return every setting that differs, and how, in words; of the layers only that they do.

    Args:
        before: A request, or another dataclass of settings that has a `network`.
        now: Another of the same type.
    """
    if before == now:
        return ()
    old, new = (_flat(dataclasses.asdict(request)) for request in (before, now))
    layers = ["the layers differ"] if old.get("network.layers") != new.get("network.layers") else []
    if type(before.network) is not type(now.network):
        layers = [f"the network was {spec.called(before.network)}, is {spec.called(now.network)}"]
    keys = [key for key in new if key != "network.layers" and key in old and old[key] != new[key]]
    return (*(f"{key} was {old[key]!r}, is {new[key]!r}" for key in keys), *layers)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves
