"""The command `gpip select`: its defaults, checks before the work, and messages.

Modules are imported only when they are needed, so that `gpip --help` stays fast.
"""

import argparse
import os
import sys

from gpip_plugins.errors import InputError, check_number, check_whole

__all__ = ["add_select", "run_select"]


def add_select(commands) -> None:
    """Register `gpip select`."""
    parser = commands.add_parser(
        "select",
        help="choose configurations of a sampled set, to label them or to write them to files",
        description="Chooses configurations and writes them as extended XYZ, VASP input or a "
        "database, or labels them at once with an ASE calculator. Rows are counted from 0.",
        epilog="example: gpip select ethanol.db -n 200 --label xtb --out labels.db",
    )
    add = parser.add_argument
    add("datapath", metavar="DATA", help="sampled database, or structures")
    add("-n", type=int, required=True, metavar="N", help="number of configurations to choose")
    add(
        "--method",
        metavar="METHOD",
        default="random",
        help="random (default, as the paper) or farthest: farthest-point sampling in the space of "
        "SOAP",
    )
    add("--seed", type=int, default=0, help="seed of the choice, default: %(default)s")
    add(
        "--pool",
        dest="n_considered",
        type=int,
        default=20000,
        metavar="M",
        help="farthest: choose from at most M configurations, drawn at random; default: "
        "%(default)s",
    )
    add("--format", metavar="FORMAT", help="extxyz (default), vasp or db; with --label always db")
    add(
        "--label",
        dest="teacher",
        metavar="CALCULATOR",
        help="label at once: xtb (GFN2-xTB), or any ASE calculator as package.module:Name",
    )
    add(
        "--set",
        dest="options",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="option of the calculator, for example --set charge=1; may be repeated",
    )
    add(
        "--vacuum",
        type=float,
        default=10.0,
        metavar="ANG",
        help="vasp: distance to the images of an isolated molecule, default: %(default)g",
    )
    add("--out", dest="target", metavar="OUT", help="file or folder to be written")
    add("--force", dest="overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run_select)


def run_select(args: argparse.Namespace) -> None:
    """Choose configurations, write or label them, and print the result."""
    writer, target = _output(args)

    # After the checks, because ASE takes a second.
    from gpip_plugins.labels.selection.choice import choose
    from gpip_plugins.labels.selection.pool import Pool
    from gpip_plugins.labels.teachers import load_teacher, parse_options

    calculator = load_teacher(args.teacher, parse_options(args.options)) if args.teacher else None
    pool = Pool(args.datapath)
    rows = choose(pool, args.n, args.method, args.seed, args.n_considered)
    frames = [pool[row] for row in rows]
    if calculator is not None:
        _label(args, frames, calculator, target)
        return
    writer.write(frames, target, **{name: getattr(args, name) for name in writer.settings})
    chosen = f"{len(frames)} of {len(pool)} configurations"
    print(f"{target}: {writer.text.format(chosen=chosen)}.")


def _output(args: argparse.Namespace):
    """Return writer and absolute path of the target, checked before anything is read."""
    from gpip_plugins.errors import check_choice
    from gpip_plugins.io.paths import check_target, existing, resolve
    from gpip_plugins.labels.selection.choice import METHODS
    from gpip_plugins.labels.writers import WRITERS

    kind = args.format or ("db" if args.teacher else "extxyz")
    writer = WRITERS[check_choice("format", kind, WRITERS)]
    if args.teacher and kind != "db":
        raise InputError(f"teacher={args.teacher} writes a database; leave format={kind} out.")
    if args.options and not args.teacher:
        raise InputError(f"options={args.options[0]} is for a calculator; name one with --label.")
    check_choice("method", args.method, METHODS)
    check_whole("n", args.n, least=1)
    check_whole("n_considered", args.n_considered, least=1)
    check_number("vacuum", args.vacuum, above=0.0, unit="Å", example=10.0)
    target = resolve(args.target or ("labels.db" if args.teacher else writer.target))
    source = existing("datapath", args.datapath, "name a sampled database")
    check_target(target, writer.endings, args.overwrite, source)
    return writer, target


def _label(args: argparse.Namespace, frames, calculator, target: str) -> None:
    """Label the configurations, and print what was left out."""
    from gpip_plugins.labels.labelling import label_frames

    settings = {"teacher": args.teacher, "options": args.options, "method": args.method}
    settings |= {"seed": args.seed, "source": os.path.basename(args.datapath)}
    try:
        report = label_frames(frames, calculator, target, settings, sys.stderr.isatty())
    except KeyboardInterrupt:
        print(
            "gpip: stopped; finished labels are kept, the same command continues from there.",
            file=sys.stderr,
        )
        raise SystemExit(130) from None
    per_frame = report["core_seconds"] / report["n_labels"]
    print(
        f"{target}: {report['n_labels']} labels by {args.teacher} in eV, eV/Ang, Ang "
        f"({per_frame:.3g} core-seconds each)."
    )
    for failure in report["failed"][:10]:
        print(f"  left out: row {failure['source_row']}, {failure['reason']}")
    if len(report["failed"]) > 10:
        print(f"  and {len(report['failed']) - 10} more, listed in the metadata")
