"""What the two attention explorers share: several networks, and in each a map for every scale and step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import traitlets
from torch import Tensor, nn

from guided_attention.errors import SettingsError, require_choice
from guided_attention.widgets.shared.base import GuidedWidget
from guided_attention.widgets.shared.inputs import Slice, device_of, grey_values, place_of
from guided_attention.widgets.shared.pack import pack, pack_pictures

__all__ = ["AttentionExplorer", "collect", "slice_data"]

T = TypeVar("T")


class AttentionExplorer(GuidedWidget):
    """A widget whose ``data["networks"]`` is a list of ``{"name": str, "maps": [{"scale", "step", "label", ...}]}``.

    Attributes
    ----------
    network, scale, step
        Which map; where the network has none at that scale and step, its first. For a network other than ours,
        ``scale`` counts its attention modules.
    """

    network = traitlets.Unicode().tag(sync=True)
    scale = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)

    @traitlets.validate("network")
    def _known(self, proposal: dict[str, Any]) -> str:
        require_choice("network", proposal["value"], [network["name"] for network in self.data["networks"]])
        return proposal["value"]

    def chosen(self) -> dict[str, Any]:
        """Return the network that is shown: ``name``, ``maps``, and what else its widget keeps."""
        return next(network for network in self.data["networks"] if network["name"] == self.network)

    def current(self) -> dict[str, Any]:
        """Return the map that is shown, packed."""
        maps = self.chosen()["maps"]
        of_scale = [found for found in maps if found["scale"] == self.scale] or maps[:1]
        return next((found for found in of_scale if found["step"] == self.step), of_scale[0])


def collect(
    model: nn.Module | Mapping[str, nn.Module],
    x: Tensor,
    capture: Callable[[nn.Module, Tensor], dict[str, T]],
    packed: Callable[[nn.Module, T], dict[str, Any]],
    scales: Sequence[int] | None,
    kind: str,
) -> tuple[list[dict[str, Any]], bool]:
    """Run networks on a slice and pack what their attention modules do.

    Parameters
    ----------
    model : nn.Module, or dict of them
    x : Tensor, (1, C, H, W)
    capture : callable (network, x) -> dict
        What is looked at in every module, by the module's name.
    packed : callable (module, captured) -> dict
    scales : sequence of int, or None for all
    kind : str
        Name of the modules, for the error.

    Returns
    -------
    (list, bool)
        ``data["networks"]``; and whether all are networks of the family, with scales and steps.

    Raises
    ------
    SettingsError
        If a network has no such module.
    """
    networks, family = [], True
    for name, network in (model if isinstance(model, Mapping) else {"network": model}).items():
        maps = []
        for number, (path, values) in enumerate(capture(network, x.to(device_of(network))).items()):
            own, scale, step, label = place_of(path, number)
            family = family and own
            if scales is None or scale in scales:
                shown = packed(network.get_submodule(path), values)
                maps.append({"scale": scale, "step": step, "label": label, **shown})
        if not maps:
            raise SettingsError(f"model {name!r}: found no {kind} in it (or none at these scales).")
        networks.append({"name": name, "maps": maps})
    return networks, family


def slice_data(found: Slice) -> dict[str, Any]:
    """Return ``image``, ``labels`` and ``spacing`` of a slice for a widget's ``data``."""
    return {
        "image": pack_pictures(grey_values(found.x[0, 0])),
        "labels": None if found.labels is None else pack(found.labels, "uint8"),
        "spacing": None if found.spacing is None else list(found.spacing),
    }
