r"""Configurations per second that reach the network: this package's loader against SchNetPack's.

Both read the same database, centre, search neighbours and cast, in turn in one process, without
workers; each epoch of one is followed by an epoch of the other.

    python tests/benchmarks/loader.py ethanol.db --csv tests/benchmarks/results/loader.csv
"""

import argparse
import csv
import statistics
import time
from pathlib import Path

import torch
from schnetpack.data import AtomsDataModule
from schnetpack.transform import CastTo32, MatScipyNeighborList, SubtractCenterOfGeometry

from gpip_plugins.data import GpipDataModule
from gpip_plugins.transform import GaussianNoise, MaskAtoms, NeighborList, SubtractCenter

CUTOFF, N_EPOCHS = 5.0, 5


def rate(loader) -> float:
    """Return the configurations per second of one epoch."""
    start, n = time.perf_counter(), 0
    for batch in loader:
        n += len(batch["_n_atoms"])
    return n / (time.perf_counter() - start)


def main() -> None:
    """Measure in turn and print the medians with their spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    parser.add_argument("--n", type=int, default=960)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)

    common = {
        "datapath": options.database,
        "batch_size": options.batch_size,
        "num_train": options.n,
        "num_val": 1,
        "num_workers": 0,
        "split_file": None,
        "load_properties": [],
    }
    host = [SubtractCenterOfGeometry(), MatScipyNeighborList(CUTOFF), CastTo32()]
    ours = [SubtractCenter(), NeighborList(CUTOFF), CastTo32()]
    corrupted = [SubtractCenter(), GaussianNoise(0.15), MaskAtoms(), *ours[1:]]
    modules = {
        "SchNetPack": AtomsDataModule(transforms=host, **common),
        "gpip_plugins": GpipDataModule(transforms=ours, **common),
        "gpip_plugins, noise and masks": GpipDataModule(transforms=corrupted, **common),
    }
    for module in modules.values():
        module.setup()
    rates = {name: [] for name in modules}
    for _ in range(N_EPOCHS):
        for name, module in modules.items():
            rates[name].append(rate(module.train_dataloader()))

    base = statistics.median(rates["SchNetPack"])
    rows = [
        {
            "loader": name,
            "configurations_per_s": round(statistics.median(values)),
            "min": round(min(values)),
            "max": round(max(values)),
            "ratio": round(statistics.median(values) / base, 1),
        }
        for name, values in rates.items()
    ]
    for row in rows:
        print(row)
    if options.csv:
        options.csv.parent.mkdir(parents=True, exist_ok=True)
        with options.csv.open("w", newline="") as file:
            file.write(
                f"# python tests/benchmarks/loader.py ethanol.db --n {options.n}; one thread\n"
            )
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
