"""The arms of the ablations: what each changes in a baseline network, and what it is compared with.

Knows specs only: neither images nor training.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from neurallnet_jax import spec

__all__ = ["BASELINE", "STUDIES", "Arm", "arms", "baseline", "chosen"]

BASELINE = "se"
"""Name of the arm that changes nothing."""

STEPS = (1, 2, 4, 8)

STUDIES = {
    "attention": "what gates every channel of a layer",
    "steps": "T, the number of time steps",
    "surrogate": "the derivative that stands in for that of a spike",
    "decay": "the leak of the membrane, fixed or learned",
    "encoding": "how the image becomes input over time",
    "twin": "the non-spiking network of the same topology, for reference",
}
"""What each study varies."""


@dataclass(frozen=True)
class Arm:
    """One network of an ablation.

    Attributes:
        name: What the user calls it.
        study: The study it belongs to; empty for the baseline, which belongs to all.
        meaning: What differs from the baseline, in words.
        network: The network.
        reference: Name of the arm it is compared with.
    """

    name: str
    study: str
    meaning: str
    network: spec.Network
    reference: str = BASELINE


def baseline(network: spec.Network, *, delay: int | None = None, steps: int | None = None) -> spec.Network:
    """Return the network that all arms begin from: `network` with squeeze-and-excitation before every neuron.

    Args:
        network: A spiking network, with or without gates.
        delay: Delay of the attention, steps; None keeps that of the network, or takes that of the hardware path.
        steps: T; None keeps that of the network.

    Raises:
        ValueError: The network does not spike, or T is not above the delay.
    """
    if not network.spiking:
        raise ValueError("the network does not spike, so nothing of the ablations applies; choose a spiking preset")
    own = next((one for one in network.layers if isinstance(one, spec.SqueezeExcite)), None)
    gate = own or spec.SqueezeExcite(delay=spec.GATE_PATH_MESSAGES)
    gate = dataclasses.replace(gate, delay=gate.delay if delay is None else delay, shuffle="none")
    steps = network.steps if steps is None else steps
    if steps <= gate.delay:
        raise ValueError(
            f"T is {steps} and the delay of the attention {gate.delay}; the statistics of a step then never arrive; "
            f"take at least {gate.delay + 1} steps or a smaller delay"
        )
    result = _gated(dataclasses.replace(network, steps=steps), gate)
    spec.validate(result)
    return result


def arms(base: spec.Network) -> tuple[Arm, ...]:
    """Return every arm, the baseline first; an arm equal to the baseline is left out.

    Args:
        base: What `baseline` returned.
    """
    gate = next(layer for layer in base.layers if isinstance(layer, spec.SqueezeExcite))
    neuron = next(layer for layer in base.layers if isinstance(layer, spec.Lif))
    words = "gates from the same step" if gate.delay == 0 else f"gates from {gate.delay} steps before"
    first = Arm(BASELINE, "", f"baseline: squeeze-and-excitation, {words}, T = {base.steps}, {base.encoding}", base)
    found = (
        *_attention(base, gate),
        *_steps(base, gate),
        *_neurons(base, neuron),
        *(
            Arm(name, "encoding", f"{name} coding instead of {base.encoding}", dataclasses.replace(base, encoding=name))
            for name in get_args(spec.Encoding)
        ),
        Arm("relu-twin", "twin", "ReLU instead of spikes, one step, gates without delay", spec.relu_twin(base)),
    )
    return (first, *(arm for arm in found if arm.network != base))


def chosen(every: Sequence[Arm], words: Sequence[str]) -> tuple[Arm, ...]:
    """Return the arms that studies, arms or `all` name, with the arms they are compared with, in the order of `every`.

    Raises:
        ValueError: A word names none of these; the message lists what there is.
    """
    names = {arm.name: arm for arm in every}
    wanted: set[str] = {BASELINE}
    for word in words:
        if word == "all":
            wanted |= set(names)
        elif word in STUDIES:
            wanted |= {arm.name for arm in every if arm.study == word}
        elif word in names:
            wanted.add(word)
        else:
            raise ValueError(
                f"no study or arm {word!r}; studies are {', '.join(STUDIES)} and all, arms {', '.join(names)}"
            )
    wanted |= {names[name].reference for name in wanted}
    return tuple(arm for arm in every if arm.name in wanted)


def _attention(base: spec.Network, gate: spec.SqueezeExcite) -> tuple[Arm, ...]:
    def arm(
        name: str, meaning: str, other: spec.SqueezeExcite | spec.StaticGate | None, reference: str = BASELINE
    ) -> Arm:
        return Arm(name, "attention", meaning, _gated(base, other), reference)

    return (
        arm("none", "no gates", None),
        arm("identity", "gates that are 1: a control, equal to `none` bit for bit", spec.StaticGate(learned=False)),
        arm("static", "one learned gate per channel, the same for every image and step", spec.StaticGate()),
        arm(
            "shuffled-images",
            "every image has the gates of another image of its batch",
            dataclasses.replace(gate, shuffle="images"),
        ),
        arm(
            "shuffled-channels",
            "every image has its own gates in a random order of channels",
            dataclasses.replace(gate, shuffle="channels"),
        ),
        arm("se-delay-0", "gates from the same step, simulation only", dataclasses.replace(gate, delay=0)),
    )


def _steps(base: spec.Network, gate: spec.SqueezeExcite) -> tuple[Arm, ...]:
    result = []
    for steps in STEPS:
        if steps == base.steps:
            continue
        if steps > gate.delay:
            network, how, reference = dataclasses.replace(base, steps=steps), "", BASELINE
        else:
            # No statistics arrive within so few steps, so only the gate that is learned for the time before is left.
            network = _gated(dataclasses.replace(base, steps=steps), spec.StaticGate())
            how, reference = ", static gates because no statistics arrive", "static"
        result.append(Arm(f"steps-{steps}", "steps", f"T = {steps}{how}", network, reference))
    return tuple(result)


def _neurons(base: spec.Network, own: spec.Lif) -> tuple[Arm, ...]:
    def with_neuron(neuron: spec.Lif) -> spec.Network:
        layers = tuple(neuron if isinstance(layer, spec.Lif) else layer for layer in base.layers)
        return dataclasses.replace(base, layers=layers)

    learned, fixed = f"one learned decay per layer, from {own.dv:g}", f"decay fixed at {own.dv:g}"
    return (
        *(
            Arm(
                name.replace("_", "-"),
                "surrogate",
                f"surrogate {name} instead of {own.surrogate}",
                with_neuron(dataclasses.replace(own, surrogate=name)),
            )
            for name in get_args(spec.Surrogate)
        ),
        Arm("decay-learned", "decay", learned, with_neuron(dataclasses.replace(own, learn_decay=True))),
        Arm("decay-fixed", "decay", fixed, with_neuron(dataclasses.replace(own, learn_decay=False))),
    )


def _gated(network: spec.Network, gate: spec.SqueezeExcite | spec.StaticGate | None) -> spec.Network:
    """Return `network` with this gate, or none, before every neuron."""
    layers: list[spec.LayerSpec] = []
    for layer in network.layers:
        if isinstance(layer, spec.SqueezeExcite | spec.StaticGate):
            continue
        if isinstance(layer, spec.Lif) and gate is not None:
            layers.append(gate)
        layers.append(layer)
    return dataclasses.replace(network, layers=tuple(layers))
