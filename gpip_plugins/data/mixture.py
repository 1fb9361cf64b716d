"""Several databases as one data set, for force-centric pre-training."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from schnetpack.data import SplittingStrategy
from schnetpack.units import convert_units

from gpip_plugins import properties
from gpip_plugins.data.joined import JoinedAtomsData
from gpip_plugins.data.mixture_member import MixtureMember
from gpip_plugins.data.mixture_sampler import MixtureSampler, Scheme, shares
from gpip_plugins.data.module import GpipDataModule
from gpip_plugins.errors import InputError, check_choice, check_whole
from gpip_plugins.io.paths import resolve
from gpip_plugins.properties import Kind
from gpip_plugins.transform.training_split import training_labels

__all__ = ["Mixture"]

log = logging.getLogger(__name__)

#: one data set, or several by name, such as the molecules of MD17
Members = MixtureMember | Mapping[str, MixtureMember]

ACKNOWLEDGEABLE = ("units", "levels_of_theory", "force_sizes")
#: The root mean square forces of thermal, stretched and compressed molecules differ by less than
#: this factor; kcal/mol taken for eV is a factor of 23.
FORCE_SIZE_RATIO = 10.0


class Mixture(GpipDataModule):
    """Data sets with forces of different kinds, mixed in every batch.

    Each data set has its own database, units, names of labels and partitions. A label that a data
    set lacks is masked (`gpip_plugins.data.joined`). Energies of different data sets have no
    common reference; they are read only if `load_properties` contains them.

    Batches of validation and test contain all data sets in proportion to their sizes, in a fixed
    random order.

    Args:
        datapath: folder to which paths of members are relative.
        members: name to `MixtureMember`, or to several of them by name; names consist of letters,
            digits and underscores.
        batch_size: configurations in a training batch.
        forces_key: name of the forces in the mixture.
        kinds: use only members of these kinds; None for all.
        sampling: size, even or temperature, see `gpip_plugins.data.mixture_sampler.shares`.
        temperature: temperature of the sampling of this name.
        epoch_size: configurations drawn in an epoch; None for the number of training ones.
        acknowledge: contradictions that are intended: units (a member's `units` replace those that
            its database states), levels_of_theory (members differ in it), force_sizes (their
            forces differ by a factor of ten or more).
        **kwargs: those of `gpip_plugins.data.GpipDataModule`; `distance_unit` is Å if left out.

    Raises:
        InputError: for errors in the settings, when it is created; for errors in the data, in
            `setup`.
    """

    def __init__(
        self,
        datapath: str,
        members: Mapping[str, Members] | None,
        batch_size: int,
        forces_key: str = "forces",
        kinds: Sequence[str] | None = None,
        sampling: Scheme = "size",
        temperature: float = 2.0,
        epoch_size: int | None = None,
        acknowledge: Sequence[str] = (),
        **kwargs: Any,
    ):
        folder = resolve(datapath)
        self.members = _chosen(members, kinds, folder)
        for name in ("train_sampler_cls", "data_workdir"):
            if kwargs.get(name) is not None:
                raise InputError(f"{name} cannot be used with a mixture; leave it out.")
        for entry in acknowledge:
            check_choice("acknowledge", entry, ACKNOWLEDGEABLE)
        if epoch_size is not None:
            check_whole("epoch_size", epoch_size, least=1)
        kwargs.setdefault("load_properties", [forces_key])
        # The positions of all data sets must have one unit.
        kwargs["distance_unit"] = kwargs.get("distance_unit") or "Ang"
        super().__init__(
            self.members[0].path,
            batch_size,
            splitting=_SplitEach(self.members),
            **kwargs,
        )
        self.datapath = folder
        self.forces_key = forces_key
        self.sampling, self.temperature, self.epoch_size = sampling, temperature, epoch_size
        self.acknowledge = tuple(acknowledge)
        self._check_levels()
        shares([1] * len(self.members), [m.weight for m in self.members], sampling, temperature)

    @property
    def dataset_names(self) -> list[str]:
        """Names of the data sets, in the order of their numbers."""
        return [member.name for member in self.members]

    def prepare_data(self) -> None:
        """Prepare the databases of data sets that provide them."""
        for member in self.members:
            if member.source is not None:
                member.source.prepare_data()

    def get_stats(
        self, property: str, divide_by_atoms: bool, remove_atomref: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and standard deviation over the training configurations with this label.

        Args:
            property: a label with one number per configuration.
            divide_by_atoms: use the label per atom.
            remove_atomref: has no effect, see `JoinedAtomsData.atomrefs`.

        Raises:
            InputError: no training configuration has it.
        """
        labels = training_labels(self, property)
        values = labels.values / labels.n_atoms if divide_by_atoms else labels.values
        return values.mean(), values.std()

    def _read(self) -> JoinedAtomsData:
        progress = self.trainer is None or self.trainer.is_global_zero
        units = self.property_units or {}
        parts = [
            member.read(
                self.load_properties,
                self.forces_key,
                units,
                self.distance_unit,
                "units" in self.acknowledge,
                progress,
            )
            for member in self.members
        ]
        self._check_units(units)
        self._check_force_sizes()
        counts = dict.fromkeys(("num_train", "num_val", "num_test"), 0)
        for member, part in zip(self.members, parts, strict=True):
            for key, count in member.counts(len(part)).items():
                counts[key] += count
        self.num_train, self.num_val, self.num_test = counts.values()
        return JoinedAtomsData(parts, [m.forces_are for m in self.members], self.datapath)

    def _sampling(self) -> dict:
        members = self.dataset.tensors[properties.dataset][torch.tensor(self.train_idx)]
        sizes = torch.bincount(members, minlength=len(self.members)).tolist()
        weights = [m.weight * (n > 0) for m, n in zip(self.members, sizes, strict=True)]
        generator = torch.Generator()
        sampler = MixtureSampler(
            members,
            shares(sizes, weights, self.sampling, self.temperature),
            self.epoch_size or len(members),
            generator,
        )
        return {"batch_size": self.batch_size, "sampler": sampler, "generator": generator}

    def _check_levels(self) -> None:
        levels = {m.name: m.level_of_theory for m in self.members if m.level_of_theory is not None}
        if len(set(levels.values())) < 2:
            return
        found = ", ".join(f"{name}: {level}" for name, level in levels.items())
        if "levels_of_theory" not in self.acknowledge:
            raise InputError(
                f"members differ in level_of_theory ({found}); leave members out, or if this "
                "is intended set acknowledge=[levels_of_theory]."
            )
        log.warning("Forces of different levels of theory are mixed (%s).", found)

    def _check_units(self, wanted: Mapping[str, str]) -> None:
        """Refuse labels in different units without a unit to convert to."""
        for label in dict.fromkeys(k for m in self.members for k in m.read_units):
            units = {m.name: m.read_units[label] for m in self.members if label in m.read_units}
            if wanted.get(label) is None and not _equal_units(list(units.values())):
                found = ", ".join(f"{name}: {unit}" for name, unit in units.items())
                raise InputError(
                    f"members have '{label}' in different units ({found}); give the one to "
                    f"convert them to in property_units, or leave '{label}' out of "
                    "load_properties."
                )

    def _check_force_sizes(self) -> None:
        sizes = {m.name: m.force_size for m in self.members if m.forces_are == Kind.OFF_EQUILIBRIUM}
        if "force_sizes" in self.acknowledge or len(sizes) < 2:
            return
        least, most = min(sizes, key=sizes.get), max(sizes, key=sizes.get)
        if sizes[most] > FORCE_SIZE_RATIO * sizes[least]:
            raise InputError(
                f"the forces of {most} are {sizes[most] / sizes[least]:.0f} times as large as "
                f"those of {least} ({sizes[most]:.3g} and {sizes[least]:.3g} eV/Å, root mean "
                "square), as if one of them were in other units; import it again with the right "
                "ones, set "
                f"members.{most}.force_scale, or if this is intended set "
                "acknowledge=[force_sizes]."
            )


def _chosen(
    members: Mapping[str, MixtureMember], kinds: Sequence[str] | None, folder: str
) -> list[MixtureMember]:
    """Return the members of the requested kinds, with their names set."""
    wanted = None if kinds is None else [Kind.of(kind) for kind in kinds]
    single: dict[str, MixtureMember] = {}
    for name, member in (members or {}).items():
        single |= member.items() if isinstance(member, Mapping) else [(name, member)]
    chosen = []
    for name, member in single.items():
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise InputError(
                f"members.{name} has a name with characters other than letters, digits and "
                "underscores; rename it."
            )
        member.bind(name, folder)
        if wanted is None or member.forces_are in wanted:
            chosen.append(member)
    if not chosen:
        raise InputError(
            "members names no data set"
            + ("" if kinds is None else f" of kinds={list(kinds)}")
            + "; name one, for example 'data/members=[equilibrium,off_equilibrium]'."
        )
    return chosen


def _equal_units(units: Sequence[str]) -> bool:
    """Return whether units are equal, whatever their names."""
    return all(abs(convert_units(unit, units[0]) - 1.0) < 1e-6 for unit in units[1:])


class _SplitEach(SplittingStrategy):
    """Splits every data set separately; validation and test are mixed."""

    def __init__(self, members: Sequence[MixtureMember]):
        super().__init__()
        self.members = members

    def split(self, dataset: JoinedAtomsData, *split_sizes: int) -> list[list[int]]:
        """Return positions for training, validation and test; members set their sizes."""
        sizes = torch.bincount(
            dataset.tensors[properties.dataset], minlength=len(self.members)
        ).tolist()
        parts, first = ([], [], []), 0
        for member, total in zip(self.members, sizes, strict=True):
            for part, rows in zip(parts, member.split(total), strict=True):
                part.extend(first + int(row) for row in rows)
            first += total
        return [[part[k] for k in torch.randperm(len(part)).tolist()] for part in parts]
