"""The recorded runs: whole, traceable, in the place that their content says."""

import json
from pathlib import Path

import pytest

from guided_attention.data import CHAOS_FOLDS
from guided_attention.experiments.record import read_record, record_path, write_record
from guided_attention.paths import WEIGHTS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
RECORDS = sorted(RESULTS.glob("*/**/*.json"))


def test_there_are_records():
    assert RECORDS


@pytest.mark.parametrize("path", [*RECORDS, *(ROOT / WEIGHTS).glob("*.record.json")], ids=lambda path: path.parent.name)
def test_read_and_written_again_a_record_says_the_same(path, tmp_path):
    """In the same order; a metric that is younger than the record is null in the new file and absent in the old."""

    def known(file):
        return json.loads(file.read_text(), object_pairs_hook=lambda pairs: [(k, v) for k, v in pairs if v is not None])

    assert known(write_record(read_record(path), tmp_path / "again.json")) == known(path)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: str(path.relative_to(RESULTS)))
class TestRecord:
    def test_lies_where_its_content_says(self, path):
        record = read_record(path)
        root = RESULTS if record.preset == "quick" else RESULTS / record.preset.split("-")[0]
        assert record_path(root, record.dataset.name, record.model.name, record.split.fold, record.seed) == path

    def test_comes_from_a_clean_commit(self, path):
        provenance = read_record(path).provenance
        assert provenance.commit
        assert provenance.dirty is False

    def test_split_is_the_published_one(self, path):
        split = read_record(path).split
        published = CHAOS_FOLDS[split.fold]
        for part in ("train", "validation", "test"):
            numbers = {int(name.removeprefix("subject_")) for name in getattr(split, part)}
            assert numbers == {int(name) for name in getattr(published, part)}

    def test_synthetic_data_are_called_synthetic(self, path):
        dataset = read_record(path).dataset
        assert dataset.synthetic == dataset.name.startswith("phantom")

    def test_the_network_learned(self, path):
        """Far above what an untrained network or chance would give, at least in the organ that is easiest.

        Not in every one: after few epochs a network may leave an organ out altogether, and its record says so.
        """
        summary = read_record(path).summary
        assert max(scores["dsc"].mean for organ, scores in summary.items() if organ != "mean") > 0.6
