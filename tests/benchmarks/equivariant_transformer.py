r"""Speed of the Equivariant Transformer: this package's against TorchMD-Net's own.

Both have the same weights and get the same batch in the same process, in turn and in random order;
that they give the same energies and forces is checked first. On a CPU, times are processor times of
one thread, so that other work on the machine does not count as long as it leaves the caches alone;
on a GPU (`--device cuda`) wall times until the GPU is idle, and bigger batches come in addition.
TorchMD-Net's model searches its pairs itself, whereas SchNetPack's come with the batch: the search
is timed alone as well.

    python tests/benchmarks/equivariant_transformer.py \
        --csv tests/benchmarks/results/equivariant_transformer.csv
"""

import argparse
import csv
import random
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from rdkit import Chem
from rdkit.Chem.AllChem import EmbedMolecule
from schnetpack import properties
from scipy.spatial.transform import Rotation

from gpip_plugins.checkpoint.torchmdnet import from_torchmdnet
from gpip_plugins.testing import make_batch

CUTOFF = 5.0
#: TorchMD-Net's settings for MD17, with the cutoff on vectors that makes energies continuous.
SETTINGS = {
    "model": "equivariant-transformer",
    "embedding_dimension": 128,
    "num_layers": 6,
    "num_rbf": 32,
    "rbf_type": "expnorm",
    "trainable_rbf": False,
    "activation": "silu",
    "attn_activation": "silu",
    "neighbor_embedding": True,
    "num_heads": 8,
    "distance_influence": "both",
    "cutoff_lower": 0.0,
    "cutoff_upper": CUTOFF,
    "max_z": 100,
    "max_num_neighbors": 128,
    "vector_cutoff": True,
    "precision": 32,
    "output_model": "Scalar",
    "reduce_op": "add",
    "derivative": True,
    "atom_filter": -1,
    "prior_model": None,
}


def aspirin() -> Atoms:
    """Return aspirin with RDKit's coordinates."""
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O"))
    EmbedMolecule(mol, randomSeed=1)
    return Atoms(
        [a.GetAtomicNum() for a in mol.GetAtoms()], mol.GetConformer().GetPositions().tolist()
    )


def water() -> Atoms:
    """Return 64 water molecules on a lattice, turned at random, at the density of the liquid."""
    rng = np.random.default_rng(0)
    box = Atoms(cell=np.full(3, 12.42), pbc=True)
    for site in np.ndindex(4, 4, 4):
        one = molecule("H2O")
        one.positions = Rotation.random(rng=rng).apply(one.positions) + 12.42 / 4 * np.array(site)
        box += one
    return box


def distorted(atoms: Atoms, n: int) -> list[Atoms]:
    """Return n copies, each distorted by 0.05 Å."""
    rng = np.random.default_rng(0)
    copies = [atoms.copy() for _ in range(n)]
    for one in copies:
        one.positions += rng.normal(scale=0.05, size=one.positions.shape)
    return copies


class Case:
    """A batch with both models, and what is timed of each."""

    def __init__(self, systems: list[Atoms], device: str):
        from torchmdnet.models.model import create_model

        torch.manual_seed(0)
        self.original = create_model(dict(SETTINGS)).to(device)
        tensors = {f"model.{key}": value for key, value in self.original.state_dict().items()}
        self.ours = from_torchmdnet("memory", {"state_dict": tensors, "hyper_parameters": SETTINGS})
        self.ours = self.ours.to(device)
        batch = make_batch(systems, CUTOFF, torch.float32)
        self.batch = {key: value.to(device) for key, value in batch.items()}
        self.z = self.batch[properties.Z]
        self.pos = self.batch[properties.R]
        self.idx_m = self.batch[properties.idx_m]
        periodic = systems[0].pbc.all()
        box = torch.from_numpy(systems[0].cell.array).float().to(device)
        self.box = box if periodic else None
        self.optimizers = {
            model: torch.optim.AdamW(model.parameters(), lr=1e-5)
            for model in (self.original, self.ours)
        }
        self.n_pairs = len(self.batch[properties.idx_i])

    def by_original(self) -> tuple[torch.Tensor, torch.Tensor]:
        energy, forces = self.original(self.z, self.pos.clone(), self.idx_m, box=self.box)
        return energy[:, 0], forces

    def by_ours(self) -> tuple[torch.Tensor, torch.Tensor]:
        batch = dict(self.batch)
        batch[properties.R] = self.pos.clone()
        out = self.ours(batch)
        return out["energy"], out["forces"]

    def search(self) -> None:
        self.original.representation_model.distance(self.pos, self.idx_m, self.box)

    def step(self, model, predict) -> None:
        energy, forces = predict()
        loss = energy.square().mean() + forces.square().mean()
        self.optimizers[model].zero_grad()
        loss.backward()
        self.optimizers[model].step()

    def tasks(self, training: bool) -> dict:
        """Return what is to be timed, by name."""
        for model in (self.original, self.ours):
            model.train(training)
        if not training:
            tasks = {"TorchMD-Net": self.by_original, "gpip_plugins": self.by_ours}
        else:
            tasks = {
                "TorchMD-Net": lambda: self.step(self.original, self.by_original),
                "gpip_plugins": lambda: self.step(self.ours, self.by_ours),
            }
        return tasks | {"pair search": self.search}


def clock(device: str) -> float:
    """Return processor time on a CPU, on a GPU wall time when it has done everything; seconds."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def measure(tasks: dict, n_rounds: int, device: str) -> dict[str, list[float]]:
    """Return times in ms, each task once in every round."""
    times = {name: [] for name in tasks}
    order = list(tasks)
    for warm_up in range(-2, n_rounds):
        random.shuffle(order)
        for name in order:
            start = clock(device)
            tasks[name]()
            if warm_up >= 0:
                times[name].append(1e3 * (clock(device) - start))
    return times


def main() -> None:
    """Check, measure in turn, print the medians with their quartiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    batches = {
        "ethanol, 1": distorted(molecule("CH3CH2OH"), 1),
        "ethanol, 10": distorted(molecule("CH3CH2OH"), 10),
        "ethanol, 32": distorted(molecule("CH3CH2OH"), 32),
        "aspirin, 32": distorted(aspirin(), 32),
        "water, 192 atoms": distorted(water(), 1),
    }
    if options.device == "cuda":
        batches["aspirin, 256"] = distorted(aspirin(), 256)
        batches["water, 8 x 192 atoms"] = distorted(water(), 8)
    rows = []
    for batch, systems in batches.items():
        case = Case(systems, options.device)
        case.tasks(training=False)
        for one, two in zip(case.by_original(), case.by_ours(), strict=True):
            deviation = float((one - two).abs().max() / one.abs().max())
            assert deviation < 1e-4, deviation
        for training in (False, True):
            times = measure(case.tasks(training), options.rounds, options.device)
            median = {name: statistics.median(values) for name, values in times.items()}
            # Ratios of the same round, so that a slow moment of the machine hits both.
            ratios = [
                a / b for a, b in zip(times["TorchMD-Net"], times["gpip_plugins"], strict=True)
            ]
            low, middle, high = statistics.quantiles(ratios, n=4)
            rows.append(
                {
                    "batch": batch,
                    "pairs": case.n_pairs,
                    "task": "training step" if training else "energies and forces",
                    "torchmdnet_ms": round(median["TorchMD-Net"], 1),
                    "of_which_pair_search_ms": round(median["pair search"], 1),
                    "gpip_plugins_ms": round(median["gpip_plugins"], 1),
                    "ratio": round(middle, 2),
                    "ratio_quartiles": f"{low:.2f} to {high:.2f}",
                }
            )
            print(rows[-1], flush=True)
            if options.csv:
                write(options.csv, rows, options)


def write(path: Path, rows: list[dict], options: argparse.Namespace) -> None:
    """Write what was measured so far, with the command."""
    device = "one thread" if options.device == "cpu" else torch.cuda.get_device_name()
    with path.open("w", newline="") as file:
        file.write(
            f"# python tests/benchmarks/equivariant_transformer.py --rounds {options.rounds} "
            f"--device {options.device}; {device}, float32\n"
        )
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
