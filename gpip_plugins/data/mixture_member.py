"""One data set of a mixture: its database, its kind of forces, its partitions and weight."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence

import torch
from schnetpack import properties
from schnetpack.data import AtomsDataModule
from schnetpack.data.splitting import random_split
from schnetpack.units import convert_units

from gpip_plugins.data.checks import check_database, check_values
from gpip_plugins.data.memory import InMemoryAtomsData
from gpip_plugins.data.splits import Sizes, check_sizes, check_split_file, read_split_file
from gpip_plugins.errors import InputError, check_number, with_names
from gpip_plugins.io.paths import existing, resolve
from gpip_plugins.properties import Kind

__all__ = ["MixtureMember"]

#: settings that occur in messages
SETTINGS = (
    "kind",
    "datapath",
    "weight",
    "force_scale",
    "num_train",
    "num_val",
    "num_test",
    "split_file",
)


class MixtureMember:
    """A data set of a `gpip_plugins.data.Mixture`.

    Args:
        kind: kind of the forces of its configurations: off_equilibrium (labels), equilibrium
            (zero), or unlabelled (unknown; used for pretexts without forces).
        datapath: a SchNetPack (ASE) database; a path relative to the mixture's `datapath`. Not
            needed with a `source`.
        source: a data set that provides its database, one of `gpip_plugins.datasets`.
        weight: factor in the probability of its configurations, not negative.
        labels: name of a label in the mixture to its name in the database, such as
            `{"forces": "wb97x_dz.forces"}`; labels that are missing here, or None, have the same
            name in both.
        units: units of labels that you know to be right, such as `{"forces": "eV/Ang"}`; they must
            agree with those that the database states.
        level_of_theory: such as `PBE0+MBD`; None if unknown.
        force_scale: factor by which its forces are multiplied, positive.
        num_train, num_val, num_test: numbers of configurations, or fractions; -1 for the rest,
            None for the rest of `num_test`.
        split_file: file with partitions of this data set, as SchNetPack's `split_file`.
        max_equilibrium_force: largest root mean square force, in eV/Å, of a configuration that
            counts as an equilibrium one, checked if the database has forces.

    Raises:
        InputError: for a setting that is not allowed.

    Example:
        >>> MixtureMember("equilibrium", "qm9.db").weight
        1.0
    """

    # Not a dataclass: OmegaConf would take its instances for configuration.
    def __init__(
        self,
        kind: str,
        datapath: str | None = None,
        source: AtomsDataModule | None = None,
        weight: float = 1.0,
        labels: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        level_of_theory: str | None = None,
        force_scale: float = 1.0,
        num_train: int | float | None = 0.9,
        num_val: int | float | None = 0.05,
        num_test: int | float | None = None,
        split_file: str | None = None,
        max_equilibrium_force: float = 0.1,
    ):
        self.kind = kind
        self.datapath = datapath
        self.source = source
        self.weight = weight
        self.labels = {k: v for k, v in (labels or {}).items() if v is not None}
        self.units = {k: v for k, v in (units or {}).items() if v is not None}
        self.level_of_theory = level_of_theory
        self.force_scale = force_scale
        self.sizes: Sizes = {"num_train": num_train, "num_val": num_val, "num_test": num_test}
        self.split_file = split_file
        self.max_equilibrium_force = max_equilibrium_force

    def bind(self, name: str, folder: str) -> None:
        """Set the name in the mixture and check the settings.

        Args:
            name: name of this data set; messages call its settings `members.NAME.KEY`.
            folder: absolute folder to which paths are relative.
        """
        self.name = name
        self.where = f"members.{name}"
        with self.naming_itself():
            self._check_settings(folder)

    @contextlib.contextmanager
    def naming_itself(self) -> Iterator[None]:
        """Name the keys of this member in error messages: `num_val` as `members.NAME.num_val`."""
        try:
            yield
        except InputError as error:
            keys = {key: f"{self.where}.{key}=" for key in SETTINGS}
            error.args = (with_names(str(error), keys),)
            raise

    def _check_settings(self, folder: str) -> None:
        self.forces_are = Kind.of(self.kind)
        if (self.datapath is None) == (self.source is None):
            raise InputError(
                f"{self.where} has {'neither' if self.source is None else 'both'} a datapath "
                f"{'nor' if self.source is None else 'and'} a source; give one of them."
            )
        self.path = (
            self.source.datapath
            if self.source is not None
            else resolve(os.path.join(folder, os.path.expanduser(self.datapath)))
        )
        if not self.path.endswith(".db"):
            raise InputError(
                f"datapath={self.datapath} does not end in .db, the ending of an ASE database; "
                "make one with `gpip import`, or rename it."
            )
        self.weight = check_number("weight", self.weight, least=0.0, example=1.0)
        self.force_scale = check_number("force_scale", self.force_scale, above=0.0, example=1.0)
        if self.split_file is not None:
            remedy = "name an existing file, or leave it out for a random split"
            self.split_file = existing("split_file", self.split_file, remedy)

    def stored_name(self, label: str) -> str:
        """Return the name of a label in the database."""
        return self.labels.get(label, label)

    def counts(self, total: int) -> dict[str, int]:
        """Return the sizes of the partitions in configurations.

        Args:
            total: configurations in the database.

        Raises:
            InputError: see `gpip_plugins.data.splits`.
        """
        with self.naming_itself():
            if self.split_file is not None:
                # The sizes of the settings are those of a random split.
                check_split_file(self.split_file, dict.fromkeys(self.sizes), total, self.path)
                parts = read_split_file(self.split_file)
                return {f"num_{part}": len(indices) for part, indices in parts.items()}
            check_sizes(self.sizes, total, self.path)
        counts = {
            key: int(size * total) if isinstance(size, float) else size
            for key, size in self.sizes.items()
        }
        known = sum(count for count in counts.values() if count not in (None, -1))
        return {k: total - known if count in (None, -1) else count for k, count in counts.items()}

    def split(self, total: int) -> list[list[int]]:
        """Return the configurations for training, validation and test.

        Args:
            total: configurations in the database.
        """
        if self.split_file is not None:
            return [indices.tolist() for indices in read_split_file(self.split_file).values()]
        return random_split(total, *self.counts(total).values())

    def read(
        self,
        wanted: Sequence[str],
        forces_key: str,
        units: Mapping[str, str],
        distance_unit: str | None,
        trust_units: bool,
        progress: bool,
    ) -> InMemoryAtomsData:
        """Check and read the database with those requested labels that it has.

        Args:
            wanted: names of labels in the mixture.
            forces_key: name of the forces among them.
            units: unit of each label in the mixture.
            distance_unit: unit of the positions; None for that of the database.
            trust_units: use `self.units` where they contradict the database.
            progress: show a progress bar.

        Raises:
            InputError: see `gpip_plugins.data.checks`; also for missing labels, for units that
                differ, and for forces that contradict the kind.
        """
        with self.naming_itself():
            stated = check_database(self.path, None, None, distance_unit)
        self._check_labels(forces_key, stated)
        names = {label: self.stored_name(label) for label in wanted}
        present = {label: name for label, name in names.items() if name in stated}
        unique = list(dict.fromkeys(present.values()))
        dataset = InMemoryAtomsData(self.path, load_properties=unique, distance_unit=distance_unit)
        with self.naming_itself():
            dataset.load(progress=progress)
            check_values(dataset)
        #: unit of every label before its conversion
        self.read_units = {k: self.units.get(k, stated[name]) for k, name in present.items()}
        stored = {name: dataset.tensors.pop(name) for name in unique}
        rows = {name: dataset.rows_per_system.pop(name, None) for name in unique}
        for label, name in present.items():
            factor = self._factor(label, stated[name], units.get(label), trust_units)
            if label == forces_key:
                in_ev = self._factor(label, stated[name], "eV/Ang", trust_units)
                self._check_forces(stored[name] * in_ev, dataset.tensors[properties.n_atoms])
                factor *= self.force_scale
            dataset.tensors[label] = stored[name] * factor
            if rows[name] is not None:
                dataset.rows_per_system[label] = rows[name]
        return dataset

    def _check_labels(self, forces_key: str, stated: Mapping[str, str]) -> None:
        """Check that the database has the labels of the settings, and forces if required."""
        named = [self.stored_name(label) for label in self.labels]
        if self.forces_are == Kind.OFF_EQUILIBRIUM:
            named.append(self.stored_name(forces_key))
        for name in named:
            if name not in stated:
                raise InputError(
                    f"{self.where} needs the label '{name}', but {self.path} has only "
                    f"{sorted(stated)}; set {self.where}.labels.{forces_key} to the name of its "
                    "forces, or another kind."
                )

    def _factor(self, label: str, stated: str, wanted: str | None, trust_units: bool) -> float:
        """Return the factor from the unit of a label to the unit of the mixture."""
        given = self.units.get(label, stated)
        try:
            same = abs(convert_units(given, stated) - 1.0) < 1e-6
            factor = 1.0 if wanted is None else float(convert_units(given, wanted))
        except Exception as error:
            raise InputError(
                f"{self.where}: '{label}' cannot be converted from '{given}' to '{wanted}'; name a "
                f"unit that ASE knows in {self.where}.units or property_units."
            ) from error
        if not same and not trust_units:
            raise InputError(
                f"{self.where}.units.{label}={given}, but {self.path} states '{stated}'; remove "
                "it, or if the database is wrong add `units` to acknowledge."
            )
        return factor

    def _check_forces(self, forces: torch.Tensor, n_atoms: torch.Tensor) -> None:
        """Refuse forces that contradict the kind.

        Args:
            forces: forces of the database, before any scale, in eV/Å, shape (n_atoms, 3).
            n_atoms: atoms of every configuration, shape (n_systems,).
        """
        squares = forces.double().square().sum(-1)
        owner = torch.repeat_interleave(torch.arange(len(n_atoms)), n_atoms)
        sums = torch.zeros(len(n_atoms), dtype=squares.dtype).index_add(0, owner, squares)
        size = (sums / n_atoms / 3).sqrt()
        #: root mean square of the scaled forces, eV/Å
        self.force_size = float((sums.sum() / n_atoms.sum() / 3).sqrt()) * self.force_scale
        if self.forces_are == Kind.EQUILIBRIUM and float(size.max()) > self.max_equilibrium_force:
            n_off = int((size > self.max_equilibrium_force).sum())
            raise InputError(
                f"{self.where}.kind=equilibrium, but {n_off} of its {len(size)} configurations, "
                f"the first being {int((size > self.max_equilibrium_force).int().argmax())}, have "
                f"root mean square forces above {self.max_equilibrium_force:g} eV/Å, the largest "
                f"{float(size.max()):.3g}; set {self.where}.kind=off_equilibrium, or raise "
                f"{self.where}.max_equilibrium_force."
            )
        if self.forces_are == Kind.OFF_EQUILIBRIUM and self.force_size < 1e-6:
            raise InputError(
                f"{self.where}.kind=off_equilibrium, but all of its forces are zero; set "
                f"{self.where}.kind=equilibrium, or import its forces."
            )
