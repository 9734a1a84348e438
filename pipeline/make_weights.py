"""Train the two networks that readers touch, and put them into ``book/weights``: ``python pipeline/make_weights.py``.

Half precision, the numbers of the ``widget`` preset, fold 0, seed 0. A run that was interrupted goes on, a finished one
is only exported. Only the phantom: weights trained on patients' data carry the terms of those data.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main() -> None:
    """Train, export, and write the model card's table."""
    import torch

    from guided_attention.data import open_source, phantom_folder
    from guided_attention.experiments.record import write_record
    from guided_attention.experiments.release import export_half
    from guided_attention.experiments.run import run_trial
    from guided_attention.experiments.trial import Trial, run_folder
    from guided_attention.files import write_text
    from guided_attention.models.stored.pretrained import PRETRAINED
    from guided_attention.models.stored.weights import load_network
    from guided_attention.paths import WEIGHTS, carried, runs_folder
    from guided_attention.training.settings import get_preset

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=phantom_folder(), help="the synthetic set")
    parser.add_argument("--runs", type=Path, default=runs_folder())
    published = carried(WEIGHTS).parent
    parser.add_argument("--out", type=Path, default=published)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    source = open_source(options.data)
    if source.kind != "phantom":
        parser.error("the weights are published, so the data must be synthetic")
    if options.threads:
        torch.set_num_threads(options.threads)
    preset = get_preset("widget")
    lines = []
    for name in PRETRAINED:
        trial = Trial(name)
        folder = run_folder(options.runs, source.name, trial, preset.name)
        record = run_trial(trial, source, preset, folder)
        notes = export_half(folder, source, options.out)
        weights = options.out / source.name / f"{name}.safetensors"
        write_record(record, weights.with_suffix(".record.json"))
        parameters = sum(p.numel() for p in load_network(weights)[0].parameters())
        minutes = record.cost.training_seconds / 60
        lines.append(
            f"| `{weights.name}` | {parameters / 1e6:.1f} million | {weights.stat().st_size / 1e6:.1f} MB | "
            f"{notes['test_dice_float32']:.3f} | {notes['largest_dice_difference']:.1e} | {len(record.curve)} epochs, "
            f"{minutes:.0f} minutes, {record.provenance.device}, {record.provenance.threads} threads | "
            f"`{(record.provenance.commit or 'unknown')[:10]}` |"
        )
    write_text(options.out / "README.md", _TABLE.format(rows="\n".join(lines)))
    if options.out.resolve() == published:
        _write_digests(options.out / source.name)
    print((options.out / "README.md").read_text(encoding="utf-8"))


def _write_digests(folder: Path) -> None:
    """What `guided_attention.models.stored.pretrained` checks where it fetches the files."""
    from guided_attention.files import digest, write_text
    from guided_attention.models.stored import pretrained

    names = [f"{name}.{kind}" for name in pretrained.PRETRAINED for kind in ("json", "safetensors")]
    digests = {name: digest((folder / name).read_bytes()) for name in names}
    write_text(Path(pretrained.__file__).with_suffix(".json"), json.dumps(digests, indent=1) + "\n")


_TABLE = """<!-- Written by pipeline/make_weights.py. -->

| weights | parameters | file | DSC | largest change by rounding | trained | commit |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

DSC: mean over four organs and the five test subjects of fold 0, all synthetic, before rounding to half precision. The
fifth column is the largest change of the DSC of any organ of any subject by that rounding.
"""


if __name__ == "__main__":
    main()
