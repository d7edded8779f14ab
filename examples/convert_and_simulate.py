"""Turn the shipped network into integers, run it on drawn smears, and count its spikes and synaptic operations.

Run it: uv run python examples/convert_and_simulate.py
"""

import numpy as np

from lava_port import emulator, reference
from lava_port.energy import activity, counts
from lava_port.trace import compare, first_mismatch
from neurallnet_jax import checkpoint
from neurallnet_jax.images import synthetic
from neurallnet_jax.workflows.convert import convert


def main(*, count: int = 1) -> int:
    """Return the spikes of `count` smears of each class; emulator and NumPy reference agree on every one of them."""
    port = convert(checkpoint.load("pretrained"))
    images, _ = synthetic.dataset(count, 0, port.image_size)

    trace = emulator.prepare(port.fixed).run(images, potentials=True)
    judge = reference.run_fixed(port.fixed, images, potentials=True)
    assert first_mismatch(compare(judge, trace)) is None, "the emulator must spike like the reference"

    found = counts.counts(port.fixed, activity.measure(port.fixed, trace))
    for layer in trace.layers:
        print(f"{layer.name}: {layer.spikes.sum() / len(images):,.0f} spikes per image in steps {layer.window}")
    operations = sum(int(node.synops_stored.sum()) for node in found.nodes)
    print(f"{operations / len(images):,.0f} synaptic operations per image")
    return int(sum(np.sum(layer.spikes, dtype=np.int64) for layer in trace.layers))


if __name__ == "__main__":
    main()
