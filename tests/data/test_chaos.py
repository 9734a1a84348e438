"""CHAOS's DICOM and PNG to volumes: every voxel where the scanner says it is, every label on its own image."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest

from data_factory import GREYS, Scan, edit_dicom, write_png, write_scan
from guided_attention.data import CLASSES, GREY_RANGES, Volume, make_phantom, read_chaos_subject, write_phantom
from guided_attention.data.read.label_png import read_label
from guided_attention.errors import DataError, SettingsError


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
@pytest.mark.parametrize(
    ("sequence", "phase", "which"), [("T1DUAL", "in", "InPhase"), ("T1DUAL", "out", "OutPhase"), ("T2SPIR", "in", "T2")]
)
def test_every_voxel_and_label_in_anatomical_order_whatever_the_file_names(tmp_path, order, sequence, phase, which):
    scan = Scan(order=order)
    volume = read_chaos_subject(write_scan(tmp_path / "5", scan), sequence, phase)
    assert isinstance(volume, Volume)
    assert volume.subject == "5"
    np.testing.assert_array_equal(volume.image, scan.images[which])
    np.testing.assert_array_equal(volume.labels, scan.labels)
    assert volume.image.dtype == np.float32
    assert volume.spacing == pytest.approx((7.5, 1.5, 1.25))  # from positions: SliceThickness says 5


def test_out_of_phase_keeps_its_own_order_of_names(tmp_path):
    """Its names may run the other way; only places pair it with the labels."""
    scan = Scan()
    folder = write_scan(tmp_path / "5", scan)
    out = folder / "T1DUAL/DICOM_anon/OutPhase"
    for place, path in enumerate(sorted(out.iterdir(), reverse=True)):
        path.rename(out / f"Z{place}.dcm")
    volume = read_chaos_subject(folder, phase="out")
    np.testing.assert_array_equal(volume.image, scan.images["OutPhase"])
    np.testing.assert_array_equal(volume.labels, scan.labels)


def test_rescale_slope_and_intercept_are_applied(tmp_path):
    scan = Scan(slope=0.5, intercept=-3.0)
    volume = read_chaos_subject(write_scan(tmp_path / "1", scan))
    np.testing.assert_allclose(volume.image, scan.images["InPhase"] * 0.5 - 3.0)


@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (16, 16), (10, 14)])
def test_any_matrix(tmp_path, rows, columns):
    scan = Scan(rows=rows, columns=columns)
    assert read_chaos_subject(write_scan(tmp_path / "1", scan)).shape == (4, rows, columns)


def axis_aligned():
    """All 24 right- and left-turned pairs of row and column directions along the patient's axes."""
    unit = np.eye(3)
    for first, second in itertools.permutations(range(3), 2):
        for a, b in itertools.product((1, -1), repeat=2):
            yield (*(a * unit[first]), *(b * unit[second]))


@pytest.mark.parametrize("axes", list(axis_aligned()))
def test_orientation_follows_the_header(tmp_path, axes):
    """Each voxel is found, in the volume, at the millimetres that DICOM's own formula gives (PS3.3 C.7.6.2.1.1)."""
    scan = Scan(axes=axes)
    volume = read_chaos_subject(write_scan(tmp_path / "1", scan), "T2SPIR")
    signs = np.sign(volume.affine[:3, :3])
    np.testing.assert_array_equal(
        signs, np.diag([-1, -1, 1])
    )  # to left, back and head, in a world to right, front, head
    z, row, column = np.unravel_index(np.arange(4 * 12 * 10), (4, 12, 10))
    x, y = np.array(axes[:3]), np.array(axes[3:])
    mm = np.stack([scan.position(k) for k in z]) + np.outer(column * 1.25, x) + np.outer(row * 1.5, y)
    mm = np.c_[mm * [-1, -1, 1], np.ones(len(mm))]
    index = np.rint(mm @ np.linalg.inv(volume.affine).T).astype(int)[:, 2::-1].T
    np.testing.assert_array_equal(volume.image[tuple(index)], scan.images["T2"][z, row, column])
    np.testing.assert_array_equal(volume.labels[tuple(index)], scan.labels[z, row, column])
    assert sorted(volume.spacing) == pytest.approx([1.25, 1.5, 7.5])


def test_a_tilted_stack_keeps_its_tilt_in_the_affine(tmp_path):
    tilt = np.radians(12)
    scan = Scan(axes=(1, 0, 0, 0, np.cos(tilt), np.sin(tilt)))
    volume = read_chaos_subject(write_scan(tmp_path / "1", scan))
    np.testing.assert_array_equal(volume.image, scan.images["InPhase"])
    assert volume.spacing == pytest.approx((7.5, 1.5, 1.25))
    np.testing.assert_allclose(volume.affine[:3, 1], [0, -1.5 * np.cos(tilt), 1.5 * np.sin(tilt)], atol=1e-6)


def test_no_ground_folder_means_no_labels(tmp_path):
    folder = write_scan(tmp_path / "1", Scan())
    shutil.rmtree(folder / "T1DUAL/Ground")
    assert read_chaos_subject(folder).labels is None
    assert read_chaos_subject(folder, phase="out").labels is None


def test_hidden_files_do_not_count(tmp_path):
    folder = write_scan(tmp_path / "1", Scan())
    (folder / "T1DUAL/DICOM_anon/InPhase/._IMG-0004-00002.dcm").write_bytes(b"from a Mac")
    (folder / "T1DUAL/Ground/.DS_Store").write_bytes(b"")
    assert read_chaos_subject(folder).shape == (4, 12, 10)


def test_every_grey_is_one_class_or_an_error(tmp_path):
    ranges = {
        "liver": range(55, 71),
        "kidney_right": range(110, 136),
        "kidney_left": range(175, 201),
        "spleen": range(240, 256),
    }
    for grey in range(256):
        path = tmp_path / "IMG.png"
        write_png(path, np.full((3, 3), grey, np.uint8))
        organs = [organ for organ, greys in ranges.items() if grey in greys]
        if grey and not organs:
            with pytest.raises(DataError, match=rf"liver 55-70.*found {grey} as well"):
                read_label(path)
        else:
            assert (read_label(path) == (CLASSES.index(organs[0]) if organs else 0)).all()
    assert set(GREY_RANGES) == set(ranges)


def test_the_reader_names_a_grey_that_stands_for_nothing(tmp_path):
    folder = write_scan(tmp_path / "1", Scan())
    grey = GREYS[Scan().labels[0]]
    grey[2, 3], grey[4, 4] = 90, 7
    write_png(folder / "T1DUAL/Ground/IMG-0004-00002.png", grey)
    with pytest.raises(DataError, match=r"IMG-0004-00002\.png: expected greys.*found 7, 90 as well"):
        read_chaos_subject(folder)


def test_swapped_phases_are_noticed(tmp_path):
    folder = write_scan(tmp_path / "1", Scan())
    for path in (folder / "T1DUAL/DICOM_anon/InPhase").iterdir():
        edit_dicom(path, EchoTime="1.15")
    for phase in ("in", "out"):
        with pytest.raises(DataError, match=r"longer EchoTime in phase.*found 1\.15 ms in InPhase and 2\.3 ms"):
            read_chaos_subject(folder, phase=phase)


def test_out_of_phase_must_lie_where_in_phase_lies(tmp_path):
    folder = write_scan(tmp_path / "1", Scan())
    for path in (folder / "T1DUAL/DICOM_anon/OutPhase").iterdir():
        position = [-20.0, -30.0, 3.0 + float(np.array(read_position(path))[2])]
        edit_dicom(path, ImagePositionPatient=[str(v) for v in position])
    assert read_chaos_subject(folder).shape == (4, 12, 10)
    with pytest.raises(DataError, match=r"in phase.*3\.00 mm apart"):
        read_chaos_subject(folder, phase="out")


def read_position(path):
    import pydicom

    return pydicom.dcmread(path).ImagePositionPatient


@pytest.mark.parametrize(("argument", "value"), [("sequence", "T1"), ("phase", "opposed")])
def test_unknown_arguments_are_named(tmp_path, argument, value):
    with pytest.raises(SettingsError, match=f"{argument}='{value}' is unknown"):
        read_chaos_subject(tmp_path, **{argument: value})


def test_the_phantom_is_read_back_as_it_was_made(tmp_path):
    import json

    root = write_phantom(tmp_path / "phantom", subjects=2, preset="tiny", workers=1)
    record = json.loads((root / "phantom.json").read_text())
    from guided_attention.data.phantom import phantom_settings

    name, seed = next(iter(record["subjects"].items()))
    made = make_phantom(seed, phantom_settings("tiny"), subject=name)
    for phase, truth in (("in", made.in_phase), ("out", made.out_phase)):
        volume = read_chaos_subject(root / "Train_Sets/MR" / name, phase=phase)
        np.testing.assert_array_equal(volume.image, truth.image)
        np.testing.assert_array_equal(volume.labels, made.labels)
        assert volume.spacing == pytest.approx(truth.spacing, abs=1e-3)
