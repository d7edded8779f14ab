"""Compare trained networks on the images that all of them share and none has seen.

One table: parameters, bytes, multiply-accumulates, scores with intervals over groups of neighbouring captures, latency on
the CPU. Then paired tests: McNemar (accuracy), DeLong (area under the ROC curve), a bootstrap over groups (balanced
accuracy), with Holm's correction over all of them. A CSV that `evaluate --predictions` wrote stands for a model as well;
write it with --only test.
"""

import argparse
from pathlib import Path

from neurallnet_jax.cli.arguments import add_data, add_json, shown, whole

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `compare`."""
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="folder that `train` wrote, `pretrained`, or a CSV file of `evaluate --predictions`",
    )
    add_data(
        parser,
        required=False,
        without="costs alone are compared, or what CSV files hold",
    )
    parser.add_argument(
        "--passes", type=whole, default=50, metavar="N", help="timed passes of each RUN (default: %(default)s)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as one HTML page, with a forest plot")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    import dataclasses

    from neurallnet_jax.cli import compare_tables, output
    from neurallnet_jax.evaluation import comparison, entrants
    from neurallnet_jax.workflows import compare

    output.check_places(args.html, args.json)
    found, bad = entrants.open_entrants(
        args.runs,
        data=Path(args.data) if args.data else None,
        on_bad_image=args.on_bad_image,
        passes=args.passes,
        steps=output.progress,
    )
    spent = compare.operations(args.runs, data=Path(args.data) if args.data else None, steps=output.progress)
    found = tuple(dataclasses.replace(one, operations=spent.get(one.name)) for one in found)
    with output.progress("testing pairs") as progress:
        result = comparison.compare(found, progress=progress)
    skipped = output.warn_skipped(bad)
    compare_tables.show_models(result)
    compare_tables.show_operations(result)
    compare_tables.show_training(result)
    compare_tables.show_tests(result)
    if args.html is not None:
        from neurallnet_jax.workflows import section_compare

        section_compare.write(result, args.html, command=shown("compare", args, add_arguments))
    output.write_json(args.json, {**comparison.to_json(result), "skipped": skipped})
    return 1 if skipped else 0
