"""Runs a NIR file in another library and writes the spikes of every layer. Needs that library's environment, not ours.

    python run_peer.py snntorch|norse NET.nir INPUTS.npz SPIKES.npz

INPUTS holds `inputs` (images, channels, height, width), fed one by one in every step, and `steps` and `dt`; SPIKES gets the
spikes of each layer, (steps, images, *shape), and `scores`, the mean over the steps of what the network puts out.
"""

import sys
from typing import Any

import nir
import numpy as np
import torch


def load(library: str, path: str, dt: float) -> torch.nn.Module:
    graph = nir.read(path)
    if library == "snntorch":
        from snntorch.import_nir import import_from_nir

        # It takes dt = 1e-4 for granted.
        return import_from_nir(graph)
    import norse.torch

    return norse.torch.from_nir(graph, dt=dt)


def main(library: str, path: str, given: str, out: str) -> None:
    data = np.load(given)
    network = load(library, path, float(data["dt"]))
    neurons = [name for name, node in nir.read(path).nodes.items() if isinstance(node, nir.LIF | nir.IF)]
    seen: dict[str, list[np.ndarray]] = {name: [] for name in neurons}

    def keep(name: str) -> Any:
        def hook(module: torch.nn.Module, heard: Any, said: Any) -> None:
            seen[name].append((said[0] if isinstance(said, tuple) else said).detach().numpy())

        return hook

    for name in neurons:
        network.get_submodule(name).register_forward_hook(keep(name))
    scores = []
    steps, images = int(data["steps"]), torch.from_numpy(data["inputs"].astype(np.float32))
    with torch.no_grad():
        for image in images:
            state = None
            for module in network.modules():
                if hasattr(module, "reset_mem"):  # snnTorch keeps the potential in the module
                    module.reset_mem()
            total = 0.0
            for _ in range(steps):
                # NIR has no batch axis, and its Flatten takes every axis: one image at a time.
                said, state = network(image, state)
                total = total + said.numpy() / steps
            scores.append(total)
    spikes = {name: np.stack(rows).reshape(len(images), steps, *rows[0].shape) for name, rows in seen.items()}
    np.savez(out, scores=np.stack(scores), **{name: rows.swapaxes(0, 1) for name, rows in spikes.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
