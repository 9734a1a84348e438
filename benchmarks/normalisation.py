"""Which normalisation keeps the organs' greys where they are when something bright lies beside them.

    python -m benchmarks.normalisation greys --data PATH/chaos_t2spir --out results/normalisation.json
    python -m benchmarks.normalisation train --data PATH/chaos_t2spir --out results/normalisation.json
    python -m benchmarks.normalisation test --data PATH/chaos_t2spir --out results/normalisation.json --names NAME ...

The first two look at the training and validation subjects of one fold alone, so that its test subjects have no part in
the choice. Into each scan bright ellipsoids are painted, which leave the voxels of the organs as they are. ``greys``
trains nothing: it says how far the organs' medians vary and move, and how well greys alone tell organs apart. ``train``
trains a small network on two thirds of these subjects and scores the other third, three times over. ``test`` comes
last: it scores the fold's test subjects, by the small network trained on the fold's own training subjects with what was
chosen and what was there before, or, with ``--records``, from the records of whole runs. Each result is written as soon
as it is there; ``greys`` and ``train`` go on after an interruption.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from guided_attention.data import DataSource, InputSettings, Volume, fit_in_plane, folds_for, normalise, open_source
from guided_attention.data.digest import digests_of
from guided_attention.data.greys import NORMALISATIONS
from guided_attention.data.volume import ORGANS
from guided_attention.evaluation.overlap import dice
from guided_attention.evaluation.predict import predict_volume
from guided_attention.experiments import read_record
from guided_attention.files import read_json, write_text
from guided_attention.models import build_model
from guided_attention.progress import progress_bar
from guided_attention.provenance import provenance
from guided_attention.training import fit, get_preset

#: Rows and columns of all volumes here, and of the small network's input.
SIZE, INPUT = 128, 64
BINS = 40
NETWORK = {"name": "daf", "backbone": "resnet18", "backbone_width": 16, "channels": 16}
#: What is compared by training: normalisations, and one whose training slices vary in contrast.
TRAINED = ("percentile", "zscore", "robust", "halves", "arcsinh", "percentile+contrast")

Volumes = dict[str, Volume]


@dataclass(frozen=True)
class Bright:
    """An ellipsoid brighter than the organs.

    Parameters
    ----------
    middle, radii : (float, float, float)
        As shares of slices, rows and columns.
    brightness : float
        In 99.5th percentiles of the scan.
    """

    middle: tuple[float, float, float]
    radii: tuple[float, float, float]
    brightness: float

    def paint(self, volume: Volume) -> Volume:
        """Return the volume with the object wherever no organ is; towards its rim it gets 10 % darker."""
        axes = np.ogrid[tuple(slice(n) for n in volume.shape)]
        places = zip(axes, volume.shape, self.middle, self.radii, strict=True)
        distance = sum(((axis / n - middle) / radius) ** 2 for axis, n, middle, radius in places)
        inside = (distance < 1) & (volume.labels == 0)
        image = volume.image.copy()
        image[inside] = self.brightness * np.percentile(image, 99.5) * (1 - 0.1 * distance[inside])
        return replace(volume, image=image)


#: A full stomach, a cyst through most slices, a full bladder: about 4, 6 and 3 % of the voxels, less the organs'.
OBJECTS = {
    "stomach": Bright((0.55, 0.36, 0.62), (0.18, 0.20, 0.26), 1.6),
    "cyst": Bright((0.40, 0.38, 0.62), (0.36, 0.17, 0.23), 1.4),
    "bladder": Bright((0.10, 0.40, 0.50), (0.18, 0.17, 0.23), 1.6),
}


class Contrast(nn.Module):
    """A network that sees every training slice darker or brighter, and with another gamma; greys are 0 to 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Any:
        """Take (B, 1, H, W); the gain is 0.47 to 1.28, gamma 0.74 to 1.35."""
        if self.training:
            gain, gamma = (torch.rand(2, len(x), 1, 1, 1, device=x.device) - 0.5).unbind()
            x = (x * torch.exp(gain - 0.25)).clamp(0, 1) ** torch.exp(0.6 * gamma)
        return self.network(x)


def chosen(source: DataSource, fold: int) -> Volumes:
    """Training and validation subjects of a fold, resampled to a common size."""
    split = folds_for(source.subjects)[fold]
    names = [name for name in source.subjects if name not in split.test]
    return {name: fit_in_plane(source.read(name), SIZE, "resample") for name in names}


def scans(volumes: Volumes) -> dict[str, Volumes]:
    """The volumes as they are, and with each object."""
    return {"clean": volumes} | {name: {s: o.paint(v) for s, v in volumes.items()} for name, o in OBJECTS.items()}


def classes(grey: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Greys of the background, and of every organ."""
    return [grey[labels == k] for k in range(len(ORGANS) + 1)]


def greys(volumes: Volumes, how: str) -> dict[str, Any]:
    """What one normalisation does to the greys of the organs.

    Returns
    -------
    dict
        ``medians``: case -> subject -> grey of the background and of each organ. ``spread``: standard deviation
        between subjects, mean of the organs; ``shift``: mean distance by which an object moves an organ's median; both
        in standard deviations between the classes. ``cross_entropy``: see `surprise`; chance is log 5 = 1.61.
    """
    found = {
        case: {s: classes(normalise(v.image, how), v.labels) for s, v in those.items()}
        for case, those in scans(volumes).items()
    }
    medians = {c: {s: [float(np.median(g)) for g in gs] for s, gs in those.items()} for c, those in found.items()}
    table = {case: np.array(list(those.values())) for case, those in medians.items()}  # (subjects, classes)
    between = table["clean"].mean(0).std()
    seen = np.concatenate([np.concatenate(gs)[::8] for gs in found["clean"].values()])
    edges = np.quantile(seen, np.linspace(0, 1, BINS + 1)[1:-1])
    shares = {c: {s: histograms(gs, edges) for s, gs in those.items()} for c, those in found.items()}
    known = shares["clean"]
    entropy = {
        case: np.mean([surprise(own, [known[t] for t in known if t != s]) for s, own in those.items()])
        for case, those in shares.items()
    }
    return {
        "normalisation": how,
        "spread": float(table["clean"][:, 1:].std(0).mean() / between),
        "shift": {c: float(np.abs(table[c] - table["clean"])[:, 1:].mean() / between) for c in OBJECTS},
        "cross_entropy": {case: float(value) for case, value in entropy.items()},
        "medians": medians,
        "provenance": asdict(provenance()),
    }


def histograms(found: list[np.ndarray], edges: np.ndarray) -> np.ndarray:
    """Share of each class's voxels in every bin, (classes, bins)."""
    return np.array([np.bincount(np.digitize(g, edges), minlength=BINS) / max(len(g), 1) for g in found])


def surprise(own: np.ndarray, others: list[np.ndarray]) -> float:
    """Cross-entropy in nats, all classes alike, of a voxel's class given its grey as other subjects tell it."""
    likely = np.mean(others, axis=0) + 1e-3
    return float(-(own * np.log(likely / likely.sum(0))).sum(1).mean())


def network(name: str, learn: list[Volume], check: list[Volume], seed: int, epochs: int) -> tuple[nn.Module, Any]:
    """Train a small network; return it with the settings of its input."""
    how, _, varied = name.partition("+")
    inputs = InputSettings(INPUT, "resample", how)
    settings = replace(get_preset("quick").fit, epochs=epochs, seed=seed, inputs=inputs)
    torch.manual_seed(seed)
    model = build_model(**NETWORK)
    model = Contrast(model) if varied else model
    fit(model, learn, check, settings, progress=False)
    return model, inputs


def train(volumes: Volumes, name: str, part: int, seed: int, epochs: int) -> dict[str, Any]:
    """Train on two thirds of the subjects; score the others, as they are and with each object."""
    start, held = time.perf_counter(), {s: volumes[s] for s in list(volumes)[part::3]}
    learn = [v for s, v in volumes.items() if s not in held]
    model, inputs = network(name, learn, list(held.values()), seed, epochs)
    return {
        "trained": name,
        "part": part,
        "seed": seed,
        "epochs": epochs,
        "dice": {c: {s: score(model, v, inputs) for s, v in vs.items()} for c, vs in scans(held).items()},
        "seconds": round(time.perf_counter() - start, 1),
        "provenance": asdict(provenance()),
    }


def final(source: DataSource, volumes: Volumes, name: str, fold: int, seed: int, epochs: int) -> dict[str, Any]:
    """Train on the training subjects of a fold, validate on its validation subjects, score its test subjects."""
    split = folds_for(source.subjects)[fold]
    learn, check = ([volumes[s] for s in part] for part in (split.train, split.validation))
    model, inputs = network(name, learn, check, seed, epochs)
    held = {s: fit_in_plane(source.read(s), SIZE, "resample") for s in split.test}
    return {
        "model": "small",
        "preset": f"epochs{epochs}",
        "fold": fold,
        "seed": seed,
        "normalisation": name,
        "dice": {s: score(model, v, inputs) for s, v in held.items()},
        "provenance": asdict(provenance()),
    }


def score(model: nn.Module, volume: Volume, inputs: InputSettings) -> list[float]:
    """Dice of each organ."""
    labels = predict_volume(model, volume, inputs).labels
    return [float(dice(labels == k, volume.labels == k)) for k in range(1, len(ORGANS) + 1)]


def tested(path: Path) -> dict[str, Any]:
    """What a record says of its test subjects."""
    record = read_record(path)
    return {
        "model": record.model.name,
        "preset": record.preset,
        "fold": record.split.fold,
        "seed": record.seed,
        "normalisation": record.settings["inputs"]["normalisation"],
        "dice": {s.subject: [organ.dsc for organ in s.organs] for s in record.scores},
        "provenance": asdict(record.provenance),
    }


def table(found: dict[str, Any]) -> str:
    """What has been measured, for reading."""
    cases = ("clean", *OBJECTS)
    lines = [f"{'greys':20} {'spread':>8} " + " ".join(f"{'H ' + c:>10}" for c in cases) + "   shift: the largest"]
    for row in found["greys"]:
        values = " ".join(f"{row['cross_entropy'][c]:10.3f}" for c in cases)
        lines.append(f"{row['normalisation']:20} {row['spread']:8.3f} {values}   {max(row['shift'].values()):.3f}")
    lines.append(f"{'trained: mean Dice':20} {'runs':>8} " + " ".join(f"{c:>10}" for c in cases))
    for name in dict.fromkeys(row["trained"] for row in found["trainings"]):
        rows = [row["dice"] for row in found["trainings"] if row["trained"] == name]
        means = (np.mean([scores for row in rows for scores in row[c].values()]) for c in cases)
        lines.append(f"{name:20} {len(rows):8} " + " ".join(f"{mean:10.3f}" for mean in means))
    for row in found["tests"]:
        scores = ", ".join(f"{subject} {np.mean(dsc):.3f}" for subject, dsc in row["dice"].items())
        lines.append(f"{row['model']}, {row['preset']}, {row['normalisation']}: {scores}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure what the file lacks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("greys", "train", "test"))
    parser.add_argument("--data", required=True, help="as for `guided-attention train`")
    parser.add_argument("--out", type=Path, required=True, help="JSON file; what it holds is not measured again")
    parser.add_argument("--fold", type=int, default=0, help="its test subjects are left out")
    parser.add_argument(
        "--names", nargs="+", help="normalisations; default all for greys, six for train, none for test"
    )
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--parts", type=int, nargs="+", default=[0, 1, 2], help="thirds of the subjects to score")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--records", type=Path, nargs="+", default=[], help="records of runs, for test")
    chosen_by = parser.parse_args(arguments)
    source = open_source(chosen_by.data)
    volumes = chosen(source, chosen_by.fold)
    about: dict[str, Any] = {
        "dataset": source.name,
        "fold": chosen_by.fold,
        "subjects": digests_of(volumes.values()),
        "network": NETWORK,
        "objects": {name: asdict(o) for name, o in OBJECTS.items()},
    }
    about = json.loads(json.dumps(about))  # as it is read again: tuples are lists
    found = read_json(chosen_by.out) if chosen_by.out.exists() else {**about, "greys": [], "trainings": [], "tests": []}
    if any(found[name] != value for name, value in about.items()):
        raise SystemExit(
            f"{chosen_by.out} was made of other data, another fold, network or objects: give another file."
        )
    if chosen_by.what == "test":
        found["tests"] += [tested(path) for path in chosen_by.records]
    steps = list(missing(found, chosen_by))
    for step in progress_bar(steps):
        if chosen_by.what == "greys":
            found["greys"].append(greys(volumes, *step))
        elif chosen_by.what == "train":
            found["trainings"].append(train(volumes, *step, chosen_by.epochs))
        else:
            found["tests"].append(final(source, volumes, *step, chosen_by.epochs))
        write_text(chosen_by.out, json.dumps(found, indent=1) + "\n")
    if chosen_by.records:
        write_text(chosen_by.out, json.dumps(found, indent=1) + "\n")
    print(table(found))


def missing(found: dict[str, Any], wanted: argparse.Namespace) -> Iterator[tuple]:
    """Arguments of what is still to measure."""
    if wanted.what == "greys":
        there = {row["normalisation"] for row in found["greys"]}
        yield from ((name,) for name in wanted.names or NORMALISATIONS if name not in there and name != "ct")
    elif wanted.what == "train":
        there = {(row["trained"], row["part"], row["seed"], row["epochs"]) for row in found["trainings"]}
        for seed, part, name in product(wanted.seeds, wanted.parts, wanted.names or TRAINED):
            if (name, part, seed, wanted.epochs) not in there:
                yield name, part, seed
    else:
        for seed, name in product(wanted.seeds, wanted.names or ()):
            yield name, wanted.fold, seed


if __name__ == "__main__":
    main()
