"""How long an image takes on the slowest core of a placed network: a bracket per step and per image.

Knows neither energy nor wires: the way of a spike through the mesh is left out, since its share was not published.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lava_port.energy.constants import Profile, Which
from lava_port.energy.counts import Counts
from lava_port.energy.pricing import placement_refusal

__all__ = ["Latency", "latency"]


@dataclass(frozen=True, eq=False)
class Latency:
    """Seconds within a bracket; the truth lies between, and there is no best guess.

    Low: the phases of neurons and of synapses overlap fully, at the shortest times. High: one follows the other, at the
    longest. Both on the core that is slowest in that step, plus the barrier.

    Attributes:
        low: Seconds of every step and image, (total_steps, images).
        high: Likewise.
        slowest: Core that decides `high` most often.
    """

    low: np.ndarray
    high: np.ndarray
    slowest: int

    @property
    def per_image(self) -> tuple[np.ndarray, np.ndarray]:
        """Low and high seconds of every image, each (images,)."""
        return self.low.sum(axis=0), self.high.sum(axis=0)


def latency(counts: Counts, profile: Profile, unplaced: Mapping[str, str]) -> tuple[Latency | None, str]:
    """Return the bracket, or None and the reason.

    Every neuron of a core is updated in every step of T + depth, and every synaptic event that reaches a core in a step
    is processed there in that step.

    Args:
        counts: What the network did, and on which cores.
        profile: Whose times to take.
        unplaced: By chip, why the network was not placed on it.
    """
    if missing := [name for name in ("synop", "update", "barrier") if name not in profile.times]:
        return None, f"the profile gives no time of: {', '.join(missing)}"
    if why := placement_refusal(counts, profile, unplaced):
        return None, why
    neurons, events = counts.neurons_per_core, counts.events_per_core
    if neurons is None or events is None:
        return None, "the events of every core were not counted"
    if not len(neurons):
        return None, "nothing of the network lies on a core"
    times = profile.times

    def phases(which: Which) -> tuple[np.ndarray, np.ndarray]:
        update, synop = (times[name].si(which) for name in ("update", "synop"))
        return (neurons * update)[:, None, None], events * synop

    low = np.maximum(*phases("low")).max(axis=0) + times["barrier"].si("low")
    updating, hearing = phases("high")
    together = updating + hearing
    slowest = int(np.bincount(together.argmax(axis=0).ravel(), minlength=len(neurons)).argmax())
    return Latency(low, together.max(axis=0) + times["barrier"].si("high"), slowest), ""
