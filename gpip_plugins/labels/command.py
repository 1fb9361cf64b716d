"""The command `gpip import`."""

import argparse
import contextlib
import sys

__all__ = ["add_import"]


def add_import(commands) -> None:
    """Register `gpip import`."""
    parser = commands.add_parser(
        "import",
        help="turn labelled structures (extended XYZ, ...) into a database for training",
        description="Turns extended XYZ, also gzipped, or anything that ASE reads, with energies "
        "and forces, into a SchNetPack database in eV and Ang. Frames are counted from 0.",
        epilog="example: gpip import labels.xyz.gz labels.db --energy-unit eV",
    )
    parser.add_argument("source", help="labelled structures: a file, or a folder of VASP or DeePMD")
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
    parser.add_argument(
        "--property",
        metavar="NAME:UNIT",
        action="append",
        default=[],
        help="scalar property of the structures, such as homo:eV; repeat it for several; without "
        "--energy-unit neither energies nor forces are read then",
    )
    parser.add_argument("--no-stress", action="store_true", help="leave a stress out")
    parser.add_argument(
        "--skip-unlabelled",
        action="store_true",
        help="leave out frames whose labels are missing or not finite, and say how many",
    )
    parser.add_argument(
        "--unlabelled",
        action="store_true",
        help="import structures without labels, such as equilibrium ones; labels are not read",
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
    from gpip_plugins.labels.frames import Labels
    from gpip_plugins.labels.importing import check_paths, import_labels, states_its_units
    from gpip_plugins.labels.scalars import scalar_units

    check_paths(args.source, args.target, args.force)
    scalars = scalar_units(args.property)
    if (
        args.energy_unit is None
        and not args.unlabelled
        and not scalars
        and sys.stdin.isatty()
        and not states_its_units(args.source)
    ):
        # Ctrl-D is no answer; `import_labels` then says how to name the unit.
        with contextlib.suppress(EOFError):
            args.energy_unit = input(f"Unit of the energies in {args.source} (eV, kcal/mol, ...): ")
    energetic = not args.unlabelled and (args.energy_unit is not None or not scalars)
    labels = Labels(
        energy_key=args.energy_key if energetic else None,
        forces_key=args.forces_key if energetic else None,
        energy_unit=args.energy_unit,
        forces_unit=args.forces_unit,
        distance_unit=args.distance_unit,
        stress=not args.no_stress and energetic,
        scalars=scalars,
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
