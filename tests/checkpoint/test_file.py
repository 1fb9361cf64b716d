"""Loading of files of weights; hostile files run nothing."""

import inspect
import io
import os
import pickle
import re
import zipfile

import pytest
import schnetpack as spk
import schnetpack.nn as snn
import torch
from schnetpack import properties
from schnetpack.representation import FieldSchNet, PaiNN, SchNet, SO3net

from gpip_plugins.checkpoint import load, load_model, safe_pickle
from gpip_plugins.checkpoint.allowed_names import PACKAGES, allowed, look_up
from gpip_plugins.errors import InputError


def build(kind=PaiNN, **settings):
    representation = kind(
        n_atom_basis=8,
        n_interactions=2,
        radial_basis=snn.GaussianRBF(n_rbf=6, cutoff=4.0),
        cutoff_fn=snn.CosineCutoff(4.0),
        **settings,
    )
    return spk.model.NeuralNetworkPotential(
        representation=representation,
        input_modules=[spk.atomistic.PairwiseDistances()],
        output_modules=[spk.atomistic.Atomwise(n_in=8, output_key="energy")],
        postprocessors=[spk.transform.AddOffsets("energy", add_mean=True)],
    )


def pair():
    """Return two atoms within the cutoff."""
    return {
        properties.Z: torch.tensor([6, 8]),
        properties.R: torch.tensor([[0.0, 0, 0], [1.2, 0, 0]]),
        properties.offsets: torch.zeros(2, 3),
        properties.idx_i: torch.tensor([0, 1]),
        properties.idx_j: torch.tensor([1, 0]),
        properties.idx_m: torch.tensor([0, 0]),
        properties.n_atoms: torch.tensor([2]),
    }


@pytest.mark.parametrize(
    "kind, settings",
    [
        (SchNet, {}),
        (PaiNN, {}),
        (PaiNN, {"activation": torch.tanh}),
        (PaiNN, {"activation": torch.nn.functional.gelu}),
        (PaiNN, {"activation": torch.nn.SiLU(), "shared_interactions": True}),
        (SO3net, {"lmax": 2}),
        (FieldSchNet, {"response_properties": ["energy"]}),
    ],
)
def test_models_come_back_as_they_were(tmp_path, kind, settings):
    model = build(kind, **settings)
    torch.save(model, tmp_path / "best_model")
    loaded = load(tmp_path / "best_model")
    assert loaded.kind == "model" and type(loaded.module.representation) is kind
    assert loaded.settings["class"] == kind.__name__
    assert loaded.settings["cutoff"] == 4.0
    assert loaded.settings["n_atom_basis"] == 8 and loaded.settings["n_interactions"] == 2
    assert loaded.state_dict.keys() == model.state_dict().keys()
    # The folder of a run stands for its best_model.
    again = load_model(tmp_path)
    assert not again.training
    if kind is not FieldSchNet:
        torch.testing.assert_close(again(pair())["energy"], model(pair())["energy"])


def test_hash_is_that_of_the_file(tmp_path):
    import hashlib

    torch.save({"a": torch.ones(1)}, tmp_path / "w.pt")
    expected = hashlib.sha256((tmp_path / "w.pt").read_bytes()).hexdigest()
    assert load(tmp_path / "w.pt").sha256 == expected


def test_a_lightning_checkpoint_gives_its_own_weights(tmp_path):
    model = build()
    newer = {f"model.{key}": value + 1 for key, value in build().state_dict().items()}
    content = {
        "state_dict": newer | {"outputs.0.metric": torch.ones(1)},
        "hyper_parameters": {"model": model, "optimizer_cls": torch.optim.AdamW},
    }
    torch.save(content, tmp_path / "last.ckpt")
    loaded = load(tmp_path / "last.ckpt")
    assert loaded.kind == "lightning"
    assert "outputs.0.metric" not in loaded.state_dict
    key = "representation.embedding.weight"
    torch.testing.assert_close(loaded.state_dict[key], newer[f"model.{key}"])
    weight = load_model(tmp_path / "last.ckpt").representation.embedding.weight
    torch.testing.assert_close(weight.data, newer[f"model.{key}"])


def test_a_state_dict_has_settings_but_no_model(tmp_path):
    torch.save(build().state_dict(), tmp_path / "weights.pt")
    loaded = load(tmp_path / "weights.pt")
    assert loaded.kind == "state_dict" and loaded.module is None
    assert loaded.settings == {"n_atom_basis": 8, "cutoff": 4.0, "n_rbf": 6}
    with pytest.raises(InputError, match="weights without a model"):
        load_model(tmp_path / "weights.pt")


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


class Evil(torch.nn.Module):
    """Stands for a class that an attacker wants to be imported."""


def _write(path):
    open(path, "w").close()


@pytest.mark.parametrize("how", ["exec", "eval", "system", "getattr", "own", "constructor", "dill"])
def test_a_hostile_file_runs_nothing(tmp_path, how):
    import os
    import subprocess

    target = tmp_path / "executed"
    code = f"open({str(target)!r}, 'w').close()"
    call, named = {
        "exec": (Call(exec, code), "builtins.exec"),
        "eval": (Call(eval, code), "builtins.eval"),
        "system": (Call(os.system, f"touch {target}"), "posix.system"),
        "getattr": (Call(Call(getattr, subprocess, "run")), None),
        "own": (Call(_write, str(target)), "_write"),
        # A class that models do contain, but a call of it is not how a model is stored.
        "constructor": (Call(torch.nn.Linear, 2, 2), "torch.nn.modules.linear.Linear()"),
        "dill": (Call(__import__, "antigravity"), "builtins.__import__"),
    }[how]
    if how == "getattr":
        call, named = Call(getattr, torch._C._VariableFunctionsClass, "from_file"), None
    model = build()
    model.representation.extra = call
    torch.save(model, tmp_path / "best_model")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "best_model")
    assert not target.exists()
    assert str(tmp_path / "best_model") in str(caught.value) and "\n" not in str(caught.value)
    if named:
        assert named in str(caught.value)


def test_unknown_packages_are_named_not_imported(tmp_path):
    """The class below exists nowhere; a pickle can be written without it."""
    source = b"\x80\x02cnowhere_else.models\nNet\n)\x81."
    with zipfile.ZipFile(tmp_path / "f", "w") as archive:
        archive.writestr("f/data.pkl", source)
        archive.writestr("f/version", b"3\n")
    with pytest.raises(InputError, match=r"nowhere_else\.models\.Net.*trust=nowhere_else"):
        load(tmp_path / "f")


def test_trust_accepts_one_package(tmp_path):
    model = build()
    model.representation.extra = Evil()
    torch.save(model, tmp_path / "best_model")
    package = Evil.__module__
    with pytest.raises(InputError, match="Evil"):
        load(tmp_path / "best_model")
    loaded = load(tmp_path / "best_model", trust=[package])
    assert isinstance(loaded.module.representation.extra, Evil)


def test_names_that_a_package_only_imported_are_refused():
    assert not allowed("torch.nn.modules.module.functools.partial")
    assert not allowed("schnetpack.model.base.torch.nn.Module")
    assert not allowed("builtins.eval")
    assert not allowed("torch.hub.load")
    assert allowed("torch.nn.modules.linear.Linear")


def test_loading_leaves_the_process_wide_list_as_it_was(tmp_path):
    torch.save(build(), tmp_path / "best_model")
    pairs = safe_pickle.as_safe_globals({"schnetpack.representation.painn.PaiNN"})
    torch.serialization.add_safe_globals(pairs)
    before = set(torch.serialization.get_safe_globals())
    load(tmp_path / "best_model")
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "best_model", weights_only=True)


def _zip_of(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is an empty file and not a file of torch.save"),
        (b"not a checkpoint" * 100, "is a text file and not"),
        (b"SQLite format 3\x00 ...", "is an SQLite database"),
        (pickle.dumps({"a": 1}), "a pickle that is not in PyTorch's format"),
        (bytes(5000), "filled with zeros"),
        (_zip_of(torch.nn.Linear(50, 50))[:300], "damaged"),
        (_zip_of(torch.nn.Linear(50, 50))[:-3000], "damaged"),
        (_zip_of({}), "no weights"),
        (_zip_of({"state_dict": {}}), "no weights"),
        (_zip_of([1, 2]), "holds a list"),
        (_zip_of({"epoch": 3}), "holds a dict"),
    ],
    ids=[
        "empty",
        "text",
        "database",
        "pickle",
        "zeros",
        "beginning",
        "truncated",
        "no tensors",
        "no state",
        "list",
        "numbers",
    ],
)
def test_unusable_files_get_one_sentence(tmp_path, content, words):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        load(tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_is_noticed(tmp_path):
    torch.save({"weight": torch.arange(1000.0)}, tmp_path / "w.pt")
    data = bytearray((tmp_path / "w.pt").read_bytes())
    position = bytes(data).index(torch.arange(1000.0).numpy().tobytes()[400:500])
    data[position + 50] ^= 1
    (tmp_path / "w.pt").write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        load(tmp_path / "w.pt")


def test_missing_files_and_folders_without_a_model(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load(tmp_path / "nothing")
    with pytest.raises(InputError, match="has no best_model"):
        load(tmp_path)


def test_paths_are_relative_to_the_current_folder(tmp_path, monkeypatch):
    torch.save(build(), tmp_path / "best_model")
    monkeypatch.chdir(tmp_path)
    assert load("best_model").path == str(tmp_path / "best_model")


def test_torchscript_is_named(tmp_path):
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(tmp_path / "deployed"))
    with pytest.raises(InputError, match="TorchScript"):
        load(tmp_path / "deployed")


def test_a_model_of_an_older_schnetpack_is_not_converted_silently(tmp_path):
    model = build()
    del model.spk_version
    torch.save(model, tmp_path / "best_model")
    with pytest.raises(InputError, match=r"SchNetPack 2\.0"):
        load_model(tmp_path / "best_model")


def test_no_allowed_class_touches_files_or_processes():
    """Of all classes that a file may bring in, the source has no word of such functions."""
    words = re.compile(
        r"\bos\.|\bopen\(|\bshutil\b|\bsubprocess\b|torch\.(load|save)\(|\b(eval|exec)\("
        r"|import_module|str2class|\bpickle\b|hub\.load"
    )
    found = set()
    for package in PACKAGES:
        look_up(f"{package}.nothing", may_import=True)
    for kind in subclasses(torch.nn.Module) | subclasses(torch.optim.Optimizer):
        name = f"{kind.__module__}.{kind.__qualname__}"
        if allowed(name):
            found.add(name)
            if not name.startswith("torch."):
                assert not words.search(inspect.getsource(kind)), name
    assert "schnetpack.transform.atomistic.AddOffsets" in found and len(found) > 200
    assert not allowed("schnetpack.transform.neighborlist.CachedNeighborList")
    assert not allowed("schnetpack.task.AtomisticTask")


def subclasses(kind):
    """Return all classes derived from a class."""
    direct = set(kind.__subclasses__())
    return direct.union(*(subclasses(k) for k in direct))


def test_a_model_that_would_write_files_is_refused(tmp_path):
    model = build()
    cache = spk.transform.CachedNeighborList(
        str(tmp_path / "cache"), spk.transform.ASENeighborList(4.0)
    )
    cache.cache_location = str(tmp_path / "elsewhere")
    model.input_modules.append(cache)
    torch.save(model, tmp_path / "best_model")
    with pytest.raises(InputError, match="CachedNeighborList"):
        load(tmp_path / "best_model")


def without(model, *names):
    for name in names:
        del model.__dict__[name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: without(m, "_modules"), "holds a model that cannot be used"),
        (lambda m: without(m.representation, "_buffers"), "no attribute '_buffers'"),
        (lambda m: m._modules.pop("representation"), "lacks modules that every model has"),
        (lambda m: m._modules.pop("output_modules"), "lacks modules that every model has"),
        (lambda m: m._modules.__setitem__("postprocessors", None), "lacks modules"),
        (lambda m: m.output_modules._modules.clear(), "has no energy"),
        (lambda m: m.representation.cutoff_fn.cutoff.fill_(float("nan")), "a cut-off of nan"),
        (lambda m: m.representation.cutoff_fn.cutoff.fill_(0.0), "a cut-off of 0,"),
        (lambda m: m.representation.cutoff_fn.cutoff.fill_(-4.0), "a cut-off of -4"),
        (lambda m: m.representation.cutoff_fn.cutoff.fill_(1e9), r"a cut-off of 1e\+09"),
        (lambda m: setattr(m.representation.radial_basis, "n_rbf", "many"), "cannot be used"),
    ],
    ids=[
        "no modules", "no buffers", "no representation", "no heads", "none", "no outputs", "nan",
        "zero", "negative", "huge", "words",
    ],
)  # fmt: skip
def test_incomplete_and_senseless_models_get_one_sentence(tmp_path, change, words):
    model = build()
    change(model)
    torch.save(model, tmp_path / "best_model")
    with pytest.raises(InputError, match=words) as caught:
        load_model(tmp_path / "best_model")
    assert "\n" not in str(caught.value)


def archive(records, compression=zipfile.ZIP_STORED):
    """Return a zip archive of (name, content)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as written:
        for name, content in records:
            written.writestr(name, content)
    return buffer.getvalue()


def records_of(content):
    with zipfile.ZipFile(io.BytesIO(_zip_of(content))) as stored:
        return [(name, stored.read(name)) for name in stored.namelist()]


def larger_than_its_record():
    """Return a file in which 4 numbers are declared to be 2**40."""
    tensor = torch.zeros(1).expand(2**20, 2**20)
    return _zip_of({"weight": tensor})


@pytest.mark.parametrize(
    "content",
    [
        larger_than_its_record(),
        archive(records_of({"a": torch.zeros(10**6)}), zipfile.ZIP_DEFLATED),
        pickle.dumps(os.getcwd, protocol=2) + _zip_of({"a": torch.ones(1)}),
        archive([("a.npy", b"0")]),
        archive([("x/data.pkl", b"\x80\x02"), ("x/version", b"3")]),
    ],
    ids=["repeated numbers", "compressed", "pickle in front", "npz", "short pickle"],
)
def test_sizes_and_layout_are_checked_before_they_are_believed(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=r"torch\.save"):
        load(tmp_path / "file")


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is not a file"):
        load(tmp_path / "pipe")
