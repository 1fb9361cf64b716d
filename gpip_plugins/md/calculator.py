"""Calculators of `spkmd`, with cut-off, units and elements checked against the model.

In stock SchNetPack the cut-off of the neighbour list and the units of the model are typed by hand
for every simulation: a wrong number gives a wrong trajectory without a message. Here they are read
from the file of the model; typed values must agree with it.
"""

import logging
from collections.abc import Callable, Sequence

import torch
from schnetpack import properties
from schnetpack.atomistic import Forces, Response, Strain
from schnetpack.md import System
from schnetpack.md.calculators import SchNetPackCalculator, SchNetPackEnsembleCalculator
from schnetpack.md.neighborlist_md import NeighborListMD
from schnetpack.md.utils import activate_model_stress
from schnetpack.model import AtomisticModel

from gpip_plugins.errors import InputError, with_names
from gpip_plugins.potential.card import Card
from gpip_plugins.potential.loading import (
    agreed_cutoff,
    agreed_units,
    check_elements,
    load_potential,
    require_outputs,
)
from gpip_plugins.units import energy_in_ev, length_in_angstrom

__all__ = ["PotentialCalculator", "PotentialEnsembleCalculator"]

log = logging.getLogger(__name__)


class PotentialCalculator(SchNetPackCalculator):
    """`SchNetPackCalculator` that takes cut-off and units from the model and checks its inputs.

    Args:
        model_file: the `best_model` of a run; relative to the folder of the command.
        neighbor_list: a `NeighborListMD`, or a partial one without `cutoff` (`_partial_: true` in
            YAML), which then gets that of the model.
        force_key: name of the forces among the model's outputs.
        energy_key: name of the energy among the model's outputs, or None.
        stress_key: name of the stress; None unless the pressure is controlled.
        energy_unit: unit of the model's energies; None takes that of the model's card.
        position_unit: unit of the model's lengths; None takes that of the card.
        required_properties: further outputs to store in every step.
        property_conversion: units of further outputs, as in SchNetPack.
        script_model: convert the model to TorchScript.
        trust: your packages whose classes may occur in the file of the model.

    Raises:
        InputError: if the file contains no potential, lacks an output, contradicts the given
            cut-off or units, or if the structure has unknown elements or positions that are not
            finite.
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
        files = [model_file] if isinstance(model_file, str) else list(model_file)
        # Before SchNetPack's constructor, which needs the units in the files.
        self.potentials = [load_potential(file, trust=trust).to(torch.float64) for file in files]
        self._waiting = list(self.potentials)
        units = [
            self._units_of(potential, file, energy_key or "energy", energy_unit, position_unit)
            for potential, file in zip(self.potentials, files, strict=True)
        ]
        if len({(energy_in_ev(e), length_in_angstrom(length)) for e, length in units}) > 1:
            raise InputError(
                f"model_files={files} are models of different units, {units}; an ensemble "
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
        potential: AtomisticModel,
        file: str,
        energy_key: str,
        energy_unit: str | None,
        position_unit: str | None,
    ) -> tuple[str, str]:
        """Return the units of energy and length of one model."""
        try:
            card = Card.from_model(potential, file)
            return agreed_units(card, energy_unit, position_unit, energy_key)
        except InputError as error:
            # SchNetPack's name of this unit.
            names = {"distance_unit": "position_unit="}
            raise InputError(with_names(str(error), names)) from None

    def _load_model(self, model_file: str) -> AtomisticModel:
        """Check the outputs of the next model and prepare it; SchNetPack calls this in order."""
        model = self._waiting.pop(0)
        require_outputs(model, force_key=self.force_key, energy_key=self.energy_key)
        if self.stress_key is not None:
            model = with_stress(model, self.stress_key)
        # TorchScript may replace a model by one without attributes; `self.potentials` keeps it.
        if self.script_model:
            model = torch.jit.script(model)
        self._deactivate_postprocessing(model)
        return model

    def _bind(self, neighbor_list: NeighborListMD | Callable[..., NeighborListMD]):
        """Set the cut-off of the neighbour list to that of the models, or check it."""
        waits = not isinstance(neighbor_list, NeighborListMD)
        given = neighbor_list.keywords.get("cutoff") if waits else neighbor_list.cutoff
        cutoffs = [agreed_cutoff(model, given) for model in self.potentials]
        if max(cutoffs) - min(cutoffs) > 1e-5:
            raise InputError(
                f"The models have different cut-offs ({cutoffs}); an ensemble needs one cut-off."
            )
        log.info(f"The model's cut-off is {cutoffs[0]:g}.")
        return neighbor_list(cutoff=cutoffs[0]) if waits else neighbor_list

    def _set_system_stress(self, system: System) -> None:
        """Store the stress; SchNetPack's streams need it in one piece of memory."""
        super()._set_system_stress(system)
        system.stress = system.stress.contiguous()

    def calculate(self, system: System) -> None:
        """Predict energy and forces; the first call checks the structure.

        Args:
            system: state of the simulation.

        Raises:
            InputError: at the first call, for unknown elements or positions that are not finite.
        """
        if not self._system_checked:
            # SchNetPack keeps the results of all simulations of a process in one dictionary.
            system.properties = {}
            if not torch.isfinite(system.positions).all():
                raise InputError(
                    "The structure contains positions that are not finite; repair its file."
                )
            for model in self.potentials:
                check_elements(model, system.atom_types.unique().tolist())
            self._system_checked = True
        super().calculate(system)


def with_stress(model: AtomisticModel, stress_key: str) -> AtomisticModel:
    """Return a model that also predicts the stress, the derivative of its energy by the strain.

    Args:
        model: the potential.
        stress_key: name of the stress among its outputs.

    Raises:
        InputError: if the model has no such derivative, or predicts the stress under another name.
    """
    if any(isinstance(module, Strain) for module in model.input_modules):
        require_outputs(model, stress_key=stress_key)
        return model
    modules = [m for m in model.output_modules if isinstance(m, (Forces, Response))]
    for module in modules:
        name = module.stress_key if isinstance(module, Forces) else properties.stress
        if name != stress_key:
            raise InputError(
                f"stress_key={stress_key} is not the name under which the model can predict the "
                f"stress; give stress_key={name}."
            )
    if not modules:
        raise InputError(
            f"stress_key={stress_key}: the model computes its forces in another way than as a "
            "derivative of the energy, and has no stress; a simulation without barostat needs none "
            "(stress_key=null)."
        )
    return activate_model_stress(model, stress_key)


class PotentialEnsembleCalculator(SchNetPackEnsembleCalculator, PotentialCalculator):
    """Mean of several potentials, with the variance of their predictions as uncertainty.

    Args:
        model_files: the `best_model` of two or more runs, with the same cut-off and units.
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
                f"model_files={model_files} are fewer than two models; an ensemble needs two or "
                "more; for one model use PotentialCalculator."
            )
        # SchNetPack's constructor passes on only the arguments that it knows.
        PotentialCalculator.__init__(self, model_files, neighbor_list, **settings)
        self._update_required_properties()
        self.models = torch.nn.ModuleList(self.model)
