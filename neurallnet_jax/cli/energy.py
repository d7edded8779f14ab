"""Count the synaptic operations of a PORT on a folder of images and estimate its energy.

Counts are exact: the true fan-out of every spike, borders included, the analogue first layer apart, every neuron's
updates in all T + depth steps. Energies are estimates from published constants, with their sources in the JSON file.
"""

import argparse

from neurallnet_jax.cli.arguments import add_backend, add_data, add_json, add_limit, add_only, add_port

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `energy`."""
    add_port(parser)
    add_data(parser)
    parser.add_argument(
        "--profile",
        action="append",
        metavar="P",
        help="energy profile, may be repeated: horowitz45, loihi1_davies2018 (default: all)",
    )
    add_backend(parser)
    add_only(parser)
    add_limit(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Count, estimate and print."""
    from lava_port.energy import counts, estimate, profiles, report
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.cli.opening import open_port_images
    from neurallnet_jax.workflows.simulate import simulate

    chosen = profiles.select(args.profile)
    port, dataset, selection, pixels = open_port_images(args)
    with output.progress(f"running {args.backend}") as progress:
        result = simulate(
            port.fixed, pixels, backend=args.backend, potentials=True, progress=progress, timeout_s=args.timeout
        )
    found = estimate.estimate(port.fixed, counts.counts(port.fixed, result.activity), chosen)
    accuracy = float((result.scores.argmax(axis=1) == dataset.labels[selection.places]).mean())
    skipped = output.warn_skipped(dataset.bad)
    tables.show_energy(found)
    seen = int(selection.seen.sum())
    output.console().print(
        f"{len(pixels)} images, {seen} of them seen in training or selection; accuracy {accuracy:.4f}"
    )
    output.write_json(
        args.json, {**report.to_json(found, accuracy=accuracy), "n": len(pixels), "seen": seen, "skipped": skipped}
    )
    return 1 if skipped else 0
