"""As many cells of the grid model x fold x seed as fit into a number of minutes, on a GPU or on processors.

    python benchmarks/gpu_campaign.py --minutes 25 --data DIR --preset paper --folds 0,1,2 --weights-out weights
    python benchmarks/gpu_campaign.py pack --data DIR --out carried

The second makes a folder for a machine that has PyTorch but neither readers of medical images nor a network:
``--data carried`` then trains there. See README.md in this folder, and `guided_attention.campaign`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

BEGIN = time.monotonic()  # what the imports below take belongs to the time, too
# A bare machine has no installation of this package: it runs from the copy around this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))


def parser() -> argparse.ArgumentParser:
    """Options of a stretch."""
    from guided_attention.presets import PRESETS

    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = made.add_argument
    add("--minutes", type=float, required=True, help="time for everything, measuring and export included")
    _add_data(made)
    add("--preset", default="paper", choices=tuple(PRESETS))
    add("--models", default="all", help="names with commas between them, or all")
    add("--folds", default="0,1,2", help="numbers with commas between them")
    add("--seeds", default="0", help="numbers with commas between them")
    add("--epochs", help="another number than the preset's; or fit: the most with which the grid fits into the time")
    add("--precision", choices=("32-true", "bf16-mixed"), help="default: bf16-mixed on a GPU, else the preset's")
    add("--results", default="results", help="folder for records")
    add("--runs", default="runs", help="folder for checkpoints; a stretch goes on from there")
    add("--weights-out", default="", help="folder for the best network of each kind, in half precision")
    add("--side-by-side", default="auto", help="trainings at a time; auto measures what pays")
    add("--accelerator", default="auto", choices=("auto", "cpu", "cuda"))
    add("--threads", type=int, help="threads of the processor, shared by all trainings; default: all")
    add("--tf32", action=argparse.BooleanOptionalAction, default=True, help="TF32 for products of float32 on a GPU")
    add("--deterministic", action="store_true", help="slower operations that repeat to the last digit")
    return made


def pack_parser() -> argparse.ArgumentParser:
    """Options of ``pack``."""
    made = argparse.ArgumentParser(prog="gpu_campaign.py pack", description="Make a folder to carry to a bare machine.")
    _add_data(made)
    made.add_argument("--out", default="carried", help="the folder; it keeps itself out of git")
    made.add_argument("--wheels", action=argparse.BooleanOptionalAction, default=True, help="also fetch packages")
    made.add_argument("--limit-mib", type=float, default=64, help="an error if the folder is larger")
    return made


def _add_data(made: argparse.ArgumentParser) -> None:
    made.add_argument("--data", default="phantom", help="a CHAOS tree, NIfTI folder, packed folder, or phantom")
    made.add_argument("--sequence", default="T1DUAL", choices=("T1DUAL", "T2SPIR"), help="of a CHAOS tree")
    made.add_argument("--phase", default="in", choices=("in", "out"), help="of T1-DUAL")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def train(arguments: Sequence[str]) -> None:
    """Run a stretch."""
    from guided_attention.campaign.state import Campaign
    from guided_attention.campaign.stretch import run_campaign
    from guided_attention.models import MODELS

    options = parser()
    given = options.parse_args(arguments)
    try:
        lists = {"folds": _numbers(given.folds), "seeds": _numbers(given.seeds)}
        side_by_side = None if given.side_by_side == "auto" else int(given.side_by_side)
        epochs = given.epochs if given.epochs in (None, "fit") else int(given.epochs)
    except ValueError as error:
        options.error(f"folds, seeds, side-by-side and epochs are numbers: {error}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    models = tuple(MODELS) if given.models == "all" else tuple(given.models.split(","))
    plain = ("data", "sequence", "phase", "preset", "precision", "results", "runs", "weights_out")
    plain += ("accelerator", "tf32", "deterministic")
    campaign = Campaign(
        given.minutes - (time.monotonic() - BEGIN) / 60,
        models=models,
        **lists,
        epochs=epochs,
        side_by_side=side_by_side,
        threads=given.threads or cores,
        **{name: getattr(given, name) for name in plain},
    )
    run_campaign(campaign, say=lambda text: print(text, flush=True))


def pack(arguments: Sequence[str]) -> None:
    """Make the folder to carry."""
    from guided_attention.campaign.carry import carried_commit
    from guided_attention.campaign.carry import pack as pack_folder
    from guided_attention.campaign.settings import open_campaign_data

    given = pack_parser().parse_args(arguments)
    source = open_campaign_data(given.data, given.sequence, given.phase)
    size = pack_folder(source, given.out, given.wheels, given.limit_mib)
    print(f"{given.out}: {len(source.subjects)} subjects of {source.name}, {size / 2**20:.1f} MiB")
    commit = carried_commit(given.out)
    print(f"commit {commit}" if commit else "this code is no clean commit: records made with it elsewhere name none")


def main() -> None:
    from guided_attention.errors import GuidedAttentionError

    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["pack"]:
            pack(arguments[1:])
        else:
            train(arguments)
    except (GuidedAttentionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted; begun cells keep their checkpoints", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
