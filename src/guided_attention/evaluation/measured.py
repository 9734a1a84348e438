"""Which values a measured number can have, for those who read it from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = ["Measured"]


@dataclass(frozen=True)
class Measured:
    """Note on a field, ``Annotated[float, Measured(0, 1)]``: its limits, and that JSON's null stands for NaN.

    Pydantic asks it where a record is read (`guided_attention.experiments.record`). Nobody else looks, so that scores
    can be computed where pydantic is not installed.

    Parameters
    ----------
    low, high : float, optional
        The smallest and the largest value, both included.
    """

    low: float | None = None
    high: float | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        number = core_schema.nullable_schema(core_schema.float_schema(ge=self.low, le=self.high))
        return core_schema.no_info_after_validator_function(lambda v: float("nan") if v is None else v, number)
