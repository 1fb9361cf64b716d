"""`gpip select`: arguments, checks before the work, and what is said afterwards.

As in `gpip_plugins.cli`, imports wait until they are needed, so that `gpip --help` stays quick.
"""

import argparse
import os
import sys
from pathlib import Path

from gpip_plugins.errors import InputError

__all__ = ["add_select", "run_select"]

#: What is written, and where if the user does not say.
TARGETS = {"extxyz": "selected.xyz", "vasp": "selected_vasp", "db": "selected.db"}
ENDINGS = {"extxyz": (".xyz", ".extxyz"), "vasp": (), "db": (".db",)}


def add_select(commands) -> None:
    """Register `gpip select`."""
    parser = commands.add_parser(
        "select",
        help="choose configurations of a sampled set and label them, or write input for others",
        description="Chooses configurations and writes them as extended XYZ, VASP input or a "
        "database, or labels them at once with an ASE calculator. Rows are counted from 0.",
        epilog="example: gpip select ethanol.db -n 200 --label xtb --out labels.db",
    )
    parser.add_argument("data", metavar="DATA", help="sampled database, or structures")
    parser.add_argument("-n", type=int, required=True, metavar="N", help="how many")
    parser.add_argument(
        "--method",
        choices=("random", "farthest"),
        default="random",
        help="random (default, as the paper) or farthest-point sampling in the space of SOAP",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice, default: 0")
    parser.add_argument(
        "--pool",
        type=int,
        default=20000,
        metavar="M",
        help="farthest: choose from at most M configurations, drawn at random; default: 20000",
    )
    parser.add_argument(
        "--format", choices=tuple(TARGETS), help="what to write; default: extxyz, with --label db"
    )
    parser.add_argument(
        "--label",
        metavar="CALCULATOR",
        help="label at once: xtb (GFN2-xTB), or any ASE calculator as package.module:Name",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="option of the calculator, for example --set charge=1; may be repeated",
    )
    parser.add_argument(
        "--vacuum",
        type=float,
        default=10.0,
        metavar="ANG",
        help="vasp: distance to the images of an isolated molecule, default: 10",
    )
    parser.add_argument("--out", metavar="OUT", help="file or folder to be written")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run_select)


def run_select(args: argparse.Namespace) -> None:
    """Choose, write or label, and say what was done."""
    from gpip_plugins.labels.selection.pool import Pool

    kind, target = _target(args)
    made = _calculator(args)
    pool = Pool(args.data)
    rows = choose(pool, args.n, args.method, args.seed, args.pool)
    frames = [pool[row] for row in rows]
    shown = sys.stderr.isatty()
    chosen = f"{len(frames)} of {len(pool)} configurations"
    if made is not None:
        _label(args, frames, made, target, shown)
        return
    if kind == "vasp":
        from gpip_plugins.labels.writers.vasp import write_vasp

        write_vasp(frames, target, args.vacuum, shown)
        print(f"{target}: VASP input of {chosen}; its README says what to do.")
        return
    from gpip_plugins.labels.writers.structures import write_database, write_extxyz

    (write_extxyz if kind == "extxyz" else write_database)(frames, target)
    print(f"{target}: {chosen}, without labels (Ang).")


def choose(pool, n: int, method: str, seed: int, largest: int) -> list[int]:
    """Return the rows chosen from a pool.

    Args:
        pool: `gpip_plugins.labels.selection.pool.Pool`.
        n: how many.
        method: random or farthest.
        seed: seed of the choice.
        largest: farthest-point sampling looks at so many configurations at most.

    Raises:
        InputError: when there are not as many, or the packages for SOAP are missing.
    """
    import numpy as np
    from tqdm import tqdm

    from gpip_plugins.labels.selection.pick import farthest_rows, random_rows

    if method == "random":
        return random_rows(len(pool), n, seed).tolist()
    from gpip_plugins.analysis.soap import Descriptor, require_analysis

    require_analysis("--method farthest")
    if n > largest:
        raise InputError(f"-n {n} is more than --pool {largest}; raise --pool.")
    considered = random_rows(len(pool), min(largest, len(pool)), seed)
    shown = sys.stderr.isatty()
    frames = [pool[row] for row in tqdm(considered.tolist(), "reading", disable=not shown)]
    species = np.unique(np.concatenate([frame.numbers for frame in frames])).tolist()
    described = Descriptor(species)(frames, n_environments=1, progress=shown)
    return considered[farthest_rows(described.structures, n, seed, shown)].tolist()


def _target(args: argparse.Namespace) -> tuple[str, str]:
    """Return format and absolute path of what is written, checked before anything is read."""
    from gpip_plugins.io.paths import resolve

    kind = args.format or ("db" if args.label else "extxyz")
    if args.label and kind != "db":
        raise InputError(f"--label writes a database; leave --format {kind} out.")
    if args.set and not args.label:
        raise InputError("--set is for the calculator; name one with --label.")
    if not args.vacuum > 0:
        raise InputError(f"--vacuum {args.vacuum} is no distance; give for example --vacuum 10.")
    target = resolve(args.out or ("labels.db" if args.label else TARGETS[kind]))
    if ENDINGS[kind] and not target.endswith(ENDINGS[kind]):
        raise InputError(f"--out {args.out} must end in {' or '.join(ENDINGS[kind])}; rename it.")
    if os.path.exists(target):
        if os.path.exists(resolve(args.data)) and os.path.samefile(resolve(args.data), target):
            raise InputError(f"--out {args.out} is DATA itself; name another file.")
        if kind == "vasp" or not args.force:
            also = "" if kind == "vasp" else " or add --force"
            raise InputError(f"{target} exists already; name another with --out{also}.")
    if not os.access(Path(target).parent, os.W_OK):
        raise InputError(f"the folder of {target} is missing or read-only; name another --out.")
    return kind, target


def _calculator(args: argparse.Namespace):
    """Return the calculator that is asked for, or None."""
    if args.label is None:
        return None
    from gpip_plugins.labels.teachers import calculator, parse_options

    return calculator(args.label, parse_options(args.set))


def _label(args, frames, calculator, target: str, shown: bool) -> None:
    from gpip_plugins.labels.labelling import label_frames

    settings = {"calculator": args.label, "options": args.set, "method": args.method}
    settings |= {"seed": args.seed, "source": os.path.basename(args.data)}
    try:
        report = label_frames(frames, calculator, target, settings, shown)
    except KeyboardInterrupt:
        print(
            "gpip: stopped; what is labelled is kept, and the same command goes on from there.",
            file=sys.stderr,
        )
        raise SystemExit(130) from None
    per_frame = report["core_seconds"] / report["n_labels"]
    print(
        f"{target}: {report['n_labels']} labels by {args.label} in eV, eV/Ang, Ang "
        f"({per_frame:.3g} core-seconds each)."
    )
    for failure in report["failed"][:10]:
        print(f"  left out: row {failure['source_row']}, {failure['reason']}")
    if len(report["failed"]) > 10:
        print(f"  and {len(report['failed']) - 10} more, listed in the metadata")
