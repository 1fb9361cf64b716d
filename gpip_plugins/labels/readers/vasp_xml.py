"""The ionic steps in a `vasprun.xml` of VASP.

Of every `<calculation>` the structure, the forces, the stress and the energies are taken. VASP's
forces are derivatives of the free energy of the smeared electrons, `e_fr_energy` (TOTEN), not of
the energy extrapolated to zero smearing, `e_0_energy` (sigma->0): https://www.vasp.at/wiki/ISMEAR.
A calculation without electronic steps (`<scstep>`) comes from a machine-learned force field.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import GPa

from gpip_plugins.labels.readers.reader import unusable

__all__ = ["SIGMA0", "UNCONVERGED", "UNREADABLE", "steps_of_xml"]

#: Key of `Atoms.info` for the energy extrapolated to zero smearing, eV.
SIGMA0 = "energy_sigma0"
UNCONVERGED = "an electronic cycle that did not converge"
UNREADABLE = "numbers that VASP could not print (such as ***)"
KBAR = 0.1 * GPa


def steps_of_xml(file: IO[bytes]) -> Iterator[Atoms | None]:
    """Yield the ionic steps of a vasprun.xml.

    Args:
        file: opened for binary reading; it is read once and not held in memory.

    Yields:
        Structure (Å) with `energy` = free energy (eV), `forces` (eV/Å) and `stress` (eV/Å^3, ASE's
        sign) as results, `energy_sigma0` (eV) and the charge, if there is one, in `info`; a frame
        with `FAULT` for a step that did not converge or is not complete; None for a step of a
        machine-learned force field.
    """
    run: dict[str, Any] = {"symbols": [], "valence": 0.0}
    found = False
    try:
        for _, element in ElementTree.iterparse(file, events=("end",)):
            if element.tag == "parameters":
                run |= _parameters(element)
            elif element.tag == "atominfo":
                run |= _atoms(element)
            elif element.tag == "calculation":
                found = True
                try:
                    yield _step(element, run)
                except (ValueError, AttributeError):
                    yield unusable(UNREADABLE)
                element.clear()
    except ElementTree.ParseError:
        yield unusable("a vasprun.xml that breaks off")
        return
    if not found:
        yield unusable("a vasprun.xml without a result")


def _parameters(element: ElementTree.Element) -> dict[str, float]:
    """Return the allowed electronic steps, the external pressure (kbar) and the electrons."""
    found = {}
    for name in ("NELM", "PSTRESS", "NELECT"):
        item = element.find(f".//i[@name='{name}']")
        if item is not None:
            found[name] = float(item.text)
    return found


def _atoms(element: ElementTree.Element) -> dict[str, Any]:
    """Return the symbols and the number of valence electrons of the neutral atoms."""
    rows = element.findall("array[@name='atoms']/set/rc")
    types = element.findall("array[@name='atomtypes']/set/rc")
    valence = sum(float(row[0].text) * float(row[3].text) for row in types if len(row) > 3)
    return {"symbols": [row[0].text.strip() for row in rows], "valence": valence}


def _step(element: ElementTree.Element, run: dict[str, Any]) -> Atoms | None:
    """Return one ionic step."""
    electronic = element.findall("scstep")
    if not electronic:
        return None
    if len(electronic) >= run.get("NELM", np.inf):
        return unusable(UNCONVERGED)
    cell = _rows(element.find("structure/crystal/varray[@name='basis']"))
    scaled = _rows(element.find("structure/varray[@name='positions']"))
    info = _charge(run)
    atoms = Atoms(run["symbols"], cell=cell, scaled_positions=scaled, pbc=True, info=info)
    # The energy of the step includes the work of PSTRESS, which the forces do not know.
    work = run.get("PSTRESS", 0.0) * KBAR * atoms.get_volume()
    free = float(_energy(element, "e_fr_energy") - work)
    results: dict[str, Any] = {"energy": free}
    # Only electronic steps have the right e_0_energy; they lack a dispersion correction.
    last = electronic[-1]
    if last.find("energy/i[@name='e_0_energy']") is not None:
        smearing = _energy(last, "e_0_energy") - _energy(last, "e_fr_energy")
        atoms.info[SIGMA0] = float(free + smearing)
    forces, stress = (element.find(f"varray[@name='{n}']") for n in ("forces", "stress"))
    if forces is not None:
        results["forces"] = _rows(forces).reshape(len(atoms), 3)
    if stress is not None:
        results["stress"] = full_3x3_to_voigt_6_stress(-KBAR * _rows(stress).reshape(3, 3))
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _charge(run: dict[str, Any]) -> dict[str, float]:
    """Return the charge of the cell in e, if there is one."""
    charge = run["valence"] - run.get("NELECT", run["valence"])
    return {"charge": round(charge, 6)} if abs(charge) > 1e-4 else {}


def _energy(element: ElementTree.Element, name: str) -> float:
    return float(element.find(f"energy/i[@name='{name}']").text)


def _rows(element: ElementTree.Element) -> np.ndarray:
    """Return a varray, shape (n, 3)."""
    return np.array([[float(word) for word in row.text.split()] for row in element.findall("v")])
