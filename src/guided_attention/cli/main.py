"""The command line: ``guided-attention train | experiment | evaluate | predict | report | data | doctor``.

Every command is a function; tyro makes its options from its arguments and their docstring.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tyro import extras
from tyro.conf import Positional

from guided_attention import __version__
from guided_attention.cli.data import DATA_COMMANDS, Phase, SequenceName, open_data
from guided_attention.cli.doctor import doctor
from guided_attention.cli.experiment import experiment
from guided_attention.cli.report import report
from guided_attention.errors import GuidedAttentionError, SettingsError

__all__ = ["main"]


def train(
    model: str = "ms-dual-guided",
    preset: str = "quick",
    data: str = "phantom",
    fold: int = 0,
    seed: int = 0,
    out: Path | None = None,
    results: Path | None = None,
    sequence: SequenceName = "T1DUAL",
    phase: Phase = "in",
    epochs: int | None = None,
    learning_rate: float | None = None,
    precision: str | None = None,
    weights: Path | None = None,
    accelerator: str = "auto",
    devices: int = 1,
    threads: int | None = None,
    progress: bool = True,
) -> None:
    """Train a network, evaluate it on the fold's test subjects, and write its record.

    A run that was interrupted goes on where it stopped when the same command is given again. A run is known by its
    data, not by the name of their folder: other images or labels get a folder of their own, DATASET-DIGEST.

    Args:
        model: One of daf, pam, cam, dual, ms-dual, ms-dual-guided, unet, attention-unet, danet, pan-resnet34,
            pan-resnet101.
        preset: quick (128 x 128, small network, minutes on a processor) or paper (the published protocol, for a GPU).
        data: A CHAOS tree, a folder of NIfTI files, or the word phantom (made on first use).
        fold: Which of the three splits.
        seed: Of weights, order and augmentation.
        out: Output folder; default runs/DATASET/MODEL/PRESET-foldK-seedS.
        results: Also write the record to RESULTS/DATASET/MODEL/foldK-seedS.json.
        sequence: Sequence of a CHAOS tree.
        phase: In-phase or out-of-phase images of T1-DUAL.
        epochs: Another number of epochs than the preset's.
        learning_rate: Another learning rate than the preset's. A run that diverged goes on with it, if out names it.
        precision: 32-true or bf16-mixed, if not the preset's. The same holds for it.
        weights: File with torchvision's ImageNet weights for the backbone.
        accelerator: auto, cpu or cuda.
        devices: How many of them.
        threads: Threads of the processor to use.
        progress: Show progress bars.
    """
    from guided_attention.evaluation.summary import summary_table
    from guided_attention.experiments.run import run_trial
    from guided_attention.experiments.same_data import name_by_data
    from guided_attention.experiments.trial import Trial, run_folder
    from guided_attention.training.devices import is_first_process
    from guided_attention.training.settings import get_preset, vary

    _use_threads(threads)
    source = open_data(data, sequence, phase)
    chosen = vary(get_preset(preset), epochs=epochs, precision=precision, learning_rate=learning_rate)
    trial = Trial(model, fold, seed)
    roots = [root for root in (None if out else Path("runs"), results) if root is not None]
    source, notice = name_by_data(source, *roots)
    out = out or run_folder("runs", source.name, trial, chosen.name)
    if notice and is_first_process():
        print(notice)
    if is_first_process():
        print(f"{model} on {source.name}, fold {fold}, seed {seed}, preset {preset} -> {out}", flush=True)
    record = run_trial(
        trial,
        source,
        chosen,
        out,
        results=results,
        weights=weights,
        accelerator=accelerator,
        devices=devices,
        progress=progress,
    )
    if is_first_process():
        print(summary_table(record.summary))
        print(f"record: {out / 'record.json'}")


def evaluate(
    network: Positional[Path],
    data: str = "phantom",
    fold: int | None = None,
    subjects: tuple[str, ...] = (),
    out: Path | None = None,
    sequence: SequenceName = "T1DUAL",
    phase: Phase = "in",
    device: str = "cpu",
    batch_size: int = 8,
    progress: bool = True,
) -> None:
    """Score a trained network on whole volumes: DSC, VS, MSD and the CHAOS metrics, by organ and subject.

    Args:
        network: Folder of a run, or its model.safetensors.
        data: A CHAOS tree, a folder of NIfTI files, or the word phantom.
        fold: Evaluate the test subjects of this fold.
        subjects: Evaluate these subjects (all of them, if neither is given).
        out: Write the scores to this JSON file.
        sequence: Sequence of a CHAOS tree.
        phase: In-phase or out-of-phase images of T1-DUAL.
        device: cpu or cuda.
        batch_size: Slices at a time.
        progress: Show a progress bar.
    """
    from guided_attention.evaluation.summary import subject_table, summarise, summary_table
    from guided_attention.evaluation.volumes import evaluate as score
    from guided_attention.experiments.record import write_scores
    from guided_attention.experiments.trial import choose_fold
    from guided_attention.models.stored.weights import load_network
    from guided_attention.training.devices import require_device

    require_device(device)
    model, spec = load_network(network, device)
    source = open_data(data, sequence, phase)
    if fold is not None and subjects:
        raise SettingsError("fold and subjects exclude each other; give one of them.")
    chosen = subjects or (source.subjects if fold is None else choose_fold(source, fold).test)
    source.check(chosen).raise_if_bad()
    volumes = [source.read(subject) for subject in chosen]
    scores = score(model, volumes, spec.inputs, batch_size=batch_size, device=device, progress=progress)
    print(subject_table(scores))
    print(summary_table(summarise(scores)))
    if out is not None:
        print(f"scores: {write_scores(scores, out, device)}")


def predict(
    network: Positional[Path],
    images: Positional[tuple[Path, ...]],
    out: Path,
    sequence: SequenceName = "T1DUAL",
    phase: Phase = "in",
    device: str = "cpu",
    batch_size: int = 8,
    overwrite: bool = False,
) -> None:
    """Segment volumes and write the labels as NIfTI, in the geometry of their images.

    Args:
        network: Folder of a run, or its model.safetensors.
        images: NIfTI files, or folders of CHAOS subjects.
        out: Folder for the results, SUBJECT_prediction.nii.gz each.
        sequence: Sequence of a CHAOS subject.
        phase: In-phase or out-of-phase images of T1-DUAL.
        device: cpu or cuda.
        batch_size: Slices at a time.
        overwrite: Replace results that exist.
    """
    from guided_attention.data import read_chaos_subject, read_nifti, write_nifti
    from guided_attention.evaluation.predict import predict_volume
    from guided_attention.models.stored.weights import load_network
    from guided_attention.training.devices import require_device

    if not images:
        raise SettingsError("images: none given; name NIfTI files or folders of CHAOS subjects after the network.")
    require_device(device)
    model, spec = load_network(network, device)
    volumes = [read_chaos_subject(p, sequence, phase) if p.is_dir() else read_nifti(p) for p in images]
    targets = [out / f"{volume.subject}_prediction.nii.gz" for volume in volumes]
    for target in targets:
        if target.exists() and not overwrite:
            raise SettingsError(f"{target} exists; give --overwrite, or another --out.")
        if targets.count(target) > 1:
            raise SettingsError(f"two images would be written to {target}; predict them into different folders.")
    out.mkdir(parents=True, exist_ok=True)
    for path, volume, target in zip(images, volumes, targets, strict=True):
        labels = predict_volume(model, volume, spec.inputs, batch_size=batch_size, device=device)
        write_nifti(labels, target, like=None if path.is_dir() else path)
        print(target, flush=True)


COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "experiment": experiment,
    "evaluate": evaluate,
    "predict": predict,
    "report": report,
    "doctor": doctor,
}


def data(*arguments: str) -> None:
    """Check, make, fetch and split data sets; see ``guided-attention data --help``."""
    _run(DATA_COMMANDS, "guided-attention data", arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: run a command.

    Errors for people, and those of the file system (a full disk, a file where a folder should be), end in one message
    and status 2; Ctrl-C ends in status 130.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        print(f"guided-attention {__version__}")
        return
    try:
        if arguments[:1] == ["data"]:
            data(*arguments[1:])
        else:
            about = "Train, evaluate and use the book's networks. --version prints the version."
            _run({**COMMANDS, "data": data}, "guided-attention", arguments, about)
    except (GuidedAttentionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def _run(commands: dict[str, Callable[..., None]], prog: str, arguments: Sequence[str], about: str = "") -> None:
    extras.subcommand_cli_from_dict(commands, prog=prog, args=list(arguments), description=about or None)


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        if threads < 1:
            raise SettingsError(f"threads={threads} must be 1 or more.")
        torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
