"""Going on with a run: from which weights, with which settings, and what happens if the best weights are lost.

Only two settings may change, and only after the training diverged: the two that can mend it. The run tells of it
(`FitResult.changed`). Chapter *Training the network*.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from guided_attention.errors import CheckpointError, DamagedError
from guided_attention.files import read_json, write_text
from guided_attention.training.checkpoints import check_checkpoint, checkpoint_path, whole_checkpoints
from guided_attention.training.history import FitResult
from guided_attention.training.settings import FitSettings, counted

__all__ = ["advice", "changes", "mark_diverged", "settle_best", "unmark_diverged", "without"]

#: Differences between two runs that an error names one by one.
_NAMED = 4

#: What a diverged run may be continued with.
_MENDING = ("learning_rate", "precision")
_MARK = "diverged.json"
#: Differences between two runs that an error names one by one.
_NAMED = 4
_log = logging.getLogger(__name__)


def mark_diverged(folder: Path, epoch: int, what: str) -> None:
    """Note beside the checkpoints that the training diverged in an epoch."""
    write_text(folder / _MARK, json.dumps({"epoch": epoch, "what": what}) + "\n")


def unmark_diverged(folder: Path) -> None:
    """Forget that the training diverged: a later epoch went well."""
    (folder / _MARK).unlink(missing_ok=True)


def advice(settings: FitSettings, folder: Path | None) -> str:
    """Return what can be done about a training that diverged."""
    mend = f"lower learning_rate (now {settings.learning_rate:g})"
    if settings.precision != "32-true":
        mend += ", or use precision='32-true'"
    if folder is None:
        return f"{mend}."
    last = max(whole_checkpoints(folder), default=0)
    sound = f"epoch {last}, the last one whose weights are sound" if last else "the first weights"
    return (
        f"{mend}. With that change and the same output folder, {folder.parent}, the run goes on from {sound} "
        "(`guided-attention train --learning-rate NUMBER --out FOLDER`, or `fit`)."
    )


def changes(found: Path, state: Mapping[str, Any], identity: Mapping[str, Any]) -> dict[str, Any]:
    """Compare a checkpoint with the run that wants to go on from it.

    Parameters
    ----------
    found : Path
        The checkpoint.
    state : mapping
        Of the checkpoint.
    identity : mapping of plain JSON types
        What makes the run what it is; ``settings`` are those of `FitSettings`.

    Returns
    -------
    dict
        ``{"epoch": first epoch concerned, name: [before, now], ...}`` for a run that diverged and goes on with other
        settings; empty if nothing differs.

    Raises
    ------
    CheckpointError
        If anything else differs.
    """
    state = {**state, "settings": counted(state["settings"])} if "settings" in state else state
    differing = {name: (state[name], now) for name, now in identity.items() if state.get(name, now) != now}
    if not differing:
        return {}
    mended = _mended(differing) if _has_diverged(found.parent, state["epoch"]) else {}
    if mended:
        return {"epoch": state["epoch"] + 1, **mended}
    name, (before, now) = next(iter(differing.items()))
    raise CheckpointError(
        f"{found}: this run was started with other {name}: {_difference(before, now)}. "
        "Give another output folder, or delete this one."
    )


def settle_best(folder: Path, result: FitResult, model: nn.Module, speak: bool = True) -> None:
    """See that the weights of the best epoch are there and sound; else the best sound epoch takes its place.

    Parameters
    ----------
    folder : Path
        Of the checkpoints.
    result : FitResult
        Changed if need be; its history then marks what is ``lost``.
    model : nn.Module
        Whose weights they are; it stays as it is.
    speak : bool
        Log it as a warning, which everybody sees who does not ask for silence.

    Raises
    ------
    DamagedError
        If there is no sound checkpoint at all.
    """
    if not result.history:
        return
    lost, dice = result.best_epoch, result.best_dice
    damage = _damage(checkpoint_path(folder, lost), model)
    if damage is None:
        return
    known = {entry["epoch"] for entry in result.history}
    sound = [e for e, path in whole_checkpoints(folder).items() if e in known - {lost} and not _damage(path, model)]
    if not sound:
        raise damage
    result.keep_best_of(sound)
    if speak:
        _log.warning(
            "%s The best epoch so far, %d (validation Dice %.3f), is lost; of those whose weights are sound the best, "
            "epoch %d (%.3f), takes its place.",
            *(damage, lost, dice, result.best_epoch, result.best_dice),
        )


def without(found: Path, damage: DamagedError) -> DamagedError:
    """Return the error of a damaged last checkpoint, with what can be done about it."""
    earlier = [epoch for epoch, path in whole_checkpoints(found.parent).items() if path != found]
    goes_on = f"goes on from epoch {max(earlier)}" if earlier else "starts from the beginning"
    return DamagedError(f"{damage} Delete the folder {found} and give the same command: the run then {goes_on}.")


def _damage(path: Path, model: nn.Module) -> DamagedError | None:
    try:
        check_checkpoint(path, model)
    except DamagedError as error:
        return error
    return None


def _has_diverged(folder: Path, last: int) -> bool:
    """Whether an epoch after the last checkpoint diverged; a mark that a killed run left from before is void."""
    path = folder / _MARK
    return path.is_file() and read_json(path)["epoch"] > last


def _mended(differing: Mapping[str, tuple[Any, Any]]) -> dict[str, list[Any]]:
    if set(differing) != {"settings"}:
        return {}
    before, now = differing["settings"]
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return {name: [before[name], now[name]] for name in changed} if set(changed) <= set(_MENDING) else {}


def _difference(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        changed = [k for k in {**before, **now} if before.get(k) != now.get(k)]
        said = ", ".join(f"{k} was {before.get(k)!r}, is {now.get(k)!r}" for k in changed[:_NAMED])
        return said if len(changed) <= _NAMED else f"{said}, and {len(changed) - _NAMED} more"
    return f"was {before!r}, is {now!r}"
