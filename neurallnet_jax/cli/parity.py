"""Prove that the backends spike alike: every layer, step and neuron, potentials, gates and class scores.

The NumPy reference is the judge; the emulator and Lava are compared with it. Exit code 1 where anything differs.
"""

import argparse

from neurallnet_jax.cli.arguments import add_data, add_json, add_limit, add_only, add_port, add_timeout

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `parity`."""
    add_port(parser)
    add_data(parser)
    parser.add_argument(
        "--backends",
        default="emulator,lava",
        metavar="B,B",
        help="backends to compare with the reference (default: %(default)s)",
    )
    add_only(parser)
    add_limit(parser, default=8)
    add_timeout(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    import dataclasses

    from lava_port.trace import first_mismatch
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.cli.opening import open_port_images
    from neurallnet_jax.workflows.simulate import backends_named, check_parity

    names = backends_named(args.backends)
    port, dataset, selection, pixels = open_port_images(args)
    with output.progress("comparing") as progress:
        found = check_parity(
            port.fixed, pixels, backends=("reference", *names), progress=progress, timeout_s=args.timeout
        )
    skipped = output.warn_skipped(dataset.bad)
    result = {"n": len(pixels), "seen": int(selection.seen.sum()), "skipped": skipped, "layers": []}
    for entry in found:
        tables.show_parity(entry, images=len(pixels))
        first = first_mismatch(entry.layers)
        result["layers"] += [{"backend": entry.right, **dataclasses.asdict(layer)} for layer in entry.layers]
        if first is not None and "first_mismatch" not in result:
            result["first_mismatch"] = {"backend": entry.right, "layer": first.name, "at": first.first}
    result.setdefault("first_mismatch", None)
    equal = all(entry.equal for entry in found)
    output.console().print("identical" if equal else "NOT identical", style="green" if equal else "red")
    output.write_json(args.json, {"equal": equal, **result})
    return 0 if equal and not skipped else 1
