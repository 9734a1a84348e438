"""What each tissue is made of at 1.5 T (chapter *From scanner to tensor*).

Where the numbers come from
---------------------------
T1 and T2 at 1.5 T of kidney cortex and medulla, liver, spleen, pancreas, paravertebral muscle (T1 only), bone marrow
(T2 only) and subcutaneous fat, which stands for the fat in every tissue: de Bazelaire et al., Radiology 230:652-659,
2004. T1 of blood (oxygenated, 1.5 T): Stanisz et al., MRM 54:507-512, 2005. T1 of cerebrospinal fluid, about 4 s:
Rooney et al., MRM 57:308-318, 2007. These are volunteers' averages; each subject gets its own values around them.

*Chosen, not measured*: everything else. Proton densities (0.75 to 0.9 of pure water in soft tissue). T2*, shorter than
T2 by a plausible line broadening; liver 25 ms. Bowel and stomach contents, lung, walls and compact bone. The water part
of fat and marrow. Fat fractions, except for their order: subcutaneous fat about 0.9 (the rest is water and connective
tissue), vertebral marrow 0.4, muscle and organs a few percent. The T2 of muscle is 35 ms, between de Bazelaire's 27 and
Stanisz's 44 ms. The T2 of blood and of the other fluids stands for more than relaxation: what flows leaves the slice
between the two pulses of a spin echo, so its signal is lower than its true T2 would leave it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FAT_T1", "FAT_T2", "FAT_T2STAR", "TISSUES", "Tissue", "tissue_number", "tissue_table", "typical_table"]

#: Relaxation times of the fat component of every tissue, ms (subcutaneous fat of de Bazelaire et al.).
FAT_T1, FAT_T2, FAT_T2STAR = 343.0, 58.0, 30.0


@dataclass(frozen=True)
class Tissue:
    """One tissue: water's relaxation times (ms), proton density, fat fraction, grain of its texture (relative)."""

    name: str
    t1: float
    t2: float
    t2star: float
    pd: float
    fat: float = 0.0
    grain: float = 0.04


#: Index = the value in a subject's tissue map.
TISSUES = (
    Tissue("air", 1000, 50, 5, 0.0),
    Tissue("skin", 900, 30, 15, 0.65, 0.10),
    Tissue("fat", 800, 40, 25, 0.90, 0.90, 0.025),
    Tissue("visceral fat", 800, 45, 25, 0.88, 0.84, 0.05),
    Tissue("muscle", 856, 35, 28, 0.78, 0.03, 0.09),
    Tissue("cortical bone", 1000, 10, 3, 0.12),
    Tissue("marrow", 900, 49, 14, 0.72, 0.40, 0.10),
    Tissue("disc", 1100, 70, 40, 0.75, 0.0, 0.06),
    Tissue("cerebrospinal fluid", 4000, 250, 120, 1.0, 0.0, 0.05),
    Tissue("nerve", 780, 76, 50, 0.78),
    Tissue("blood", 1441, 75, 60, 0.85, 0.0, 0.15),
    Tissue("fast blood", 1441, 40, 30, 0.85, 0.0, 0.25),
    Tissue("liver", 586, 46, 25, 0.80, 0.03, 0.05),
    Tissue("liver vessel", 1441, 130, 60, 0.85, 0.0, 0.06),
    Tissue("spleen", 1057, 79, 50, 0.84, 0.0, 0.05),
    Tissue("kidney cortex", 966, 87, 55, 0.85, 0.0, 0.05),
    Tissue("kidney medulla", 1412, 85, 50, 0.88, 0.0, 0.05),
    Tissue("renal sinus", 800, 60, 25, 0.85, 0.60, 0.15),
    Tissue("pancreas", 584, 46, 30, 0.80, 0.08, 0.14),
    Tissue("wall", 950, 60, 35, 0.80, 0.02, 0.08),
    Tissue("fluid", 2400, 160, 80, 0.95, 0.0, 0.10),
    Tissue("chyme", 900, 85, 35, 0.82, 0.03, 0.08),
    Tissue("stool", 500, 55, 15, 0.65, 0.05, 0.30),
    Tissue("gas", 1000, 50, 2, 0.03),
    Tissue("lung", 1000, 40, 4, 0.14, 0.0, 0.40),
    Tissue("bile", 1800, 260, 100, 0.97, 0.0, 0.03),
    Tissue("heart", 1030, 50, 35, 0.80, 0.02, 0.07),
)

_PROPERTIES = ("t1", "t2", "t2star", "pd", "fat", "grain")
_NUMBER = {tissue.name: number for number, tissue in enumerate(TISSUES)}


def tissue_number(name: str) -> int:
    """Return the value that a tissue has in a tissue map."""
    return _NUMBER[name]


def typical_table() -> dict[str, np.ndarray]:
    """Return the means: ``t1``, ``t2``, ``t2star`` (ms), ``pd``, ``fat``, ``grain``, each float64 (tissues,)."""
    return {key: np.array([getattr(t, key) for t in TISSUES], float) for key in _PROPERTIES}


def tissue_table(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw one subject's tissue properties around the published means.

    One subject in six has a fatty liver (fat fraction 0.08 to 0.2; it drops out of phase), one in twelve much iron in
    the liver (short T2 and T2*), as the real set has; everything else varies by a few percent.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the variation comes from.

    Returns
    -------
    dict of str to ndarray, float64, (tissues,)
        ``t1``, ``t2``, ``t2star`` in ms, ``pd``, ``fat`` and ``grain``, indexed by tissue number.
    """
    table = typical_table()
    for key, spread in {"t1": 0.03, "t2": 0.05, "t2star": 0.06, "pd": 0.01}.items():
        table[key] *= np.exp(spread * np.clip(rng.standard_normal(len(TISSUES)), -2, 2))
    liver = tissue_number("liver")
    fatty, iron = rng.random(2)
    table["fat"][liver] = rng.uniform(0.08, 0.2) if fatty < 1 / 6 else rng.uniform(0.005, 0.05)
    if iron < 1 / 12:
        table["t2"][liver], table["t2star"][liver] = rng.uniform(24, 30), rng.uniform(7, 12)
    return table
