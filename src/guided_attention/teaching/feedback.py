"""What a checker answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

__all__ = ["Feedback", "checker"]


@dataclass(frozen=True, repr=False)
class Feedback:
    """A verdict and the reason for it; true if the answer is right, and shown as one line in a notebook.

    Parameters
    ----------
    right : bool
        Whether the answer is right.
    message : str
        What was found: for a wrong answer, what is wrong and where to look.
    """

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"{'✓' if self.right else '✗'} {self.message}"


def checker(
    check: Callable[[Callable[..., Any]], Feedback], *, in_place: bool = False
) -> Callable[[Callable[..., Any]], Feedback]:
    """Decorate a checker so that it answers an answer that returns nothing yet, instead of stumbling over it.

    Notebooks put an empty function before each solution; running all cells has to get past it. Other exceptions of the
    reader's function stay as they are: their traceback points into the reader's own lines.

    Parameters
    ----------
    check : callable
        The checker.
    in_place : bool
        A right answer returns nothing either.
    """

    @wraps(check)
    def checked(answer: Callable[..., Any]) -> Feedback:
        empty = False  # whether the last call returned None

        @wraps(answer)
        def watched(*args: Any, **kwargs: Any) -> Any:
            nonlocal empty
            result = answer(*args, **kwargs)
            empty = result is None
            return result

        name = getattr(answer, "__name__", "The answer")
        nothing = Feedback(False, f"{name} returned None: write it, end it with `return`, run the cell again.")
        try:
            verdict = check(watched)
        except (TypeError, ValueError, AttributeError):
            if empty:
                return nothing
            raise
        return nothing if empty and not verdict and not in_place else verdict

    return checked
