"""The command `gpip import`."""

import argparse
import contextlib
import sys

from gpip_plugins.errors import with_names

__all__ = ["add_import"]


def add_import(commands) -> None:
    """Register `gpip import`. The defaults are those of `Labels`; the help texts repeat them."""
    parser = commands.add_parser(
        "import",
        help="turn labelled structures (extended XYZ, ...) into a database for training",
        description="Turns extended XYZ, also gzipped, or anything that ASE reads, with energies "
        "and forces, into a SchNetPack database in eV and Ang. Frames are counted from 0.",
        epilog="example: gpip import labels.xyz.gz labels.db --energy-unit eV",
    )
    add = parser.add_argument
    absent = argparse.SUPPRESS
    add("source", metavar="SOURCE", help="labelled file, or folder of VASP or DeePMD-kit")
    add("target", metavar="TARGET", help="database to be written, ending in .db")
    add(
        "--energy-unit",
        metavar="UNIT",
        help="unit of the energies: eV, kcal/mol, kJ/mol, Hartree, Rydberg; needed for XYZ, which "
        "does not state it (asked for on a terminal)",
    )
    add("--forces-unit", metavar="UNIT", help="default: energy unit per distance unit")
    add("--distance-unit", metavar="UNIT", default=absent, help="Bohr or nm; default: Ang")
    add(
        "--energy-key", metavar="NAME", default=absent, help="None reads no energy; default: energy"
    )
    add(
        "--forces-key", metavar="NAME", default=absent, help="None reads no forces; default: forces"
    )
    add(
        "--stress-key",
        metavar="NAME",
        help="name of the stress or virial; default: stress, else virial or virials",
    )
    add(
        "--stress-unit",
        metavar="UNIT",
        help="GPa, kbar, eV/Ang^3, ...; an energy such as eV for a virial; default: energy unit "
        "per cubed distance unit, for a virial the energy unit",
    )
    add(
        "--stress-sign",
        metavar="SIGN",
        help="tension (positive in a stretched crystal, as in ASE) or pressure (as VASP prints "
        "it); default: tension, for a virial pressure (stress = -virial / volume)",
    )
    add(
        "--require-stress",
        action="store_true",
        help="a frame without stress cannot be used; with --skip-unlabelled only frames that have "
        "one are imported",
    )
    add(
        "--property",
        dest="scalars",
        metavar="NAME:UNIT",
        action="append",
        default=[],
        help="scalar property of the structures, such as homo:eV; repeat it for several; without "
        "--energy-unit neither energies nor forces are read then",
    )
    add(
        "--elements",
        metavar="LIST",
        default=absent,
        help="elements of the types of LAMMPS from type 1 on, such as C,H,O",
    )
    add(
        "--level-of-theory",
        metavar="TEXT",
        help="of the labels, such as PBE0+MBD; stands on the card of models trained on them",
    )
    add("--no-stress", dest="stress", action="store_false", help="leave a stress out")
    add(
        "--skip-unlabelled",
        action="store_true",
        help="leave out frames whose labels are missing or not finite, and print their number",
    )
    add(
        "--unlabelled",
        action="store_true",
        help="import structures without labels, such as equilibrium ones; labels are not read",
    )
    add(
        "--accept-implausible",
        action="store_true",
        help="import although the numbers look like other units",
    )
    add("--force", dest="overwrite", action="store_true", help="replace an existing database")
    parser.set_defaults(run=run_import)


def run_import(args: argparse.Namespace) -> None:
    """Import labels and print what was written."""
    from gpip_plugins.io.paths import check_target, existing, resolve

    # Before ASE is imported, which takes a second.
    source = existing("source", args.source, "name a labelled file or folder")
    check_target(resolve(args.target), (".db",), args.overwrite, source)
    from gpip_plugins.labels.importing import check_paths, import_labels
    from gpip_plugins.labels.keys_and_units import Labels
    from gpip_plugins.labels.scalars import parse_scalars

    check_paths(args.source, args.target, args.overwrite)
    scalars = parse_scalars(args.scalars)
    named = args.energy_unit is not None or args.forces_unit is not None
    energetic = not args.unlabelled and (named or not scalars)
    if energetic and not named:
        args.energy_unit = _ask_for_unit(args.source)
    names = ("energy_key", "forces_key", "distance_unit")
    settings = {name: getattr(args, name) for name in names if hasattr(args, name)}
    if hasattr(args, "elements"):
        settings["elements"] = tuple(args.elements.split(","))
    settings |= {name: None for name in names[:2] if settings.get(name) in ("None", "none")}
    if not energetic:
        settings |= {"energy_key": None, "forces_key": None}
    labels = Labels(
        energy_unit=args.energy_unit,
        forces_unit=args.forces_unit,
        stress=args.stress and energetic,
        stress_key=args.stress_key,
        stress_unit=args.stress_unit,
        stress_sign=args.stress_sign,
        require_stress=args.require_stress,
        scalars=scalars,
        **settings,
    )
    report = import_labels(
        args.source,
        args.target,
        labels,
        skip_unlabelled=args.skip_unlabelled,
        accept_implausible=args.accept_implausible,
        overwrite=args.overwrite,
        level_of_theory=args.level_of_theory,
    )
    print(f"{args.target}: {with_names(str(report), args.names)}")
    if (command := report.next_step(args.target)) is not None:
        print(f"Next: {command}")


def _ask_for_unit(source: str) -> str | None:
    """Ask for the unit of the energies on a terminal, if the format does not state it."""
    from gpip_plugins.io.paths import resolve
    from gpip_plugins.labels.readers import reader_of

    path = resolve(source)
    if sys.stdin.isatty() and not reader_of(path).states_units(path):
        # Ctrl-D gives no answer; the import then reports how to name the unit.
        with contextlib.suppress(EOFError):
            return input(f"Unit of the energies in {source} (eV, kcal/mol, ...): ")
    return None
