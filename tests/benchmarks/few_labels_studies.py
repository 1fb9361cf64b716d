"""What `few_labels.py` compares: data, budgets, learning rates and arms of each study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: Networks by the prefix of an arm's name.
NETWORKS = {
    "": ("model/representation=painn",),
    "schnet_": ("model/representation=schnet", "model.representation.radial_basis.n_rbf=20"),
    "et_": (
        "model/representation=equivariant_transformer",
        "model.representation.radial_basis.n_rbf=32",
    ),
}


def width(n_atom_basis: int, n_interactions: int) -> tuple[str, str]:
    """Return the settings of a network's size."""
    return (
        f"model.representation.n_atom_basis={n_atom_basis}",
        f"model.representation.n_interactions={n_interactions}",
    )


WIDTH = width(64, 3)

# The energy head of a fine-tuned potential is SchNetPack's Atomwise; so is the head of the gradient
# noise task and that of the labels.
_GPIP = "experiment=gpip_pretrain"
# Minima outnumber off-equilibrium configurations eightfold: every data set is drawn equally often.
_EVEN = "data.sampling=even"
_OREO = ("experiment=oreo_pretrain", _EVEN, "data.members.equilibrium.num_val=300")
PRETRAININGS = {
    "gpip": (_GPIP, "pretext=[mask,noise_gradient,contrast]"),
    "gpip_vector": (_GPIP, "pretext=[mask,noise,contrast]"),
    "mask": (_GPIP, "pretext=[mask]"),
    "noise": (_GPIP, "pretext=[noise_gradient]"),
    "contrast": (_GPIP, "pretext=[contrast]"),
    "classical": ("experiment=classical_pretrain",),
    "both": (
        "experiment=gpip_classical_pretrain",
        "pretext=[mask,noise_gradient,contrast,labels]",
    ),
    "oro": ("experiment=oro_pretrain",),
    "oreo": _OREO,
    # Fewer minima, in as many steps.
    "oreo10k": (*_OREO, "data.members.equilibrium.num_train=10000"),
    "oreo5k": (*_OREO, "data.members.equilibrium.num_train=5000"),
    "oreo2k5": (*_OREO, "data.members.equilibrium.num_train=2500"),
    "combined": (
        "experiment=gpip_oreo_pretrain",
        "pretext=[mask,noise_gradient,contrast,oreo]",
        _EVEN,
        "data.members.equilibrium.num_val=300",
    ),
}
#: Members of the mixtures; `classical` are the unlabelled frames with the force field's forces.
MIXTURES = {
    "oro": ("off_equilibrium",),
    **{name: ("equilibrium", "off_equilibrium") for name in PRETRAININGS if name[:4] == "oreo"},
    "combined": ("equilibrium", "off_equilibrium", "classical"),
}
#: arm -> pre-training, and its output module that the energy head starts from
TRANSFERS = {
    "scratch": (None, None),
    "gpip": ("gpip", None),
    "gpip_head": ("gpip", 1),
    "classical": ("classical", 0),
    "both": ("both", 3),
    "mask": ("mask", None),
    "noise": ("noise", None),
    "noise_head": ("noise", 0),
    "contrast": ("contrast", None),
    "gpip_vector": ("gpip_vector", None),
    "oro": ("oro", 0),
    **{name: (name, 0) for name in PRETRAININGS if name[:4] == "oreo"},
    "combined": ("combined", 3),
}
FORCE_FIELDS = ("mmff94", "opls", "tip3p")


@dataclass(frozen=True)
class Arm:
    """Where the weights of a fine-tuning start.

    An arm's name is NETWORK_TRANSFER_FIELD, as in `schnet_gpip_head` or `classical_opls`; network
    and force field are left out where they are the study's own.
    """

    network: str
    transfer: str
    force_field: str

    @classmethod
    def named(cls, name: str, study: "Study") -> "Arm":
        """Take a name apart."""
        network = "schnet_" if name.startswith("schnet_") else study.network
        name = name.removeprefix(network)
        suffix = next((f for f in FORCE_FIELDS if name.endswith(f"_{f}")), None)
        transfer = name.removesuffix(f"_{suffix}") if suffix else name
        return cls(network, transfer, suffix or study.force_field)

    @property
    def pretraining(self) -> str | None:
        """Return the pre-training it starts from; None from scratch."""
        return TRANSFERS[self.transfer][0]

    @property
    def is_corrupted(self) -> bool:
        """Return whether its pre-training has GPIP's noise; `oro` and `oreo` have their own."""
        return self.pretraining is not None and not self.pretraining.startswith(("oro", "oreo"))

    @property
    def head(self) -> int | None:
        """Return the output module that the energy head starts from."""
        return TRANSFERS[self.transfer][1]


@dataclass(frozen=True)
class Study:
    """One labelled system, and what is run on it.

    Args:
        name: of the study and its files.
        title: of the picture.
        n_pool: labelled frames that training and validation are drawn from; the rest are tests.
        force_field: of the unlabelled frames, where an arm names no other.
        network: a key of `NETWORKS`, where an arm names no other.
        width: settings of the network's size.
        warmup_steps: fine-tuning steps in which the learning rate rises.
        forces_only: fine-tune on forces alone, where energies are not those of the level of theory.
        labels: number of labels -> training and validation frames.
        seeds: number of labels -> number of seeds.
        steps: number of labels -> fine-tuning steps of `batch` configurations.
        learning_rates: number of labels -> arm -> rate, chosen on validation frames of other seeds;
            arms that are not named take that of "gpip_head".
        blocks: arms that are compared, with their control, numbers of labels and pre-training
            steps; the most telling first.
        growth: arm and number of labels of the picture of gain against pre-training steps.
    """

    name: str
    title: str
    n_pool: int
    force_field: str
    labels: Mapping[int, tuple[int, int]]
    seeds: Mapping[int, int]
    steps: Mapping[int, int]
    learning_rates: Mapping[int, Mapping[str, float]]
    blocks: Sequence[tuple[Sequence[str], str, Sequence[int], Sequence[int]]]
    network: str = ""
    width: Sequence[str] = WIDTH
    warmup_steps: int = 100
    forces_only: bool = False
    batch: int = 10
    eval_batch: int = 50
    pretrain_steps: int = 4000
    pretrain_batch: int = 20
    pretrain_epochs: int = 20
    pretrain_val: int = 400
    sigma: float = 0.3  # Å, of the noise
    growth: tuple[str, int] = ("gpip_head", 200)
    ticks: Sequence[int] = field(default=(20, 30, 50, 80, 120))

    def learning_rate(self, arm: str, n_labels: int) -> float:
        """Return the learning rate of an arm's fine-tuning."""
        rates = self.learning_rates[n_labels]
        return rates.get(arm, rates["gpip_head"])

    def label(self, arm: str, steps: int) -> str:
        """Return the name of an arm's runs."""
        return arm if arm.endswith("scratch") else f"{arm}@{steps}"

    def plan(self) -> list[tuple[str, int, int, int]]:
        """List the final runs: arm, pre-training steps, labels, seed."""
        return [
            (arm, steps, n, seed)
            for arms, _, n_labels, lengths in self.blocks
            for n in n_labels
            for seed in range(self.seeds[n])
            for steps in lengths
            for arm in arms
        ]


MAIN = ("scratch", "gpip", "gpip_head", "classical", "both")
SINGLE = ("noise", "noise_head", "mask", "contrast", "gpip_vector")
MMFF94 = ("gpip_mmff94", "gpip_head_mmff94", "classical_mmff94", "both_mmff94")
BACKBONE = ("schnet_scratch", "schnet_gpip", "schnet_gpip_head")

ETHANOL = Study(
    name="ethanol",
    title="rMD17 ethanol, PaiNN",
    n_pool=1000,
    force_field="opls",
    labels={50: (40, 10), 200: (160, 40), 1000: (900, 100)},
    seeds={50: 5, 200: 3, 1000: 1},
    steps={50: 1000, 200: 1000, 1000: 3000},
    learning_rates={
        50: {"gpip_head": 8e-3, "classical": 4e-3, "both": 4e-3}
        | {"classical_mmff94": 4e-3, "both_mmff94": 4e-3},
        200: {"gpip_head": 1.6e-2, "classical": 8e-3, "both": 8e-3}
        | {"classical_mmff94": 8e-3, "both_mmff94": 8e-3},
        1000: {"gpip_head": 8e-3},  # not chosen
    },
    blocks=[
        (MAIN, "scratch", (200, 50, 1000), (4000,)),
        (SINGLE, "scratch", (200,), (4000,)),
        (("gpip_head",), "scratch", (200,), (2000, 500)),
        (MMFF94, "scratch", (200, 50), (4000,)),
        (BACKBONE, "schnet_scratch", (200,), (4000,)),
    ],
)

ASPIRIN = Study(
    name="aspirin",
    title="rMD17 aspirin, PaiNN",
    n_pool=1200,
    force_field="opls",
    labels={200: (160, 40)},
    seeds={200: 2},
    steps={200: 3000},
    # Ethanol's at 1000 labels and as many steps; not chosen.
    learning_rates={200: {"gpip_head": 8e-3}},
    blocks=[(MAIN, "scratch", (200,), (4000,))],
)

WATER = Study(
    name="water",
    title="64 water molecules (PBE0+TS), PaiNN",
    n_pool=200,
    force_field="tip3p",
    labels={200: (180, 20)},
    seeds={200: 1},
    steps={200: 600},
    learning_rates={200: {"gpip_head": 4e-3}},
    blocks=[(MAIN, "scratch", (200,), (500,))],
    batch=1,
    eval_batch=2,
    pretrain_steps=500,
    pretrain_batch=2,
    pretrain_epochs=5,
    pretrain_val=20,
)

ET_ARMS = ("scratch", "oro", "oreo", "gpip_head", "classical", "combined")
ET_SIZES = ("oreo10k", "oreo5k", "oreo2k5")


def et_study(name: str, title: str, **settings) -> Study:
    """Return a study of the Equivariant Transformer; the small one's learning rates by default."""
    defaults = {
        "force_field": "opls",
        "network": "et_",
        "labels": {100: (80, 20), 800: (700, 100)},
        "steps": {100: 1000, 800: 2000},
        "learning_rates": {n: {"gpip_head": 8e-3} for n in (100, 800)},
        "pretrain_steps": 1500,
        "pretrain_batch": 32,
        "pretrain_epochs": 10,
    }
    return Study(
        name=f"et_{name}", title=f"{title}, Equivariant Transformer", **defaults | settings
    )


ET_ETHANOL = et_study(
    "ethanol",
    "rMD17 ethanol",
    n_pool=1000,
    seeds={100: 3, 800: 1},
    blocks=[
        (ET_ARMS, "scratch", (100, 800), (3000,)),
        (ET_SIZES, "scratch", (100,), (3000,)),
        (ET_ARMS[1:], "scratch", (100, 800), (1500,)),
        (("oreo",), "scratch", (100, 800), (6000,)),
    ],
    growth=("oreo", 100),
)

ET_ASPIRIN = et_study(
    "aspirin",
    "rMD17 aspirin",
    n_pool=1200,
    seeds={100: 1, 800: 1},
    blocks=[
        (("scratch", "oreo"), "scratch", (100,), (6000,)),
        (ET_ARMS[:-1], "scratch", (100, 800), (3000,)),
    ],
    growth=("oreo", 100),
)

# Forces only, "recovered" labels: 800 frames to draw from, 100 spare ones, the last 100 test.
ET_RECOVERED = [
    et_study(
        name,
        f"recovered MD17 {name.replace('_', ' ')}",
        n_pool=900,
        seeds={100: 1},
        blocks=[
            (("scratch", "oreo"), "scratch", (100,), (6000,)),
            (("classical",), "scratch", (100,), (3000,)),
        ],
        growth=("oreo", 100),
        forces_only=True,
    )
    for name in ("naphthalene", "salicylic_acid")
]

# TorchMD-Net's size for MD17.
ET_FULL_ETHANOL = et_study(
    "full_ethanol",
    "rMD17 ethanol, full size",
    n_pool=1000,
    seeds={100: 3},
    blocks=[(("scratch", "oreo"), "scratch", (100,), (3000,))],
    labels={100: (80, 20)},
    learning_rates={100: {"gpip_head": 4e-3}},
    width=width(128, 6),
    pretrain_steps=3000,
    growth=("oreo", 100),
)

_ALL = (ETHANOL, ASPIRIN, WATER, ET_ETHANOL, ET_ASPIRIN, *ET_RECOVERED, ET_FULL_ETHANOL)
STUDIES = {study.name: study for study in _ALL}
