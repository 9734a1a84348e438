"""What a checker answers, and what every checker says to an answer that is none."""

from __future__ import annotations

import reprlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from torch import Tensor, nn

__all__ = ["Feedback", "checker", "judge", "mistake", "module_result"]

_STUMBLES = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError)
_STUMBLES += (NameError, OSError, RuntimeError, TypeError, ValueError)


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


def mistake(
    found: float | Tensor, right: float | Tensor, known: Mapping[str, Any], otherwise: str, rel_tol: float = 1e-5
) -> str:
    """Say what is wrong with a result: nothing (an empty text), the known mistake that gives it, or ``otherwise``.

    Parameters
    ----------
    found, right : float or Tensor
        The reader's result, and the finite one that is right.
    known : mapping
        From the words for a mistake to the result that it gives; the first that fits is taken.
    otherwise : str
        What to say if none fits.
    rel_tol : float
        Results are equal up to this part of their size. The default leaves room for single precision.
    """

    def same(result: float | Tensor) -> bool:
        size = float(np.abs(np.asarray(result)).max())
        return np.shape(found) == np.shape(result) and np.allclose(found, result, rel_tol, 0.01 * rel_tol * size)

    return "" if same(right) else next((why for why, result in known.items() if same(result)), otherwise)


def judge(
    found: Tensor, right: Tensor, known: Mapping[str, Tensor], praise: str = "", rel_tol: float = 1e-5
) -> Feedback:
    """Praise the right tensor, or name what is wrong: the shape, the `mistake` that gives it, or how far off it is."""
    if found.shape != right.shape:
        otherwise = f"Expected the shape {tuple(right.shape)}, found {tuple(found.shape)}."
    else:
        apart = (found - right).abs().max()
        otherwise = f"The shape is right, the numbers are not: they are off by up to {apart:.3g}."
    why = mistake(found, right, known, otherwise, rel_tol)
    return Feedback(not why, why or praise)


def module_result(module: nn.Module, x: Tensor) -> Tensor | Feedback:
    """Return what a reader's module makes of ``x``, in float64, or words if it stumbles or returns no tensor."""
    try:
        found = module(x)
    except _STUMBLES as error:
        return Feedback(False, f"The module raised {type(error).__name__}: {error}")
    if not isinstance(found, Tensor):
        return Feedback(False, f"The module returned {_shown(found)}; expected a tensor.")
    return found.detach().double()


class _Unfit(Exception):
    """The reader's function returned something of another kind than the exercise asks for."""


def checker(check: Callable[[Callable[..., Any]], Feedback]) -> Callable[[Callable[..., Any]], Feedback]:
    """Decorate a checker so that it has an answer to everything, and gets results of the kind that it asks for.

    The kind is what the type of the checker's argument says: numbers (``float``, ``int``, tuples of them; a tensor or
    array without dimensions counts), ``np.ndarray``, ``Tensor`` (handed on in float64), ``nn.Module`` (to be filled
    and run, see `module_result`), ``dict``, names (any collection of ``str``), or ``object``, where an answer
    works in place. An empty function, a result of another kind and an error inside the reader's function become a
    `Feedback` that says which. So all cells of a notebook run before anything is written in them.
    """
    (wanted,) = (get_args(hint)[-1] for name, hint in get_type_hints(check).items() if name != "return")

    @wraps(check)
    def checked(answer: Callable[..., Any]) -> Feedback:
        if not callable(answer):
            return Feedback(False, f"This is {_shown(answer)}. Give the function itself, without calling it.")
        name, raised = getattr(answer, "__name__", "The answer"), []

        @wraps(answer)
        def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                found = answer(*args, **kwargs)
            except _STUMBLES as error:
                raised.append(error)
                raise
            return _of_kind(wanted, found, name)

        try:
            return check(watched)
        except _Unfit as error:
            return Feedback(False, str(error))
        except _STUMBLES as error:
            what = f"{type(error).__name__}: {error}"
            if any(error is own for own in raised):
                return Feedback(False, f"{name} raised {what}{_line(error, answer)}")
            return Feedback(False, f"What {name} left behind cannot be used: {what}")

    return checked


def _line(error: Exception, answer: Callable[..., Any]) -> str:
    """The innermost line of the reader's own that led to the error, if there is one."""
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" (in line {own[-1].lineno}: `{own[-1].line}`)" if own else ""


def _of_kind(wanted: Any, found: Any, name: str) -> Any:
    """Return the result as the kind that is wanted; raise `_Unfit` if it is of another."""
    if wanted is object:
        return found
    if found is None:
        raise _Unfit(f"{name} returned None: write it, end it with `return`, run the cell again.")
    kind, parts = get_origin(wanted) or wanted, get_args(wanted)
    if kind in (int, float):
        words, array = "a number", _array(found)
        if array is not None and array.ndim == 0:
            return array.item()
    elif kind is tuple:
        words, array = f"{len(parts)} numbers", _array(found)
        if array is not None and array.shape == (len(parts),):
            return tuple(array.tolist())
    elif kind is np.ndarray:
        words, array = "an array of numbers", _array(found)
        if array is not None:
            return array
    elif kind is Tensor:
        words = "a tensor"
        if isinstance(found, Tensor):
            return found.detach().cpu().double()
    elif kind is dict:
        words = "a dictionary"
        if isinstance(found, dict):
            return found
    elif kind is nn.Module:
        words = "a torch.nn.Module"
        if isinstance(found, nn.Module):
            return found
    else:
        words = "a list or a set of names"
        if np.iterable(found) and not isinstance(found, str):
            names = list(found)
            if all(isinstance(one, str) for one in names):
                return names
    raise _Unfit(f"{name} returned {_shown(found)}; expected {words}.")


def _array(found: Any) -> np.ndarray | None:
    """Return the numbers of ``found`` as an array, or None if it holds anything else."""
    try:
        array = np.asarray(found.detach().cpu() if isinstance(found, Tensor) else found)
    except (TypeError, ValueError):  # lists of unequal length
        return None
    return array if array.dtype.kind in "biuf" else None


def _shown(found: Any) -> str:
    kind = type(found).__name__
    shape = getattr(found, "shape", None)
    return f"{kind} {reprlib.repr(found)}" if shape is None else f"{kind} of shape {tuple(shape)}"
