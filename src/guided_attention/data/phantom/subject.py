"""One synthetic subject, from a seed (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guided_attention.data.phantom.anatomy import draw_anatomy
from guided_attention.data.phantom.geometry import Geometry, draw_geometry
from guided_attention.data.phantom.scan import Protocol, expose, fractions, magnitudes, moving_parts
from guided_attention.data.phantom.settings import PhantomSettings
from guided_attention.data.phantom.tissues import TISSUES, tissue_number, tissue_table, typical_table
from guided_attention.data.phantom.waves import Waves
from guided_attention.data.volume import Volume

__all__ = ["PhantomSubject", "make_phantom"]


@dataclass(frozen=True, eq=False)
class PhantomSubject:
    """A synthetic subject: the images, and what a scanner never tells.

    Parameters
    ----------
    in_phase, out_phase, t2_spir : Volume
        12-bit grey values as float32, with labels and spacing; all on one grid.
    tissue : ndarray, uint8, (D, H, W)
        Tissue with the largest share of each voxel, an index into `guided_attention.data.phantom.TISSUES`.
    water, fat : dict of str to ndarray, float32, (D, H, W)
        Noiseless signal of water and fat at the echo times ``"in"`` and ``"out"``, proton density 1 = pure water.
    properties : dict of str to ndarray, float64, (tissues,)
        The subject's T1, T2, T2* (ms), proton density, fat fraction and grain, indexed by tissue.
    geometry : Geometry
        Matrix, spacing, slice distance and thickness, heights.
    protocol : Protocol
        Echo and repetition times, flip angle.
    """

    in_phase: Volume
    out_phase: Volume
    t2_spir: Volume
    tissue: np.ndarray
    water: dict[str, np.ndarray]
    fat: dict[str, np.ndarray]
    properties: dict[str, np.ndarray]
    geometry: Geometry
    protocol: Protocol

    @property
    def labels(self) -> np.ndarray:
        """Classes (D, H, W) uint8, the same for all images."""
        return self.in_phase.labels


def make_phantom(
    subject_seed: int, settings: PhantomSettings | None = None, subject: str = "phantom"
) -> PhantomSubject:
    """Make one synthetic subject; the same seed and settings give the same subject.

    To the bit, on every processor: what processors round otherwise is computed in double precision, see `Waves`.

    What it is not: there is no disease, no contrast agent, no flow, no real breathing; shapes are ellipsoids and tubes
    bent by smooth waves, and nothing was fitted to the anatomy of real people. Figures measured on it say something
    about programs, nothing about patients.

    Parameters
    ----------
    subject_seed : int
        0 or more.
    settings : PhantomSettings, optional
        Default: those of the preset ``"full"``.
    subject : str
        Name of the subject.

    Returns
    -------
    PhantomSubject

    Raises
    ------
    SettingsError
        If a setting cannot work.
    """
    settings = settings or PhantomSettings()
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(subject_seed).spawn(5)]
    anatomy = draw_anatomy(streams[0])
    table = tissue_table(streams[1])
    geometry = draw_geometry(streams[2], anatomy.body, settings)
    protocol = Protocol()
    grain = Waves(streams[2], 60, (5, 24))
    suppression = Waves(streams[2], 8, (250, 600))
    x, y = geometry.rows_and_columns()
    slices: dict[str, list[np.ndarray]] = {}
    for z in geometry.heights():
        share, organ = fractions(anatomy, geometry, z, settings)
        rough = (share @ table["grain"]) * np.clip(grain.plane(x, y, z), -2.5, 2.5)
        parts = magnitudes(share, table, protocol, suppression.plane(x, y, z))
        kept = {name: parts[name] * (1 + rough) for name in ("in", "out", "t2spir")}
        kept |= {name: parts[name].astype(np.float32) for name in ("water_in", "water_out", "fat_in", "fat_out")}
        kept |= {"organ": organ, "tissue": share.argmax(-1).astype(np.uint8)}
        kept["moving"] = moving_parts(share, y, anatomy.body.outer_depth)
        for name, plane in kept.items():
            slices.setdefault(name, []).append(plane)
    stack = {name: np.stack(slices.pop(name)) for name in list(slices)}
    # noise is measured against a typical liver, so that a liver full of iron does not come with a quieter scanner
    typical = magnitudes(np.eye(len(TISSUES), dtype=np.float32)[tissue_number("liver")], typical_table(), protocol)
    pair, moving = (stack["in"], stack["out"]), stack["moving"]
    in_phase, out_phase = expose(pair, moving, float(typical["in"]), geometry, settings, streams[3])
    (t2_spir,) = expose((stack["t2spir"],), moving, float(typical["t2spir"]), geometry, settings, streams[4])
    spacing = (geometry.distance, geometry.spacing, geometry.spacing)
    volumes = [Volume(v.astype(np.float32), stack["organ"], spacing, subject) for v in (in_phase, out_phase, t2_spir)]
    return PhantomSubject(
        *volumes,
        tissue=stack["tissue"],
        water={echo: stack[f"water_{echo}"] for echo in ("in", "out")},
        fat={echo: stack[f"fat_{echo}"] for echo in ("in", "out")},
        properties=table,
        geometry=geometry,
        protocol=protocol,
    )
