"""The command `gpip`: what `spktrain`, `spkpredict` and `spkmd` do not do.

A sub-command is one function that adds its parser and one that runs it, named in `COMMANDS`. The
work is done by the library; here only arguments are read, and imports wait until they are needed.
"""

import argparse
import sys
from collections.abc import Sequence

from gpip_plugins import __version__
from gpip_plugins.errors import InputError

__all__ = ["main"]


def add_import(commands) -> None:
    """Register `gpip import`."""
    parser = commands.add_parser(
        "import",
        help="turn labelled structures (extended XYZ, ...) into a database for training",
        description="Turns extended XYZ, also gzipped, or anything that ASE reads, with energies "
        "and forces, into a SchNetPack database in eV and Ang. Frames are counted from 0.",
        epilog="example: gpip import labels.xyz.gz labels.db --energy-unit eV",
    )
    parser.add_argument("source", help="file with labelled structures")
    parser.add_argument("target", help="database to be written, ending in .db")
    parser.add_argument(
        "--energy-unit",
        metavar="UNIT",
        help="unit of the energies: eV, kcal/mol, kJ/mol, Hartree, Rydberg; needed for XYZ, which "
        "does not say it (asked for on a terminal)",
    )
    parser.add_argument(
        "--forces-unit", metavar="UNIT", help="default: energy unit per distance unit"
    )
    parser.add_argument(
        "--distance-unit", metavar="UNIT", default="Ang", help="Ang (default), Bohr or nm"
    )
    parser.add_argument("--energy-key", metavar="NAME", default="energy", help="default: energy")
    parser.add_argument("--forces-key", metavar="NAME", default="forces", help="default: forces")
    parser.add_argument("--no-stress", action="store_true", help="leave a stress out")
    parser.add_argument(
        "--skip-unlabelled",
        action="store_true",
        help="leave out frames whose labels are missing or not finite, and say how many",
    )
    parser.add_argument(
        "--accept-implausible",
        action="store_true",
        help="import although the numbers look like other units",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing database")
    parser.set_defaults(run=run_import)


def run_import(args: argparse.Namespace) -> None:
    """Import labels and say what was written."""
    from gpip_plugins.data.importing import check_paths, import_labels, states_its_units
    from gpip_plugins.data.labelled_frames import Labels

    check_paths(args.source, args.target, args.force)
    if args.energy_unit is None and sys.stdin.isatty() and not states_its_units(args.source):
        args.energy_unit = input(f"Unit of the energies in {args.source} (eV, kcal/mol, ...): ")
    labels = Labels(
        energy_key=args.energy_key,
        forces_key=args.forces_key,
        energy_unit=args.energy_unit,
        forces_unit=args.forces_unit,
        distance_unit=args.distance_unit,
        stress=not args.no_stress,
    )
    report = import_labels(
        args.source,
        args.target,
        labels,
        skip_unlabelled=args.skip_unlabelled,
        accept_implausible=args.accept_implausible,
        overwrite=args.force,
    )
    print(f"{args.target}: {report}")


def add_predict(commands) -> None:
    """Register `gpip predict`."""
    parser = commands.add_parser(
        "predict",
        help="predict energies and forces of many structures into one file",
        description="Predicts energies (eV) and forces (eV/Ang) of all structures in a SchNetPack "
        "database or in any file that ASE reads, and prints the errors where there are labels.",
        epilog="example: gpip predict runs/ethanol/best_model test.xyz predicted.xyz",
    )
    parser.add_argument("model", metavar="MODEL", help="best_model of a run, or the run's folder")
    parser.add_argument("data", metavar="DATA", help="structures")
    parser.add_argument("out", metavar="OUT", help="file to be written: .xyz, .extxyz or .npz")
    parser.add_argument("--batch-size", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--device", help="default: cuda where there is a GPU, else cpu")
    parser.add_argument(
        "--energy-unit",
        metavar="UNIT",
        help="energy unit of the model; default: from the config.yaml of its training",
    )
    parser.add_argument(
        "--distance-unit", metavar="UNIT", help="length unit of the model; default: likewise"
    )
    parser.add_argument(
        "--energy-key", metavar="NAME", default="energy", help="output of the model"
    )
    parser.add_argument(
        "--forces-key", metavar="NAME", default="forces", help="output of the model"
    )
    parser.add_argument(
        "--label-energy-key", metavar="NAME", default="energy", help="energy in DATA"
    )
    parser.add_argument(
        "--label-forces-key", metavar="NAME", default="forces", help="forces in DATA"
    )
    parser.add_argument(
        "--label-energy-unit",
        metavar="UNIT",
        default="eV",
        help="unit of the energies in DATA, default eV; a database says its own",
    )
    parser.add_argument(
        "--label-forces-unit", metavar="UNIT", default="eV/Ang", help="default eV/Ang; likewise"
    )
    parser.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="package of your own that defines classes of the model",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run_predict)


def run_predict(args: argparse.Namespace) -> None:
    """Predict and print the errors."""
    from gpip_plugins.prediction import Potential, predict_file
    from gpip_plugins.prediction_files import check_target

    check_target(args.data, args.out, args.force)
    potential = Potential(
        args.model,
        device=args.device,
        energy_unit=args.energy_unit,
        distance_unit=args.distance_unit,
        energy_key=args.energy_key,
        forces_key=args.forces_key,
        trust=tuple(args.trust),
    )
    result = predict_file(
        potential,
        args.data,
        args.out,
        batch_size=args.batch_size,
        label_energy_key=args.label_energy_key,
        label_forces_key=args.label_forces_key,
        label_energy_unit=args.label_energy_unit,
        label_forces_unit=args.label_forces_unit,
        overwrite=args.force,
    )
    print(f"{args.out}: {result.pop('n_structures')} structures (eV, eV/Ang, Ang).")
    rows = (("energy", "eV"), ("energy_per_atom", "eV/atom"), ("forces", "eV/Ang"))
    for name, unit in rows:
        if f"{name}_mae" in result:
            mae, rmse = result[f"{name}_mae"], result[f"{name}_rmse"]
            print(f"  {name:<16} MAE {mae:.5f}  RMSE {rmse:.5f}  {unit}")


COMMANDS = (add_import, add_predict)


def parser() -> argparse.ArgumentParser:
    """Return the parser of `gpip` with all sub-commands."""
    main_parser = argparse.ArgumentParser(
        prog="gpip",
        description="What spktrain, spkpredict and spkmd do not do; each command has its --help.",
    )
    main_parser.add_argument("--version", action="version", version=f"gpip_plugins {__version__}")
    commands = main_parser.add_subparsers(metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(commands)
    return main_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gpip`.

    Args:
        arguments: words behind the command; None takes those of the process.

    Returns:
        0, or 1 after a mistake of the user, told in one sentence on stderr; argparse exits with 2.
    """
    args = parser().parse_args(arguments)
    try:
        args.run(args)
    except InputError as error:
        print(f"gpip: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("gpip: stopped; nothing was written.", file=sys.stderr)
        return 130
    return 0
