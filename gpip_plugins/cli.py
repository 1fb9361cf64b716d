"""The command `gpip`, for tasks that `spktrain`, `spkpredict` and `spkmd` do not do.

Every room keeps its sub-commands in a module `command`: a function that adds the parser, and one
that runs it. The name of an argument (`dest`) is that of the library's parameter, so that an error
message of the library can be printed with the option that the user typed.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence

from gpip_plugins import __version__
from gpip_plugins.checkpoint.command import add_convert_checkpoint
from gpip_plugins.errors import InputError, with_names
from gpip_plugins.labels.command import add_import
from gpip_plugins.labels.selection.command import add_select
from gpip_plugins.potential.command import add_info, add_predict
from gpip_plugins.report.command import add_leakage, add_quality
from gpip_plugins.sampling.command import add_sample

__all__ = ["main"]

COMMANDS = (
    add_sample,
    add_select,
    add_quality,
    add_import,
    add_predict,
    add_info,
    add_leakage,
    add_convert_checkpoint,
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of `gpip` with all sub-commands."""
    main_parser = argparse.ArgumentParser(
        prog="gpip",
        description="Commands beside spktrain, spkpredict and spkmd; each command has its --help.",
    )
    main_parser.add_argument("--version", action="version", version=f"gpip_plugins {__version__}")
    commands = main_parser.add_subparsers(metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(commands)
    for command in commands.choices.values():
        command.set_defaults(names=_names(command))
    return main_parser


def _names(command: argparse.ArgumentParser) -> dict[str, str]:
    """Return, for every parameter of the library, the user's name of it."""
    names = {}
    for action in command._actions:  # argparse has no public list of them
        if not action.option_strings:
            names[action.dest] = f"{action.metavar or action.dest.upper()} "
        else:
            names[action.dest] = action.option_strings[-1] + " " * (action.nargs != 0)
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gpip`.

    Args:
        arguments: words after the command; None takes those of the process.

    Returns:
        0, or 1 after a user error, printed in one sentence on stderr; argparse exits with 2.
    """
    args = parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            # SchNetPack 2.2 scripts a function at import; users cannot change that.
            warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", FutureWarning)
            # Without a writable cache Python compiles imported modules, and warns, at every start.
            warnings.filterwarnings("ignore", "invalid escape sequence", SyntaxWarning)
            args.run(args)
    except InputError as error:
        print(f"gpip: {with_names(str(error), args.names)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("gpip: stopped; nothing was written.", file=sys.stderr)
        return 130
    return 0
