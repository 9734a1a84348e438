"""Measure what the package claims about speed and memory, side by side: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from pathlib import Path

import torch

from benchmarks.case import Case, Job
from benchmarks.cases import CASES, MEASURED
from benchmarks.machine import cores, load
from benchmarks.picture import draw
from benchmarks.rounds import ROOT, BenchmarkError, measure, missing
from guided_attention.provenance import provenance
from guided_attention.report.speed import SpeedRecord, write_speed
from guided_attention.report.speed_table import speed_table


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table for each case, write records and pictures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ", ".join(MEASURED)
    parser.add_argument("--only", nargs="+", choices=MEASURED, default=MEASURED, metavar="NAME", help=names)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each contender")
    parser.add_argument("--quick", action="store_true", help="small sizes, two rounds: to see that everything works")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of PyTorch, for one operation")
    parser.add_argument("--data", help="folder of real volumes, *_image.nii.gz and *_label.nii.gz, for the metrics")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "benchmarks", help="folder for the records")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads must be 1 or more")
    if options.device == "auto":
        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(options.threads)
    failed = 0
    for name in options.only:
        try:
            record = run(CASES[name], options)
        except BenchmarkError as error:
            failed += 1
            print(f"\n{error}", file=sys.stderr, flush=True)
            continue
        path = write_speed(record, options.out / f"{file_name(record)}.json")
        print(f"\n{speed_table(record)}\nrecord: {path}", flush=True)
        picture = draw(record, path.with_suffix(".png"))
        if picture:
            print(f"picture: {picture}", flush=True)
    return 1 if failed else 0


def run(case: Case, options: argparse.Namespace) -> SpeedRecord:
    """Measure one case and gather what its record says."""
    base = Job(case.name, "", options.quick, options.device, options.threads, options.data)
    began, before = datetime.datetime.now(datetime.timezone.utc), load()
    rounds = min(options.rounds, 2) if options.quick else options.rounds
    measurements, peaks = measure(case, base, rounds, lambda line: print(line, file=sys.stderr, flush=True))
    settings = {"device": options.device, **case.settings(options.quick, options.device)}
    if case.name == "metrics":
        settings["volume"] = "synthetic (phantom)" if options.data is None else Path(options.data).resolve().name
    return SpeedRecord(
        case=case.name,
        title=case.title,
        measurements=measurements,
        settings=settings,
        quick=options.quick,
        date=began.isoformat(timespec="seconds"),
        provenance=provenance(options.device),
        cores=cores(),
        load_before=before,
        load_after=load(),
        peaks=peaks,
        missing=missing(case, options.device),
    )


def file_name(record: SpeedRecord) -> str:
    """``step-cpu-20261126T063000``: sorts by case, then by time."""
    quick = "-quick" if record.quick else ""
    return f"{record.case}-{record.settings['device']}{quick}-{re.sub('[-:]', '', record.date)[:15]}"


if __name__ == "__main__":
    sys.exit(main())
