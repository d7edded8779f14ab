"""Bits that move between memory and arithmetic: what every node reads and writes, at worst, at best, and what it keeps.

Knows neither joules nor what a memory is; `worst` and `best` are two rules, and any machine lies between them:

- *worst*: nothing is reused. Every operation reads its operands and writes its result.
- *best*: everything moves once. A weight, a threshold and a bias once per image; a neuron's state once in and once out per
  image, as if all its steps were worked off in one go; a partial sum once in and once out per step; an input once per step.
  No more than at worst: a network that is silent moves no weights.

Widths, in bits (`lava_port/graph.py` proves the ranges):

    weight     8     even integers in [-256, 254], of which the halves are stored
    pixel      9     a pixel minus its offset, signed
    sum       24     of a layer that hears spikes: currents that a 24-bit u takes
    wide sum  32     of the image's layer before its shift, of squeeze, excitation and read-out
    u, v      24     each; u only where du < 4095, since it is gone after a step otherwise
    held      24     the image's current, kept for T steps
    threshold 17,  bias 24    per channel;  bias of a wide sum 32
    gate       9,  gate shift 5
    address   ceil(log2(neurons of the layer that spikes)), at least 1

A spike is one address at worst. That is what event-driven hardware moves, and it costs nothing where nothing happens. At
best a step costs whichever is less: its addresses, or one bit for each neuron; a layer that spikes in more than
one of `address` neurons is cheaper as a bitmap.

With E events, S stored synops, M MACs, K stored weights, N neurons, I inputs and O outputs of the node, C channels, U
updates, U' idle updates, F spikes put out (E, S, M, U, F summed over the steps of an image), and B = min(N, spikes address)
of a step:

    layer on spikes  weights  S 8                        min(K 8, worst)
                     sums     2 S 24                     sum over steps of min(2 O 24, 2 S 24)
                     inputs   max(S, E) address          sum over steps of B
    layer on values  weights  M 8                        min(K 8, worst)
                     sums     2 M 32                     min(passes 2 O 32, worst)
                     inputs   max(M, passes I) width     passes I width           width 9 of pixels, 24 of held and current
    image            inputs   I 9 written
    held             state    N 24 (1 + T)               2 N 24                   written once, read in every step
    neurons          state    (U + U') (2 s + 17 + 24)   2 N s + C (17 + 24)      s = 24, and 24 more with u
                     inputs   F address written          sum over steps of B
    gate             weights  M 8                        K 8
                     sums     2 (additions + M) 32       2 (C + hidden + C) 32 per step, those of the squeeze once if held
                     inputs   additions 24 + M 32        additions 24 + T (C + hidden) 32
                              + (C T + products) 9       + 2 C T 9                gates written, then read by the neurons
                     state    T (biases 32 + C 5) + delay C 9       biases 32 + C 5 + C 9 with a delay
    read-out         state    (U + U') (2 32 + 32)       3 N 32
                     inputs   N 32 written               the same

What the dense ANN of the same topology moves in one pass is counted by the same rules with weights and activations of 8
bits and sums of 32, and scales with those widths: weights M 8 and K 8, sums 2 M 32 and 2 O 32, inputs max(M, I) 8 and I 8;
activations write N 8, and read a bias of 32 bits per neuron at worst, per channel at best; the gate as above, once.

What it keeps: `weight_bytes` and `state_bytes`, rounded up: weights; state, thresholds, biases, and the sums of one step.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from lava_port.graph import (
    FixedConv,
    FixedDense,
    FixedGate,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedReadout,
    Shape,
)

__all__ = ["ANN_BITS", "BITS", "AnnTraffic", "Traffic", "Work", "address_bits", "ann_traffic", "traffic"]

BITS: Mapping[str, int] = {
    "weight": 8,
    "pixel": 9,
    "sum": 24,
    "wide sum": 32,
    "u": 24,
    "v": 24,
    "held": 24,
    "threshold": 17,
    "bias": 24,
    "gate": 9,
    "gate shift": 5,
}
"""Width of everything that moves; addresses depend on the layer."""
ANN_BITS: Mapping[str, int] = {"weight": 8, "activation": 8, "sum": 32}

_NO_MEMORY = 4095
"""The du of neurons whose current is gone after one step."""


@dataclass(frozen=True, eq=False)
class Traffic:
    """Bits that one node moves per image, int64 (images,); the rules stand at the head of this module.

    Attributes:
        weight_worst: Weights read.
        weight_best: The same at best.
        sum_worst: Partial sums read and written.
        sum_best: The same at best.
        state_worst: State of neurons read and written, thresholds and biases read.
        state_best: The same at best.
        input_worst: Inputs read, outputs written.
        input_best: The same at best.
    """

    weight_worst: np.ndarray
    weight_best: np.ndarray
    sum_worst: np.ndarray
    sum_best: np.ndarray
    state_worst: np.ndarray
    state_best: np.ndarray
    input_worst: np.ndarray
    input_best: np.ndarray


@dataclass(frozen=True)
class AnnTraffic:
    """Bits that one node moves in one pass of the dense ANN, and the widths that they are counted at.

    Attributes:
        weight_worst: Weights read; scales with `weight_bits`.
        weight_best: The same at best.
        sum_worst: Partial sums read and written; scales with `sum_bits`.
        sum_best: The same at best.
        state_worst: Biases read; scales with `sum_bits`.
        state_best: The same at best.
        input_worst: Inputs read, outputs written; scales with `activation_bits`.
        input_best: The same at best.
        weight_bits: Width of a weight.
        activation_bits: Width of an activation, or of a pixel.
        sum_bits: Width of a sum.
    """

    weight_worst: int = 0
    weight_best: int = 0
    sum_worst: int = 0
    sum_best: int = 0
    state_worst: int = 0
    state_best: int = 0
    input_worst: int = 0
    input_best: int = 0
    weight_bits: int = ANN_BITS["weight"]
    activation_bits: int = ANN_BITS["activation"]
    sum_bits: int = ANN_BITS["sum"]


@dataclass(frozen=True, eq=False)
class Work:
    """What a node did, as far as its traffic follows from it.

    Attributes:
        shape: Shape of its first input; its own where it has none.
        heard: What comes in, as `Signal` in `counts.py`.
        counted: Operations by their name in `PER_STEP`, int64 (steps, images).
        idle_updates: Updates outside the window, int64 (images,).
        passes: How often per image it works through a dense input.
        steps: T.
    """

    shape: Shape
    heard: str
    counted: Mapping[str, np.ndarray]
    idle_updates: np.ndarray
    passes: int
    steps: int

    def per_image(self, name: str) -> np.ndarray:
        """Return one count per image, int64 (images,)."""
        return self.counted[name].sum(axis=0) if name in self.counted else self.all(0)

    def all(self, count: int) -> np.ndarray:
        """Return `count` for every image."""
        return np.full(self.idle_updates.shape, count, np.int64)

    def best_of_spikes(self, spikes: np.ndarray, neurons: int) -> np.ndarray:
        """Return the bits of spikes (steps, images), each step as addresses or as a bitmap, (images,)."""
        return np.minimum(spikes * address_bits(neurons), neurons).sum(axis=0)


def address_bits(neurons: int) -> int:
    """Return the bits that name one of so many neurons, at least 1."""
    return max(1, (neurons - 1).bit_length())


@singledispatch
def traffic(node: object, work: Work) -> tuple[Traffic, int, int]:
    """Return the bits that one node moves, and the bits of its weights and of its state.

    Raises:
        TypeError: No rule knows the node: it is refused, never taken as free.
    """
    raise TypeError(
        f"node {getattr(node, 'name', '?')!r}: no traffic for {type(node).__name__}; "
        "add some with @traffic.register in lava_port/energy/traffic.py"
    )


@traffic.register
def _(node: FixedInput, work: Work) -> tuple[Traffic, int, int]:
    pixels = math.prod(node.shape)
    return _traffic(work, input=_either(work.all(pixels * BITS["pixel"]))), 0, pixels * BITS["pixel"]


@traffic.register
def _(node: FixedHold, work: Work) -> tuple[Traffic, int, int]:
    held = math.prod(node.shape) * BITS["held"]
    return _traffic(work, state=(work.all(held * (1 + work.steps)), work.all(2 * held))), 0, held


@traffic.register(FixedConv)
@traffic.register(FixedDense)
def _(node: FixedConv | FixedDense, work: Work) -> tuple[Traffic, int, int]:
    inputs, outputs, stored = math.prod(work.shape), math.prod(node.shape), node.weight.size * BITS["weight"]
    if work.heard == "spikes":
        synops, width = work.counted["synops_stored"], BITS["sum"]
        events, address = work.per_image("events"), address_bits(inputs)
        weights = work.per_image("synops_stored") * BITS["weight"]
        found = _traffic(
            work,
            weight=(weights, np.minimum(stored, weights)),
            sum=(2 * width * synops.sum(axis=0), 2 * width * np.minimum(synops, outputs).sum(axis=0)),
            input=(
                np.maximum(work.per_image("synops_stored"), events) * address,
                work.best_of_spikes(work.counted["events"], inputs),
            ),
        )
        return found, stored, outputs * width
    macs, width = work.per_image("macs"), BITS["wide sum"]
    heard = BITS["pixel"] if work.heard == "image" else BITS["held"]
    found = _traffic(
        work,
        weight=(macs * BITS["weight"], np.minimum(stored, macs * BITS["weight"])),
        sum=(2 * width * macs, 2 * width * np.minimum(macs, outputs * work.passes)),
        input=(heard * np.maximum(macs, inputs * work.passes), work.all(heard * inputs * work.passes)),
    )
    return found, stored, outputs * width


@traffic.register
def _(node: FixedGate, work: Work) -> tuple[Traffic, int, int]:
    hidden, channels = node.reduce.shape
    width, elements = BITS["wide sum"], work.per_image("additions")
    macs, products = work.per_image("macs"), work.per_image("multiplies")
    stored = (node.reduce.size + node.excite.size) * BITS["weight"]
    biases = (hidden + channels) * width + channels * BITS["gate shift"]
    initial = channels * BITS["gate"] if node.delay else 0
    read = initial * min(node.delay, work.steps)
    squeezes = 1 if work.heard == "held" else work.steps
    gates = channels * work.steps * BITS["gate"]
    found = _traffic(
        work,
        weight=(macs * BITS["weight"], work.all(stored)),
        sum=(
            2 * width * (elements + macs),
            work.all(2 * width * (channels * squeezes + (hidden + channels) * work.steps)),
        ),
        state=(work.all(work.steps * biases + read), work.all(biases + initial)),
        input=(
            elements * BITS["held"] + macs * width + gates + products * BITS["gate"],
            elements * BITS["held"]
            + (channels + hidden) * width * work.steps
            + gates
            + np.minimum(gates, products * BITS["gate"]),
        ),
    )
    return found, stored, biases + initial * (1 + node.delay) + (2 * channels + hidden) * width


@traffic.register
def _(node: FixedLif, work: Work) -> tuple[Traffic, int, int]:
    neurons, channels = math.prod(node.shape), node.shape[-1]
    state = BITS["v"] + (BITS["u"] if node.du < _NO_MEMORY else 0)
    constants = BITS["threshold"] + BITS["bias"]
    spikes = work.counted["spikes"]
    found = _traffic(
        work,
        state=(
            (work.per_image("updates") + work.idle_updates) * (2 * state + constants),
            work.all(2 * neurons * state + channels * constants),
        ),
        input=(spikes.sum(axis=0) * address_bits(neurons), work.best_of_spikes(spikes, neurons)),
    )
    return found, 0, neurons * state + channels * constants


@traffic.register
def _(node: FixedReadout, work: Work) -> tuple[Traffic, int, int]:
    neurons, width = math.prod(node.shape), BITS["wide sum"]
    updates = work.per_image("updates") + work.idle_updates
    found = _traffic(
        work,
        state=(3 * width * updates, work.all(3 * width * neurons)),
        input=_either(work.all(width * neurons)),
    )
    return found, 0, 2 * width * neurons


@singledispatch
def ann_traffic(node: object, shape: Shape, macs: int) -> AnnTraffic:
    """Return the bits that one node moves in one pass of the dense ANN.

    Args:
        node: The node.
        shape: Shape of its first input; its own where it has none.
        macs: Its multiply-accumulates.

    Raises:
        TypeError: No rule knows the node: it is refused, never taken as free.
    """
    raise TypeError(
        f"node {getattr(node, 'name', '?')!r}: no traffic of an ANN for {type(node).__name__}; "
        "add some with @ann_traffic.register in lava_port/energy/traffic.py"
    )


@ann_traffic.register
def _(node: FixedInput, shape: Shape, macs: int) -> AnnTraffic:
    written = math.prod(node.shape) * ANN_BITS["activation"]
    return AnnTraffic(input_worst=written, input_best=written)


@ann_traffic.register
def _(node: FixedHold, shape: Shape, macs: int) -> AnnTraffic:
    # One pass has nothing to hold.
    return AnnTraffic()


@ann_traffic.register(FixedConv)
@ann_traffic.register(FixedDense)
def _(node: FixedConv | FixedDense, shape: Shape, macs: int) -> AnnTraffic:
    return _ann_layer(macs, node.weight.size, math.prod(shape), math.prod(node.shape))


@ann_traffic.register
def _(node: FixedGate, shape: Shape, macs: int) -> AnnTraffic:
    hidden, channels = node.reduce.shape
    elements, width, active = math.prod(shape), ANN_BITS["sum"], ANN_BITS["activation"]
    dense = _ann_layer(macs, node.reduce.size + node.excite.size, channels + hidden, 2 * channels + hidden)
    return dataclasses.replace(
        dense,
        sum_worst=dense.sum_worst + 2 * width * elements,
        state_worst=(hidden + channels) * width,
        state_best=(hidden + channels) * width,
        input_worst=dense.input_worst + (2 * elements + channels) * active,
        input_best=dense.input_best + (elements + 2 * channels) * active,
    )


@ann_traffic.register
def _(node: FixedLif, shape: Shape, macs: int) -> AnnTraffic:
    neurons, width = math.prod(node.shape), ANN_BITS["sum"]
    written = neurons * ANN_BITS["activation"]
    return AnnTraffic(
        state_worst=neurons * width, state_best=node.shape[-1] * width, input_worst=written, input_best=written
    )


@ann_traffic.register
def _(node: FixedReadout, shape: Shape, macs: int) -> AnnTraffic:
    neurons, width = math.prod(node.shape), ANN_BITS["sum"]
    written = neurons * ANN_BITS["activation"]
    return AnnTraffic(state_worst=neurons * width, state_best=neurons * width, input_worst=written, input_best=written)


def _ann_layer(macs: int, stored: int, inputs: int, outputs: int) -> AnnTraffic:
    weight, active, width = (ANN_BITS[name] for name in ("weight", "activation", "sum"))
    return AnnTraffic(
        weight_worst=macs * weight,
        weight_best=min(stored, macs) * weight,
        sum_worst=2 * macs * width,
        sum_best=2 * min(outputs, macs) * width,
        input_worst=max(inputs, macs) * active,
        input_best=inputs * active,
    )


def _either(moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what moves once by either rule, as the pair of worst and best."""
    return moved, moved


def _traffic(work: Work, **moved: tuple[np.ndarray, np.ndarray]) -> Traffic:
    """Return the traffic of the kinds that are given, worst and best; of the others there is none."""
    pairs = {kind: moved.get(kind, (work.all(0), work.all(0))) for kind in ("weight", "sum", "state", "input")}
    return Traffic(
        **{f"{kind}_{rule}": pair[at] for kind, pair in pairs.items() for at, rule in enumerate(("worst", "best"))}
    )
