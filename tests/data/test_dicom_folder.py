"""A plain folder of DICOM files: as scanners, archives and networks leave it."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import BasicTextSRStorage, EnhancedMRImageStorage, SecondaryCaptureImageStorage, SegmentationStorage

from data_factory import Scan, edit_dicom, write_dicom
from guided_attention.data import open_source, read_nifti
from guided_attention.errors import DataError

LOCALIZER = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}


def write_series(folder: Path, scan: Scan, which="InPhase", number=3, echo=4.6, uid=None, name="IM{:04d}", **more):
    for place, z in enumerate(scan.order):
        path = folder / name.format(place)
        write_dicom(path, scan, which, z, echo)
        uid = uid or f"1.2.{number}"
        edit_dicom(
            path,
            SeriesInstanceUID=uid,
            SeriesNumber=str(number),
            SeriesDescription=f"{which} {number}",
            **more,
        )
    return folder


def write_enhanced(path: Path, scan: Scan, order=None, shared=True) -> Path:
    """All slices in one file: position and slope of each frame, the rest for all or for each."""
    order, frames = order or scan.order, []
    write_dicom(path, scan, "InPhase", 0, 4.6)
    data = pydicom.dcmread(path)
    for z in order:
        plane, turn, size, slope, frame = (Dataset() for _ in range(5))
        plane.ImagePositionPatient = [f"{v:.6f}" for v in scan.position(z)]
        turn.ImageOrientationPatient, size.PixelSpacing = list(scan.axes), list(scan.pixel)
        slope.RescaleSlope, slope.RescaleIntercept = str(z + 1), "5"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [plane], [slope]
        where = frame if not shared else Dataset()
        where.PlaneOrientationSequence, where.PixelMeasuresSequence = [turn], [size]
        if shared:
            data.SharedFunctionalGroupsSequence = [where]
        frames.append(frame)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    data.NumberOfFrames, data.PerFrameFunctionalGroupsSequence = len(order), frames
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(data, tag)
    data.PixelData = b"".join(scan.images["InPhase"][z].astype("<u2").tobytes() for z in order)
    data.save_as(path)
    return path


def problems(folder, **options) -> list[str]:
    return [p.message for p in open_source(folder, **options).check(need_labels=False).problems]


@pytest.mark.parametrize("name", ["IM{:04d}", "{:d}.dcm", "x{:d}.DCM", "1.2.840.{:d}"])
def test_a_folder_is_a_stack_whatever_its_files_are_called(tmp_path, name):
    scan = Scan()
    folder = write_series(tmp_path / "anna", scan, name=name)
    volume = read_nifti(folder)
    np.testing.assert_array_equal(volume.image, scan.images["InPhase"])
    assert (volume.subject, volume.spacing) == ("anna", pytest.approx((7.5, 1.5, 1.25)))
    source = open_source(folder)
    assert (source.name, source.subjects) == ("dicom-anna", ("anna",))
    assert problems(folder) == []


def test_an_oblique_stack_lies_where_gdcm_puts_it(tmp_path):
    axes = np.linalg.qr(np.array([[0.98, 0.1, -0.17], [0.05, 0.86, 0.5]]).T)[0].T
    axes *= np.sign(np.diag(axes[:, :2]))[:, None]
    folder = write_series(tmp_path / "anna", Scan(axes=tuple(axes.ravel())))
    volume = read_nifti(folder)
    theirs = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    np.testing.assert_array_equal(volume.image, sitk.GetArrayFromImage(theirs))
    np.testing.assert_allclose(volume.affine[:3, 3] * [-1, -1, 1], theirs.GetOrigin(), atol=1e-3)
    direction = np.array(theirs.GetDirection()).reshape(3, 3) * theirs.GetSpacing()
    np.testing.assert_allclose(np.diag([-1, -1, 1]) @ volume.affine[:3, :3], direction, atol=1e-4)


def test_of_several_series_one_is_chosen_and_never_by_chance(tmp_path):
    scan = Scan()
    folder = write_series(tmp_path / "anna", scan)
    write_series(folder, scan, "T2", 12, name="T{:d}")
    (said,) = problems(folder)
    assert "expected one series of DICOM slices, found 2" in said
    assert "--series" in said
    assert "3  InPhase 3  4 slices of 12 x 10" in said
    assert "12  T2 12  4 slices of 12 x 10" in said
    for wanted, which in (("12", "T2"), ("3", "InPhase"), ("t2 12", "T2"), ("1.2.3", "InPhase")):
        source = open_source(folder, series=wanted)
        np.testing.assert_array_equal(source.read("anna").image, scan.images[which])
        (other,) = source.check(need_labels=False).ignored
        assert "is not read" in other.message
    assert "expected one series '7', found none" in problems(folder, series="7")[0]


def test_a_localizer_is_not_the_choice_of_anybody_who_does_not_ask(tmp_path):
    scan = Scan()
    folder = write_series(write_series(tmp_path / "anna", scan), scan, "T2", 1, name="L{:d}", **LOCALIZER)
    np.testing.assert_array_equal(read_nifti(folder).image, scan.images["InPhase"])
    (other,) = open_source(folder).check(need_labels=False).ignored
    assert "a localizer is not read" in other.message
    np.testing.assert_array_equal(open_source(folder, series="1").read("anna").image, scan.images["T2"])


def test_echoes_of_one_series_are_told_apart(tmp_path):
    scan = Scan()
    folder = write_series(write_series(tmp_path / "anna", scan), scan, "OutPhase", echo=2.3, name="O{:d}")
    (said,) = problems(folder)
    for part in ("3.1", "echo 2.3 ms", "3.2", "echo 4.6 ms"):
        assert part in said
    np.testing.assert_array_equal(open_source(folder, series="3.1").read("anna").image, scan.images["OutPhase"])


def test_an_export_with_an_index_and_folders_inside(tmp_path):
    scan, disc = Scan(), tmp_path / "disc"
    write_series(disc / "DICOM" / "PA0" / "ST0" / "SE0", scan)
    (disc / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + b"?" * 50)
    np.testing.assert_array_equal(read_nifti(disc).image, scan.images["InPhase"])
    assert [p.path.name for p in open_source(disc).check(need_labels=False).ignored] == ["DICOMDIR"]


@pytest.mark.parametrize("implicit", [True, False])
def test_files_without_a_preamble(tmp_path, implicit):
    scan = Scan()
    folder = write_series(tmp_path / "anna", scan)
    for path in folder.iterdir():
        data, file = pydicom.dcmread(path), DicomBytesIO()
        file.is_little_endian, file.is_implicit_VR = True, implicit
        write_dataset(file, data)
        path.write_bytes(file.getvalue())
    np.testing.assert_array_equal(read_nifti(folder).image, scan.images["InPhase"])


def test_what_does_not_make_a_stack_is_named(tmp_path):
    scan = Scan()
    missing, doubled, tilted = (write_series(tmp_path / name, scan) for name in ("missing", "doubled", "tilted"))
    (missing / "IM0000").unlink()  # the third from below
    shutil.copy(doubled / "IM0000", doubled / "copy")
    for place, z in enumerate(scan.order):
        leaning = scan.position(z) + np.array([0, 2.0 * z, 0])
        edit_dicom(tilted / f"IM{place:04d}", ImagePositionPatient=[f"{v:.4f}" for v in leaning])
    report = open_source(tmp_path).check(need_labels=False)
    said = {p.subject: p.message for p in report.problems}
    assert "lies 15.00 mm after" in said["missing"]
    assert "same position as IM0000 (duplicated slice)" in said["doubled"]
    assert "gantry that is tilted by 14.9 degrees" in said["tilted"]
    assert len(report.problems) == 3


def test_objects_that_are_no_pictures_are_called_what_they_are(tmp_path):
    folder = write_series(tmp_path / "anna", Scan())
    for name, kind, modality in (
        ("seg", SegmentationStorage, "SEG"),
        ("report", BasicTextSRStorage, "SR"),
        ("screen", SecondaryCaptureImageStorage, "OT"),
    ):
        data = pydicom.dcmread(folder / "IM0000")
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = kind
        data.Modality, data.SeriesInstanceUID = modality, f"9.{len(name)}"
        for tag in {"report": ("Rows", "Columns", "PixelData", "ImagePositionPatient")}.get(name, ()) or (
            ("ImagePositionPatient",) if name == "screen" else ()
        ):
            delattr(data, tag)
        data.save_as(folder / name)
    report = open_source(folder).check(need_labels=False)
    assert report.ok
    told = {p.path.name: p.message for p in report.ignored}
    assert "DICOM segmentation (SEG)" in told["seg"]
    assert "without pixels" in told["report"]
    assert "without a place in the patient" in told["screen"]


@pytest.mark.parametrize("shared", [True, False])
def test_an_enhanced_file_is_read_frame_by_frame(tmp_path, shared):
    scan = Scan()
    path = write_enhanced(tmp_path / "anna" / "one", scan, shared=shared)
    expected = scan.images["InPhase"] * np.arange(1.0, 5)[:, None, None] + 5
    for given in (path, path.parent):
        np.testing.assert_allclose(read_nifti(given).image, expected)
    assert read_nifti(path).spacing == pytest.approx((7.5, 1.5, 1.25))


def test_frames_that_contradict_each_other_are_named(tmp_path):
    scan = Scan()
    path = write_enhanced(tmp_path / "one", scan, (2, 0, 3, 1, 1))
    with pytest.raises(DataError, match=r"same position as frame 4 of one \(duplicated slice\)"):
        read_nifti(path)
    edit_dicom(path, NumberOfFrames=4)
    with pytest.raises(DataError, match="a description of each of 4 frames of a multi-frame file, found 5"):
        read_nifti(path)


@pytest.mark.parametrize("layout", ["beside", "inside", "nnunet"])
def test_labels_as_nifti_with_images_as_dicom(tmp_path, layout):
    """dcm2niix writes rows from back to front: another order of voxels at the same place."""
    scan = Scan()
    images = tmp_path / ("imagesTr" if layout == "nnunet" else "")
    for subject in ("a", "b"):
        volume = read_nifti(write_series(images / subject, scan))
        turned = nib.Nifti1Image(scan.labels.T, volume.affine).as_reoriented(np.array([[0, 1], [1, -1], [2, 1]]))
        target = {"beside": tmp_path, "inside": images / subject, "nnunet": tmp_path / "labelsTr"}[layout]
        target.mkdir(exist_ok=True)
        nib.save(turned, target / f"{subject}{'' if layout == 'nnunet' else '_label'}.nii.gz")
    source = open_source(tmp_path)
    assert source.subjects == ("a", "b")
    report = source.check()
    assert report.ok, report
    assert not report.ignored
    volume = source.read("b")
    np.testing.assert_array_equal(volume.labels, scan.labels)
    np.testing.assert_array_equal(volume.image, scan.images["InPhase"])
    assert volume.subject == "b"
