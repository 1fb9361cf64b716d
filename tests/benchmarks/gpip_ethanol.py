r"""What pre-training on classical MD gains on real DFT data: rMD17 ethanol, few labels.

Arms share network, fine-tuning budget, learning-rate schedule, label subset and seed; they differ
in where the weights start. Validation frames count as labels. Settings are chosen on validation
frames (`--stage select`); the test frames are read once, by the best model of each final run.

    python tests/benchmarks/gpip_ethanol.py --out runs/ethanol --unlabelled ethanol_mmff94.db \
        --train rmd17_ethanol_train1000.xyz.gz --test rmd17_ethanol_test1000.xyz.gz
    python tests/benchmarks/gpip_ethanol_report.py runs/ethanol

Finished runs are kept as JSON files and not repeated; several processes may work side by side.
"""

import argparse
import csv
from pathlib import Path

import ase.io
import numpy as np
from experiment import once, train
from schnetpack.data import ASEAtomsData

#: figures of finished runs, written by the report; delete it to measure everything anew
RECORD = Path(__file__).parent / "results" / "gpip_ethanol_runs.csv"
N_POOL = 1000
LABELS = {50: (40, 10), 200: (160, 40), 1000: (900, 100)}
SEEDS = {50: range(5), 200: range(3), 1000: range(3)}
SELECTION_SEED = 100

FINETUNE_STEPS = 1000
FINETUNE_BATCH = 10
# Best on validation frames (200 labels, another seed) among 4e-3, 8e-3, 1.6e-2.
LR_SCRATCH, LR_PRETRAINED = 8e-3, 4e-3
SIGMA = 0.3  # Å, best on validation frames among 0.05, 0.15, 0.3
PRETRAIN_STEPS = 4000
PRETRAIN_BATCH = 20
PRETRAIN_EPOCHS = 20

PAINN = ["model/representation=painn"]
SCHNET = [
    "model/representation=schnet",
    "model.representation.radial_basis.n_rbf=20",
]
WIDTH = ["model.representation.n_atom_basis=64", "model.representation.n_interactions=3"]

# Pre-trainings: recipe, pretexts, steps. The energy head of a fine-tuned potential is SchNetPack's
# Atomwise; so is the head of the gradient noise task and that of the labels.
GRADIENT = ["pretext=[mask,noise_gradient,contrast]"]
PRETRAININGS = {
    "gpip": ["experiment=gpip_pretrain", *GRADIENT],
    "gpip_vector": ["experiment=gpip_pretrain", "pretext=[mask,noise,contrast]"],
    "mask": ["experiment=gpip_pretrain", "pretext=[mask]"],
    "noise": ["experiment=gpip_pretrain", "pretext=[noise_gradient]"],
    "contrast": ["experiment=gpip_pretrain", "pretext=[contrast]"],
    "classical": ["experiment=classical_pretrain"],
    "both": [
        "experiment=gpip_classical_pretrain",
        "pretext=[mask,noise_gradient,contrast,labels]",
    ],
}
#: output module of the pre-trained model that the energy head can start from
HEADS = {"gpip": 1, "noise": 0, "classical": 0, "both": 3}


def database(path: Path, files: list[str]) -> Path:
    """Write labelled frames to a SchNetPack database, in their order."""
    if not path.exists():
        frames = [atoms for file in files for atoms in ase.io.read(file, ":")]
        labels = [
            {"energy": np.array([a.get_potential_energy()]), "forces": a.get_forces()}
            for a in frames
        ]
        part = path.with_name(f"part_{path.name}")
        part.unlink(missing_ok=True)
        units = {"energy": "eV", "forces": "eV/Ang"}
        data = ASEAtomsData.create(str(part), distance_unit="Ang", property_unit_dict=units)
        data.add_systems(labels, frames)
        part.replace(path)
    return path


def split(path: Path, n_labels: int, seed: int) -> Path:
    """Draw training and validation frames from the pool; the test frames are those behind it."""
    if not path.exists():
        order = np.random.default_rng(seed).permutation(N_POOL)
        n_train, n_val = LABELS[n_labels]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            train_idx=order[:n_train],
            val_idx=order[n_train : n_train + n_val],
            test_idx=np.arange(N_POOL, 2 * N_POOL),
        )
    return path


def pretrain(
    out: Path, unlabelled: str, name: str, steps: int, sigma: float, seed: int = 0
) -> Path | None:
    """Pre-train once; return the folder of the run when it is finished."""
    network = SCHNET if name.startswith("schnet_") else PAINN
    recipe = PRETRAININGS[name.removeprefix("schnet_").split("@")[0]]
    folder = out / "pretrain" / f"{name}_sigma{sigma:g}_{steps}_{seed}"
    overrides = [
        *recipe,
        *network,
        *WIDTH,
        "data=configurations",
        f"data.datapath={unlabelled}",
        "data.num_train=0.95",
        "data.num_val=400",
        "data.num_test=0",
        "data.val_batch_size=50",
        f"data.batch_size={PRETRAIN_BATCH}",
        f"trainer.max_epochs={PRETRAIN_EPOCHS}",
        f"trainer.limit_train_batches={max(1, steps // PRETRAIN_EPOCHS)}",
        f"globals.sigma={sigma}",
    ]
    done = once(folder / "result.json", lambda: train(overrides, folder, seed, test=False))
    return folder if done else None


def finetune(
    out: Path,
    data: Path,
    arm: str,
    source: Path | None,
    n_labels: int,
    seed: int,
    lr: float,
    head: int | None = None,
    test: bool = False,
    stage: str = "final",
) -> dict | None:
    """Train on labels from `source`, or from scratch; return the metrics when finished."""
    n_train, n_val = LABELS[n_labels]
    batch = min(FINETUNE_BATCH, n_train)
    epochs = FINETUNE_STEPS // (n_train // batch)
    folder = out / stage / f"{arm}_{n_labels}_{seed}" / f"lr{lr:g}"
    overrides = [
        "experiment=gpip_finetune",
        *(SCHNET if arm.startswith("schnet_") else PAINN),
        *WIDTH,
        f"data.datapath={data}",
        f"data.split_file={split(out / 'splits' / f'{n_labels}_{seed}.npz', n_labels, seed)}",
        f"data.num_train={n_train}",
        f"data.num_val={n_val}",
        "data.num_test=null",
        f"data.batch_size={batch}",
        "data.val_batch_size=50",
        "data.test_batch_size=50",
        f"globals.lr={lr}",
        "task/scheduler=cosine",
        f"trainer.max_epochs={epochs}",
        f"trainer.check_val_every_n_epoch={max(1, epochs // 25)}",
    ]
    if source is not None:
        overrides.append(f"pretrained.path={source}/best_model")
        if head is not None:
            overrides.append(f"pretrained.head=output_modules.{head}")
    return once(folder / "result.json", lambda: train(overrides, folder, seed, test=test))


def select(out: Path, data: Path, unlabelled: str, jobs: list[str]) -> None:
    """Choose settings on validation frames of one seed at 200 labels; nothing here reads tests."""
    for job in jobs:
        name, _, rest = job.partition(":")
        options = dict(part.split("=") for part in rest.split(",") if part)
        lr, sigma = float(options.get("lr", 4e-3)), float(options.get("sigma", SIGMA))
        steps, head = int(options.get("steps", 2000)), options.get("head")
        source, arm = None, name
        if name.removeprefix("schnet_") != "scratch":
            arm = f"{name}_sigma{sigma:g}_{steps}" + ("_head" if head else "")
            source = pretrain(out, unlabelled, name, steps, sigma)
            if source is None:
                continue
        head = HEADS[name] if head else None
        result = finetune(out, data, arm, source, 200, SELECTION_SEED, lr, head, stage="select")
        if result:
            print(job, f"val forces MAE {1e3 * result['val_forces_mae']:.1f} meV/Å", flush=True)


#: fine-tuned arms: pre-training, whether the energy head starts from its head too
ARMS = {
    "scratch": (None, False),
    "gpip": ("gpip", False),
    "gpip_head": ("gpip", True),
    "classical": ("classical", True),
    "both": ("both", True),
    "mask": ("mask", False),
    "noise": ("noise", False),
    "noise_head": ("noise", True),
    "contrast": ("contrast", False),
    "gpip_vector": ("gpip_vector", False),
    "schnet_scratch": (None, False),
    "schnet_gpip": ("schnet_gpip", False),
    "schnet_gpip_head": ("schnet_gpip", True),
}
MAIN = ["scratch", "gpip", "gpip_head", "classical", "both"]
SINGLE = ["noise", "noise_head", "mask", "contrast", "gpip_vector"]
BACKBONE = ["schnet_scratch", "schnet_gpip", "schnet_gpip_head"]
LENGTHS = [2000, 500]


def plan() -> list[tuple[str, int, int, int]]:
    """List the final runs: arm, pre-training steps, labels, seed; the most telling first."""
    runs = [(arm, PRETRAIN_STEPS, 200, s) for s in SEEDS[200] for arm in MAIN]
    runs += [(arm, PRETRAIN_STEPS, 50, s) for s in SEEDS[50] for arm in MAIN]
    runs += [("gpip_head", n, 200, s) for n in LENGTHS for s in SEEDS[200]]
    runs += [(arm, PRETRAIN_STEPS, 200, s) for s in SEEDS[200] for arm in BACKBONE]
    runs += [(arm, PRETRAIN_STEPS, 200, s) for s in SEEDS[200] for arm in SINGLE]
    runs += [(arm, PRETRAIN_STEPS, 1000, s) for s in SEEDS[1000] for arm in MAIN]
    return runs


def recorded() -> dict[tuple[str, int, int], dict]:
    """Return the runs whose figures are kept in `RECORD`, by (arm, labels, seed)."""
    if not RECORD.exists():
        return {}
    lines = [line for line in RECORD.read_text().splitlines() if not line.startswith("#")]
    return {
        (row["arm"], int(row["labels"]), int(row["seed"])): {
            "test_forces_mae": float(row["forces_mae"]) / 1e3,
            "test_energy_mae": float(row["energy_mae"]) / 1e3,
            "wall_s": float(row["train_s"]),
        }
        for row in csv.DictReader(lines)
    }


def final(out: Path, data: Path, unlabelled: str) -> None:
    """Run what the record lacks of the plan; what another process is at is left to it."""
    known = recorded()
    for arm, steps, n_labels, seed in plan():
        name, with_head = ARMS[arm]
        label = arm if name is None else f"{arm}@{steps}"
        if (label, n_labels, seed) in known:
            continue
        source = None
        if name is not None:
            source = pretrain(out, unlabelled, name, steps, SIGMA)
            if source is None:
                continue
        head = HEADS[name.removeprefix("schnet_")] if with_head else None
        lr = LR_SCRATCH if name is None else LR_PRETRAINED
        result = finetune(out, data, label, source, n_labels, seed, lr, head, test=True)
        if result:
            error = 1e3 * result["test_forces_mae"]
            print(f"{label:24} {n_labels:5} labels, seed {seed}: {error:6.1f} meV/Å", flush=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--unlabelled", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--select", nargs="*", default=None, metavar="ARM:key=value,...")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    data = database(out / "rmd17_ethanol.db", [options.train, options.test])
    unlabelled = str(Path(options.unlabelled).resolve())
    if options.select is None:
        final(out, data, unlabelled)
    else:
        select(out, data, unlabelled, options.select)


if __name__ == "__main__":
    main()
