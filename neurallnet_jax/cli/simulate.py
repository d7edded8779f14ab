"""Run the integer network of a PORT on a folder of images.

All backends spike alike (`neurallnet parity` proves it): the JAX emulator is fast, the NumPy reference is the judge, and
Lava is the neuromorphic framework itself, image after image.
"""

import argparse

from neurallnet_jax.cli.arguments import add_backend, add_data, add_json, add_limit, add_only, add_port

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `simulate`."""
    add_port(parser)
    add_data(parser)
    add_backend(parser)
    add_only(parser)
    add_limit(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Simulate and print accuracy and spikes."""
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.cli.opening import open_port_images
    from neurallnet_jax.evaluation import evaluate
    from neurallnet_jax.workflows.simulate import probabilities, simulate

    port, dataset, selection, pixels = open_port_images(args)
    with output.progress(f"running {args.backend}") as progress:
        result = simulate(port.fixed, pixels, backend=args.backend, progress=progress, timeout_s=args.timeout)
    judged = evaluate.judge(probabilities(port, result.scores), port.classes, dataset, selection)
    speed = len(pixels) / result.seconds
    skipped = output.warn_skipped(dataset.bad)
    tables.show_scores(judged, title=f"{args.port} on {args.data}, backend {args.backend}")
    tables.show_activity(result.activity)
    output.console().print(f"{speed:.3g} images/s, building left out")
    for name, count in result.overflows.items():
        if count:
            # Only of ranges that were measured on images, not proven: the spikes are those of the hardware all the same.
            output.console(stderr=True).print(
                f"layer {name}: left its 24 bits {count:,} times, as no image of the calibration did; "
                "convert with --calibrate on more images, or without it, where every range is proven",
                style="yellow",
                markup=False,
            )
    output.write_json(
        args.json,
        {
            "backend": args.backend,
            **evaluate.to_json(judged),
            "spikes": {layer.name: int(layer.spikes.sum()) for layer in result.activity.layers},
            "overflows": result.overflows,
            "images_per_second": speed,
            "skipped": skipped,
        },
    )
    return 1 if skipped else 0
