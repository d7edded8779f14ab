"""Runs a mapped spiking network on SANA-FE's own Loihi and writes energy and counts. Needs its environment, not ours.

    python simulate_loihi.py NETWORK.npz RESULT.json

NETWORK holds, of every neuron: `core` (column, row and place in the tile), `threshold`, `leak` (factor per step) and
`replayed`, whether it repeats its row of `spikes` (neurons, steps); `pairs` (connections, 2) of neurons, with `weights`.
Neurons hear conv synapses, and every one of them is updated in every step.
"""

import collections
import json
import sys
from pathlib import Path

import numpy as np
import sanafe

ROWS = 4
"""Tiles of a column: SANA-FE numbers them from north to south first."""


def main(given: str, out: str) -> None:
    data = np.load(given)
    arch = sanafe.load_loihi()
    network = sanafe.Network()
    count, steps = data["spikes"].shape
    group = network.create_neuron_group(
        "all", count, {}, default_synapse_hw_name="loihi_conv_synapse", default_dendrite_hw_name="loihi_dendrites",
        soma_hw_name="loihi_lif",
    )  # fmt: skip
    held: collections.Counter = collections.Counter()
    for number, neuron in enumerate(group.neurons):
        column, row, place = (int(index) for index in data["core"][number])
        if data["replayed"][number]:
            # An input unit repeats the spikes of one neuron.
            unit = f"loihi_inputs[{held[column, row, place]}]"
            held[column, row, place] += 1
            spikes = [bool(fired) for fired in data["spikes"][number]]
            neuron.set_attributes(soma_hw_name=unit, model_attributes={"spikes": spikes})
        else:
            attributes = {
                "threshold": float(data["threshold"][number]), "leak_decay": float(data["leak"][number]), "reset": 0.0,
                "input_decay": 0.0, "force_update": True,
            }  # fmt: skip
            neuron.set_attributes(model_attributes=attributes)
        neuron.map_to_core(arch.tiles[column * ROWS + row].cores[place])
    pairs = [(int(before), int(after)) for before, after in data["pairs"]]
    group.connect_neurons_sparse(group, {"weight": data["weights"].astype(float).tolist()}, pairs)
    chip = sanafe.SpikingChip(arch)
    chip.load(network)
    found = chip.sim(steps, timing_model="simple")
    keys = ("energy", "spikes", "packets_sent", "neurons_fired")
    Path(out).write_text(json.dumps({key: found[key] for key in keys}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
