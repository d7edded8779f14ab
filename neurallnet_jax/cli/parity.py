"""Prove that the backends spike alike: every layer, step and neuron, potentials, gates and class scores.

The NumPy reference is the judge; the emulator and Lava are compared with it, in integers to the last bit. With
--arithmetic float the float network of the PORT runs in the reference and in Lava's floating-point models: spikes have to
agree, potentials to 1e-9. Exit code 1 where anything differs.
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
        metavar="B,B",
        help="backends to compare with the reference (default: emulator,lava; in floats lava)",
    )
    parser.add_argument(
        "--arithmetic",
        choices=("integer", "float"),
        default="integer",
        help="which network of the PORT runs (default: %(default)s)",
    )
    add_only(parser)
    add_limit(parser, default=8)
    add_timeout(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    import dataclasses

    from lava_port import passes
    from lava_port.trace import first_mismatch
    from neurallnet_jax.cli import output, tables
    from neurallnet_jax.cli.opening import open_port_images
    from neurallnet_jax.workflows.simulate import backends_named, check_parity

    names = backends_named(args.backends or ("emulator,lava" if args.arithmetic == "integer" else "lava"))
    port, dataset, selection, pixels = open_port_images(args)
    graph = port.fixed if args.arithmetic == "integer" else passes.fold(port.graph)
    with output.progress("comparing") as progress:
        found = check_parity(graph, pixels, backends=("reference", *names), progress=progress, timeout_s=args.timeout)
    skipped = output.warn_skipped(dataset.bad)
    result = {
        "n": len(pixels),
        "arithmetic": args.arithmetic,
        "seen": int(selection.seen.sum()),
        "skipped": skipped,
        "layers": [],
    }
    for entry in found:
        tables.show_parity(entry, images=len(pixels))
        first = first_mismatch(entry.layers)
        result["layers"] += [{"backend": entry.right, **dataclasses.asdict(layer)} for layer in entry.layers]
        if first is not None and "first_mismatch" not in result:
            assert first.first is not None, "what differs differs somewhere"
            image, step, *neuron = first.first
            result["first_mismatch"] = {
                "backend": entry.right,
                "layer": first.name,
                "image": image,
                "path": dataset.records[selection.places[image]].path,
                "step": step,
                "neuron": neuron,
            }
    result.setdefault("first_mismatch", None)
    equal = all(entry.equal for entry in found)
    place = result["first_mismatch"]
    words = "identical" if equal else "NOT identical: first {backend}, {layer}, {path}, step {step}, neuron {neuron}"
    output.console().print(words.format_map(place or {}), style="green" if equal else "red", markup=False)
    output.write_json(args.json, {"equal": equal, **result})
    return 0 if equal and not skipped else 1
