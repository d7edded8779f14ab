"""Write one self-contained page on a trained network and a folder of images.

Provenance and split, leaks, shortcuts, scores with both intervals beside the colour line, calibration, robustness, the
images told wrong, a model card, and the checklists CLAIM and TRIPOD+AI with what is filled and what is not. What can be
computed is computed; results that other commands wrote can be handed in, and are refused where they are of other images or
of another RUN. A part that is missing is shown as missing, with the command that makes it. Research use only; not a
medical device.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from neurallnet_jax.cli.arguments import add_json, add_run, shown, whole

__all__ = ["add_arguments", "run"]

_WORTH_SAYING = 2.0
"""Seconds from which a step leaves a line."""

_GIVEN = {
    "leaks": ("JSON", "result of `audit leaks DIR --split RUN --json`"),
    "shortcuts": ("JSON", "result of `audit shortcuts DIR --run RUN --json`"),
    "robustness": ("JSON", "result of `robustness RUN --data DIR --json`"),
    "calibration": ("JSON", "result of `calibrate RUN --data DIR --json`"),
    "explain": ("JSON", "result of `explain RUN --data DIR --json`"),
    "crossvalidation": ("FOLDER", "folder that `crossvalidate` wrote"),
    "ablation": ("FOLDER", "folder that `ablate` wrote"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `report`."""
    add_run(parser)
    parser.add_argument("--data", required=True, metavar="DIR", help="image folder with one sub-folder per class")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="the page")
    parser.add_argument(
        "--quick", action="store_true", help="leave out what takes over a minute: shortcuts, robustness"
    )
    parser.add_argument(
        "--no-images", action="store_true", help="leave pictures out, for data whose terms forbid passing them on"
    )
    parser.add_argument(
        "--limit", type=whole, default=128, metavar="N", help="images of the robustness test (default: %(default)s)"
    )
    for name, (kind, what) in _GIVEN.items():
        parser.add_argument(f"--{name}", type=Path, metavar=kind, help=what)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compute, read and write."""
    from neurallnet_jax.cli import output
    from neurallnet_jax.evaluation import origin
    from neurallnet_jax.workflows import report_content, report_page, report_run
    from neurallnet_jax.workflows.report_inputs import Given

    output.check_places(args.out, args.json)
    found = report_run.report(
        args.run,
        Path(args.data),
        command=shown("report", args, add_arguments, apart=("json",)),
        given=Given(**{name: getattr(args, name) for name in _GIVEN}),
        quick=args.quick,
        pictures=not args.no_images,
        limit=args.limit,
        watching=_step,
    )
    report_page.write(found, args.out, roots=() if args.no_images else (Path(args.data),))
    result = report_content.to_json(found)
    made_of = origin.Origin(found.manifest.digest, (found.subject.digest,))
    output.write_json(
        args.json,
        {**result, "report": str(args.out), "bytes": args.out.stat().st_size, **origin.to_json(made_of)},
    )
    _show(args.out, result)
    return 1 if found.manifest.skipped else 0


@contextmanager
def _step(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while a step runs, and leave one line when it has ended and took its time."""
    import time

    from neurallnet_jax.cli import output

    began = time.perf_counter()
    with output.progress(name) as progress:
        yield progress
    seconds = time.perf_counter() - began
    if seconds >= _WORTH_SAYING:
        output.console(stderr=True).print(f"{name}: {seconds:.0f} s", markup=False)


def _show(path: Path, result: dict) -> None:
    from neurallnet_jax.cli import output

    out = output.console()
    for name in result["missing"]:
        what, reason, command = result[name]["missing"]
        out.print(f"missing: {what}: {reason} {command}".rstrip(), markup=False)
    out.print(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB)", markup=False)
