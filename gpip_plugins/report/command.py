"""The commands `gpip quality` and `gpip leakage`."""

import argparse

from gpip_plugins.report.settings import LEAKAGE_TOLERANCE, QualitySettings

__all__ = ["add_leakage", "add_quality"]


def add_quality(commands) -> None:
    """Register `gpip quality`."""
    parser = commands.add_parser(
        "quality",
        help="examine a sampled database: temperatures, geometry, duplicates, coverage of labels",
        description="Examines a sampled database and writes quality.json, curves and pictures: "
        "temperatures reached, energies, shortest distances, bond lengths, radial distribution "
        "functions, near-duplicates, and how much of a labelled data set is covered.",
        epilog="example: gpip quality data/ethanol_opls.db --labelled labels.db",
    )
    parser.add_argument("datapath", metavar="DATABASE", help="sampled database, ending in .db")
    parser.add_argument(
        "--labelled",
        dest="labels",
        metavar="FILE",
        help="labelled structures (database or any file that ASE reads) whose coverage is "
        "determined; needs pip install 'gpip_plugins[analysis]'",
    )
    parser.add_argument(
        "--out",
        dest="folder",
        metavar="FOLDER",
        help="default: DATABASE without .db, followed by _quality",
    )
    parser.add_argument(
        "--max-frames",
        metavar="N",
        type=int,
        default=QualitySettings.max_frames,
        help="frames, chosen at random, whose geometry is examined (default: %(default)s); "
        "energies and temperatures are those of all frames",
    )
    parser.add_argument(
        "--tolerance",
        metavar="ANG",
        type=float,
        default=QualitySettings.tolerance,
        help="frames are near-duplicates up to this root mean square difference of their "
        "interatomic distances (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=QualitySettings.seed,
        metavar="N",
        help="of all random choices (default: %(default)s)",
    )
    parser.add_argument(
        "--force",
        dest="overwrite",
        action="store_true",
        help="replace an earlier report (a report of the sampler is replaced without --force)",
    )
    parser.set_defaults(run=run_quality)


def run_quality(args: argparse.Namespace) -> None:
    """Examine a database and print the findings."""
    from gpip_plugins.io.paths import existing
    from gpip_plugins.report.files import check_folder, folder_beside

    existing("datapath", args.datapath, "name a sampled database")
    folder = args.folder or folder_beside(args.datapath)
    settings = QualitySettings(args.max_frames, args.tolerance, args.seed)
    check_folder(folder, args.overwrite)

    # After the checks: matplotlib and ASE take seconds.
    from gpip_plugins.report.quality import quality_report

    report = quality_report(args.datapath, args.labels, folder, settings, args.overwrite)
    print(
        f"{folder}: {report['n_frames']} frames of {len(report['systems'])} systems; geometry of "
        f"{report['n_frames_of_geometry']} of them."
    )
    if "coverage" in report:
        frames = report["coverage"]["frames"]
        print(f"{frames['covered']:.1%} of the labelled frames are covered.")
    for finding in report["findings"]:
        print(f"  {finding}")
    if not report["findings"]:
        print("Nothing looks wrong.")


def add_leakage(commands) -> None:
    """Register `gpip leakage`."""
    parser = commands.add_parser(
        "leakage",
        help="count the configurations of a test set that occur in training data",
        description="Counts the configurations of a test set that also occur in training sets, up "
        "to rotation, reflection and the exchange of equal atoms. "
        "Isolated molecules only; configurations are counted from 0.",
        epilog="example: gpip leakage test.db train.db pretraining.db",
    )
    parser.add_argument(
        "test", metavar="TEST", help="test set: a database, or a file of structures"
    )
    parser.add_argument(
        "train", metavar="TRAIN", nargs="+", help="training sets: databases, or files of structures"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=LEAKAGE_TOLERANCE,
        metavar="ANG",
        help="largest distance of an atom from its partner (default: %(default)s)",
    )
    parser.set_defaults(run=run_leakage)


def run_leakage(args: argparse.Namespace) -> None:
    """Compare the sets and print the shared configurations."""
    from gpip_plugins.io.paths import existing

    for name, path in (("test", args.test), *(("train", path) for path in args.train)):
        existing(name, path, "name a file with structures")

    # After the checks: SciPy and ASE take seconds.
    from gpip_plugins.report.leakage import leakage_of_files

    print(leakage_of_files(args.test, args.train, args.tolerance))
