"""Settings of a training run, as frozen dataclasses, and the presets ``quick``, ``standard``, ``paper``, ``widget``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from guided_attention.data.augmentation import Augmentation
from guided_attention.data.prepare import InputSettings
from guided_attention.data.variation import Variation
from guided_attention.errors import SettingsError, require_choice
from guided_attention.evaluation.precision import PRECISIONS, Precision
from guided_attention.models import backbone_of
from guided_attention.training.losses import LossWeights

__all__ = ["PRESETS", "FitSettings", "Preset", "counted", "get_preset"]


@dataclass(frozen=True)
class FitSettings:
    """One training run. The defaults are the paper's protocol.

    Parameters
    ----------
    epochs : int
        Passes over the training slices (the paper: most networks converge within 250).
    batch_size : int
        Slices in one step, over all devices together.
    learning_rate : float; betas : (float, float); weight_decay : float
        Of Adam.
    schedule : {"plateau", "cosine"}
        How the learning rate falls, see `guided_attention.training.schedule.learning_rate`.
    patience : int; factor : float
        After ``patience`` epochs without a better validation score the learning rate is multiplied by ``factor``.
    precision : {"32-true", "bf16-mixed"}
        Lightning Fabric's names for single precision, and for bfloat16 where autocast thinks it safe.
    seed : int
        Of the order of slices, of the augmentation and of dropout.
    inputs : InputSettings
        How a volume becomes the network's input.
    augmentation : Augmentation, Variation or None
        Random rotation and flips, or all that scans vary in.
    loss : LossWeights
        Weights and conventions of eq. 11.
    warmup : int
        Epochs in which the learning rate rises to its value; the paper has none.
    average : float
        Decay of a moving average of the weights, which is then validated and kept; 0: the weights themselves.
    balance : float
        Share of the slices that are drawn by organ, see `guided_attention.training.batches.EpochBatches`.

    Raises
    ------
    SettingsError
        If a number is out of range.
    """

    epochs: int = 250
    batch_size: int = 8
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    schedule: Literal["plateau", "cosine"] = "plateau"
    patience: int = 50
    factor: float = 0.5
    precision: Precision = "32-true"
    seed: int = 0
    inputs: InputSettings = field(default_factory=InputSettings)
    augmentation: Augmentation | Variation | None = field(default_factory=Augmentation)
    loss: LossWeights = field(default_factory=LossWeights)
    warmup: int = 0
    average: float = 0.0
    balance: float = 0.0

    def __post_init__(self) -> None:
        least = {"epochs": 1, "batch_size": 1, "patience": 1, "seed": 0, "weight_decay": 0, "warmup": 0}
        for name, lowest in least.items():
            if not getattr(self, name) >= lowest:
                raise SettingsError(f"{name}={getattr(self, name)} must be {lowest} or more.")
        for name in ("learning_rate", "factor"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name}={getattr(self, name)} must be greater than 0.")
        for name, below in (("average", self.average < 1), ("balance", self.balance <= 1)):
            if not (below and getattr(self, name) >= 0):
                raise SettingsError(f"{name}={getattr(self, name)} must be a share: 0 or more, and not above 1.")
        require_choice("schedule", self.schedule, ("plateau", "cosine"))
        require_choice("precision", self.precision, PRECISIONS)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON types; what came later than the first records is there if it is in use."""
        plain = asdict(self)
        plain["betas"] = list(self.betas)
        for part, later in ((plain, _LATER), (plain["loss"], ("dice",))):
            for name in later:
                if not part[name]:
                    del part[name]
        return plain


#: Settings that are off at 0 and are not written down then.
_LATER = ("warmup", "average", "balance")


def counted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings of a record or checkpoint that make a training what it is.

    Older versions also name ``workers``, the processes that prepared slices: the results never depended on them.
    """
    return {name: value for name, value in settings.items() if name != "workers"}


@dataclass(frozen=True)
class Preset:
    """A named pair of network size and training protocol.

    Parameters
    ----------
    name : str
        Goes into every record.
    backbone : str
        Backbone of the networks whose name does not say it.
    options : dict str -> dict
        Further arguments of `build_model`, by model name; a model that is not named takes its defaults.
    fit : FitSettings
        The training protocol.
    """

    name: str
    backbone: str
    options: dict[str, dict[str, Any]]
    fit: FitSettings

    def model_options(self, model: str) -> dict[str, Any]:
        """Arguments of `build_model` for one model, its backbone among them if it has one."""
        backbone = backbone_of(model, self.backbone)
        return {**({} if backbone is None else {"backbone": backbone}), **self.options.get(model, {})}


_SMALL = {"channels": 32}
_THIN = {**_SMALL, "backbone_width": 32}
_GUIDED = {"semantic_widths": (16, 32, 64)}
_FAMILY = ("daf", "pam", "cam", "dual", "ms-dual")
_SMALL_NETWORKS = {
    **dict.fromkeys(_FAMILY, _SMALL),
    "unet": {"channels": 16},
    "attention-unet": {"channels": 16},
    "ms-dual-guided": {**_SMALL, **_GUIDED},
}
_QUICK_FIT = FitSettings(
    epochs=10,
    batch_size=4,
    schedule="cosine",
    inputs=InputSettings(size=128, how="resample"),
    augmentation=Augmentation(flips=False),
)
#: ``paper``: the published protocol, for a GPU. ``quick``: a small network on 128 x 128 pixels that two processor
#: cores train in minutes; its numbers say that everything works, not how good the network is. ``standard``: the same
#: networks as somebody careful with small data would train them, in half an hour or less. ``widget``: a thinner
#: family, trained longer, whose weights are small enough to travel with the book; the pictures that readers touch are
#: made with it.
PRESETS: dict[str, Preset] = {
    "paper": Preset("paper", backbone="resnet101", options={}, fit=FitSettings()),
    "quick": Preset(
        "quick",
        backbone="resnet18",
        options=_SMALL_NETWORKS,
        fit=_QUICK_FIT,
    ),
    "standard": Preset(
        "standard",
        backbone="resnet18",
        options=_SMALL_NETWORKS,
        fit=replace(
            _QUICK_FIT,
            epochs=30,
            inputs=InputSettings(size=128, how="resample", normalisation="robust"),
            augmentation=Variation(),
            loss=LossWeights(dice=1.0),
            warmup=1,
            average=0.99,
            balance=0.33,
        ),
    ),
    "widget": Preset(
        "widget",
        backbone="resnet18",
        options={**dict.fromkeys(_FAMILY, _THIN), "ms-dual-guided": {**_THIN, **_GUIDED}},
        fit=replace(_QUICK_FIT, epochs=20),
    ),
}


def get_preset(name: str) -> Preset:
    """Return a preset by name, or raise a `SettingsError` that lists them."""
    require_choice("preset", name, tuple(PRESETS))
    return PRESETS[name]
