"""The table of built-in profiles, and the break-evens that others published.

Knows no network and no counts; where a profile comes from a file of the user's own, `profile_file.py` reads it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lava_port.energy import cmos45, loihi, machines
from lava_port.energy.constants import Profile

__all__ = ["PROFILES", "PUBLISHED_BREAK_EVENS", "PublishedBreakEven", "select"]

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        cmos45.HOROWITZ45,
        cmos45.HOROWITZ45_MEMORY,
        loihi.LOIHI1_DAVIES2018,
        loihi.LOIHI1_SILICON,
        loihi.LOIHI2_HALAPOINT,
        loihi.INTEL_PROXY,
        machines.TRUENORTH_MEROLLA2014,
        machines.SPINNAKER1,
        machines.SPINNAKER2_PROTOTYPE,
        machines.CPU,
        machines.GPU,
        machines.ARM,
    )
}
"""Profiles by name."""


@dataclass(frozen=True)
class PublishedBreakEven:
    """Where others found the spiking network to break even; below it the spiking network is better.

    Attributes:
        quantity: What was counted: `spikes_per_neuron`, `spikes_per_synapse` (both per inference), or `rate` (spikes per
            neuron and step).
        low: Least such number.
        high: Greatest such number.
        conditions: What it holds for.
        source: Author, year, version and DOI.
    """

    quantity: str
    low: float
    high: float
    conditions: str
    source: str


PUBLISHED_BREAK_EVENS = (
    PublishedBreakEven(
        "spikes_per_neuron",
        1.72,
        1.72,
        "per neuron and inference, digital hardware",
        "Davidson and Furber 2021, Front. Neurosci. 15:651141, doi 10.3389/fnins.2021.651141",
    ),
    PublishedBreakEven(
        "spikes_per_synapse",
        0.15,
        1.38,
        "per synapse and inference, depending on the hardware",
        "Dampfhoffer et al. 2023, IEEE TETCI 7(3), doi 10.1109/TETCI.2022.3214509",
    ),
    PublishedBreakEven(
        "rate", 0.064, 0.064, "per neuron and step, T 5 to 10", "Yan et al. 2024, arXiv:2409.08290, versions 1 to 3"
    ),
    PublishedBreakEven(
        "rate", 0.057, 0.057, "per neuron and step, T 5", "Yan et al. 2024, arXiv:2409.08290, version 4"
    ),
)
"""Break-evens of the literature, to stand beside one's own."""


def select(names: Sequence[str] | None = None) -> tuple[Profile, ...]:
    """Return the profiles called `names`, all built-in ones by default; a name that ends in .yaml or .yml is a file.

    Raises:
        ValueError: There is no such profile; the message lists those that exist. Or the file is no profile.
    """
    return tuple(_one(name) for name in names or PROFILES)


def _one(name: str) -> Profile:
    if name.lower().endswith((".yaml", ".yml")):
        from lava_port.energy import profile_file

        return profile_file.load(name)
    if name not in PROFILES:
        raise ValueError(f"no energy profile {name!r}; there are {', '.join(PROFILES)}, or a FILE.yaml of your own")
    return PROFILES[name]
