r"""What pre-training on classical MD gains on real DFT data with few labels.

Arms share network, fine-tuning budget, learning-rate schedule, label subset and seed; they differ
in where the weights start. Validation frames count as labels. Settings are chosen on validation
frames (`--select`); the test frames are read once, by the best model of each final run.

    gpip sample system=ethanol n_frames=12000 datapath=ethanol_opls.db
    python tests/benchmarks/few_labels.py ethanol --out runs/ethanol \
        --unlabelled mmff94=ethanol_mmff94.db opls=ethanol_opls.db \
        --labelled rmd17_ethanol_train1000.xyz.gz rmd17_ethanol_test1000.xyz.gz
    python tests/benchmarks/few_labels_report.py ethanol runs/ethanol

Finished runs are kept as JSON files and not repeated; several processes may work side by side.
"""

import argparse
import csv
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ase.io
import numpy as np
from experiment import once, train
from fasteners import InterProcessLock
from few_labels_studies import MIXTURES, NETWORKS, PRETRAININGS, STUDIES, Arm, Study
from schnetpack.data import ASEAtomsData

from gpip_plugins.io.paths import whole_file

RESULTS = Path(__file__).parent / "results"
SELECTION_SEED = 100


def record(study: Study) -> Path:
    """Return the file of finished runs, which the report writes; without it all is run anew."""
    return RESULTS / f"few_labels_{study.name}_runs.csv"


def made(path: Path, write: Callable[[str], None]) -> Path:
    """Let one process write a file, whole or not at all; the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with InterProcessLock(path.with_suffix(".lock")):
        if not path.exists():
            with whole_file(path) as partial_file:
                write(partial_file)
    return path


def write_database(files: list[str], path: str) -> None:
    """Write labelled frames to a SchNetPack database, in their order."""
    frames = [atoms for file in files for atoms in ase.io.read(file, ":")]
    labels = [
        {"energy": np.array([a.get_potential_energy()]), "forces": a.get_forces()} for a in frames
    ]
    units = {"energy": "eV", "forces": "eV/Ang"}
    data = ASEAtomsData.create(path, distance_unit="Ang", property_unit_dict=units)
    data.add_systems(labels, frames)


def write_split(study: Study, n_frames: int, n_labels: int, seed: int, path: str) -> None:
    """Draw training and validation frames from the pool; the test frames are those behind it."""
    order = np.random.default_rng(seed).permutation(study.n_pool)
    n_train, n_val = study.labels[n_labels]
    np.savez(
        path,
        train_idx=order[:n_train],
        val_idx=order[n_train : n_train + n_val],
        test_idx=np.arange(study.n_pool, n_frames),
    )


class Runs:
    """The trainings of one study, each done once.

    Args:
        study: what is compared.
        out: folder of the runs.
        labelled: files of the labelled frames, the pool first.
        unlabelled: force field, or member of a mixture -> database.
        accelerator: Lightning's name of the device, `cpu` or `gpu`.
    """

    def __init__(
        self,
        study: Study,
        out: Path,
        labelled: list[str],
        unlabelled: dict[str, str],
        accelerator: str = "cpu",
    ):
        self.study, self.out, self.unlabelled = study, out, unlabelled
        self.accelerator = accelerator
        self.data = made(out / f"{study.name}.db", partial(write_database, labelled))
        self.n_frames = len(ASEAtomsData(str(self.data)))

    def pretrain(self, arm: Arm, steps: int, sigma: float, seed: int = 0) -> Path | None:
        """Pre-train once; return the folder of the run when it is finished."""
        study = self.study
        suffix = "" if arm.force_field == study.force_field else f"_{arm.force_field}"
        name = f"{arm.network}{arm.pretraining}{suffix}_sigma{sigma:g}_{steps}_{seed}"
        folder = self.out / "pretrain" / name
        overrides = [
            *PRETRAININGS[arm.pretraining],
            *NETWORKS[arm.network],
            *study.width,
            *self.configurations(arm),
            f"data.val_batch_size={study.eval_batch}",
            f"data.batch_size={study.pretrain_batch}",
            f"trainer.max_epochs={study.pretrain_epochs}",
            f"trainer.limit_train_batches={max(1, steps // study.pretrain_epochs)}",
        ]
        if arm.is_corrupted:
            overrides.append(f"globals.noise_sigma={sigma}")
        return folder if self.train(overrides, folder, seed, test=False) else None

    def train(self, overrides: list[str], folder: Path, seed: int, test: bool) -> dict | None:
        """Train once; return the metrics, None while another process is at it."""
        work = partial(train, overrides, folder, seed, test, self.accelerator)
        return once(folder / "result.json", work)

    def configurations(self, arm: Arm) -> list[str]:
        """Return the settings of the data of an arm's pre-training."""
        files = {name: Path(file).resolve() for name, file in self.unlabelled.items()}
        members = MIXTURES.get(arm.pretraining)
        if members is None:
            return [
                "data=configurations",
                f"data.datapath={files[arm.force_field]}",
                "data.num_train=0.95",
                f"data.num_val={self.study.pretrain_val}",
                "data.num_test=0",
            ]
        files["classical"] = files[arm.force_field]
        paths = [f"data.members.{member}.datapath={files[member]}" for member in members]
        return [f"data/members=[{','.join(members)}]", *paths]

    def finetune(
        self,
        name: str,
        arm: Arm,
        source: Path | None,
        n_labels: int,
        seed: int,
        lr: float,
        stage: str = "final",
    ) -> dict | None:
        """Train on labels from `source`, or from scratch; return the metrics when finished."""
        study = self.study
        n_train, n_val = study.labels[n_labels]
        batch = min(study.batch, n_train)
        epochs = study.steps[n_labels] // (n_train // batch)
        folder = self.out / stage / f"{name}_{n_labels}_{seed}" / f"lr{lr:g}"
        splits = made(
            self.out / "splits" / f"{n_labels}_{seed}.npz",
            partial(write_split, study, self.n_frames, n_labels, seed),
        )
        overrides = [
            "experiment=gpip_finetune",
            *NETWORKS[arm.network],
            *study.width,
            f"data.datapath={self.data}",
            f"data.split_file={splits}",
            f"data.num_train={n_train}",
            f"data.num_val={n_val}",
            "data.num_test=null",
            f"data.batch_size={batch}",
            f"data.val_batch_size={study.eval_batch}",
            f"data.test_batch_size={study.eval_batch}",
            f"globals.lr={lr}",
            "task/scheduler=cosine",
            f"task.warmup_steps={study.warmup_steps}",
            f"trainer.max_epochs={epochs}",
            f"trainer.check_val_every_n_epoch={max(1, epochs // 25)}",
        ]
        if study.forces_only:
            overrides.append("globals.energy_weight=0")
        if source is not None:
            overrides.append(f"pretrained.path={source}/best_model")
            if arm.head is not None:
                overrides.append(f"pretrained.head=output_modules.{arm.head}")
        return self.train(overrides, folder, seed, test=stage == "final")

    def run(
        self, name: str, n_labels: int, seed: int, steps: int, lr: float, sigma: float, stage: str
    ) -> dict | None:
        """Pre-train if the arm asks for it, then fine-tune; None while another process is at it."""
        study, arm = self.study, Arm.named(name, self.study)
        source, label = None, study.label(name, steps)
        if arm.pretraining is not None:
            source = self.pretrain(arm, steps, sigma)
            if source is None:
                return None
            if stage == "select":
                label = f"{name}_sigma{sigma:g}_{steps}"
        return self.finetune(label, arm, source, n_labels, seed, lr, stage)

    def select(self, jobs: list[str]) -> None:
        """Choose settings on validation frames of other seeds; nothing here reads tests."""
        until_done(jobs, self.selected)

    def selected(self, job: str) -> bool:
        """Try a setting; False if another process is at it or at its pre-training."""
        name, _, rest = job.partition(":")
        options = dict(part.split("=") for part in rest.split(",") if part)
        result = self.run(
            name,
            n_labels=int(options.get("labels", 200)),
            seed=int(options.get("seed", 0)) + SELECTION_SEED,
            steps=int(options.get("steps", self.study.pretrain_steps)),
            lr=float(options["lr"]),
            sigma=float(options.get("sigma", self.study.sigma)),
            stage="select",
        )
        if result:
            error = 1e3 * result["val_forces_mae"]
            print(job, f"val forces MAE {error:.1f} meV/Å", flush=True)
        return result is not None

    def final(self) -> None:
        """Run what the record lacks of the plan."""
        known = recorded(self.study)
        left = [
            (name, steps, n_labels, seed)
            for name, steps, n_labels, seed in self.study.plan()
            if (self.study.label(name, steps), n_labels, seed) not in known
        ]
        until_done(left, lambda job: self.finished(*job))

    def finished(self, name: str, steps: int, n_labels: int, seed: int) -> bool:
        """Do one run of the plan; False if another process is at it or at its pre-training."""
        study = self.study
        lr = study.learning_rate(name, n_labels)
        result = self.run(name, n_labels, seed, steps, lr, study.sigma, "final")
        if result:
            error = 1e3 * result["test_forces_mae"]
            label = study.label(name, steps)
            print(f"{label:24} {n_labels:5} labels, seed {seed}: {error:6.1f} meV/Å", flush=True)
        return result is not None


def until_done(jobs: list, work: Callable[..., bool]) -> None:
    """Do all jobs, and wait for those that another process is at."""
    while jobs:
        jobs = [job for job in jobs if not work(job)]
        if jobs:
            time.sleep(5)


def recorded(study: Study) -> dict[tuple[str, int, int], dict]:
    """Return the runs on record whose learning rate still holds, by (arm, labels, seed)."""
    if not record(study).exists():
        return {}
    lines = [line for line in record(study).read_text().splitlines() if not line.startswith("#")]
    runs = {}
    for row in csv.DictReader(lines):
        arm, n_labels, lr = row["arm"], int(row["labels"]), float(row["lr"])
        if lr == study.learning_rate(arm.split("@")[0], n_labels):
            runs[arm, n_labels, int(row["seed"])] = {
                "test_forces_mae": float(row["forces_mae"]) / 1e3,
                "test_energy_mae": float(row["energy_mae"]) / 1e3,
                "wall_s": float(row["train_s"]),
                "lr": lr,
                "device": row["device"],
            }
    return runs


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--unlabelled", nargs="+", required=True, metavar="NAME=DATABASE")
    parser.add_argument("--labelled", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--select", nargs="*", default=None, metavar="ARM:key=value,...")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    unlabelled = dict(word.split("=", 1) for word in options.unlabelled)
    study = STUDIES[options.study]
    runs = Runs(study, out, options.labelled, unlabelled, options.accelerator)
    if options.select is None:
        runs.final()
    else:
        runs.select(options.select)


if __name__ == "__main__":
    main()
