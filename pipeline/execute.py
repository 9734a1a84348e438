"""Execute one chapter with papermill and measure it (page *How long the chapters take*)."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.layout import Book, BookError
from pipeline.notebooks import read_chapter

__all__ = ["Cost", "execute_chapter"]

#: Runs last, in the chapter's own kernel: only that process knows its peak memory. Never shown.
_METER = """\
import json as _json
import torch as _torch
from guided_attention.provenance import peak_memory as _peak
_gpu = _peak("cuda") if _torch.cuda.is_available() and _torch.cuda.is_initialized() else None
print(_json.dumps({"memory": _peak(), "gpu_memory": _gpu, "threads": _torch.get_num_threads()}))
"""


@dataclass(frozen=True)
class Cost:
    """What one chapter took.

    Parameters
    ----------
    chapter, preset : str
        Stem of the chapter and the preset that it ran with.
    seconds : float
        Wall time, the start of the kernel included.
    memory, gpu_memory : int or None
        Peak resident memory of the kernel, and peak memory that PyTorch held on the GPU, in bytes; None: not counted.
    threads : int
        Threads that PyTorch used for one operation.
    """

    chapter: str
    preset: str
    seconds: float
    memory: int | None
    gpu_memory: int | None
    threads: int


def execute_chapter(book: Book, stem: str, out: Path, preset: str = "quick", timeout: int = 1200) -> Cost:
    """Execute a chapter or a deck; write ``out/STEM.ipynb`` with outputs and ``out/STEM.json`` with its cost.

    It runs in ``out/STEM/``, an empty folder of its own, so that what it writes never reaches the checkout.

    Parameters
    ----------
    book, stem
        The chapter; or a deck, ``slides/NAME``.
    out : Path
        Folder for results.
    preset : str
        Replaces the ``preset`` of the chapter's ``parameters`` cell.
    timeout : int
        Seconds that one cell may take.

    Raises
    ------
    BookError
        If a cell fails, takes too long, or writes to standard error.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    notebook = read_chapter(book, stem)
    text = book.text(stem)
    source, stem = text.relative_to(book.root).as_posix(), text.stem
    notebook.cells.append(nbformat.v4.new_code_cell(_METER, metadata={"tags": ["meter"]}))
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    work = out / stem
    work.mkdir(parents=True, exist_ok=True)
    raw, done = out / f"{stem}.input.ipynb", out / f"{stem}.ipynb"
    nbformat.write(notebook, raw)
    # Pages have no kernel: widgets write themselves as HTML, and no bar moves. The kernel inherits this.
    os.environ |= {"GUIDED_ATTENTION_WIDGETS": "page", "TQDM_DISABLE": "1"}
    start = time.perf_counter()
    try:
        papermill.execute_notebook(
            raw, done, parameters={"preset": preset}, cwd=work, progress_bar=False, execution_timeout=timeout
        )
    except PapermillExecutionError as error:
        where = f"cell {error.exec_count} of {source}"
        raise BookError(f"{where} failed: {error.ename}: {error.evalue}\n{error.source}") from error
    except TimeoutError as error:
        raise BookError(f"{source}: a cell took more than {timeout} s.\n{error}") from error
    except DeadKernelError as error:
        raise BookError(f"{source}: its kernel died; most often because memory ran out.") from error
    seconds = time.perf_counter() - start
    executed = nbformat.read(done, as_version=4)
    meter = executed.cells.pop()
    measured = json.loads("".join(output["text"] for output in meter.outputs if output.get("name") == "stdout"))
    cost = Cost(stem, preset, round(seconds, 1), **measured)
    _refuse_stderr(executed, source)
    _clean(executed)
    nbformat.write(executed, done)
    raw.unlink()
    _write_json(out / f"{stem}.json", asdict(cost))
    return cost


def _refuse_stderr(notebook: Any, source: str) -> None:
    """A warning on a page is either a fault or noise: neither belongs in a book."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise BookError(f"{source} writes to standard error:\n{output['text']}\nin\n{cell.source}")


def _clean(notebook: Any) -> None:
    """Hide the cell that papermill injected and drop its metadata, which holds this machine's paths.

    Lines that a cell printed in one go become one output; a busy machine cuts them where it likes.
    """
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            cell.metadata["tags"] = [*tags, "remove-cell"]
        outputs: list[Any] = []
        for output in cell.get("outputs", []):
            if outputs and output.output_type == "stream" == outputs[-1].output_type:
                outputs[-1]["text"] += output.text
            else:
                outputs.append(output)
        if outputs:
            cell["outputs"] = outputs


def _write_json(path: Path, content: dict[str, Any]) -> None:
    """Write at once or not at all: what exists is complete."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)
