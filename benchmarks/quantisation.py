"""What few bits cost: balanced accuracy in floats and integers on the test images of a RUN, at several bits of weight.

Lines: `rounded` is what `convert-to-lava --bits N` writes; `ranges`, where it is another network, what ranges measured on
128 images spread over the folder make of it; `biases` has, besides, biases corrected on these images, which `--calibrate`
keeps where the logits come nearer to the float network's on these images. `spikes` is the share of neuron-steps of the last
spiking layer that differ from the float network's, `logits` the root mean square of the difference of the class scores,
both on every fourth test image. A RUN trained with `--weight-bits` is shown at its own bits, others at all. A RUN has to
have test images of its own, so not `pretrained`.

Command: uv run python benchmarks/quantisation.py --data ../shared/data/taleqani RUN ...
Time: nine minutes on two busy cores of an AMD EPYC for a RUN at all bits.
"""

import argparse
import platform
from pathlib import Path

import jax
import numpy as np

from lava_port import calibrate, emulator, passes, quantise, reference
from lava_port.graph import FixedReadout
from neurallnet_jax import checkpoint, models
from neurallnet_jax.evaluation import selection
from neurallnet_jax.images import folder
from neurallnet_jax.metrics import calibration, scores
from neurallnet_jax.workflows.convert import float_graph, trained_bits

BITS, IMAGES = (8, 6, 5, 4, 3, 2), 128


def main(data: Path, runs: list[str]) -> None:
    print(f"{platform.machine()}, {jax.devices()[0].device_kind}, Python {platform.python_version()}", end="")
    print(f", jax {jax.__version__}, numpy {np.__version__}")
    print(f"{'RUN':<24} {'bits':>4} {'':<14} {'balanced accuracy':>17} {'spikes':>8} {'logits':>7}  layers marked")
    for run in runs:
        show(run, data)


def show(run: str, data: Path) -> None:
    """Print the lines of one RUN."""
    saved = checkpoint.load(run)
    bits = (trained_bits(saved),) if saved.provenance["training"].get("weight_bits") else BITS
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
        shifted = calibrate.correct_biases(graph, sample, bits=count, measured=measured)
        corrected, _ = quantise.quantise(shifted, bits=count, measured=measured)
        # Where no layer trusts the images, it is the rounded network.
        calibrated = [("ranges", trusting)] if marked else []
        for name, fixed in (("rounded", plain), *calibrated, ("biases", corrected)):
            trace = emulator.prepare(fixed, batch=16).run(pixels)
            found = trace.scores * next(node.scale for node in fixed.nodes if isinstance(node, FixedReadout))
            spikes = (trace.layers[-1].spikes[:, ::4] != real.layers[-1].spikes).mean()
            error = np.sqrt(((found[::4] - real.scores) ** 2).mean())
            print(
                f"{'':<24} {count:>4} {name:<14} {balanced(found):>17.4f} {100 * spikes:>6.2f} % {error:>7.3f}  {marked}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    arguments = parser.parse_args()
    main(arguments.data, arguments.runs)
