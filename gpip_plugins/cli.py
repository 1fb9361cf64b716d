"""The command `gpip`: what `spktrain`, `spkpredict` and `spkmd` do not do.

A sub-command is one function that adds its parser and one that runs it, named in `COMMANDS`. The
work is done by the library; here only arguments are read, and imports wait until they are needed.
"""

import argparse
import contextlib
import sys
import warnings
from collections.abc import Sequence

from gpip_plugins import __version__
from gpip_plugins.errors import InputError
from gpip_plugins.labels.selection.command import add_select
from gpip_plugins.report.command import add_quality
from gpip_plugins.sampling.command import add_sample

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
    from gpip_plugins.potential import Potential, check_files, predict_file

    check_files(args.data, args.out, args.force)
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


def add_leakage(commands) -> None:
    """Register `gpip leakage`."""
    parser = commands.add_parser(
        "leakage",
        help="count the configurations of a test set that occur in training data",
        description="Counts the configurations of a test set that also occur in databases or files "
        "that were learned from, up to rotation, reflection and the exchange of equal atoms. "
        "Isolated molecules only; configurations are counted from 0.",
        epilog="example: gpip leakage test.db train.db pretraining.db",
    )
    parser.add_argument(
        "test", metavar="TEST", help="test set: a database, or a file of structures"
    )
    parser.add_argument("train", metavar="TRAIN", nargs="+", help="what was learned from, likewise")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-3,
        metavar="ANG",
        help="largest distance of an atom from its partner, default 1e-3 Ang",
    )
    parser.set_defaults(run=run_leakage)


def run_leakage(args: argparse.Namespace) -> None:
    """Compare and say what is shared."""
    from gpip_plugins.data.leakage import leakage_of_files

    print(leakage_of_files(args.test, args.train, args.tolerance))


def add_convert_checkpoint(commands) -> None:
    """Register `gpip convert-checkpoint`."""
    parser = commands.add_parser(
        "convert-checkpoint",
        help="turn a checkpoint of TorchMD-Net's Equivariant Transformer into a best_model",
        description="Reads a Lightning checkpoint of TorchMD-Net, or of Pre-training via "
        "Denoising, writes a best_model for SchNetPack, and prints the settings with which "
        "spktrain sets up the same network.",
        epilog="example: gpip convert-checkpoint et.ckpt et_model",
    )
    parser.add_argument("source", metavar="IN", help="checkpoint of TorchMD-Net, ending in .ckpt")
    parser.add_argument("target", metavar="OUT", help="file to be written, a best_model")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run_convert_checkpoint)


def run_convert_checkpoint(args: argparse.Namespace) -> None:
    """Convert and say what was found."""
    from gpip_plugins.checkpoint.conversion import convert_checkpoint

    print(f"{args.target}: {convert_checkpoint(args.source, args.target, args.force)}")


COMMANDS = (
    add_sample,
    add_select,
    add_quality,
    add_import,
    add_predict,
    add_leakage,
    add_convert_checkpoint,
)


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
        with warnings.catch_warnings():
            # SchNetPack 2.2 scripts a function when it is imported; no user can change that.
            warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", FutureWarning)
            # Python compiles what it imports again where it may not keep the result.
            warnings.filterwarnings("ignore", "invalid escape sequence", SyntaxWarning)
            args.run(args)
    except InputError as error:
        print(f"gpip: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("gpip: stopped; nothing was written.", file=sys.stderr)
        return 130
    return 0
