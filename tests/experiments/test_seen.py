"""Whom a network has seen in training: known by content, by name where only that was written down."""

from dataclasses import replace

import pytest

from guided_attention.data.digest import Fingerprint
from guided_attention.experiments.record import write_record
from guided_attention.experiments.seen import Seen, digests_seen, seen_by
from report_records import PHANTOM, small_record

DIGESTS = {name: f"{number:016x}" for number, name in enumerate(("t1", "t2", "v1", "x1"))}


def here(**digests):
    return {subject: Fingerprint(digest, (1, 1, 1), ()) for subject, digest in digests.items()}


@pytest.fixture
def record():
    return small_record("pam", {"x1": 0.5}, dataset=replace(PHANTOM, digests=DIGESTS))


@pytest.fixture(params=["record", "notes", "both"])
def known(request, record, tmp_path):
    """A network's folder and notes: its record, or its notes, or both say whom it has seen."""
    if request.param != "notes":
        write_record(record, tmp_path / "record.json")
    return tmp_path, {} if request.param == "record" else {"seen": digests_seen(record.split, DIGESTS)}


def test_subjects_are_known_by_their_content_under_any_name(known):
    found = seen_by(*known, here(a=DIGESTS["t2"], b=DIGESTS["v1"], c=DIGESTS["x1"], d="f" * 16))
    assert found == Seen({"a": "train", "b": "validation"})
    assert str(found) == "trained on: a\nepoch chosen with: b"


def test_the_weights_file_knows_what_its_folder_knows(known):
    folder, notes = known
    assert seen_by(folder / "model.safetensors", notes, here(a=DIGESTS["t1"])).parts == {"a": "train"}


def test_the_same_name_with_other_content_is_said_and_not_counted(record, tmp_path):
    """Another hospital's subject 1, or the same patient with a corrected label: nobody but the user can say."""
    write_record(record, tmp_path / "record.json")
    found = seen_by(tmp_path, {}, here(t1="e" * 16, v1="f" * 16, x1="d" * 16))
    assert found == Seen({}, ("t1", "v1"))
    assert "with other content: t1, v1" in str(found)


def test_a_record_without_digests_knows_names(record, tmp_path):
    write_record(replace(record, dataset=PHANTOM), tmp_path / "record.json")
    assert seen_by(tmp_path, {}, here(t1="e" * 16, v1="f" * 16, x1="d" * 16)).parts == {
        "t1": "train",
        "v1": "validation",
    }


def test_where_nothing_was_written_down_that_is_said(tmp_path):
    found = seen_by(tmp_path, {}, here(t1="e" * 16))
    assert (found.parts, found.known) == ({}, False)
    assert "nothing is written down" in str(found)


def test_another_scan_of_a_patient_it_has_seen_is_no_new_patient(known):
    patients = {"a": "P1", "b": "P1", "c": "P2", "d": "P2", "e": "P3"}
    digests = {"a": DIGESTS["t1"], "b": "d" * 16, "c": "e" * 16, "d": DIGESTS["v1"], "e": "f" * 16}
    found = seen_by(*known, here(**digests), patients)
    assert found.parts == {"a": "train", "b": "train", "c": "validation", "d": "validation"}
    assert found.kin == ("b", "c")
    assert "another scan of a patient that it has seen: b, c" in str(found)
    assert seen_by(*known, here(**digests)).kin == ()


def test_notes_hold_no_names(record):
    noted = digests_seen(record.split, DIGESTS)
    assert noted == {"train": [DIGESTS["t1"], DIGESTS["t2"]], "validation": [DIGESTS["v1"]]}
