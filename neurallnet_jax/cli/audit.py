"""Look for what makes a score better than the model: `audit leaks` looks for images that stand on both sides.

`neurallnet audit leaks --help` explains the audit.
"""

import argparse
import importlib

__all__ = ["AUDITS", "add_arguments", "run"]

AUDITS = {
    "leaks": "twins within a folder, across a split, and between two folders",
}
"""One file `audit_<name>.py` of this folder per audit."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every audit with its own arguments."""
    parser.epilog = "every audit takes --json FILE for its machine-readable result"
    audits = parser.add_subparsers(dest="audit", required=True, metavar="AUDIT", parser_class=argparse.ArgumentParser)
    for name, summary in AUDITS.items():
        module = _module(name)
        sub = audits.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.error = parser.error  # type: ignore[method-assign] - one line, as for every command
        module.add_arguments(sub)


def run(args: argparse.Namespace) -> int:
    """Run the audit that was named."""
    return _module(args.audit).run(args)


def _module(name: str):
    return importlib.import_module(f"neurallnet_jax.cli.audit_{name}")
