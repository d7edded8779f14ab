"""What few bits cost: balanced accuracy in floats and integers on the test images of a RUN, at several bits of weight.

Lines: `rounded` is what `convert-to-lava --bits N` writes; `calibrated`, where it is another network, what `--calibrate`
makes of it (ranges measured on 128 images spread over the folder); `bias corrected` shifts, besides, every bias by the mean
error of its channel's current on these images, layer after layer (Nagel et al. 2019, arXiv:1906.04721, section 4.2), which
the package leaves out because of what this table says. `spikes` is the share of neuron-steps of the last spiking layer
that differ from the float network's, `logits` the root mean square of the difference of the class scores, both on every
fourth image. A RUN trained with `--weight-bits` is shown at its own bits.

Command: uv run python benchmarks/quantisation.py --data ../shared/data/taleqani [RUN ...]
Time: eight minutes on two busy cores of an AMD EPYC, for the shipped checkpoint alone.
"""

import argparse
import dataclasses
import platform
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from lava_port import calibrate, emulator, passes, quantise, reference
from lava_port.graph import (
    ConvNode,
    DenseNode,
    FixedConv,
    FixedDense,
    FixedGraph,
    FixedHold,
    FixedLif,
    FixedReadout,
    Graph,
    InputNode,
    find,
)
from neurallnet_jax import checkpoint, models
from neurallnet_jax.evaluation import selection
from neurallnet_jax.images import folder
from neurallnet_jax.metrics import calibration, scores
from neurallnet_jax.workflows.convert import float_graph, trained_bits

BITS, IMAGES = (8, 6, 5, 4, 3, 2), 128


def main(data: Path, runs: list[str]) -> None:
    print(f"{platform.machine()}, {jax.devices()[0].device_kind}, Python {platform.python_version()}", end="")
    print(f", jax {jax.__version__}, numpy {np.__version__}")
    print(f"{'RUN':<24} {'bits':>4} {'':<14} {'balanced accuracy':>17} {'spikes':>8} {'logits':>7}  layers calibrated")
    show("pretrained", data, BITS)
    for run in runs:
        show(run, data, (trained_bits(checkpoint.load(run)),))


def show(run: str, data: Path, bits: tuple[int, ...]) -> None:
    """Print the lines of one RUN."""
    saved = checkpoint.load(run)
    dataset = folder.open_folder(data, saved.spec.image_size, classes=saved.classes)
    test = selection.select(dataset, seen=saved.seen, test=saved.test, only="test").places
    labels, pixels = dataset.labels[test], np.asarray(dataset.pixels[test])
    sample = np.asarray(dataset.pixels[selection.spread(np.arange(len(dataset)), IMAGES)])
    classifier = models.from_checkpoint(saved)
    logits = models.make_predict(classifier)(classifier.variables, pixels)
    balanced = lambda logits: (
        scores.score(labels, calibration.apply_temperature(logits, 1.0), saved.classes).balanced_accuracy
    )
    print(f"{run[-24:]:<24} {'':>4} {'floats':<14} {balanced(logits):>17.4f}   {len(test)} images")
    graph = passes.fold(float_graph(saved))
    real, measured = reference.run_float(graph, pixels[::4]), calibrate.measure(graph, sample)
    for count in bits:
        plain, _ = quantise.quantise(graph, bits=count)
        trusting, rounded = quantise.quantise(graph, bits=count, measured=measured)
        marked = sum(entry.proof == "calibration" for entry in rounded)
        corrected = bias_corrected(trusting, graph, sample)
        # Where no layer trusts the images, the calibrated network is the rounded one.
        calibrated = [("calibrated", trusting)] if marked else []
        for name, fixed in (("rounded", plain), *calibrated, ("bias corrected", corrected)):
            trace = emulator.prepare(fixed, batch=16).run(pixels)
            found = trace.scores * next(node.scale for node in fixed.nodes if isinstance(node, FixedReadout))
            spikes = (trace.layers[-1].spikes[:, ::4] != real.layers[-1].spikes).mean()
            error = np.sqrt(((found[::4] - real.scores) ** 2).mean())
            print(
                f"{'':<24} {count:>4} {name:<14} {balanced(found):>17.4f} {100 * spikes:>6.2f} % {error:>7.3f}  {marked}",
                flush=True,
            )


def bias_corrected(fixed: FixedGraph, graph: Graph, images: np.ndarray) -> FixedGraph:
    """Return `fixed` with biases at which the mean current of every channel on the images is that of the floats."""
    wanted = means(graph, images)
    for node in graph.nodes:
        if isinstance(node, ConvNode | DenseNode):
            neurons = neurons_behind(fixed, node.name)
            error = means(fixed, images)[neurons.inputs[0]] - wanted[node.name] / unit_of(node, graph, fixed)
            steps = 64 if isinstance(neurons, FixedLif) else 1
            bias = neurons.bias - np.rint(steps * error).astype(neurons.bias.dtype)
            new = dataclasses.replace(neurons, bias=bias)
            nodes = tuple(new if one.name == new.name else one for one in fixed.nodes)
            fixed = dataclasses.replace(fixed, nodes=nodes)
    return fixed


def neurons_behind(fixed: FixedGraph, name: str) -> FixedLif | FixedReadout:
    """Return the neurons that hear a convolution or dense layer, through the hold of the first one or not."""
    heard = {one.name for one in fixed.nodes if isinstance(one, FixedHold) and name in one.inputs} or {name}
    return next(one for one in fixed.nodes if isinstance(one, FixedLif | FixedReadout) and one.inputs[0] in heard)


def unit_of(node: ConvNode | DenseNode, graph: Graph, fixed: FixedGraph) -> np.ndarray:
    """Return the real value of one integer unit of a layer's current, per channel."""
    real, whole = (
        np.abs(one.kernel if isinstance(one, ConvNode) else one.weight)
        .astype(np.float64)
        .reshape(len(node.bias), -1)
        .max(axis=1)
        for one in (node, cast("FixedConv | FixedDense", find(fixed, node.name)))
    )
    shared = isinstance(neurons_behind(fixed, node.name), FixedReadout)
    unit = np.full(len(real), real.max() / whole.max()) if shared else real / np.maximum(whole, 1)
    source = find(graph, node.inputs[0])
    holds = [one.shift for one in fixed.nodes if isinstance(one, FixedHold) and node.name in one.inputs]
    return np.where(unit > 0, unit, 1) * 2.0 ** sum(holds) / (source.scale if isinstance(source, InputNode) else 1.0)


def means(graph: Graph | FixedGraph, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean current of every channel, by node."""
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}

    def listen(node: Any, values: np.ndarray) -> None:
        if isinstance(node, ConvNode | DenseNode | FixedConv | FixedDense | FixedHold):
            rows = values.reshape(-1, values.shape[-1])
            sums[node.name] = sums.get(node.name, 0) + rows.sum(axis=0)
            counts[node.name] = counts.get(node.name, 0) + len(rows)

    if isinstance(graph, Graph):
        reference.run_float(graph, images, listen=listen)
    else:
        reference.run_fixed(graph, images, listen=listen)
    return {name: total / counts[name] for name, total in sums.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("runs", nargs="*", metavar="RUN")
    arguments = parser.parse_args()
    main(arguments.data, arguments.runs)
