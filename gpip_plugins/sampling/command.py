"""The command `gpip sample`."""

import argparse
import sys

__all__ = ["add_sample"]


def add_sample(commands) -> None:
    """Register `gpip sample`; Hydra parses its arguments.

    Args:
        commands: the sub-parsers of `gpip`.
    """
    parser = commands.add_parser(
        "sample",
        help="sample configurations by classical molecular dynamics into a database",
        # Options such as -m and --help are Hydra's, so argparse must not recognise any option.
        prefix_chars="\0",
        add_help=False,
    )
    parser.add_argument("words", nargs="*")
    parser.set_defaults(run=run_sample)


def run_sample(args: argparse.Namespace) -> None:
    """Sample; finished trajectories are kept when the user interrupts the command."""
    from gpip_plugins.sampling.program import run

    try:
        run(args.words)
    except KeyboardInterrupt:
        print(
            "gpip: stopped; finished trajectories are kept, the same command continues from there.",
            file=sys.stderr,
        )
        raise SystemExit(130) from None
