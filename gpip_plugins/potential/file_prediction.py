"""Predicts energies and forces of many structures into one file, and compares them with labels.

Output is in eV, Å and eV/Å. Structures come from any file that ASE reads, or from a SchNetPack
database, whose units are those of its metadata.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from gpip_plugins.errors import InputError, check_whole
from gpip_plugins.io.paths import resolve
from gpip_plugins.labels.report import listing
from gpip_plugins.potential.files import (
    Prediction,
    check_files,
    read_predictable,
    write_predictions,
)
from gpip_plugins.potential.prediction import Potential
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom

__all__ = ["doubt_of", "errors_of", "left_out", "predict_file"]

CORRELATED, FACTOR = 0.9, 5.0  # of labelled with predicted forces; see `doubt_of`


def predict_file(
    potential: Potential,
    source: str,
    target: str,
    batch_size: int = 100,
    label_energy_key: str = "energy",
    label_forces_key: str = "forces",
    label_energy_unit: str = "eV",
    label_forces_unit: str = "eV/Ang",
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Predict all structures of a file and write one file.

    Args:
        potential: the model.
        source: structures; a SchNetPack database, or any file that ASE reads.
        target: extended XYZ (.xyz, .extxyz) or .npz; written completely or not at all.
        batch_size: structures per evaluation of the model.
        label_energy_key: name of the energy in `source`, if it has one.
        label_forces_key: name of the forces in `source`, if it has any.
        label_energy_unit: unit of these energies; a database states its unit.
        label_forces_unit: unit of these forces; a database states its unit.
        overwrite: replace an existing target.
        progress: show a progress bar (only on a terminal).

    Returns:
        `n_structures`, the sentences of `left_out` and `doubt_of`, and the errors of `errors_of` if
        there are labels.

    Raises:
        InputError: for a source that cannot be read or contains no structures, structures that
            cannot be predicted, a target of another format or one that exists.
    """
    check_whole("batch_size", batch_size, least=1)
    source, target = resolve(source), resolve(target)
    check_files(source, target, overwrite)
    scales = (
        energy_in_ev(label_energy_unit, "label_energy_unit"),
        forces_in_ev_per_angstrom(label_forces_unit, "label_forces_unit"),
    )
    predictions = list(read_predictable(source, (label_energy_key, label_forces_key), scales))
    if not predictions:
        raise InputError(f"source={source} contains no structures; give a file with at least one.")
    bar = tqdm(total=len(predictions), desc="predicting", disable=None if progress else True)
    with bar:
        for start in range(0, len(predictions), batch_size):
            part = predictions[start : start + batch_size]
            energies, forces = potential.predict([p.atoms for p in part])
            for prediction, energy, force in zip(part, energies, forces, strict=True):
                prediction.energy, prediction.forces = float(energy), force
            bar.update(len(part))
    write_predictions(predictions, target)
    named = {"energy": label_energy_key, "forces": label_forces_key}
    told = {"left_out": left_out(predictions, named), "doubt": doubt_of(predictions)}
    return {"n_structures": len(predictions)} | told | errors_of(predictions)


def errors_of(predictions: list[Prediction]) -> dict[str, float]:
    r"""Return mean absolute and root mean square errors, if there are labels.

    Energies are compared per structure (`energy_mae`, `energy_rmse`, eV) and per atom
    (`energy_per_atom_mae`, ...); forces by component (`forces_mae`, ..., eV/Å). Structures without
    a label do not count, and those with one that is not finite in neither error; see `left_out`.

    Args:
        predictions: predictions, with labels or without.
    """
    found: dict[str, float] = {}
    usable = [p for p in predictions if _finite_labels(p)]
    with_energy = [p for p in usable if p.label_energy is not None]
    if with_energy:
        difference = np.array([p.energy - p.label_energy for p in with_energy])
        n_atoms = np.array([len(p.atoms) for p in with_energy])
        found |= _mae_rmse("energy", difference) | _mae_rmse(
            "energy_per_atom", difference / n_atoms
        )
    with_forces = [p for p in usable if p.label_forces is not None]
    if with_forces:
        difference = np.concatenate([(p.forces - p.label_forces).ravel() for p in with_forces])
        found |= _mae_rmse("forces", difference)
    return found


def left_out(predictions: list[Prediction], named: Mapping[str, str] | None = None) -> list[str]:
    """Return which structures do not count in the errors although others or they have labels.

    Args:
        predictions: structures with labels or without, in the order of their file.
        named: names of `energy` and `forces` in the file; of other names than these it is told if
            no structure has them.

    Returns:
        Sentences without a full stop; none if all structures count, or no structure has labels.

    Example:
        >>> left_out([Prediction(None, label_energy=e) for e in (1.0, float("nan"), None)])
        ['no energy: frame 2', 'a label that is not finite: frame 1']
    """
    told = []
    for name in ("energy", "forces"):
        missing = [k for k, p in enumerate(predictions) if getattr(p, f"label_{name}") is None]
        key = (named or {}).get(name, name)
        if len(missing) == len(predictions) and key != name:
            told.append(f"no structure has the {name} {key}")
        elif missing and len(missing) < len(predictions):
            told.append(f"no {name}: {listing(missing)}")
    unfit = [k for k, p in enumerate(predictions) if not _finite_labels(p)]
    if unfit:
        told.append(f"a label that is not finite: {listing(unfit)}")
    return told


def doubt_of(predictions: list[Prediction]) -> str | None:
    """Return a sentence if the labelled forces look like another unit or sign, or None.

    They do if they correlate with the predicted ones (0.9 or better) and are more than five times
    as large or small, or opposite: kcal/mol are 23 times eV, gradients have the other sign.

    Args:
        predictions: structures with labels or without.

    Example:
        >>> forces = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        >>> doubt_of([Prediction(None, forces=forces, label_forces=-forces)])
        'the labelled forces are -1 times the predicted ones: a gradient, or another unit?'
    """
    found = [p for p in predictions if p.label_forces is not None and _finite_labels(p)]
    if not found:
        return None
    label = np.concatenate([p.label_forces.ravel() for p in found])
    force = np.concatenate([p.forces.ravel() for p in found])
    norms = np.linalg.norm(label) * np.linalg.norm(force)
    if norms == 0.0 or abs(label @ force) < CORRELATED * norms:
        return None
    slope = float(label @ force / (force @ force))
    if 1.0 / FACTOR < slope < FACTOR:
        return None
    seen = f"the labelled forces are {slope:.3g} times the predicted ones"
    return f"{seen}: a gradient, or another unit?"


def _finite_labels(prediction: Prediction) -> bool:
    labels = (prediction.label_energy, prediction.label_forces)
    return all(label is None or bool(np.isfinite(label).all()) for label in labels)


def _mae_rmse(name: str, difference: np.ndarray) -> dict[str, float]:
    rmse = float(np.sqrt(np.mean(difference**2)))
    return {f"{name}_mae": float(np.abs(difference).mean()), f"{name}_rmse": rmse}
