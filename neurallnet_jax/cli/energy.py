"""Count the synaptic operations of a PORT on a folder of images and estimate its energy.

Counts are exact: the true fan-out of every spike, borders included, the analogue first layer apart, every neuron's
updates in all T + depth steps. Energies are estimates from published constants, with their sources in the JSON file:
compute, + neuron updates, + memory, + network-on-chip, + static power, side by side, each against the ANN of the same
topology. A profile of your own is a FILE.yaml; docs/energy.md shows one.
"""

import argparse
from pathlib import Path

from neurallnet_jax.cli.arguments import add_backend, add_data, add_json, add_limit, add_only, add_port, shown

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `energy`."""
    add_port(parser)
    add_data(parser)
    parser.add_argument(
        "--profile",
        action="append",
        metavar="P",
        help="energy profile by name, or a FILE.yaml of your own; may be repeated (default: all built-in ones)",
    )
    parser.add_argument(
        "--ann",
        metavar="RUN",
        help="trained ReLU twin of the network (`train --preset neurallnet-relu`), whose zeros the sparse ANN skips",
    )
    parser.add_argument(
        "--chip",
        choices=("loihi1", "loihi2"),
        help="chip whose cores the neurons are placed on (default: the first of them that the network fits)",
    )
    add_backend(parser)
    add_only(parser)
    add_limit(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write all of it as one HTML page")
    parser.add_argument(
        "--full",
        action="store_true",
        help="print every range, baseline, break-even and reason, and not the verdicts alone",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Count, estimate and print."""
    from lava_port.energy import chips, estimate, fit, profiles, report
    from lava_port.energy.counts import counts
    from neurallnet_jax import checkpoint
    from neurallnet_jax.cli import energy_tables, output
    from neurallnet_jax.cli.opening import open_port_images
    from neurallnet_jax.workflows import twin
    from neurallnet_jax.workflows.simulate import simulate

    output.check_places(args.html, args.json)
    chosen = profiles.select(args.profile)
    trained = checkpoint.load(args.ann) if args.ann else None
    port, dataset, selection, pixels = open_port_images(args)
    relu = None
    if trained is not None:
        with output.progress("running the ReLU twin") as progress:
            relu = twin.measure(port.fixed, trained, pixels, source=args.ann, progress=progress)
    placement, unplaced = fit.place_first(port.fixed, chips.select([args.chip] if args.chip else None))
    with output.progress(f"running {args.backend}") as progress:
        result = simulate(
            port.fixed, pixels, backend=args.backend, potentials=True, progress=progress, timeout_s=args.timeout
        )
    labels = dataset.labels[selection.places]
    counted = counts(port.fixed, result.activity, placement=placement)
    found = estimate.estimate(port.fixed, counted, chosen, labels=labels, twin=relu, unplaced=unplaced)
    accuracy = float((result.scores.argmax(axis=1) == labels).mean())
    skipped = output.warn_skipped(dataset.bad)
    seen = int(selection.seen.sum())
    if args.html is not None:
        from neurallnet_jax.workflows import energy_page

        energy_page.write(found, args.html, command=shown("energy", args, add_arguments), accuracy=accuracy)
    output.write_json(
        args.json, {**report.to_json(found, accuracy=accuracy), "n": len(pixels), "seen": seen, "skipped": skipped}
    )
    (energy_tables.show_energy if args.full else energy_tables.show_short)(found)
    out = output.console()
    out.print(f"{len(pixels)} images, {seen} of them seen in training or selection; accuracy {accuracy:.4f}")
    energy_tables.show_ending(args.html, args.json)
    return 1 if skipped else 0
