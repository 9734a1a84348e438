"""What a checker answers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Feedback"]


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
