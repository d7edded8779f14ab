"""What one image costs each model of a comparison: synaptic operations or multiply-accumulates, and joules by profile.

Knows both packages; knows no scores and no command line. No constant is of its own: all come from `lava_port.energy`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lava_port.energy import estimate as estimates
from lava_port.energy import profiles
from lava_port.energy.constants import ALL_IN_SCOPE, Profile, Scope
from lava_port.energy.counts import counts
from lava_port.graph import GraphError
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import entrants, footprint
from neurallnet_jax.evaluation.operations import Energy, Operations
from neurallnet_jax.evaluation.selection import spread
from neurallnet_jax.images.folder import open_folder
from neurallnet_jax.workflows.convert import convert
from neurallnet_jax.workflows.simulate import simulate

__all__ = ["IMAGES", "PROFILES", "dense", "operations", "spiking"]

PROFILES = ("horowitz45", "cpu", "gpu", "arm")
"""Profiles that price a multiply-accumulate, and so a network without spikes."""

IMAGES = 32
"""Images that spikes are counted on, spread evenly over those that a model may be judged by."""

_NO_IMAGES = "spikes are counted on images; name a folder with --data"
_NO_MAC = "the source gives no constant for a multiply-accumulate"

Steps: TypeAlias = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


def operations(
    names: Sequence[str],
    *,
    data: Path | None,
    limit: int = IMAGES,
    steps: Steps = lambda name: nullcontext(lambda done, total: None),
) -> dict[str, Operations]:
    """Return what one image costs every RUN among `names`.

    Args:
        names: RUNs; names that are none are left out.
        data: The folder whose images spiking networks run; None for none.
        limit: Images that each of them runs.
        steps: Who is told of the steps.

    Raises:
        ValueError: A RUN cannot be read or has seen all images; one line.
    """
    chosen = profiles.select(PROFILES)
    found = {}
    for name in names:
        if not checkpoints.is_run(name):
            continue
        saved = checkpoints.load(name)
        if not saved.spec.spiking:
            found[name] = dense(sum(footprint.dense_macs(saved.spec).values()), chosen)
        elif data is None:
            found[name] = Operations(0, None, None, (), _NO_IMAGES)
        else:
            dataset = open_folder(data, saved.spec.image_size, classes=saved.classes, on_bad_image="skip")
            places = spread(entrants.own_images(dataset, saved, name=name).places, limit)
            with steps(f"counting spikes of {name}") as progress:
                found[name] = spiking(saved, np.asarray(dataset.pixels[places]), chosen, progress=progress)
    return found


def dense(macs: int, chosen: Sequence[Profile]) -> Operations:
    """Return what a network without spikes costs: its multiply-accumulates times the constant of one.

    Norms, activations and poolings are not charged, so that networks of all kinds are priced alike; this flatters them.
    """
    energies = []
    for profile in chosen:
        for name, variant in profile.variants.items():
            constant = variant.constants.get("mac")
            joules = None if constant is None else macs * constant.si()
            reason = None if constant is not None else variant.unpriced.get("mac", _NO_MAC)
            energies.append(Energy(profile.name, name, _scope(profile), joules, reason))
    return Operations(0, None, float(macs), tuple(energies))


def spiking(
    saved: Checkpoint,
    pixels: np.ndarray,
    chosen: Sequence[Profile],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Operations:
    """Return what a spiking network costs on images, by the integer network that it converts to.

    Args:
        saved: The network.
        pixels: uint8 (images, height, width, channels).
        chosen: Profiles to price it under.
        progress: Called with images done and images in all.
    """
    try:
        graph = convert(saved).fixed
    except GraphError as error:
        return Operations(0, None, None, (), f"it does not convert to integers: {error}")
    ran = simulate(graph, pixels, backend="emulator", potentials=True, progress=progress)
    counted = counts(graph, ran.activity)
    report = estimates.estimate(graph, counted, chosen, resamples=1)
    scopes = {profile.name: _scope(profile) for profile in chosen}
    energies = tuple(
        Energy(
            entry.profile,
            entry.variant,
            entry.scope,
            None if entry.spiking is None or entry.left_out else entry.spiking.mean,
            _why(entry.reasons) if entry.spiking is None or entry.left_out else None,
        )
        for entry in report.scopes
        if entry.scope == scopes[entry.profile]
    )
    synops = sum(float(node.synops_stored.sum(axis=0).mean()) for node in counted.nodes)
    macs = sum(float(node.macs.sum(axis=0).mean()) for node in counted.nodes)
    return Operations(len(pixels), synops, macs, energies)


def _scope(profile: Profile) -> Scope:
    return ALL_IN_SCOPE if profile.all_in else "compute"


def _why(reasons: Mapping[str, str]) -> str:
    return reasons.get("spiking") or reasons.get("left_out") or "it cannot be priced"
