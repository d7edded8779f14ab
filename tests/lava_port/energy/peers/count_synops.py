"""Counts synaptic operations of recorded spikes as another library does. Needs that library's environment, not ours.

    python count_synops.py spikingjelly|neurobench LAYERS.npz COUNTS.json

LAYERS holds per layer NAME `NAME/spikes` (steps, images, ...), channels first, `NAME/weight`, and for convolutions
`NAME/geometry`: stride, padding and dilation along height and width, and groups. COUNTS gets one number per layer.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch


def layer(weight: np.ndarray, geometry: np.ndarray | None) -> torch.nn.Module:
    if geometry is None:
        module = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    else:
        down, across, top, left, far, wide, groups = (int(number) for number in geometry)
        module = torch.nn.Conv2d(
            weight.shape[1] * groups, weight.shape[0], weight.shape[2:], (down, across), (top, left), (far, wide), groups,
            bias=False,
        )  # fmt: skip
    module.weight.data = torch.from_numpy(weight.astype(np.float32))
    return module


def spikingjelly(module: torch.nn.Module, steps: torch.Tensor) -> float:
    """Return SynOps, all images and steps together."""
    from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter

    counter = SynOpCounter()
    with torch.no_grad(), DispatchCounterMode([counter]):
        for spikes in steps:
            module(spikes)
    return float(counter.get_total())


def neurobench(module: torch.nn.Module, steps: torch.Tensor) -> float:
    """Return `Effective_ACs`, which is a mean over images, times the images."""
    from neurobench.hooks.layer import LayerHook
    from neurobench.metrics.workload.synaptic_operations import SynapticOperations

    class Model:
        connection_hooks = (LayerHook(module),)

    with torch.no_grad():
        for spikes in steps:
            module(spikes)
        found = SynapticOperations()(Model, None, (steps[0], None))
    return float(found["Effective_ACs"]) * len(steps[0])


def main(library: str, given: str, out: str) -> None:
    data = np.load(given)
    names = [key.removesuffix("/weight") for key in data.files if key.endswith("/weight")]
    count = {"spikingjelly": spikingjelly, "neurobench": neurobench}[library]
    found = {}
    for name in names:
        geometry = data[f"{name}/geometry"] if f"{name}/geometry" in data.files else None
        steps = torch.from_numpy(data[f"{name}/spikes"].astype(np.float32))
        found[name] = count(layer(data[f"{name}/weight"], geometry), steps)
    Path(out).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
