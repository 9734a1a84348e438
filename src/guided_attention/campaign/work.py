"""One process of a campaign: trains a cell, or exports a network. ``python -m guided_attention.campaign.work``."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from guided_attention.errors import GuidedAttentionError

__all__ = ["main"]


def main() -> None:
    """Do the job that the first argument describes: ``{"do": "train", "job": {...}}`` or ``{"do": "export", ...}``.

    Folders in ``GUIDED_ATTENTION_CARRIED`` are searched for packages that this machine lacks.
    """
    # Behind everything else: a package that is installed here comes first.
    sys.path += [path for path in os.environ.get("GUIDED_ATTENTION_CARRIED", "").split(os.pathsep) if path]
    asked = json.loads(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        if asked["do"] == "train":
            _train(json.dumps(asked["job"]))
        else:
            _export(**{key: value for key, value in asked.items() if key != "do"})
    except (GuidedAttentionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _end_with_parent() -> None:
    """However the campaign dies, none of its trainings is left over: its end of the pipe closes."""
    while os.read(0, 4096):  # not sys.stdin, whose lock Python wants at its own end
        pass
    os._exit(3)


def _train(text: str) -> None:
    import torch

    from guided_attention.campaign.settings import Job, set_numbers, variant
    from guided_attention.experiments import run_cell
    from guided_attention.files import write_text

    job = Job.from_json(text)
    torch.set_num_threads(job.threads)
    numbers = set_numbers(job.tf32, job.deterministic)
    source = job.source()
    folder = job.folder(source.name)
    how = {**numbers, "resident": True, "side_by_side": job.side_by_side, "threads": job.threads}
    write_text(folder / "campaign.json", json.dumps(how, indent=1) + "\n")
    run_cell(
        job.cell,
        source,
        variant(job.preset, job.epochs, job.precision),
        folder,
        results=job.results,
        accelerator=job.accelerator,
        resident=True,
        progress=False,
    )


def _export(folder: str, data: str, sequence: str, phase: str, out: str, device: str, threads: int) -> None:
    import torch

    from guided_attention.campaign.export import export_half
    from guided_attention.campaign.settings import open_campaign_data

    torch.set_num_threads(threads)
    export_half(Path(folder), open_campaign_data(data, sequence, phase), Path(out), device)


if __name__ == "__main__":
    main()
