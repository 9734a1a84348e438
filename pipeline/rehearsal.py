"""Run the notebooks as on Google Colab, top to bottom with their own first cell, and say how long they take.

A notebook fails if a cell does, if something that was there has been replaced, or if one of its widgets does not hand
a changed trait to the front end.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guided_attention.files import write_text
from pipeline.chapters import processors
from pipeline.layout import Book, BookError
from pipeline.rehearsal_browser import CHANGES, living
from pipeline.rehearsal_room import Room, base_environment, origin, replaced, variables

__all__ = ["TRAINING", "Rehearsed", "refuse_problems", "rehearse", "table"]

#: Chapters that train for more than some seconds.
TRAINING = (
    *("02_first_segmenter", "06_two_attentions", "09_losses", "10_loop", "11_training", "12_evaluation"),
    *("13_family", "20_scaling"),
)

#: The chapter in whose room the widgets are also driven in a browser: it brings weights and the browser's runtime.
ALIVE = "23_live"

_CHANGE = """\
import json
from ipywidgets import Widget
changed = {{}}
for widget in list(Widget.widgets.values()):
    for name, value in {changes}.get(type(widget).__name__, {{}}).items():
        setattr(widget, name, value)
        changed[widget.model_id] = [type(widget).__name__, name, getattr(widget, name)]
print(json.dumps(changed))
"""


@dataclass(frozen=True)
class Rehearsed:
    """What came of one notebook.

    Attributes
    ----------
    chapter : str
        Its stem.
    install : float or None
        Seconds of the first cell, which installs; None where there is none, or it never ended.
    whole : float
        Seconds of everything.
    widgets : int
        How many widgets handed a changed trait over.
    problems : tuple of str
        What went wrong; empty if nothing did.
    """

    chapter: str
    install: float | None
    whole: float
    widgets: int
    problems: tuple[str, ...]


def rehearse(
    book: Book, chapters: Sequence[str], *, python: str | None = None, jobs: int = 1, data: Path | None = None
) -> list[Rehearsed]:
    """Run committed notebooks in rooms of their own; executed copies and a table go to ``_build/colab``.

    With `ALIVE` among them, all widgets are driven in a browser, too.

    Parameters
    ----------
    book : Book
        Its notebooks are run as they are in the checkout; what they install is what is committed.
    chapters : sequence of str
        Stems.
    python : str, optional
        Interpreter as Colab's; default this one.
    jobs : int
        How many at a time, each with its share of the processors: kernels that all take every processor wait for each
        other at each sum, and take ten times as long.
    data : Path, optional
        Where a phantom may be: all notebooks but the first then find it, as on one's own machine, and do not draw it
        once more.
    """
    threads = {} if jobs == 1 else {"OMP_NUM_THREADS": str(max(1, processors() // jobs))}
    folder = book.build / "colab"
    start = time.perf_counter()
    base = base_environment(book, python)
    print(f"environment with Colab's versions: {time.perf_counter() - start:.0f} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="colab-") as rooms:
        answer = origin(book, Path(rooms))

        async def all_of_them() -> list[Rehearsed]:
            free = asyncio.Semaphore(jobs)

            async def one(stem: str) -> Rehearsed:
                async with free:
                    room = Room.over(base, Path(rooms) / stem)
                    environment = variables(book, room, answer, folder / "pip") | threads
                    environment |= {} if stem == chapters[0] else found(data)
                    ran = await _run(book, stem, room, environment)
                    gone = tuple(f"replaced {what}" for what in replaced(base, room))
                    done = Rehearsed(*ran[:-1], (*ran[-1], *gone))
                    print(f"{stem}: {done.whole:.0f} s", *done.problems, sep="\n  ", flush=True)
                    return done

            return list(await asyncio.gather(*map(one, chapters)))

        results = asyncio.run(all_of_them())
        if ALIVE in chapters:
            room = Room.within(Path(rooms) / ALIVE)
            environment = variables(book, room, answer, folder / "pip") | found(data)
            results.append(_alive(base, room, environment, folder / "living.png"))
    write_text(folder / "table.md", table(results))
    return results


def found(data: Path | None) -> dict[str, str]:
    """Return the variable that names a folder of data, if a phantom is in it."""
    there = data is not None and (data / "phantom" / "phantom.json").is_file()
    return {"GUIDED_ATTENTION_DATA": str(data)} if there else {}


def _alive(base: Path, room: Room, environment: dict[str, str], picture: Path) -> Rehearsed:
    start, problems = time.perf_counter(), ()
    try:
        living(base, room, environment, picture)
    except BookError as error:
        problems = (str(error),)
    count = 0 if problems else len(CHANGES)
    return Rehearsed("widgets in a browser", None, time.perf_counter() - start, count, problems)


async def _run(book: Book, stem: str, room: Room, environment: dict[str, str]) -> tuple[Any, ...]:
    import nbformat
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    notebook = nbformat.read(book.notebooks / f"{stem}.ipynb", as_version=4)
    code = [number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    imported = _imported(notebook)
    if imported:
        notebook.cells.append(nbformat.v4.new_code_cell(_CHANGE.format(changes=CHANGES)))
    argv = [str(room.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = room.home.parent / "kernels" / "colab" / "kernel.json"
    write_text(spec, json.dumps({"argv": argv, "display_name": "colab", "language": "python"}))
    manager = AsyncKernelManager(
        kernel_name="colab", kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(spec.parents[1])])
    )
    begun, ended = {}, {}
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=1800,
        resources={"metadata": {"path": str(room.work)}},
        on_cell_execute=lambda cell, cell_index: begun.update({cell_index: time.perf_counter()}),
        on_cell_executed=lambda cell, cell_index, execute_reply: ended.update({cell_index: time.perf_counter()}),
    )
    problems: list[str] = []
    start, widgets = time.perf_counter(), 0
    try:
        with open(book.build / "colab" / f"{stem}.log", "wb") as log:
            await client.async_execute(env=environment, stdout=log, stderr=log)
        if imported:
            widgets, silent = _heard(notebook, imported)
            problems += silent
    except (CellExecutionError, DeadKernelError, TimeoutError) as error:
        problems.append(f"{str(error)[-3000:]}\nfirst cell: {_printed(notebook.cells[code[0]])[-2000:]}")
    finally:
        await manager.shutdown_kernel(now=True)  # the client leaves a manager that it was given as it is
    whole = time.perf_counter() - start
    install = ended[code[0]] - begun[code[0]] if code[0] in ended else None
    write_text(book.build / "colab" / f"{stem}.ipynb", nbformat.writes(notebook))
    return stem, install, whole, widgets, tuple(problems)


def _imported(notebook: Any) -> set[str]:
    """Names of the widgets that a notebook imports."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    lines = re.findall(r"^from guided_attention\.widgets import (.*)$", code, re.MULTILINE)
    return {name.strip() for line in lines for name in line.split(",")}


def _heard(notebook: Any, imported: set[str]) -> tuple[int, list[str]]:
    """Count the widgets whose changed trait reached the front end, and say which did not."""
    changed = json.loads(_printed(notebook.cells[-1]))
    shown = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    silent = [
        f"{kind}: Python set {trait} to {value!r}, the front end did not hear of it"
        for model, (kind, trait, value) in changed.items()
        if shown.get(model, {}).get("state", {}).get(trait) != value
    ]
    never = imported - {kind for kind, _, _ in changed.values()}
    return len(changed) - len(silent), [*silent, *(f"{kind} is imported, but none was made" for kind in sorted(never))]


def _printed(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs if output.get("name") in {"stdout", "stderr"})


def table(results: Sequence[Rehearsed]) -> str:
    """Return a Markdown table of seconds."""
    lines = []
    for done in results:
        install = "" if done.install is None else round(done.install)
        outcome = "failed" if done.problems else "passed"
        lines.append(f"| {done.chapter} | {install} | {done.whole:.0f} | {done.widgets or ''} | {outcome} |")
    head = ["| notebook | first cell, s | whole, s | widgets | |", "| --- | ---: | ---: | ---: | --- |"]
    return "\n".join([*head, *lines, ""])


def refuse_problems(results: Sequence[Rehearsed]) -> None:
    """Raise a `BookError` that names every notebook that failed, and why."""
    failed = [f"{done.chapter}: {problem}" for done in results for problem in done.problems]
    if failed:
        raise BookError("\n".join(["notebooks that do not run as on Colab:", *failed]))
