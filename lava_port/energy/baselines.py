"""What a network without spikes costs: the ANN of the same topology, dense or skipping zeros; networks of others.

Knows counts and constants, neither intervals nor verdicts; who measures the activations of a trained twin is the caller's.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from lava_port.energy.constants import ALL_IN_SCOPE, SCOPE_OF, Operation, Profile, Scope, Variant
from lava_port.energy.counts import AnnCounts, Counts, NodeCounts
from lava_port.energy.pricing import WHICH, holding, per_bit
from lava_port.graph import GraphError

__all__ = [
    "NETWORKS",
    "NO_TWIN",
    "Arithmetic",
    "Kind",
    "NetworkFigures",
    "Twin",
    "ann_price",
    "arithmetics",
    "check_twin",
    "level_bits",
]

Kind: TypeAlias = Literal["dense", "relu_sparse"]

NO_TWIN = (
    "the share of activations that are zero was not measured; train a twin with `--preset neurallnet-relu` and name it "
    "with `--ann RUN`"
)
_NOT_OF_AN_ANN: Mapping[Scope, str] = {
    "network": "messages of a dense ANN between cores are not counted",
    "static": "the duration of a dense ANN on this machine is not known",
}


@dataclass(frozen=True)
class Arithmetic:
    """Widths of an ANN's numbers.

    Attributes:
        name: Name for people and files.
        weight_bits: Width of weights, None where the machine has only one arithmetic.
        activation_bits: Width of activations.
        low_bit: Whether the activations are narrower than the variant's own, so that its multiplications are scaled.
    """

    name: str
    weight_bits: int | None
    activation_bits: int | None
    low_bit: bool = False


@dataclass(frozen=True, eq=False)
class Twin:
    """What the trained ReLU twin of a network did on the same images.

    Attributes:
        source: Where the twin comes from, for the record.
        macs: By node, multiply-accumulates with inputs that are not zero, int64 (images,).
        nonzero: By node, share of its inputs that are not zero.
    """

    source: str
    macs: Mapping[str, np.ndarray]
    nonzero: Mapping[str, float]


@dataclass(frozen=True)
class NetworkFigures:
    """A network of the comparison paper, known by its size alone.

    Attributes:
        name: Name in keras.applications.
        macs: Multiply-accumulates of one 224 x 224 image.
        parameters: Weights with a head of 4 classes.
        source: Where the two figures come from.
    """

    name: str
    macs: float
    parameters: float
    source: str


_KERAS = "measured by this project on keras.applications at 224 px with 4 classes, to two or three digits"
NETWORKS = (
    NetworkFigures("ResNet50", 3.86e9, 23.6e6, _KERAS),
    NetworkFigures("VGG19", 19.6e9, 139.6e6, _KERAS),
    NetworkFigures("DenseNet121", 2.8e9, 7.0e6, _KERAS),
    NetworkFigures("InceptionResNetV2", 6.5e9, 54.3e6, _KERAS),
    NetworkFigures("EfficientNetB7", 5.2e9, 64.1e6, _KERAS),
)
"""Networks that the comparison paper names and keras.applications holds."""


def level_bits(steps: int) -> int:
    """Return the bits that hold as many levels as a neuron has spike counts in T steps: ceil(log2(T + 1))."""
    return math.ceil(math.log2(steps + 1))


def arithmetics(variant: Variant, steps: int) -> tuple[Arithmetic, ...]:
    """Return the arithmetics of an ANN that a variant is compared with, its own first."""
    if variant.bits is None:
        return (Arithmetic("native", None, None),)
    own = Arithmetic("f32" if variant.bits == 32 else f"int{variant.bits}", variant.bits, variant.bits)
    bits = level_bits(steps)
    if variant.bits == 32 or bits >= variant.bits:
        return (own,)
    return (own, Arithmetic(f"int{bits}", variant.bits, bits, low_bit=True))


def check_twin(counts: Counts, twin: Twin) -> None:
    """Refuse a twin that is not of this network or did not see as many images.

    Raises:
        GraphError: A node is missing or unknown, or its counts do not fit; the message names it.
    """
    expected = {node.name for node in counts.nodes if _hears_spikes(node)}
    for name in sorted(expected | set(twin.macs)):
        if (name in expected) != (name in twin.macs):
            where = "the twin has no counts of it" if name in expected else "no spikes reach a node of this name"
            raise GraphError(f"ReLU twin {twin.source!r}, node {name!r}: {where}; name a twin of this network")
        found, dense = twin.macs[name], counts.node(name).ann.macs
        if found.shape != (counts.images,) or found.min() < 0 or found.max() > dense:
            raise GraphError(
                f"ReLU twin {twin.source!r}, node {name!r}: its counts are {found.min()} to {found.max()} for "
                f"{len(found)} images; expected 0 to {dense} for {counts.images}"
            )


def ann_price(
    counts: Counts,
    profile: Profile,
    variant: Variant,
    arithmetic: Arithmetic,
    scopes: Collection[Scope],
    *,
    twin: Twin | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return what one pass of the ANN of the same topology costs in `scopes` together.

    Args:
        counts: Counts of the spiking network, which hold those of the ANN's one pass.
        profile: Whose constants to charge.
        variant: Its arithmetic.
        arithmetic: Widths of the ANN's numbers.
        scopes: The scope and those before it.
        twin: Activations of a trained ReLU twin, whose zeros are skipped; None for the dense ANN.

    Returns:
        Joules (1, 3) or, with a twin, (images, 3), at low constants, at their values and at high ones; and why parts of
        it cannot be priced, empty where all can.
    """
    missing = [] if profile.all_in else [_NOT_OF_AN_ANN[one] for one in scopes if one in _NOT_OF_AN_ANN]
    total = np.zeros((1 if twin is None else counts.images, len(WHICH)))
    for node in counts.nodes:
        macs: int | np.ndarray = node.ann.macs if twin is None else twin.macs.get(node.name, node.ann.macs)
        found, why = _arithmetic_price(node.ann, macs, profile, variant, arithmetic, scopes)
        total = total + found
        missing += why
        if "memory" in scopes and profile.memories:
            share = np.asarray(macs / node.ann.macs) if node.ann.macs else np.ones(())
            total = total + _memory(node, share, profile, variant, arithmetic)
    return total, tuple(dict.fromkeys(missing))


def _arithmetic_price(
    ann: AnnCounts,
    macs: int | np.ndarray,
    profile: Profile,
    variant: Variant,
    arithmetic: Arithmetic,
    scopes: Collection[Scope],
) -> tuple[np.ndarray, list[str]]:
    numbers: Mapping[Operation, int | np.ndarray] = {
        "mac": macs,
        "addition": ann.additions,
        "multiply": ann.multiplies,
        "activation": ann.activations,
    }
    total, missing = np.zeros((1, len(WHICH))), []
    for operation, number in numbers.items():
        if not np.any(number) or operation in variant.covered:
            continue
        if not (profile.all_in and ALL_IN_SCOPE in scopes) and SCOPE_OF[operation] not in scopes:
            continue
        if operation in variant.unpriced:
            missing.append(variant.unpriced[operation])
        elif operation == "mac" and arithmetic.low_bit:
            scaled = _low_bit_mac(variant, arithmetic)
            if scaled is None:
                missing.append(
                    "a multiply-accumulate of fewer bits cannot be derived without the energy of an addition"
                )
            else:
                total = total + np.atleast_1d(number)[:, None] * scaled
        else:
            joules = np.array([variant.constants[operation].si(which) for which in WHICH])
            total = total + np.atleast_1d(number)[:, None] * joules
    return total, missing


def _low_bit_mac(variant: Variant, arithmetic: Arithmetic) -> np.ndarray | None:
    """Return a multiply-accumulate with b-bit activations, derived from that with B bits: (mac - addition) b/B + addition.

    The multiplier is proportional to the product of the widths, and the accumulator keeps its own. Low: all of it scales,
    mac b/B. High: nothing does.
    """
    if "addition" not in variant.constants or variant.bits is None or arithmetic.activation_bits is None:
        return None
    mac, addition = variant.constants["mac"], variant.constants["addition"]
    share = arithmetic.activation_bits / variant.bits
    value = (mac.si() - addition.si()) * share + addition.si()
    return np.array([mac.si("low") * share, value, mac.si("high")])


def _memory(
    node: NodeCounts, share: np.ndarray, profile: Profile, variant: Variant, arithmetic: Arithmetic
) -> np.ndarray:
    """Return joules of one pass's traffic, (1 or images, 3); zeros that are skipped read no weight and add to no sum.

    Weights, sums, biases, and inputs and outputs lie each in the smallest memory that holds them, as those of the spiking
    network do.
    """
    ann, reuse = node.ann, variant.reuse
    weight = (arithmetic.weight_bits or ann.weight_bits) / ann.weight_bits
    activation = (arithmetic.activation_bits or ann.activation_bits) / ann.activation_bits
    skipped = share if reuse == "worst" else np.ones(())
    # What moves once in either direction has to be held once.
    parts = (
        (getattr(ann, f"weight_{reuse}") * weight * skipped, node.weight_bytes * weight),
        (getattr(ann, f"sum_{reuse}") * skipped, ann.sum_best / 2 / 8),
        (np.asarray(getattr(ann, f"state_{reuse}")), ann.state_best / 8),
        (np.asarray(getattr(ann, f"input_{reuse}") * activation), ann.input_best * activation / 8),
    )
    return sum(
        (np.atleast_1d(bits)[:, None] * per_bit(holding(profile.memories, size)) for bits, size in parts),
        start=np.zeros((1, len(WHICH))),
    )


def _hears_spikes(node: NodeCounts) -> bool:
    """Return whether a node with weights hears other neurons, and so skips zeros in a ReLU twin."""
    return bool(node.ann.macs) and node.passes > 1 and node.kind in ("FixedConv", "FixedDense")
