r"""HOMO, LUMO and gap of QM9 by one Equivariant Transformer with three heads, in three ways.

From scratch, with denoising as an auxiliary loss (Noisy Nodes), and from a force-centric
pre-training (ET-OREO) on other molecules. Network, split, budget and seed are shared.

    python tests/benchmarks/orbital_energies.py --out runs/qm9 --labels qm9_homo_lumo.db \
        --pretrained runs/et_ethanol/pretrain/et_oreo_sigma0.3_6000_0/best_model

Learning rates are chosen on validation molecules (`--select`, fewer steps); test molecules are
read once, by the best model of each final run. Finished runs are kept and not repeated. Labels:

    gpip import qm9_homo_lumo_12000.xyz.gz qm9_homo_lumo.db \
        --property homo:eV --property lumo:eV --property gap:eV
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from experiment import once, train
from few_labels_studies import NETWORKS, WIDTH

RESULTS = Path(__file__).parent / "results" / "orbital_energies.csv"
PROPERTIES = ("homo", "lumo", "gap")
N_TRAIN, N_VAL, N_TEST = 9500, 500, 2000
BATCH = 32
EPOCHS = 8
#: arm -> what it adds to the control, learning rate
ARMS = {
    "scratch": ([], 4e-3),
    "noisy nodes": (["pretext=[noisy_nodes]"], 4e-3),
    "ET-OREO": (["pretrained.path={pretrained}"], 4e-3),
}


def split(path: Path) -> Path:
    """Draw the split once, the same for all arms."""
    if not path.exists():
        order = np.random.default_rng(0).permutation(N_TRAIN + N_VAL + N_TEST)
        train_idx, val_idx, test_idx = np.split(order, [N_TRAIN, N_TRAIN + N_VAL])
        np.savez(path, train_idx=train_idx, val_idx=val_idx, test_idx=test_idx)
    return path


def run(arm: str, options: argparse.Namespace, lr: float, epochs: int, test: bool) -> dict | None:
    """Train one arm; return its metrics, None while another process is at it."""
    out = options.out.resolve()
    pretrained = options.pretrained.resolve()
    overrides = [
        "experiment=oreo_qm9",
        *NETWORKS["et_"],
        *WIDTH,
        f"data.datapath={options.labels.resolve()}",
        f"data.split_file={split(out / 'split.npz')}",
        f"data.num_train={N_TRAIN}",
        f"data.num_val={N_VAL}",
        "data.num_test=null",
        f"data.batch_size={BATCH}",
        "data.val_batch_size=100",
        "data.test_batch_size=100",
        f"globals.lr={lr}",
        "task/scheduler=cosine",
        "task.warmup_steps=200",
        f"trainer.max_epochs={epochs}",
        *(word.format(pretrained=pretrained) for word in ARMS[arm][0]),
    ]
    folder = out / ("final" if test else "select") / f"{arm.replace(' ', '_')}_{epochs}_lr{lr:g}"
    return once(folder / "result.json", lambda: train(overrides, folder, 0, test=test))


def main() -> None:
    """Run what the command line asks for, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True, help="database with homo, lumo, gap")
    parser.add_argument("--pretrained", type=Path, required=True, help="best_model of ET-OREO")
    parser.add_argument("--select", nargs="*", metavar="ARM=LR", help="try learning rates")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.select is not None:
        for job in options.select:
            arm, lr = job.split("=")
            result = run(arm, options, float(lr), 2, test=False)
            if result:
                print(job, {p: round(1e3 * result[f"val_{p}_mae"], 1) for p in PROPERTIES})
        return
    rows = []
    for arm, (_, lr) in ARMS.items():
        result = run(arm, options, lr, EPOCHS, test=True)
        if result:
            errors = {f"{p}_mae_meV": f"{1e3 * result[f'test_{p}_mae']:.1f}" for p in PROPERTIES}
            rows.append({"arm": arm, "lr": lr, "steps": result["steps"]} | errors)
            rows[-1]["train_s"] = f"{result['wall_s']:.0f}"
            print(rows[-1], flush=True)
    with RESULTS.open("w", newline="") as file:
        file.write(
            "# python tests/benchmarks/orbital_energies.py ...; QM9, 9500 training, 500 validation "
            "and 2000 test molecules, Equivariant Transformer 64 x 3, one seed\n"
        )
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
