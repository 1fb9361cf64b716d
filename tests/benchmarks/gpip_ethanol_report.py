r"""Turn the finished runs of `gpip_ethanol.py` into tables (CSV) and pictures (PNG).

python tests/benchmarks/gpip_ethanol_report.py runs/ethanol tests/benchmarks/results docs/assets
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from gpip_ethanol import BACKBONE, LENGTHS, MAIN, PRETRAIN_STEPS, SINGLE, recorded
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

NAMES = {
    "scratch": "from scratch",
    "gpip": "GPIP",
    "gpip_head": "GPIP, head transferred",
    "classical": "classical forces",
    "both": "GPIP and classical forces",
}
COMMAND = "python tests/benchmarks/gpip_ethanol.py --out runs/ethanol ..."


def read(folder: Path) -> dict[tuple[str, int, int], dict]:
    """Return the metrics of every recorded or newly finished run by (arm, labels, seed)."""
    runs = recorded()
    for file in sorted((folder / "final").glob("*/*/result.json")):
        arm, n_labels, seed = file.parent.parent.name.rsplit("_", 2)
        runs[arm, int(n_labels), int(seed)] = json.loads(file.read_text())
    return runs


def labelled(arm: str, steps: int = PRETRAIN_STEPS) -> str:
    """Name of the runs of an arm."""
    return arm if arm.endswith("scratch") else f"{arm}@{steps}"


def errors(runs: dict, arm: str, n_labels: int) -> dict[int, float]:
    """Force MAE on the test frames in meV/Å by seed."""
    return {
        seed: 1e3 * run["test_forces_mae"]
        for (name, labels, seed), run in runs.items()
        if name == arm and labels == n_labels
    }


def compared(runs: dict, arm: str, control: str, n_labels: int) -> dict | None:
    """Mean, its standard error, and the paired difference to the control."""
    own, other = errors(runs, arm, n_labels), errors(runs, control, n_labels)
    if not own:
        return None
    values = np.array(list(own.values()))
    row = {
        "arm": arm,
        "labels": n_labels,
        "seeds": len(values),
        "forces_mae": values.mean(),
        "forces_mae_se": standard_error(values),
        "energy_mae": 1e3 * np.mean([runs[arm, n_labels, s]["test_energy_mae"] for s in own]),
    }
    pairs = [(own[s], other[s]) for s in own if s in other]
    if arm != control and pairs:
        difference = np.array([a - b for a, b in pairs])
        row["difference"] = difference.mean()
        row["difference_se"] = standard_error(difference)
        row["gain_percent"] = -100 * difference.mean() / np.mean([b for _, b in pairs])
    return row


def standard_error(values: np.ndarray) -> float:
    """Standard error of the mean; NaN for a single value."""
    return values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")


def table(runs: dict) -> list[dict]:
    """All rows, controls first."""
    rows = [compared(runs, labelled(arm), "scratch", n) for n in (50, 200, 1000) for arm in MAIN]
    rows += [compared(runs, labelled(arm), "scratch", 200) for arm in SINGLE]
    rows += [compared(runs, labelled("gpip_head", n), "scratch", 200) for n in LENGTHS]
    rows += [compared(runs, labelled(arm), "schnet_scratch", 200) for arm in BACKBONE]
    return [row for row in rows if row]


def write(path: Path, rows: list[dict]) -> None:
    """Write rows as CSV with the command that made them."""
    fields = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        file.write(f"# {COMMAND}; errors in meV/Å and meV on 1000 test frames\n")
        writer = csv.DictWriter(file, fields, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.2f}" if isinstance(v, float) else v for k, v in row.items()})


def learning_curve(runs: dict, path: Path) -> None:
    """Draw force error against labels, and gain against pre-training length."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for arm in MAIN:
        points = [compared(runs, labelled(arm), "scratch", n) for n in (50, 200, 1000)]
        points = [p for p in points if p]
        left.errorbar(
            [p["labels"] for p in points],
            [p["forces_mae"] for p in points],
            yerr=[p["forces_mae_se"] for p in points],
            marker="o",
            capsize=3,
            label=NAMES[arm],
        )
    left.set(xscale="log", yscale="log", xlabel="labelled configurations (validation included)")
    left.set(ylabel="force MAE on test frames (meV/Å)", title="rMD17 ethanol, PaiNN")
    left.set_xticks([50, 200, 1000], ["50", "200", "1000"])
    left.set_yticks([30, 50, 80, 120], ["30", "50", "80", "120"])
    left.minorticks_off()
    left.legend(frameon=False, fontsize=8)

    lengths = sorted({*LENGTHS, PRETRAIN_STEPS})
    rows = [compared(runs, labelled("gpip_head", n), "scratch", 200) for n in lengths]
    rows = [(n, r) for n, r in zip(lengths, rows, strict=True) if r]
    base = compared(runs, "scratch", "scratch", 200)
    if base and rows:
        right.errorbar(
            [n for n, _ in rows],
            [r["gain_percent"] for _, r in rows],
            yerr=[100 * r["difference_se"] / base["forces_mae"] for _, r in rows],
            marker="o",
            capsize=3,
            color="C2",
        )
    right.axhline(0, color="0.7", lw=0.8)
    right.set(xscale="log", xlabel="pre-training steps of 20 configurations")
    right.set(ylabel="gain over scratch (%)", title="GPIP, head transferred, 200 labels")
    right.set_xticks(lengths, [str(n) for n in lengths])
    right.minorticks_off()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Write tables and pictures."""
    folder, results, pictures = (Path(argument) for argument in sys.argv[1:4])
    results.mkdir(parents=True, exist_ok=True)
    pictures.mkdir(parents=True, exist_ok=True)
    runs = read(folder)
    rows = table(runs)
    write(results / "gpip_ethanol.csv", rows)
    every = [
        {
            "arm": arm,
            "labels": labels,
            "seed": seed,
            "forces_mae": 1e3 * run["test_forces_mae"],
            "energy_mae": 1e3 * run["test_energy_mae"],
            "train_s": run["wall_s"],
        }
        for (arm, labels, seed), run in sorted(runs.items())
    ]
    write(results / "gpip_ethanol_runs.csv", every)
    learning_curve(runs, pictures / "gpip_ethanol.png")
    for row in rows:
        print({k: round(v, 1) if isinstance(v, float) else v for k, v in row.items()})


if __name__ == "__main__":
    main()
