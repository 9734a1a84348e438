"""Loss playground: weigh the recorded terms of the objective anew, and see what the total is made of."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from guided_attention.errors import DataError, SettingsError
from guided_attention.experiments.record import read_record
from guided_attention.experiments.run_record import Record
from guided_attention.training.losses import LossWeights
from guided_attention.widgets.shared.base import GuidedWidget

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PAPER", "LossPlayground"]

#: The paper's weights.
PAPER = LossWeights()

#: Column of the history, its weight in eq. 11, and the equation that adds it up.
_TERMS = (("segmentation", "alpha", 10), ("guided", "beta", 8), ("reconstruction", "gamma", 9))
_COLOURS = {"segmentation": "#0072B2", "guided": "#E69F00", "reconstruction": "#CC79A7"}


class LossPlayground(GuidedWidget):
    """Give the terms of a recorded training other weights (eq. 11), and read each one's share of the total.

    Re-weighting a recording does not retrain the network: with other weights the terms would have come out
    differently. The widget says so, too.

    Parameters
    ----------
    history : sequence of mapping, or path
        One entry for each epoch, as in ``FitResult.history`` and `Record.curve`: ``epoch``, and unweighted terms
        ``segmentation``, ``guided``, ``reconstruction``. Or the ``history.csv`` of a run.
    weights : LossWeights, optional
        What the run was trained with; default the paper's 1, 0.25 and 0.1.
    name : str, optional
        What was trained, for the text.
    **traits
        Values to start with (``beta=4.0``, ``epoch=10``).

    Attributes
    ----------
    alpha, beta, gamma : float
        Weights of the segmentation, guided and reconstruction loss, from 0; at first those of the run.
    epoch : int
        The epoch whose shares are shown; at first the last.
    view : {"stacked", "shares", "lines"}
        Weighted terms on top of each other; the same in per cent of the total; or side by side on a logarithmic axis.

    Raises
    ------
    SettingsError
        If fewer than two terms were recorded (a network without guidance), one is not finite, or there is no such
        epoch.
    DataError
        If the file is missing or no history.

    Notes
    -----
    Used in the chapter *Training the network*.
    """

    _script = "loss_playground"

    alpha = traitlets.Float(1.0, min=0.0).tag(sync=True)
    beta = traitlets.Float(0.25, min=0.0).tag(sync=True)
    gamma = traitlets.Float(0.1, min=0.0).tag(sync=True)
    epoch = traitlets.Int(1).tag(sync=True)
    view = traitlets.Enum(("stacked", "shares", "lines"), "stacked").tag(sync=True)

    def __init__(
        self,
        history: Sequence[Mapping[str, Any]] | str | Path,
        *,
        weights: LossWeights = PAPER,
        name: str = "",
        **traits: Any,
    ) -> None:
        rows = _read(Path(history)) if isinstance(history, (str, Path)) else list(history)
        terms = _terms(rows, weights, name)
        epochs = [int(row["epoch"]) for row in rows]
        dice = [float(row.get("dice", math.nan)) for row in rows]
        data = {
            "name": name,
            "epochs": epochs,
            "terms": terms,
            "dice": dice if np.isfinite(dice).all() else None,
            "paper": {weight: getattr(PAPER, weight) for _, weight, _ in _TERMS},
        }
        start = {weight: float(getattr(weights, weight)) for _, weight, _ in _TERMS}
        super().__init__(data=data, **{**start, "epoch": epochs[-1], **traits})

    @classmethod
    def from_record(cls, record: Record | str | Path, **traits: Any) -> LossPlayground:
        """Take the learning curve of a record, with the weights that it was trained with.

        Parameters
        ----------
        record : Record or path
            As `run_trial` returns it, or its JSON file.
        **traits
            As for `LossPlayground`.

        Raises
        ------
        DataError
            If the file is missing or no record.
        SettingsError
            As for `LossPlayground`.
        """
        found = record if isinstance(record, Record) else read_record(record)
        known = {key: found.settings.get("loss", {}).get(key) for key in ("alpha", "beta", "gamma")}
        weights = LossWeights(**{key: value for key, value in known.items() if value is not None})
        kind = "synthetic" if found.dataset.synthetic else "real"
        name = f"{found.model.name} on {found.dataset.name} ({kind}), fold {found.split.fold}, seed {found.seed}"
        return cls(found.curve, weights=weights, name=name, **traits)

    @traitlets.validate("epoch")
    def _recorded(self, proposal: dict[str, Any]) -> int:
        epochs = self.data["epochs"]
        if proposal["value"] not in epochs:
            raise SettingsError(f"epoch={proposal['value']} was not recorded; there are {epochs[0]} to {epochs[-1]}.")
        return proposal["value"]

    def weighted(self) -> dict[str, np.ndarray]:
        """Return every term times its weight, (number of epochs,) each."""
        return {
            term["name"]: getattr(self, term["weight"]) * np.array(term["values"], np.float64)
            for term in self.data["terms"]
        }

    def total(self) -> np.ndarray:
        """Return the sum of `weighted`: eq. 11 with the chosen weights, (number of epochs,)."""
        return np.sum(list(self.weighted().values()), axis=0)

    def shares(self) -> dict[str, float]:
        """Return each term's share of the total at `epoch`, 0 to 1; NaN if the total is 0."""
        at = self.data["epochs"].index(self.epoch)
        whole = float(self.total()[at])
        return {name: float(values[at]) / whole if whole else math.nan for name, values in self.weighted().items()}

    def picture(self) -> Figure:
        """Draw the weighted terms on top of each other."""
        from matplotlib import pyplot as plt

        figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
        values = self.weighted()
        colours = [_COLOURS[name] for name in values]
        ax.stackplot(self.data["epochs"], *values.values(), labels=list(values), colors=colours, alpha=0.75)
        ax.axvline(self.epoch, color="black", lw=1)
        ax.set(xlabel="epoch", ylabel="weighted loss", title="What the total loss is made of")
        ax.legend(frameon=False)
        return figure

    @property
    def alt(self) -> str:
        """What `picture` shows."""
        shares = ", ".join(
            f"{name} {100 * share:.1f} %" if math.isfinite(share) else f"{name} nothing"
            for name, share in self.shares().items()
        )
        return (
            f"Terms of the objective against the epoch, each times its weight, on top of each other: alpha "
            f"{self.alpha:g}, beta {self.beta:g}, gamma {self.gamma:g}. At epoch {self.epoch} the total is "
            f"{self.total()[self.data['epochs'].index(self.epoch)]:.3f}: {shares}."
        )


def _terms(rows: list[Mapping[str, Any]], weights: LossWeights, name: str) -> list[dict[str, Any]]:
    """Return what was recorded: terms that are there, and not 0 throughout."""
    if not rows or any("epoch" not in row for row in rows):
        raise SettingsError("history: expected at least one epoch, each with its number as `epoch`.")
    found = []
    for term, weight, equation in _TERMS:
        if any(row.get(term) is None for row in rows):
            continue
        values = [float(row[term]) for row in rows]
        if not np.isfinite(values).all():
            raise SettingsError(f"history: {term} is not finite in every epoch; a run that diverged cannot be weighed.")
        if any(values):
            used = float(getattr(weights, weight))
            found.append({"name": term, "weight": weight, "equation": equation, "values": values, "trained": used})
    if len(found) < 2:
        only = found[0]["name"] if found else "none"
        raise SettingsError(
            f"{name or 'history'}: expected at least two recorded terms of eq. 11 to weigh against each other, found "
            f"{only}. Networks without guidance have no guided and reconstruction loss; take a run of ms-dual-guided."
        )
    return found


def _read(path: Path) -> list[dict[str, float]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such history. `fit` writes history.csv into the run's folder.") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: expected the history.csv of a run, but it cannot be read ({error}).") from error
