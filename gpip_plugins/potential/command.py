"""The commands `gpip predict` and `gpip info`."""

import argparse
import sys

__all__ = ["add_info", "add_predict"]


def add_predict(commands) -> None:
    """Register `gpip predict`."""
    parser = commands.add_parser(
        "predict",
        help="predict energies and forces of many structures into one file",
        description="Predicts energies (eV) and forces (eV/Ang) of all structures in a SchNetPack "
        "database or in any file that ASE reads, and prints the errors where there are labels.",
        epilog="example: gpip predict runs/ethanol/best_model test.xyz predicted.xyz",
    )
    parser.add_argument(
        "model_file", metavar="MODEL", help="best_model of a run, or the run's folder"
    )
    parser.add_argument("source", metavar="DATA", help="structures")
    parser.add_argument("target", metavar="OUT", help="file to be written: .xyz, .extxyz or .npz")
    parser.add_argument("--batch-size", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--device", help="default: cuda if there is a GPU, else cpu")
    parser.add_argument(
        "--energy-unit",
        metavar="UNIT",
        help="energy unit of the model; default: from its card",
    )
    parser.add_argument(
        "--distance-unit", metavar="UNIT", help="length unit of the model; default: from its card"
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
        help="unit of the energies in DATA, default eV; a database states its unit",
    )
    parser.add_argument(
        "--label-forces-unit", metavar="UNIT", default="eV/Ang", help="the same of the forces"
    )
    parser.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="your package that defines classes of the model",
    )
    parser.add_argument(
        "--force", dest="overwrite", action="store_true", help="replace an existing file"
    )
    parser.set_defaults(run=run_predict)


def run_predict(args: argparse.Namespace) -> None:
    """Predict and print the errors."""
    from gpip_plugins.checkpoint.archive import model_path
    from gpip_plugins.io.paths import existing

    model_path(args.model_file, "model_file")
    existing("source", args.source, "name a file with structures")

    # After the checks, one after the other: ASE, then PyTorch and SchNetPack take seconds.
    from gpip_plugins.potential.files import check_files

    check_files(args.source, args.target, args.overwrite)

    from gpip_plugins.potential import Potential, predict_file

    potential = Potential(
        args.model_file,
        device=args.device,
        energy_unit=args.energy_unit,
        distance_unit=args.distance_unit,
        energy_key=args.energy_key,
        forces_key=args.forces_key,
        trust=tuple(args.trust),
    )
    result = predict_file(
        potential,
        args.source,
        args.target,
        batch_size=args.batch_size,
        label_energy_key=args.label_energy_key,
        label_forces_key=args.label_forces_key,
        label_energy_unit=args.label_energy_unit,
        label_forces_unit=args.label_forces_unit,
        overwrite=args.overwrite,
    )
    print(f"{args.target}: {result.pop('n_structures')} structures (eV, eV/Ang, Ang).")
    rows = (("energy", "eV"), ("energy_per_atom", "eV/atom"), ("forces", "eV/Ang"))
    for name, unit in rows:
        if f"{name}_mae" in result:
            mae, rmse = result[f"{name}_mae"], result[f"{name}_rmse"]
            print(f"  {name:<16} MAE {mae:.5f}  RMSE {rmse:.5f}  {unit}")
    for reason in result["left_out"]:
        print(f"  left out of these errors: {reason}")
    if result["doubt"]:
        print(f"  {result['doubt']}")


def add_info(commands) -> None:
    """Register `gpip info`."""
    parser = commands.add_parser(
        "info",
        help="print the card of a model or checkpoint, or the contents of a database",
        description="Prints the card of a model (units, cut-off, elements, data, errors, versions) "
        "or, of a database, its size, compositions, elements, labels with units, and metadata.",
        epilog="example: gpip info runs/ethanol/best_model",
    )
    parser.add_argument("path", metavar="FILE", help="model, run's folder, checkpoint, database")
    parser.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="your package that defines classes of the model",
    )
    parser.set_defaults(run=run_info)


def run_info(args: argparse.Namespace) -> None:
    """Print the description of the file."""
    from gpip_plugins.potential.info import describe

    print(describe(args.path, tuple(args.trust), progress=sys.stderr.isatty()))
