"""What every arm changes, and only that; names, references and refusals."""

import dataclasses
from collections import Counter
from typing import get_args

import pytest

from neurallnet_jax import config, spec
from neurallnet_jax.evaluation import arms
from neurallnet_jax.network.surrogate import SURROGATES

BASE = arms.baseline(config.preset("neurallnet").network)
EVERY = {arm.name: arm for arm in arms.arms(BASE)}
GATES = (spec.SqueezeExcite, spec.StaticGate)


def ungated(network: spec.Network) -> spec.Network:
    return dataclasses.replace(network, layers=tuple(one for one in network.layers if not isinstance(one, GATES)))


def gates(name: str) -> set:
    return {layer for layer in EVERY[name].network.layers if isinstance(layer, GATES)}


def test_every_arm_is_a_network_of_its_own_with_its_reference_among_them():
    assert next(iter(EVERY)) == arms.BASELINE
    assert EVERY[arms.BASELINE].network == config.preset("neurallnet").network
    networks = Counter(arm.network for arm in EVERY.values())
    assert set(networks.values()) == {1}
    for arm in EVERY.values():
        spec.validate(arm.network)
        assert arm.reference in EVERY
        assert arm.study in (arms.STUDIES if arm.name != arms.BASELINE else {""})


def test_attention_changes_the_gates_and_nothing_else():
    gate = spec.SqueezeExcite(delay=2)
    expected = {
        "none": set(),
        "identity": {spec.StaticGate(learned=False)},
        "static": {spec.StaticGate()},
        "shuffled-images": {dataclasses.replace(gate, shuffle="images")},
        "shuffled-channels": {dataclasses.replace(gate, shuffle="channels")},
        "se-delay-0": {spec.SqueezeExcite(delay=0)},
    }
    assert set(expected) == {name for name, arm in EVERY.items() if arm.study == "attention"}
    for name, own in expected.items():
        assert gates(name) == own
        assert ungated(EVERY[name].network) == ungated(BASE)
        kinds = [type(layer) for layer in EVERY[name].network.layers]
        assert sum(kind in GATES for kind in kinds) == (5 if own else 0)


def test_as_few_steps_as_the_delay_leave_static_gates_and_are_compared_with_such():
    """T = 1, 2 end before statistics of two steps earlier arrive; T = 8 keeps the attention."""
    assert {name for name, arm in EVERY.items() if arm.study == "steps"} == {"steps-1", "steps-2", "steps-8"}
    for steps, own, reference in ((1, spec.StaticGate(), "static"), (2, spec.StaticGate(), "static")):
        name = f"steps-{steps}"
        assert (EVERY[name].network.steps, gates(name), EVERY[name].reference) == (steps, {own}, reference)
    assert EVERY["steps-8"].network == dataclasses.replace(BASE, steps=8)
    assert EVERY["steps-8"].reference == arms.BASELINE


def test_without_delay_every_number_of_steps_keeps_its_attention():
    found = {arm.name: arm for arm in arms.arms(arms.baseline(BASE, delay=0))}
    assert "se-delay-0" not in found, "it is the baseline"
    for steps in (1, 2, 8):
        arm = found[f"steps-{steps}"]
        assert arm.network.steps == steps
        assert spec.SqueezeExcite(delay=0) in arm.network.layers


def test_every_surrogate_encoding_and_decay_has_its_arm():
    assert set(get_args(spec.Surrogate)) == set(SURROGATES)
    neurons = {name: {one for one in arm.network.layers if isinstance(one, spec.Lif)} for name, arm in EVERY.items()}
    for name in set(SURROGATES) - {"atan"}:
        assert neurons[name.replace("_", "-")] == {spec.Lif(surrogate=name)}
    assert neurons["decay-learned"] == {spec.Lif(learn_decay=True)}
    assert {name for name, arm in EVERY.items() if arm.study == "decay"} == {"decay-learned"}
    for name in ("rate", "latency"):
        assert EVERY[name].network == dataclasses.replace(BASE, encoding=name)
    assert EVERY["relu-twin"].network == spec.relu_twin(BASE)


def test_studies_arms_and_all_bring_their_references_along():
    names = lambda *words: [arm.name for arm in arms.chosen(tuple(EVERY.values()), words)]
    assert names("all") == list(EVERY)
    assert names("steps") == ["se", "static", "steps-1", "steps-2", "steps-8"]
    assert names("steps-1") == ["se", "static", "steps-1"]
    assert names("decay", "encoding") == ["se", "decay-learned", "rate", "latency"]


def test_an_unknown_word_is_refused_with_all_that_there_is():
    with pytest.raises(
        ValueError, match=r"no study or arm 'gates'; studies are attention, .* arms se, none"
    ) as refused:
        arms.chosen(tuple(EVERY.values()), ["gates"])
    assert all(name in str(refused.value) for name in (*arms.STUDIES, *EVERY))


def test_a_baseline_has_attention_even_where_its_network_had_none():
    found = arms.baseline(spec.neurallnet(attention=None))
    assert found == spec.neurallnet(attention=spec.SqueezeExcite(delay=spec.GATE_PATH_MESSAGES))
    late = spec.neurallnet(attention=spec.SqueezeExcite(delay=3))
    assert arms.baseline(found, steps=8, delay=3) == dataclasses.replace(late, steps=8)


def test_too_few_steps_and_networks_without_spikes_are_refused():
    with pytest.raises(ValueError, match=r"T is 2 and the delay of the attention 2; .* take at least 3 steps"):
        arms.baseline(BASE, steps=2)
    with pytest.raises(ValueError, match="T is 4 and the delay of the attention 4"):
        arms.baseline(BASE, delay=4)
    with pytest.raises(ValueError, match="does not spike"):
        arms.baseline(spec.relu_twin(BASE))
