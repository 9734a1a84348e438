"""Draw the README's picture from a trained network: ``python pipeline/make_picture.py RUN``.

Takes the first test subject of the run's fold and the slice with most spleen. Only synthetic data: a picture of a
patient carries the licence of its data set, and this one is published.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def main() -> None:
    """Write ``book/_static/result.png``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from guided_attention.data import open_source, phantom_folder
    from guided_attention.evaluation.predict import predict_volume
    from guided_attention.experiments.record import read_record
    from guided_attention.figures.results import show_result
    from guided_attention.models.stored.weights import load_network
    from guided_attention.paths import RunFolder

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run that was trained on the phantom")
    parser.add_argument("--data", type=Path, default=phantom_folder(), help="the synthetic set")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "book" / "_static" / "result.png")
    options = parser.parse_args()
    record, source = read_record(RunFolder(options.run).record), open_source(options.data)
    if not (record.dataset.synthetic and source.kind == "phantom"):
        parser.error("the picture is published, so run and data must be synthetic")
    model, spec = load_network(options.run)
    volume = source.read(record.split.test[0])
    index = int(np.argmax((volume.labels == 4).sum((1, 2))))
    prediction = predict_volume(model, volume, spec.inputs)
    figure = show_result(model, spec.inputs, volume, prediction, index)
    figure.savefig(options.out, dpi=100)
    print(f"{options.out}: subject {volume.subject}, slice {index}, {record.preset} preset, fold {record.split.fold}")


if __name__ == "__main__":
    main()
