r"""Turn the finished runs of `few_labels.py` into tables (CSV) and a picture (PNG).

python tests/benchmarks/few_labels_report.py ethanol runs/ethanol
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from few_labels import RESULTS, record, recorded
from few_labels_studies import FORCE_FIELDS, STUDIES, Study
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PICTURES = Path(__file__).parents[2] / "docs" / "assets"
NAMES = {
    "scratch": "from scratch",
    "gpip": "GPIP",
    "gpip_head": "GPIP, head transferred",
    "classical": "classical forces",
    "both": "GPIP and classical forces",
    "oro": "ET-ORO",
    "oreo": "ET-OREO",
    "combined": "GPIP, ET-OREO and classical forces",
}


def read(study: Study, folder: Path) -> dict[tuple[str, int, int], dict]:
    """Return the metrics of every recorded or newly finished run by (arm, labels, seed)."""
    runs = recorded(study)
    for file in sorted((folder / "final").glob("*/*/result.json")):
        arm, n_labels, seed = file.parent.parent.name.rsplit("_", 2)
        lr = study.learning_rate(arm.split("@")[0], int(n_labels))
        if file.parent.name == f"lr{lr:g}":
            runs[arm, int(n_labels), int(seed)] = json.loads(file.read_text()) | {"lr": lr}
    return runs


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


def table(study: Study, runs: dict) -> list[dict]:
    """All rows, in the order of the study's blocks."""
    rows = [
        compared(runs, study.label(arm, steps), control, n)
        for arms, control, n_labels, lengths in study.blocks
        for steps in lengths
        for n in sorted(n_labels)
        for arm in arms
    ]
    return [row for row in rows if row]


def write(path: Path, study: Study, rows: list[dict]) -> None:
    """Write rows as CSV with the command that made them."""
    fields = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        file.write(
            f"# python tests/benchmarks/few_labels.py {study.name} ...; "
            "errors on the test frames in meV/Å (forces) and meV (energy of the whole cell)\n"
        )
        writer = csv.DictWriter(file, fields, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.2f}" if isinstance(v, float) else v for k, v in row.items()})


def draw(study: Study, runs: dict, path: Path) -> None:
    """Draw force error against labels, and gain against pre-training length where it was varied.

    With one number of labels the arms are compared by bars.
    """
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    if len(study.labels) == 1:
        figure.set_size_inches(5, 2.6)
        by_arm(study, runs, figure.subplots())
    else:
        arm, labels = study.growth
        lengths = sorted({n for *_, block in study.blocks for n in block})
        lengths = [n for n in lengths if errors(runs, study.label(arm, n), labels)]
        figure.set_size_inches(9 if len(lengths) > 1 else 5, 3.8)
        panels = figure.subplots(1, 2 if len(lengths) > 1 else 1, squeeze=False)[0]
        against_labels(study, runs, panels[0])
        if len(lengths) > 1:
            against_length(study, runs, lengths, panels[1])
    figure.savefig(path, dpi=150)


def against_labels(study: Study, runs: dict, axes) -> None:
    """Draw the main arms, one colour each; other force fields are dashed."""
    main = study.blocks[0][0]
    drawn = list(main)
    drawn += [arm for arms, *_ in study.blocks for arm in arms if arm.endswith(FORCE_FIELDS)]
    for arm in drawn:
        field = next((f for f in FORCE_FIELDS if arm.endswith(f"_{f}")), None)
        plain = arm.removesuffix(f"_{field}")
        name = study.label(arm, study.blocks[0][3][0])
        points = [compared(runs, name, "scratch", n) for n in study.labels]
        points = [p for p in points if p]
        if not points:
            continue
        axes.errorbar(
            [p["labels"] for p in points],
            [p["forces_mae"] for p in points],
            yerr=[np.nan_to_num(p["forces_mae_se"]) for p in points],
            marker="o",
            capsize=3,
            color=f"C{main.index(plain)}",
            linestyle="--" if field else "-",
            label=NAMES[plain] + (f", {field.upper()}" if field else ""),
        )
    axes.set(xscale="log", yscale="log", title=study.title)
    axes.set(xlabel="labelled configurations (validation included)")
    axes.set(ylabel="force MAE on test frames (meV/Å)")
    axes.set_xticks(list(study.labels), [str(n) for n in study.labels])
    low, high = axes.get_ylim()
    ticks = [n for n in study.ticks if low <= n <= high]
    axes.set_yticks(ticks, [str(n) for n in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=7, handlelength=3.5)


def by_arm(study: Study, runs: dict, axes) -> None:
    """Draw the main arms as bars, with a point for every seed."""
    (n_labels,) = study.labels
    arms, _, _, lengths = study.blocks[0]
    found_of = {arm: errors(runs, study.label(arm, lengths[0]), n_labels) for arm in arms}
    arms = [arm for arm in arms if found_of[arm]]
    for place, arm in enumerate(arms):
        found = list(found_of[arm].values())
        axes.barh(place, np.mean(found), color=f"C{place}", alpha=0.6)
        axes.plot(found, [place] * len(found), "o", color=f"C{place}", ms=4)
        where = {"transform": axes.get_yaxis_transform(), "va": "center"}
        axes.text(0.02, place, f"{np.mean(found):.1f}", **where)
    axes.set_yticks(range(len(arms)), [NAMES[arm] for arm in arms])
    axes.invert_yaxis()
    axes.set(xlabel="force MAE on test frames (meV/Å)")
    axes.figure.suptitle(f"{study.title}, {n_labels} labels", fontsize=10)


def against_length(study: Study, runs: dict, lengths: list[int], axes) -> None:
    """Draw the gain of one arm at one number of labels."""
    arm, labels = study.growth
    rows = [compared(runs, study.label(arm, n), "scratch", labels) for n in lengths]
    base = compared(runs, "scratch", "scratch", labels)
    axes.errorbar(
        lengths,
        [r["gain_percent"] for r in rows],
        yerr=[100 * r["difference_se"] / base["forces_mae"] for r in rows],
        marker="o",
        capsize=3,
        color=f"C{list(study.blocks[0][0]).index(arm)}",
    )
    axes.axhline(0, color="0.7", lw=0.8)
    axes.set(xscale="log", title=f"{NAMES[arm]}, {labels} labels")
    axes.set(xlabel=f"pre-training steps of {study.pretrain_batch} configurations")
    axes.set(ylabel="gain over scratch (%)")
    axes.set_xticks(lengths, [str(n) for n in lengths])
    axes.minorticks_off()


def main() -> None:
    """Write tables and a picture."""
    study, folder = STUDIES[sys.argv[1]], Path(sys.argv[2])
    runs = read(study, folder)
    rows = table(study, runs)
    write(RESULTS / f"few_labels_{study.name}.csv", study, rows)
    every = [
        {
            "arm": arm,
            "labels": labels,
            "seed": seed,
            "lr": f"{run['lr']:g}",
            "forces_mae": 1e3 * run["test_forces_mae"],
            "energy_mae": 1e3 * run["test_energy_mae"],
            "train_s": run["wall_s"],
            "device": run.get("device", "cpu"),
        }
        for (arm, labels, seed), run in sorted(runs.items())
    ]
    write(record(study), study, every)
    draw(study, runs, PICTURES / f"few_labels_{study.name}.png")
    for row in rows:
        print({k: round(v, 1) if isinstance(v, float) else v for k, v in row.items()})


if __name__ == "__main__":
    main()
