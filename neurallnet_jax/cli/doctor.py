"""Say what works on this machine: versions, JAX devices, memory, a jitted step, a Lava network, the image cache.

Exit code 1 where something does not work; what is missing by choice (an extra, Lava outside Linux) is only named.
"""

import argparse

from neurallnet_jax.cli.arguments import add_json

__all__ = ["add_arguments", "run"]

_MARKS = {"ok": ("ok", "green"), "absent": ("--", "yellow"), "failed": ("NO", "red")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Check and print."""
    import dataclasses

    from neurallnet_jax.cli import output
    from neurallnet_jax.workflows import doctor

    out = output.console()
    checks = []
    for check in doctor.checks():
        mark, style = _MARKS[check.status]
        out.print(f"[{style}]{mark:>2}[/] {check.name:<14}", end=" ")
        out.print(check.finding, markup=False)
        checks.append(check)
    output.write_json(args.json, {"checks": [dataclasses.asdict(check) for check in checks]})
    return 1 if any(check.status == "failed" for check in checks) else 0
