"""The labelled frames of a file, checked one by one and converted to eV and Å."""

import os
import re
from collections.abc import Collection, Iterator

import numpy as np
from ase import Atoms
from tqdm import tqdm

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Row
from gpip_plugins.labels.inventory import Inventory
from gpip_plugins.labels.keys_and_units import Labels, factors
from gpip_plugins.labels.lookup import label_of, names_of
from gpip_plugins.labels.origin import origin_of
from gpip_plugins.labels.plausibility import Plausibility
from gpip_plugins.labels.readers import FAULT
from gpip_plugins.labels.report import ImportReport, listing
from gpip_plugins.labels.scalars import check_scalars
from gpip_plugins.labels.stress import key_of, kind_of
from gpip_plugins.labels.values import OPTIONAL, values_of
from gpip_plugins.labels.work_evidence import Labelled

__all__ = ["LabelledFrames", "OtherProperties", "label_of"]


class OtherProperties(Exception):
    """Raised by `LabelledFrames` when a frame has other properties than those before it.

    Args:
        properties: what all frames so far can have in common.
    """

    def __init__(self, properties: frozenset[str]):
        super().__init__(", ".join(sorted(properties)))
        self.properties = properties


class LabelledFrames:
    """The frames of a file as rows of a database, in eV and Å.

    Frames that cannot be used are recorded; whether the file is accepted is decided after its last
    frame.

    Args:
        source: absolute path of a file or folder.
        labels: names and units of the labels.
        skip_unlabelled: leave out frames whose labels are missing or not finite, instead of
            refusing the file.
        accept_implausible: accept numbers that look like other units.
        progress: show a progress bar (only on a terminal).
        properties: which of energy, forces, stress, total_charge and spin_multiplicity every row
            gets. None is energy and forces, as far as `labels` reads them.

    Attributes:
        report: result of the import; complete after the last frame.

    Raises:
        InputError: at once for missing or unknown units; while reading for a structure without
            atoms, with positions that are not finite, or with a periodic cell without volume; at
            the end for frames that cannot be used, and for numbers that look like other units.
        OtherProperties: while reading, if a frame lacks one of the last three properties, or has an
            energy or forces that are not among the properties.
    """

    def __init__(
        self,
        source: str,
        labels: Labels,
        skip_unlabelled: bool = False,
        accept_implausible: bool = False,
        progress: bool = True,
        properties: Collection[str] | None = None,
    ):
        self.source, self.labels, self.progress = source, labels, progress
        self.skip_unlabelled, self.accept_implausible = skip_unlabelled, accept_implausible
        self.properties = frozenset(labels.wanted if properties is None else properties)
        self.reader = labels.reader(source)
        self.report = ImportReport(
            units=labels.units(source, self.reader),
            properties=self.properties,
            scalars=dict(labels.scalars),
        )
        self.factors = factors(self.report.units)
        self.name = os.path.basename(source)

    def __iter__(self) -> Iterator[Row]:
        """Yield structure, labels and origin of every usable frame."""
        plausibility = Plausibility(self.name)
        inventory = Inventory(self.labels, self.properties)
        scalars: dict[str, list[float]] = {name: [] for name in self.labels.scalars}
        carried, sign = "", "tension"
        frames = self.reader.frames(self.source)
        disabled = None if self.progress else True
        for number, frame in enumerate(tqdm(frames, "importing", unit=" frames", disable=disabled)):
            atoms = self._structure(number, frame)
            found, faults = values_of(frame, self.labels, self.report.units, self.factors)
            inventory.add(frame, found)
            fault = self._fault(found, faults)
            if fault:
                carried = carried or ", ".join(names_of(frame)) or "no labels at all"
                self.report.skipped.setdefault(fault, []).append(number)
                continue
            values = self._kept(found)
            inventory.add_usable(number, atoms, found)
            if "stress" in values:
                _, sign = kind_of(key_of(frame, self.labels), self.labels)
            energy = float(values["energy"][0]) if "energy" in values else None
            stress = values["stress"][0] if "stress" in values else None
            plausibility.add(Labelled(number, atoms, energy, values.get("forces"), stress))
            for name, seen in scalars.items():
                seen.append(float(values[name][0]))
            self.report.written += 1
            yield atoms, values, origin_of(frame)
        self._refuse_faults(inventory.n_frames, carried)
        self._refuse_other_names(inventory)
        if not self.accept_implausible:
            self.report.findings = plausibility.check(self.report.units, self.labels, sign)
            check_scalars(scalars, self.labels.scalars)
        self.report.findings += inventory.sentences()
        self.report.findings += dict.fromkeys(getattr(self.reader, "notes", []))

    def _fault(self, found: dict[str, np.ndarray], faults: dict[str, str]) -> str:
        """Return why a frame cannot be used, or nothing."""
        if FAULT in faults:
            return faults[FAULT]
        needed = [name for name in ("energy", "forces") if name in self.properties]
        needed += [name for name in self.labels.scalars]
        missing = [faults[name][3:] for name in needed if faults.get(name) == f"no {name}"]
        if missing:
            return "no " + " and no ".join(missing)
        wrong = [faults[name] for name in (*needed, "stress") if name in faults]
        if wrong:
            return wrong[0]
        if self.labels.require_stress and "stress" not in found:
            return "no stress"
        return ""

    def _kept(self, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the values that are stored.

        Raises:
            OtherProperties: if they are others than those of the frames before.
        """
        lacking = {name for name in OPTIONAL if name in self.properties and name not in found}
        new = {name for name in self.labels.wanted if name in found} - self.properties
        if lacking or new:
            raise OtherProperties((self.properties - lacking) | new)
        return {k: v for k, v in found.items() if k in self.properties or k in self.labels.scalars}

    def _refuse_faults(self, n_frames: int, carried: str) -> None:
        """Raise `InputError` for an empty file, or for unusable frames that may not be skipped."""
        name, faults = self.name, self.report.skipped
        if n_frames == 0:
            raise InputError(f"{name} holds no frames; name a file with labelled structures.")
        found = "; ".join(f"{reason} ({listing(n)})" for reason, n in faults.items())
        if not self.report.written:
            keys = "energy_key and forces_key" if self.labels.wanted else "scalars=NAME:UNIT"
            raise InputError(
                f"None of the {n_frames} frames of {name} can be used: {found}; its first frame "
                f"carries {carried}: name the labels with {keys}."
            )
        if faults and not self.skip_unlabelled:
            n_faulty = sum(len(numbers) for numbers in faults.values())
            raise InputError(
                f"{n_faulty} of the {n_frames} frames of {name} cannot be used: {found}; repair "
                "them or leave them out with skip_unlabelled=True."
            )

    def _refuse_other_names(self, inventory: Inventory) -> None:
        """Raise `InputError` if energies or forces that are missing may have another name."""
        for name, pattern in (("energy", "energ|toten"), ("forces", "forc|grad")):
            likely = [key for key in inventory.unused if re.search(pattern, key, re.IGNORECASE)]
            if name in self.labels.wanted and name not in self.properties and likely:
                raise InputError(
                    f"{self.name} has no {name}, but {likely[0]}; if these are the {name}, give "
                    f"{name}_key={likely[0]}, otherwise "
                    f"{name}_key=None."
                )

    def _structure(self, number: int, frame: Atoms) -> Atoms:
        """Return the structure without labels in Å."""
        scale = self.factors["distance"]
        atoms = Atoms(
            frame.numbers,
            frame.positions * scale,
            cell=frame.cell.array * scale,
            pbc=frame.pbc,
            info=origin_of(frame),
        )
        check_structure(atoms, f"Frame {number} of {self.name} (counted from 0)")
        return atoms
