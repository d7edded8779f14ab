"""Look for what makes a score mean less than it says.

Each audit is a sub-command with options of its own, among them --json FILE: `neurallnet audit NAME --help` lists them.
"""

import argparse
import importlib

__all__ = ["AUDITS", "add_arguments", "run"]

AUDITS = {
    "leaks": "twins within a folder, across a split, and between two folders",
    "shortcuts": "how far colour, corner, file and focus alone get, and what a RUN loses without them",
}
"""One file `audit_NAME.py` of this folder per audit."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one sub-command per audit."""
    chosen = parser.add_subparsers(dest="audit", required=True, metavar="AUDIT", title="audits")
    for name, summary in AUDITS.items():
        module = importlib.import_module(f"neurallnet_jax.cli.audit_{name}")
        # The parser's class is that of the command's parser, whose complaints are one line.
        one = chosen.add_parser(
            name, help=summary, prog=f"{parser.prog} {name}", description=module.__doc__, summary=summary
        )
        module.add_arguments(one)


def run(args: argparse.Namespace) -> int:
    """Run the audit that was named."""
    return importlib.import_module(f"neurallnet_jax.cli.audit_{args.audit}").run(args)
