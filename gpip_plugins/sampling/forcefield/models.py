"""The published model of a molecule or ion, by its surroundings: with or without water."""

from collections.abc import Mapping
from functools import lru_cache

from rdkit import Chem

from gpip_plugins.sampling.forcefield.ions import IN_OTHER_LIQUIDS, IN_WATER
from gpip_plugins.sampling.forcefield.literature import MODELS, LiteratureModel

__all__ = ["holds_water", "model_of"]


def model_of(mol: Chem.Mol, in_water: bool = False) -> LiteratureModel | None:
    """Return the model of a molecule or ion, None if there is none.

    Args:
        mol: the molecule, with or without explicit hydrogens.
        in_water: whether the liquid contains water, which decides the constants of monatomic ions.

    Example:
        >>> sodium = Chem.MolFromSmiles("[Na+]")
        >>> model_of(sodium).name, model_of(sodium, in_water=True).name
        ('Na+ (Åqvist)', 'Na+ (Joung-Cheatham for TIP3P)')
    """
    return _by_smiles(in_water).get(Chem.MolToSmiles(Chem.RemoveHs(mol), isomericSmiles=False))


def holds_water(system) -> bool:
    """Return whether a molecule is water or a box contains it.

    Args:
        system: the molecule or box.
    """
    return any(model_of(molecule.mol) is MODELS[0] for molecule, _ in system.components)


@lru_cache(maxsize=2)
def _by_smiles(in_water: bool) -> Mapping[str, LiteratureModel]:
    ions = IN_WATER if in_water else IN_OTHER_LIQUIDS
    return {Chem.CanonSmiles(model.smiles): model for model in (*MODELS, *ions)}
