"""Batches gathered from memory are those that SchNetPack makes sample by sample."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from schnetpack import properties
from schnetpack.data import ASEAtomsData, AtomsLoader
from schnetpack.transform import (
    CastTo32,
    MatScipyNeighborList,
    RemoveOffsets,
    SubtractCenterOfGeometry,
)

from gpip_plugins.data import InMemoryAtomsData, collate, is_batchwise
from gpip_plugins.errors import InputError
from gpip_plugins.transform import GaussianNoise, MaskAtoms, NeighborList, SubtractCenter

ORDER = [[7, 2, 11], [0], [4, 4, 1, 10, 3]]


def batches(path, transforms, kind=InMemoryAtomsData, **settings):
    data = kind(path, transforms=transforms, **settings)
    if kind is InMemoryAtomsData:
        data.load(progress=False)
        return list(AtomsLoader(data, batch_sampler=ORDER, collate_fn=collate))
    return list(AtomsLoader(data, batch_sampler=ORDER))


def sorted_pairs(batch):
    """Return atoms and distance of every pair in a definite order."""
    i, j = batch[properties.idx_i], batch[properties.idx_j]
    R = batch[properties.R].double()
    d = (R[j] - R[i] + batch[properties.offsets].double()).norm(dim=1)
    return sorted(zip(i.tolist(), j.tolist(), d.mul(1e4).round().tolist(), strict=True))


PER_PAIR = (properties.idx_i, properties.idx_j, properties.offsets)


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        keys = set(one) & set(other)
        # Collated samples also number their pairs within each configuration.
        assert {key for key in set(one) ^ set(other) if not key.endswith("_local")} == set()
        for key in keys - set(PER_PAIR):
            assert one[key].dtype == other[key].dtype, key
            torch.testing.assert_close(one[key], other[key], msg=key)
        assert sorted_pairs(one) == sorted_pairs(other)


@pytest.mark.parametrize("systems", ["molecules", "cells"])
def test_batches_equal_those_of_schnetpack(write, systems):
    path = write(systems)
    ours = batches(path, [SubtractCenter(), NeighborList(4.0), CastTo32()])
    transforms = [SubtractCenterOfGeometry(), MatScipyNeighborList(4.0), CastTo32()]
    assert_same(ours, batches(path, transforms, ASEAtomsData))
    assert ours[0]["stress"].shape == (3, 3, 3)
    assert ours[0]["dipole"].shape == (3, 3)
    assert len(ours[0]["charges"]) == len(ours[0]["forces"]) == int(ours[0]["_n_atoms"].sum())


@pytest.mark.parametrize("systems", ["molecules", "cells"])
def test_one_transform_of_samples_makes_all_run_sample_by_sample(write, systems, monkeypatch):
    """The same transforms, with the seed of validation, in both ways."""
    path = write(systems)

    def transforms():
        return [
            SubtractCenter(),
            RemoveOffsets("energy", remove_mean=True, property_mean=torch.tensor([0.7])),
            GaussianNoise(0.1, seed=3),
            MaskAtoms(0.3, random_rate=0.5, elements=[1, 6], seed=3),
            NeighborList(4.0),
            CastTo32(),
        ]

    whole = batches(path, transforms())
    assert "_idx_i_local" not in whole[0]
    single = transforms()
    monkeypatch.setattr(single[0], "batchwise", False, raising=False)
    assert not is_batchwise(single[0]) and all(is_batchwise(t) for t in transforms())
    single = batches(path, single)
    assert "_idx_i_local" in single[0]
    assert_same(whole, single)


def test_subset_of_a_subset_keeps_the_indices_of_the_database(write):
    data = InMemoryAtomsData(write(), transforms=[])
    data.load(progress=False)
    part = data.subset([9, 4, 2, 7]).subset([3, 1])
    assert len(part) == 2
    batch = collate(part.__getitems__([0, 1]))
    assert batch[properties.idx].tolist() == [7, 4]
    assert batch[properties.n_atoms].tolist() == data.tensors[properties.n_atoms][[7, 4]].tolist()


def test_transforms_do_not_change_the_data_in_memory(write):
    data = InMemoryAtomsData(write(), transforms=[])
    data.load(progress=False)
    before = {key: value.clone() for key, value in data.tensors.items()}
    data.transforms = [
        SubtractCenterOfGeometry(),
        RemoveOffsets("energy", remove_mean=True, property_mean=torch.tensor([0.7])),
    ]
    for _ in range(2):
        data[0], data.__getitems__(list(range(12)))
    for key, value in before.items():
        assert torch.equal(data.tensors[key], value), key


def test_units_are_converted_and_only_wanted_labels_are_read(write):
    path = write()
    wanted = {"energy": "kcal/mol", "forces": "kcal/mol/Ang"}
    settings = {"load_properties": ["energy", "forces"], "property_units": wanted}
    (plain, *_), (converted, *_) = (
        batches(path, [NeighborList(4.0)], **more) for more in ({}, settings)
    )
    assert "dipole" in plain and "dipole" not in converted
    for key in wanted:
        torch.testing.assert_close(converted[key], plain[key] * 23.060548)
    (nm, *_) = batches(path, [], distance_unit="nm")
    torch.testing.assert_close(nm[properties.R], plain[properties.R] / 10)


def test_labels_that_are_neither_per_atom_nor_per_configuration(write):
    systems = [molecule("H2O"), molecule("CH4")]
    labels = [{"orbitals": np.zeros(n)} for n in (4, 6)]
    data = InMemoryAtomsData(write(systems, labels, {"orbitals": "eV"}))
    with pytest.raises(InputError, match=r"'orbitals' in .* neither one row per atom nor"):
        data.load(progress=False)


@pytest.mark.parametrize("size", [3, 1])
def test_per_configuration_labels_as_long_as_the_molecules(write, size):
    """Three numbers per molecule of three atoms: per atom or not, the rows are the same."""
    systems = [molecule("H2O") for _ in range(12)]
    labels = [{"levels": np.arange(size) + 10.0 * k} for k in range(12)]
    path = write(systems, labels, {"levels": "eV"})
    got = batches(path, [NeighborList(4.0)])
    assert_same(got, batches(path, [MatScipyNeighborList(4.0)], ASEAtomsData))
