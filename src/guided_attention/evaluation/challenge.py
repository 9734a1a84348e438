"""How the CHAOS challenge turns four metrics into one score (chapter *Evaluating the network*).

Source: A. E. Kavur et al., "CHAOS Challenge - combined (CT-MR) healthy abdominal organ segmentation", Medical Image
Analysis 69, 101950 (2021), section on evaluation, and the challenge's evaluation code
(github.com/emrekavur/CHAOS-evaluation).

=======  ========  ==========  ===============================
metric   best      acceptable  score when acceptable, else 0
=======  ========  ==========  ===============================
DICE     1         > 0.8       100 DICE
RAVD     0 %       < 5 %       100 (1 - RAVD / 5 %)
ASSD     0 mm      < 15 mm     100 (1 - ASSD / 15 mm)
MSSD     0 mm      < 60 mm     100 (1 - MSSD / 60 mm)
=======  ========  ==========  ===============================

Note the words: what CHAOS calls ASSD pools both directions as eq. 14 does, so it is our *mean surface distance*
in mm; its MSSD is our *maximum surface distance*.
"""

from __future__ import annotations

import math

__all__ = ["ASSD_LIMIT", "DICE_LIMIT", "MSSD_LIMIT", "RAVD_LIMIT", "chaos_metric_scores", "chaos_score"]

DICE_LIMIT = 0.8
#: Per cent.
RAVD_LIMIT = 5.0
#: Millimetres.
ASSD_LIMIT = 15.0
#: Millimetres.
MSSD_LIMIT = 60.0


def chaos_metric_scores(dice: float, ravd: float, assd: float, mssd: float) -> dict[str, float]:
    """Score each metric from 0 to 100.

    Parameters
    ----------
    dice : float
        Dice coefficient, 0 to 1.
    ravd : float
        Relative absolute volume difference in per cent.
    assd : float
        Mean surface distance in mm, both directions pooled (`mean_surface_distance` with the spacing in mm).
    mssd : float
        Maximum surface distance in mm.

    Returns
    -------
    dict
        Keys ``dice``, ``ravd``, ``assd``, ``mssd``; NaN where the metric is NaN.
    """
    return {
        "dice": dice if math.isnan(dice) else (100 * dice if dice > DICE_LIMIT else 0.0),
        "ravd": _falling(ravd, RAVD_LIMIT),
        "assd": _falling(assd, ASSD_LIMIT),
        "mssd": _falling(mssd, MSSD_LIMIT),
    }


def chaos_score(dice: float, ravd: float, assd: float, mssd: float) -> float:
    """Mean of the four scores of `chaos_metric_scores`: 100 is perfect, NaN if one of the metrics is NaN."""
    return sum(chaos_metric_scores(dice, ravd, assd, mssd).values()) / 4


def _falling(value: float, limit: float) -> float:
    """100 at 0, falling linearly to 0 at the limit and staying there."""
    return value if math.isnan(value) else 100 * max(0.0, 1 - value / limit)
