"""All shapes of one subject together (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guided_attention.data.phantom.body import Body, draw_body, draw_spine
from guided_attention.data.phantom.bowel import draw_bowel
from guided_attention.data.phantom.organs import Organs, draw_organs
from guided_attention.data.phantom.shapes import Shape, Tube
from guided_attention.data.phantom.waves import Waves

__all__ = ["Anatomy", "draw_anatomy"]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Everything that decides which tissue lies where in one subject.

    ``spine`` and ``bowel`` are painted in their order. ``bend`` and ``ripple`` displace everything, slowly and fast,
    along x, y and z; ``mottle`` and ``speckle`` decide on contents of the bowel and on small vessels.
    """

    body: Body
    spine: list[tuple[Shape, str]]
    organs: Organs
    bowel: list[tuple[Tube, str]]
    bend: tuple[Waves, Waves, Waves]
    ripple: tuple[Waves, Waves, Waves]
    mottle: Waves
    speckle: Waves


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw one subject's anatomy: sizes, places, shapes, and a smooth deformation of them all."""
    body = draw_body(rng)
    return Anatomy(
        body=body,
        spine=draw_spine(rng, body),
        organs=draw_organs(rng, body),
        bowel=draw_bowel(rng, body),
        bend=tuple(Waves(rng, 6, (150, 400)) for _ in range(3)),
        ripple=tuple(Waves(rng, 10, (35, 90)) for _ in range(3)),
        mottle=Waves(rng, 18, (25, 70)),
        speckle=Waves(rng, 30, (9, 26)),
    )
