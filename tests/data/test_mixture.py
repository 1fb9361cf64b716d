"""Several databases as one data set: separate settings, sampling, refusals."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from lightning_fabric.utilities.distributed import DistributedSamplerWrapper
from pytorch_lightning import seed_everything
from schnetpack import properties as spk
from schnetpack.transform import CastTo32, RemoveOffsets

from gpip_plugins import properties
from gpip_plugins.data import Mixture, MixtureMember, MixtureSampler, shares
from gpip_plugins.errors import InputError
from gpip_plugins.properties import Kind
from gpip_plugins.task import PretextOutput
from gpip_plugins.transform import ForceTargets, NeighborList, SubtractCenter

KCAL = 0.0433641153


def systems(n, names=("CH4", "H2O")):
    rng = np.random.default_rng(len(names) + n)
    found = [molecule(names[k % len(names)]) for k in range(n)]
    for atoms in found:
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
    return found


@pytest.fixture
def make(write, tmp_path, monkeypatch):
    """Return a function that makes a mixture of 20 minima and 10 configurations with forces."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    labelled = systems(10, ("C2H6",))
    forces = [{"F": rng.normal(size=(len(a), 3)) / KCAL} for a in labelled]
    write(systems(20), [{}] * 20, {}, "minima.db")
    write(labelled, forces, {"F": "kcal/mol/Ang"}, "off.db")

    def build(changes=None, **settings):
        sizes = {"num_train": 0.6, "num_val": 0.2}
        members = {
            "minima": {"kind": "equilibrium", "datapath": "minima.db"} | sizes,
            "off": {"kind": "off_equilibrium", "datapath": "off.db", "labels": {"forces": "F"}}
            | sizes,
        }
        for name, change in (changes or {}).items():
            members[name] = members.get(name, {}) | change
        settings = {
            "batch_size": 6,
            "property_units": {"forces": "eV/Ang"},
            "split_file": None,
            "transforms": [SubtractCenter(), ForceTargets(), NeighborList(4.0), CastTo32()],
        } | settings
        members = {name: MixtureMember(**member) for name, member in members.items()}
        return Mixture(str(tmp_path), members, **settings)

    return build


def ready(data):
    seed_everything(0, verbose=False)
    data.setup("fit")
    return data


def test_each_keeps_its_units_names_and_partitions(make):
    data = ready(make())
    assert data.dataset_names == ["minima", "off"]
    assert (len(data.train_dataset), len(data.val_dataset), len(data.test_dataset)) == (18, 6, 6)
    number = data.dataset.tensors[properties.dataset]
    for part, counts in zip(
        (data.train_idx, data.val_idx, data.test_idx), ((12, 6), (4, 2), (4, 2)), strict=True
    ):
        assert torch.bincount(number[torch.tensor(part)]).tolist() == list(counts)
    assert sorted([*data.train_idx, *data.val_idx, *data.test_idx]) == list(range(30))
    forces = data.dataset.tensors["forces"]
    rng = np.random.default_rng(1)
    expected = np.concatenate([rng.normal(size=(8, 3)) for _ in range(10)])
    assert torch.allclose(forces[-80:], torch.tensor(expected), rtol=1e-5)
    assert data.elements == [1, 6, 8]


def test_missing_labels_are_masked_and_not_zero(make):
    tensors = ready(make()).dataset.tensors
    has = tensors[properties.has_label("forces")]
    minima = (tensors[properties.dataset] == 0).repeat_interleave(tensors[spk.n_atoms])
    assert torch.equal(has, ~minima)
    assert tensors["forces"][minima].isnan().all() and tensors["forces"][~minima].isfinite().all()


def test_a_label_is_learned_from_the_data_sets_that_have_it(make, write):
    labels = [{"energy": np.array([-9.0 - k])} for k in range(10)]
    write(systems(10, ("C2H6",)), labels, {"energy": "eV"}, "off.db")
    changes = {"off": {"kind": "equilibrium", "labels": {}, "num_train": 8, "num_val": 1}}
    data = make(changes, load_properties=["energy"], property_units={"energy": "eV"})
    offsets = RemoveOffsets("energy", remove_mean=True)
    data._train_transforms = [offsets, SubtractCenter(), NeighborList(4.0), CastTo32()]
    ready(data)
    energies = data.dataset.tensors["energy"]
    trained = torch.tensor([k for k in data.train_idx if k >= 20])
    assert offsets.mean.item() == pytest.approx(energies[trained].mean().item() / 8)
    output = PretextOutput("energy", torch.nn.MSELoss())
    rows = 0
    for batch in data.train_dataloader():
        loss, n_rows = output.loss_and_rows({"energy": torch.zeros(len(batch[spk.idx]))}, batch)
        assert n_rows == int((batch[properties.dataset] == 1).sum()) and loss.isfinite()
        rows += n_rows
    assert rows == 8


def test_positions_are_in_angstrom_whatever_the_databases_say(make, write):
    far = systems(10, ("C2H6",))
    for atoms in far:
        atoms.positions *= 1.8897261
    write(far, [{"F": np.ones((8, 3))}] * 10, {"F": "eV/Ang"}, "off.db", distance_unit="Bohr")
    moved = ready(make()).dataset
    write(systems(10, ("C2H6",)), [{"F": np.ones((8, 3))}] * 10, {"F": "eV/Ang"}, "off.db")
    torch.testing.assert_close(moved.tensors[spk.R], ready(make()).dataset.tensors[spk.R])


@pytest.mark.parametrize("change", [{}, {"force_scale": 1e-3}])
@pytest.mark.parametrize("unit", ["eV/Ang", "kcal/mol/Ang"])
def test_forces_at_equilibrium_are_checked_before_scaling(make, write, change, unit):
    for size in (0.02, 0.2):  # eV/Å
        forces = [{"forces": np.full((len(a), 3), size / KCAL)} for a in systems(20)]
        write(systems(20), forces, {"forces": "kcal/mol/Ang"}, "minima.db")
        data = make({"minima": change}, property_units={"forces": unit})
        if size < 0.1:
            ready(data)
        else:
            with pytest.raises(InputError, match=r"kind=equilibrium, but 20 of its 20 .*0.1 eV/Å"):
                ready(data)


def test_batches_mix_the_kinds_and_targets_belong_to_their_configurations(make):
    data = ready(make())
    seen = set()
    for batch in data.train_dataloader():
        kinds = batch[properties.kind]
        seen |= set(kinds.tolist())
        n_atoms = batch[spk.n_atoms]
        assert torch.equal(kinds == Kind.OFF_EQUILIBRIUM, batch[properties.dataset] == 1)
        off = batch[properties.is_off_equilibrium]
        assert torch.equal(off, (batch[properties.dataset] == 1).repeat_interleave(n_atoms))
        assert batch[properties.force_targets].isfinite().all()
        first = data.dataset._first
        for k, (index, n) in enumerate(zip(batch[spk.idx].tolist(), n_atoms.tolist(), strict=True)):
            if kinds[k] == Kind.OFF_EQUILIBRIUM:
                rows = batch[spk.idx_m] == k
                whole = data.dataset.tensors["forces"][first[index] : first[index] + n].float()
                assert torch.equal(batch[properties.force_targets][rows], whole)
    assert seen == {Kind.OFF_EQUILIBRIUM, Kind.EQUILIBRIUM, Kind.PERTURBED}
    for batch in data.val_dataloader():
        assert set(batch[properties.dataset].tolist()) == {0, 1}


def test_validation_is_fixed_and_training_is_random(make):
    data = ready(make())
    one, other = ([b[spk.R] for b in data.val_dataloader()] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    orders = [[b[spk.idx].tolist() for b in data.train_dataloader()] for _ in range(2)]
    assert orders[0] != orders[1]
    again = ready(make())
    assert [b[spk.idx].tolist() for b in again.train_dataloader()] == orders[0]


def test_equal_indices_of_two_data_sets_get_different_noise(make):
    """Fixed noise depends on the index, which must differ between data sets."""
    changes = {"twin": {"kind": "equilibrium", "datapath": "minima.db"}}
    tensors = ready(make(changes)).dataset.tensors
    assert len(torch.unique(tensors[spk.idx])) == len(tensors[spk.idx]) == 50


def test_forces_can_be_scaled_per_data_set(make):
    plain, scaled = (
        ready(make({"off": {"force_scale": s}})).dataset.tensors["forces"][-80:] for s in (1, 0.5)
    )
    torch.testing.assert_close(scaled, 0.5 * plain)


def test_two_labels_of_one_name_in_the_database(make):
    changes = {"off": {"labels": {"forces": "F", "charges": "F"}}}
    tensors = ready(make(changes, load_properties=["forces", "charges"])).dataset.tensors
    torch.testing.assert_close(
        tensors["charges"][-80:] * KCAL, tensors["forces"][-80:], rtol=1e-5, atol=0
    )


def test_a_split_file_of_one_data_set(make, tmp_path):
    np.savez(tmp_path / "s.npz", train_idx=[3, 1], val_idx=[0], test_idx=[9])
    data = ready(make({"off": {"split_file": str(tmp_path / "s.npz")}}))
    assert sorted(k - 20 for k in data.train_idx if k >= 20) == [1, 3]
    assert [k - 20 for k in data.test_idx if k >= 20] == [9]


def test_kinds_can_be_left_out(make):
    data = ready(make(kinds=["off_equilibrium"]))
    assert data.dataset_names == ["off"] and len(data.dataset) == 10


def test_shares():
    sizes, weights = [900, 90, 10], [1.0, 1.0, 2.0]
    for sampling, temperature, expected in (
        ("size", 1.0, [900, 90, 20]),
        ("even", 1.0, [1, 1, 2]),
        ("temperature", 2.0, [30, 90**0.5, 2 * 10**0.5]),
        ("temperature", 1.0, [900, 90, 20]),
    ):
        found = shares(sizes, weights, sampling, temperature)
        expected = torch.tensor(expected, dtype=torch.float64)
        torch.testing.assert_close(found, expected / expected.sum())


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, [12, 6]),
        ({"sampling": "even"}, [9, 9]),
        ({"sampling": "even", "epoch_size": 40}, [20, 20]),
        ({"epoch_size": 5}, [3, 2]),
    ],
)
def test_draws_of_an_epoch(make, settings, counts):
    data = ready(make(**settings))
    for _ in range(2):
        drawn = torch.cat([batch[spk.idx] for batch in data.train_dataloader()])
        number = data.dataset.tensors[properties.dataset][drawn]
        assert torch.bincount(number).tolist() == counts
        assert set(drawn.tolist()) <= set(data.train_idx)
        # No configuration is drawn twice before all have been drawn.
        times = torch.bincount(drawn, minlength=30)
        for k, n in enumerate((12, 6)):
            rows = [i for i in data.train_idx if (i >= 20) == (k == 1)]
            passes, rest = divmod(counts[k], n)
            assert sorted(set(times[rows].tolist())) == sorted(
                {passes, passes + 1} if rest else {passes}
            )


def test_ranks_share_an_epoch_among_them():
    """Lightning's wrapper gives every rank every second configuration of the same order."""
    parts = []
    for rank in range(2):
        generator = torch.Generator().manual_seed(3)
        members = torch.tensor([0] * 7 + [1] * 4)
        sampler = MixtureSampler(members, shares([7, 4], [1, 1]), 11, generator)
        wrapped = DistributedSamplerWrapper(sampler, num_replicas=2, rank=rank, shuffle=False)
        parts.append(list(wrapped))
    assert len(parts[0]) == len(parts[1]) == 6
    assert set(parts[0]) | set(parts[1]) == set(range(11))
    assert len(set(parts[0]) & set(parts[1])) <= 1  # the one that fills up


MISTAKES = {
    "no database": ({"off": {"datapath": "none.db"}}, {}, r"members.off.datapath=.*none.db does"),
    "unknown kind": (
        {"off": {"kind": "minimum"}},
        {},
        "off.kind='minimum' is unknown; choose from off_eq",
    ),
    "no forces": ({"minima": {"kind": "off_equilibrium"}}, {}, "minima needs the label 'forces'"),
    "minima with forces": ({"off": {"kind": "equilibrium"}}, {}, "10 of its 10 .*off_equilibrium"),
    "other units": ({"off": {"units": {"forces": "eV/Ang"}}}, {}, "states 'kcal/mol/Ang'.*acknowl"),
    "levels": (
        {"off": {"level_of_theory": "PBE"}, "minima": {"level_of_theory": "B3LYP"}},
        {},
        r"off: PBE\).*acknowledge=\[levels_of_theory\]",
    ),
    "weights": ({"off": {"weight": 0}, "minima": {"weight": 0}}, {}, "sum to zero"),
    "negative weight": ({"off": {"weight": -1}}, {}, "off.weight=-1 is not a number of at least 0"),
    "scale": ({"off": {"force_scale": 0}}, {}, "off.force_scale=0 is not a number above 0"),
    "sampling": ({}, {"sampling": "all"}, "sampling='all' is unknown; choose from size"),
    "temperature": (
        {},
        {"sampling": "temperature", "temperature": 0},
        "temperature=0 is not a number of at least 1",
    ),
    "nothing of this kind": ({}, {"kinds": ["unlabelled"]}, r"no data set of kinds"),
    "acknowledge": (
        {},
        {"acknowledge": ["all"]},
        "acknowledge='all' is unknown; choose from units",
    ),
    "size": ({"off": {"num_val": 0}}, {}, r"members.off.num_val=0 leaves no configuration"),
    "name": ({"o.f": {"kind": "equilibrium", "datapath": "minima.db"}}, {}, "rename it"),
    "no path": ({"off": {"datapath": None}}, {}, "neither a datapath nor a source"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(make, mistake):
    changes, settings, sentence = MISTAKES[mistake]
    with pytest.raises(InputError, match=sentence):
        ready(make(changes, **settings))


def test_a_mixture_of_nothing(tmp_path):
    with pytest.raises(InputError, match=r"names no data set; name one, for example 'data/memb"):
        Mixture(str(tmp_path), {}, batch_size=1)


def test_an_empty_data_set(make, write):
    write([], [], {}, "empty.db")
    with pytest.raises(InputError, match=r"members.minima.datapath=.*holds no configuration"):
        ready(make({"minima": {"datapath": "empty.db"}}))


def test_acknowledged_contradictions(make, caplog):
    changes = {"off": {"units": {"forces": "eV/Ang"}, "level_of_theory": "PBE"}}
    changes["minima"] = {"level_of_theory": "B3LYP"}
    with caplog.at_level("WARNING"):
        data = ready(make(changes, acknowledge=["units", "levels_of_theory"]))
    assert "different levels of theory are mixed (minima: B3LYP, off: PBE)" in caplog.text
    forces = ready(make()).dataset.tensors["forces"][-80:]
    # The user's unit is used, although the database states kcal/mol/Ang.
    torch.testing.assert_close(
        data.dataset.tensors["forces"][-80:] * KCAL, forces, rtol=1e-5, atol=0
    )


def test_forces_that_look_like_other_units_are_found(make):
    changes = {
        "wrong": {"kind": "off_equilibrium", "datapath": "off.db", "labels": {"forces": "F"}}
        | {"force_scale": 1 / KCAL}
    }
    changes["wrong"] |= {"num_train": 0.6, "num_val": 0.2}
    with pytest.raises(InputError, match="forces of wrong are 23 times as large as those of off"):
        ready(make(changes))
    assert len(ready(make(changes, acknowledge=["force_sizes"])).dataset) == 40


def test_labels_without_conversion_must_have_one_unit(make, write):
    systems_, energies = systems(4), [{"energy": np.array([1.0])}] * 4
    write(systems_, energies, {"energy": "eV"}, "a.db")
    write(systems_, energies, {"energy": "kcal/mol"}, "b.db")
    sizes = {"num_train": 2, "num_val": 1, "kind": "equilibrium"}
    members = {
        "minima": {"datapath": "a.db"} | sizes,
        "off": {"datapath": "b.db", "labels": {}} | sizes,
    }
    mixed = make(members, load_properties=["energy"])
    with pytest.raises(InputError, match=r"'energy' in different units .minima: eV, off: kcal/mol"):
        mixed.setup()
    data = make(members, load_properties=["energy"], property_units={"energy": "eV"})
    data.setup()
    assert sorted(data.dataset.tensors["energy"].unique().tolist()) == pytest.approx([KCAL, 1.0])
    write(systems_, energies, {"energy": "Ha"}, "a.db")
    write(systems_, energies, {"energy": "Hartree"}, "b.db")
    make(members, load_properties=["energy"]).setup()  # one unit by two names
