"""The command `gpip sample`."""

import argparse
import sys

__all__ = ["add_sample"]


def add_sample(commands) -> None:
    """Register `gpip sample`; Hydra reads its words.

    Args:
        commands: the sub-parsers of `gpip`.
    """
    parser = commands.add_parser(
        "sample",
        help="sample configurations by classical molecular dynamics into a database",
        # Words such as -m and --help belong to Hydra: no character begins an option here.
        prefix_chars="\0",
        add_help=False,
    )
    parser.add_argument("words", nargs="*")
    parser.set_defaults(run=run_sample)


def run_sample(args: argparse.Namespace) -> None:
    """Sample; what was finished stays when the user stops it."""
    from gpip_plugins.sampling.program import run

    try:
        run(args.words)
    except KeyboardInterrupt:
        print(
            "gpip: stopped; finished trajectories are kept, the same command goes on from there.",
            file=sys.stderr,
        )
        raise SystemExit(130) from None
