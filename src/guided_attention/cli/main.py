"""The command line: ``guided-attention train | experiment | evaluate | predict | score | report | data | doctor``.

Every command is a function; tyro makes its options from its arguments and their docstring.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper

import tyro
from tyro import extras

from guided_attention import __version__
from guided_attention.cli.data import DATA_COMMANDS
from guided_attention.cli.doctor import doctor
from guided_attention.errors import DataWarning, GuidedAttentionError

__all__ = ["main"]

_PROGRAM = "guided-attention"


def _commands() -> dict[str, Callable[..., None]]:
    """All commands; their modules bring PyTorch, which ``doctor`` and ``data`` should not have to wait for."""
    from guided_attention.cli.evaluate import evaluate, predict
    from guided_attention.cli.experiment import experiment
    from guided_attention.cli.masks import score_masks
    from guided_attention.cli.report import report
    from guided_attention.cli.train import train

    return {
        "train": train,
        "experiment": experiment,
        "evaluate": evaluate,
        "predict": predict,
        "score": score_masks,
        "report": report,
        "doctor": doctor,
        "data": data,
    }


def data(*arguments: str) -> None:
    """Check, make, fetch and split data sets; see ``guided-attention data --help``."""
    extras.subcommand_cli_from_dict(DATA_COMMANDS, prog=f"{_PROGRAM} data", args=list(arguments))


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings about data as what they are, without the line of our source that gives them."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: object, **more: object) -> None:
            if issubclass(category, DataWarning):
                print(f"warning: {message}", file=sys.stderr)
            else:
                others(message, category, *where, **more)

        warnings.showwarning = show
        yield


def _run(arguments: list[str]) -> None:
    if arguments[:1] == ["data"]:
        data(*arguments[1:])
    elif arguments[:1] == ["doctor"]:
        tyro.cli(doctor, prog=f"{_PROGRAM} doctor", args=arguments[1:])
    else:
        about = "Train, evaluate and use the book's networks. --version prints the version."
        extras.subcommand_cli_from_dict(_commands(), prog=_PROGRAM, args=arguments, description=about)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: run a command.

    Errors for people, and those of the file system (a full disk, a file where a folder should be), end in one message
    and status 2; Ctrl-C ends in status 130, a reader that has seen enough (``| head``) in 141. What a console cannot
    print, such as a subject's name beyond its code page, is printed as an escape: no command ends because of it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        print(f"guided-attention {__version__}")
        return
    try:
        with _plain_warnings():
            _run(arguments)
        if sys.stdout is not None:  # pythonw, and a shell's >&-, give none
            sys.stdout.flush()  # here, where what goes wrong is said as below
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # for what Python flushes at its own end
        raise SystemExit(141) from None
    except (GuidedAttentionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
