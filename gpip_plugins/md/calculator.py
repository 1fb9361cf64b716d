"""The calculators of `spkmd`, with cut-off, units and elements checked against the model.

In stock SchNetPack the cut-off of the neighbour list and the units of the model are typed by hand
for every simulation: a wrong number gives a wrong trajectory and no message. Here they are read
from the model and from the record of its training; a value typed nevertheless must agree.
"""

import logging
from collections.abc import Callable, Sequence

import torch
from schnetpack.md import System
from schnetpack.md.calculators import SchNetPackCalculator, SchNetPackEnsembleCalculator
from schnetpack.md.neighborlist_md import NeighborListMD
from schnetpack.md.utils import activate_model_stress
from schnetpack.model import AtomisticModel

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing
from gpip_plugins.potential.model import (
    agreed_cutoff,
    agreed_unit,
    check_elements,
    load_potential,
    require_outputs,
    training_units,
)
from gpip_plugins.units import energy_in_ev, length_in_angstrom

__all__ = ["PotentialCalculator", "PotentialEnsembleCalculator"]

log = logging.getLogger(__name__)


class PotentialCalculator(SchNetPackCalculator):
    """`SchNetPackCalculator` that takes cut-off and units from the model and checks its inputs.

    Args:
        model_file: the `best_model` of a run; relative to where the command was typed.
        neighbor_list: a `NeighborListMD`, or a partial one that still waits for its `cutoff`
            (`_partial_: true` in YAML), which is then the model's.
        force_key: name of the forces among the model's outputs.
        energy_key: name of the energy among the model's outputs, or None.
        stress_key: name of the stress; None unless the pressure is controlled.
        energy_unit: unit of the model's energies; None takes it from the `config.yaml` that
            `spktrain` left beside the model.
        position_unit: unit of the model's lengths; None as for `energy_unit`.
        required_properties: further outputs to be kept with every step.
        property_conversion: units of further outputs, as in SchNetPack.
        script_model: convert the model to TorchScript.
        trust: packages of your own whose classes may occur in the file of the model.

    Raises:
        InputError: if the file holds no potential, lacks an output, contradicts the given cut-off
            or units, or if the structure has unknown elements or positions that are not finite.
    """

    def __init__(
        self,
        model_file: str | list[str],
        neighbor_list: NeighborListMD | Callable[..., NeighborListMD],
        force_key: str = "forces",
        energy_key: str | None = "energy",
        stress_key: str | None = None,
        energy_unit: str | None = None,
        position_unit: str | None = None,
        required_properties: list[str] | None = None,
        property_conversion: dict[str, str | float] | None = None,
        script_model: bool = False,
        trust: Sequence[str] = (),
    ):
        self._trust = tuple(trust)
        files = [model_file] if isinstance(model_file, str) else list(model_file)
        # Set before SchNetPack's constructor, which loads the models through `_load_model`.
        units = [self._units_of(f, energy_key, energy_unit, position_unit) for f in files]
        if len({(energy_in_ev(e), length_in_angstrom(length)) for e, length in units}) > 1:
            raise InputError(
                f"calculator.model_files hold models of different units, {units}; an ensemble "
                "needs models of the same units."
            )
        energy_unit, position_unit = units[0]
        log.info(f"The model's units are {energy_unit} and {position_unit}.")
        super().__init__(
            model_file=model_file,
            force_key=force_key,
            energy_unit=energy_unit,
            position_unit=position_unit,
            neighbor_list=None,
            energy_key=energy_key,
            stress_key=stress_key,
            required_properties=list(required_properties or []),
            property_conversion=dict(property_conversion or {}),
            script_model=script_model,
        )
        self.neighbor_list = self._bind(neighbor_list)
        self._system_checked = False

    @staticmethod
    def _units_of(
        file: str, energy_key: str | None, energy_unit: str | None, position_unit: str | None
    ) -> tuple[str, str]:
        """Return the units of energy and length of one model."""
        recorded = training_units(
            existing("calculator.model_file", file, "name the best_model of a finished run")
        )
        name = energy_key or "energy"
        return (
            agreed_unit(name, "calculator.energy_unit", energy_unit, recorded),
            agreed_unit("distance", "calculator.position_unit", position_unit, recorded),
        )

    def _load_model(self, model_file: str) -> AtomisticModel:
        """Load one model in double precision, as SchNetPack does, after checking its outputs."""
        log.info(f"Loading model from {model_file}")
        model = load_potential(model_file, "calculator.model_file", trust=self._trust).to(
            torch.float64
        )
        if self.stress_key is not None:
            model = activate_model_stress(model, self.stress_key)
        require_outputs(
            model,
            {
                "calculator.force_key": self.force_key,
                "calculator.energy_key": self.energy_key,
                "calculator.stress_key": self.stress_key,
            },
        )
        # Kept beside `self.model`, which TorchScript may replace by something without attributes.
        self.potentials = [*getattr(self, "potentials", []), model]
        if self.script_model:
            model = torch.jit.script(model)
        self._deactivate_postprocessing(model)
        return model

    def _bind(self, neighbor_list: NeighborListMD | Callable[..., NeighborListMD]):
        """Give the neighbour list the cut-off of the models, or check the one that it has."""
        key = "calculator.neighbor_list.cutoff"
        waits = not isinstance(neighbor_list, NeighborListMD)
        given = neighbor_list.keywords.get("cutoff") if waits else neighbor_list.cutoff
        cutoffs = [agreed_cutoff(model, given, key) for model in self.potentials]
        if max(cutoffs) - min(cutoffs) > 1e-5:
            raise InputError(
                f"calculator.model_files hold models of different cut-offs ({cutoffs}); an "
                "ensemble needs one cut-off."
            )
        log.info(f"The model's cut-off is {cutoffs[0]:g}.")
        return neighbor_list(cutoff=cutoffs[0]) if waits else neighbor_list

    def calculate(self, system: System) -> None:
        """Predict energy and forces; the first call checks the structure.

        Args:
            system: state of the simulation.

        Raises:
            InputError: at the first call, for unknown elements or positions that are not finite.
        """
        if not self._system_checked:
            if not torch.isfinite(system.positions).all():
                raise InputError(
                    "system.molecule_file holds positions that are not finite; repair the file."
                )
            for model in self.potentials:
                check_elements(model, system.atom_types)
            self._system_checked = True
        super().calculate(system)


class PotentialEnsembleCalculator(SchNetPackEnsembleCalculator, PotentialCalculator):
    """Mean of several potentials, with the variance of their predictions as uncertainty.

    Args:
        model_files: the `best_model` of two or more runs, of one cut-off and the same units.
        neighbor_list: see `PotentialCalculator`.
        **settings: see `PotentialCalculator`.

    Raises:
        InputError: as `PotentialCalculator`, and for fewer than two models.
    """

    def __init__(
        self,
        model_files: list[str],
        neighbor_list: NeighborListMD | Callable[..., NeighborListMD],
        **settings,
    ):
        model_files = list(model_files)
        if len(model_files) < 2:
            raise InputError(
                f"calculator.model_files={model_files} names fewer than two models; an ensemble "
                "needs two or more, one model is calculator=gpip."
            )
        # SchNetPack's own constructor hands on only the arguments that it knows.
        PotentialCalculator.__init__(self, model_files, neighbor_list, **settings)
        self._update_required_properties()
        self.models = torch.nn.ModuleList(self.model)
