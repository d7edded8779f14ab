"""What an ablation found: one outcome per trained network, one summary per arm, and both as plain data.

Knows outcomes and arms; neither images nor training.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurallnet_jax.evaluation.arms import BASELINE, Arm
from neurallnet_jax.metrics import seeds
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.metrics.seeds import Difference

__all__ = ["Ablation", "ArmResult", "Outcome", "from_json", "outcome_from_json", "state", "summarise", "to_json"]

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """One trained network on the test images of its split: a line of `results.jsonl`.

    Attributes:
        arm: Its arm.
        seed: Its seed.
        run: Its RUN, relative to the folder of the ablation.
        error: Why there is no network: a training whose loss or gradient became no number; None where there is one.
        balanced_accuracy: On the test images; None with an error, as all numbers below.
        accuracy: The same, over all images alike.
        validation: Balanced accuracy of the kept epoch on the validation images; None without any.
        best_epoch: The epoch that was kept.
        parameters: Number of trained numbers.
        rates: Spikes per neuron and step of each spiking layer, over the test images.
        rate: Spikes per neuron and step of all of them; None without spikes.
        spikes: Spikes per image, all layers; None without spikes.
        silent: Layers below `loop.SILENT` spikes per neuron and step.
        saturated: Layers above `loop.SATURATED`.
        seconds: Time of the training; of its last part where it was resumed.
        weights: SHA-256 of the trained numbers, by name.
        labels: True classes of the test images.
        groups: Their groups, as drawn by the bootstrap.
        predicted: What the network says.
        machine: Device and versions that trained.
    """

    arm: str
    seed: int
    run: str
    error: str | None = None
    balanced_accuracy: float | None = None
    accuracy: float | None = None
    validation: float | None = None
    best_epoch: int | None = None
    parameters: int | None = None
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    rate: float | None = None
    spikes: float | None = None
    silent: tuple[str, ...] = ()
    saturated: tuple[str, ...] = ()
    seconds: float | None = None
    weights: str = ""
    labels: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    predicted: tuple[int, ...] = ()
    machine: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class ArmResult:
    """An arm over its seeds; means are over the seeds that trained, None without any.

    Attributes:
        name: The arm.
        study: Its study, empty for the baseline.
        meaning: What differs from the baseline.
        reference: The arm it is compared with.
        seeds: Seeds that trained.
        failed: Seeds whose training came to no number.
        parameters: Number of trained numbers.
        balanced_accuracy: Mean on the test images.
        spread: Standard deviation over the seeds; None with fewer than two.
        by_seed: Balanced accuracy of every seed.
        difference: To the reference, over the seeds that both have; None for the baseline and without such seeds.
        rates: Spikes per neuron and step by layer.
        rate: Spikes per neuron and step over all layers.
        spikes: Spikes per image.
        silent: Number of seeds in which a layer is silent, by layer.
        saturated: The same for saturated layers.
        seconds: Time of a training.
    """

    name: str
    study: str
    meaning: str
    reference: str
    seeds: tuple[int, ...]
    failed: tuple[int, ...]
    parameters: int | None
    balanced_accuracy: float | None
    spread: float | None
    by_seed: tuple[float, ...]
    difference: Difference | None
    rates: Mapping[str, float]
    rate: float | None
    spikes: float | None
    silent: Mapping[str, int]
    saturated: Mapping[str, int]
    seconds: float | None

    @property
    def dead(self) -> bool:
        """Whether a layer is silent for any seed: its accuracy then tells of missing spikes, not of the idea."""
        return bool(self.silent)


@dataclass(frozen=True)
class Ablation:
    """What an ablation found.

    Attributes:
        protocol: What all arms share, as plain data: folder, image size, split, fold, epochs, ...
        arms: One entry per arm, the baseline first.
        outcomes: One per trained network.
        identity_equals_none: Whether the control holds bit for bit: weights and answers of the arms `identity` and
            `none` are the same for every seed that both have; None where they have none.
    """

    protocol: Mapping[str, Any]
    arms: tuple[ArmResult, ...]
    outcomes: tuple[Outcome, ...]
    identity_equals_none: bool | None


def summarise(arms: Sequence[Arm], outcomes: Sequence[Outcome], protocol: Mapping[str, Any]) -> Ablation:
    """Return one entry per arm from what its networks did; an arm without outcomes yet is left out."""
    found: dict[str, dict[int, Outcome]] = {arm.name: {} for arm in arms}
    for one in outcomes:
        if one.arm in found:
            found[one.arm][one.seed] = one
    entries = tuple(_arm(arm, found[arm.name], found.get(arm.reference, {})) for arm in arms if found[arm.name])
    kept = tuple(one for arm in arms for _, one in sorted(found[arm.name].items()))
    return Ablation(protocol, entries, kept, _control(found))


def state(arm: ArmResult) -> str:
    """Return whether an arm is dead or failed, with the layers and the number of seeds; `ok` where it is neither."""
    of = len(arm.seeds)
    found = [f"dead: {layer} in {count} of {of}" for layer, count in arm.silent.items()]
    found += [f"saturated: {layer} in {count} of {of}" for layer, count in arm.saturated.items()]
    found += [f"failed: {len(arm.failed)} of {of + len(arm.failed)}"] if arm.failed else []
    return "; ".join(found) or "ok"


def to_json(ablation: Ablation) -> dict[str, Any]:
    """Return an ablation as plain data."""
    return {"format_version": FORMAT_VERSION, **dataclasses.asdict(ablation)}


def from_json(data: Mapping[str, Any]) -> Ablation:
    """Return the ablation that `to_json` wrote.

    Raises:
        ValueError: Another version wrote it, or a field is missing or unknown.
    """
    if data.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"ablation: format version {data.get('format_version')}, this release reads {FORMAT_VERSION}")
    try:
        return Ablation(
            protocol=data["protocol"],
            arms=tuple(_arm_from_json(one) for one in data["arms"]),
            outcomes=tuple(outcome_from_json(one) for one in data["outcomes"]),
            identity_equals_none=data["identity_equals_none"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"ablation: a field is missing or unknown ({error}); another version wrote it") from None


def outcome_from_json(data: Mapping[str, Any]) -> Outcome:
    """Return the outcome whose fields are `data`.

    Raises:
        TypeError: A field is missing or unknown.
    """
    return Outcome(**_tuples(data))


def _arm_from_json(data: Mapping[str, Any]) -> ArmResult:
    fields = _tuples(data)
    if fields["difference"] is not None:
        given = dict(fields["difference"])
        interval = None if given["interval"] is None else Interval(**given["interval"])
        fields["difference"] = Difference(given["mean"], tuple(given["by_seed"]), interval)
    return ArmResult(**fields)


def _tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def _arm(arm: Arm, own: Mapping[int, Outcome], reference: Mapping[int, Outcome]) -> ArmResult:
    trained = [one for _, one in sorted(own.items()) if one.error is None]
    values = [float(one.balanced_accuracy) for one in trained if one.balanced_accuracy is not None]
    shared = [one.seed for one in trained if one.seed in reference and reference[one.seed].error is None]
    difference = None
    if arm.name != BASELINE and shared:
        difference = seeds.paired_difference(
            [_run(own[seed]) for seed in shared], [_run(reference[seed]) for seed in shared]
        )
    return ArmResult(
        name=arm.name,
        study=arm.study,
        meaning=arm.meaning,
        reference=arm.reference,
        seeds=tuple(one.seed for one in trained),
        failed=tuple(seed for seed, one in sorted(own.items()) if one.error is not None),
        parameters=trained[0].parameters if trained else None,
        balanced_accuracy=_mean(values),
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        by_seed=tuple(values),
        difference=difference,
        rates={name: math.fsum(one.rates[name] for one in trained) / len(trained) for name in _layers(trained)},
        rate=_mean([one.rate for one in trained]),
        spikes=_mean([one.spikes for one in trained]),
        silent=_counts([one.silent for one in trained]),
        saturated=_counts([one.saturated for one in trained]),
        seconds=_mean([one.seconds for one in trained]),
    )


def _run(outcome: Outcome) -> seeds.Run:
    return seeds.Run(*(np.asarray(part) for part in (outcome.labels, outcome.groups, outcome.predicted)))


def _layers(trained: Sequence[Outcome]) -> tuple[str, ...]:
    return tuple(trained[0].rates) if trained else ()


def _counts(layers: Sequence[tuple[str, ...]]) -> dict[str, int]:
    names = [name for one in layers for name in one]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _control(found: Mapping[str, Mapping[int, Outcome]]) -> bool | None:
    left, right = found.get("identity", {}), found.get("none", {})
    pairs = [(left[seed], right[seed]) for seed in left if seed in right]
    if not pairs:
        return None
    return all(
        (one.weights, one.predicted, one.error) == (other.weights, other.predicted, other.error) for one, other in pairs
    )
