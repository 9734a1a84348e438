"""One report for all that is wrong: every bad file by name, nothing half-read."""

from __future__ import annotations

import re
import shutil
import zlib
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, UID, EnhancedMRImageStorage, JPEGLosslessSV1

from data_factory import GREYS, Scan, cut, edit_dicom, write_png, write_scan
from guided_attention.data import Volume, open_source, read_chaos_subject, write_nifti
from guided_attention.data.integrity import IntegrityReport
from guided_attention.data.read.dicom_slice import read_slice
from guided_attention.data.read.label_png import read_label
from guided_attention.errors import DataError

IN, OUT, GROUND = "T1DUAL/DICOM_anon/InPhase", "T1DUAL/DICOM_anon/OutPhase", "T1DUAL/Ground"
# file 1 holds slice 2, file 2 slice 0, file 3 slice 3, file 4 slice 1
FILES = [f"IMG-0004-{n:05d}" for n in (2, 4, 6, 8)]


@pytest.fixture
def subject(tmp_path):
    return write_scan(tmp_path / "MR" / "5", Scan())


DCM, PNG = [f"{name}.dcm" for name in FILES], [f"{name}.png" for name in FILES]


def edit(place, **values):
    return lambda s: edit_dicom(s / IN / DCM[place], **values)


def move(place, *mm):
    def spoil(s):
        path = s / IN / DCM[place]
        position = np.array(pydicom.dcmread(path).ImagePositionPatient, float) + mm
        edit_dicom(path, ImagePositionPatient=[str(v) for v in position])

    return spoil


def pixels(place, change):
    return lambda s: edit_dicom(s / IN / DCM[place], PixelData=change(pydicom.dcmread(s / IN / DCM[place]).PixelData))


def bomb(path):
    """A PNG whose header asks for 2**30 x 2**30 pixels."""
    content = bytearray(path.read_bytes())
    content[16:24] = (2**30).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)


def paint(place, grey, shape=(12, 10)):
    return lambda s: write_png(s / GROUND / PNG[place], np.full(shape, grey, np.uint8))


def remove(*names):
    return lambda s: [(s / name).unlink() for name in names]


def empty(folder):
    return lambda s: [path.unlink() for path in (s / folder).iterdir()]


def enhance(path):
    """Move the geometry into a frame, as an enhanced file has it."""
    with pydicom.dcmread(path) as data:
        frame, plane = Dataset(), Dataset()
        plane.ImagePositionPatient = data.ImagePositionPatient
        frame.PlanePositionSequence = [plane]
    values = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "PixelSpacing": None}
    edit_dicom(path, SOPClassUID=EnhancedMRImageStorage, PerFrameFunctionalGroupsSequence=[frame], **values)


def compress(path, syntax):
    """Say that the pixels are compressed; what stands in their place no test decodes."""
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.save_as(path)


def smaller_image(s):
    shutil.copy(write_scan(s.parent.parent / "other", Scan(rows=6)) / IN / DCM[1], s / IN)


GE_BIG = "1.2.840.113619.5.2"  # General Electric's own transfer syntax

#: What is done to the subject, the file that must be named, and what must be said of it.
SPOILT = {
    "missing slice": (
        remove(f"{IN}/{DCM[3]}", f"{GROUND}/{PNG[3]}"),
        DCM[0],
        r"15\.00 mm after IMG-0004-00004\.dcm, the other gaps are 7\.50 mm",
    ),
    "label without image": (remove(f"{IN}/{DCM[0]}"), PNG[0], "label without an image"),
    "image without label": (remove(f"{GROUND}/{PNG[1]}"), PNG[1], "is missing: there is an image"),
    "label of another shape": (paint(0, 0, (5, 6)), PNG[0], "expected 12 x 10 pixels as its image, found 5 x 6"),
    "label in colour": (paint(0, 0, (12, 10, 3)), PNG[0], "8-bit grey PNG, found PNG of mode RGB"),
    "unknown grey": (paint(0, 100), PNG[0], "found 100 as well"),
    "truncated DICOM": (lambda s: cut(s / IN / DCM[2], 0.9), DCM[2], "cut or damaged"),
    "truncated PNG": (lambda s: cut(s / GROUND / PNG[2], 0.6), PNG[2], "cut or damaged"),
    "empty file": (lambda s: (s / IN / DCM[2]).write_bytes(b""), DCM[2], "cut or damaged"),
    "text file": (lambda s: (s / IN / DCM[2]).write_text("hello " * 99), DCM[2], "cut or damaged"),
    "mixed series": (edit(1, SeriesInstanceUID="9.9"), DCM[1], r"series 9\.9, the others to 1\.2\.3\.4"),
    "other echo": (edit(1, EchoTime="2.3"), DCM[1], r"EchoTime 2\.3 ms, the others 4\.6 ms"),
    "other matrix": (smaller_image, DCM[1], "has 6 x 10 pixels, the others 12 x 10"),
    "other pixel size": (edit(1, PixelSpacing=["2", "2"]), DCM[1], r"PixelSpacing \[2\.0, 2\.0\], the others"),
    "other direction": (
        edit(1, ImageOrientationPatient=["1", "0", "0", "0", "0.8", "0.6"]),
        DCM[1],
        r"ImageOrientationPatient .*0\.8.*, the others",
    ),
    "skewed": (edit(1, ImageOrientationPatient=["1", "0", "0"] * 2), DCM[1], "perpendicular unit vectors"),
    "duplicated position": (move(3, 0, 0, -7.5), "IMG-0004-0000[48].dcm", r"same position as IMG-0004-0000[48]\.dcm"),
    "uneven gap": (move(3, 0, 0, 1), DCM[3], r"8\.50 mm after IMG-0004-00004\.dcm.*uneven"),
    "pushed aside": (move(3, 5, 0, 0), DCM[3], r"shifted by 4\.0 pixels"),
    "no position": (edit(0, ImagePositionPatient=None), DCM[0], "no ImagePositionPatient"),
    "NaN": (edit(0, RescaleSlope="nan", RescaleIntercept="0"), DCM[0], "NaN or infinity"),
    "beyond float32": (edit(0, RescaleSlope="1e38", RescaleIntercept="0"), DCM[0], r"RescaleSlope 1e\+?38"),
    "twice the pixels": (pixels(0, lambda stored: stored * 2), DCM[0], "expected 240 bytes of pixels.* found 480"),
    "half as many again": (pixels(0, lambda stored: stored + stored[:120]), DCM[0], "expected 240 bytes.* found 360"),
    "half the pixels": (pixels(0, lambda stored: stored[:120]), DCM[0], "expected 240 bytes of pixels.* found 120"),
    "8 bits": (edit(0, BitsAllocated=8, BitsStored=8, HighBit=7), DCM[0], "expected 120 bytes of pixels.* found 240"),
    "a bomb": (lambda s: bomb(s / GROUND / PNG[2]), PNG[2], "cannot be read as PNG.*DecompressionBomb"),
    "several frames": (
        edit(0, NumberOfFrames="2"),
        DCM[0],
        r"multi-frame file \(MR Image Storage, 2 frames\).*dcm2niix",
    ),
    "a frame without direction": (
        lambda s: enhance(s / IN / DCM[0]),
        DCM[0],
        "found no ImageOrientationPatient, PixelSpacing in it",
    ),
    "a maker's own": (
        lambda s: compress(s / IN / DCM[0], UID("1.2.840.113619.5.2")),
        DCM[0],
        "found 1.2.840.113619.5.2",
    ),
    "a film": (lambda s: compress(s / IN / DCM[0], MPEG2MPML), DCM[0], "compressed.*MPEG2.*gdcmconv"),
    "inverted greys": (edit(0, PhotometricInterpretation="MONOCHROME1"), DCM[0], "MONOCHROME1"),
    "no images": (lambda s: shutil.rmtree(s / IN), "InPhase", "is not a folder"),
    "no files": (empty(IN), "InPhase", "at least 2 readable DICOM slices, found 0"),
    "no labels": (empty(GROUND), PNG[3], "is missing"),
}


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # it writes the invalid values, with a word of warning
@pytest.mark.parametrize("what", SPOILT)
def test_bad_input_is_named_by_reader_and_check(subject, what):
    spoil, name, message = SPOILT[what]
    spoil(subject)
    with pytest.raises(DataError) as caught:
        read_chaos_subject(subject)
    report = open_source(subject.parent).check()
    assert not report.ok
    assert str(report) == str(caught.value)
    assert [p for p in report.problems if re.fullmatch(name, p.path.name) and re.search(message, p.message)], str(
        report
    )


def test_compressed_pixels_without_a_decoder_are_not_called_damaged(subject, monkeypatch):
    for name in DCM:
        compress(subject / IN / name, JPEGLosslessSV1)
    monkeypatch.setattr("pydicom.pixels.get_decoder", lambda syntax: SimpleNamespace(is_available=False))
    problems = {p.path.name: p.message for p in open_source(subject.parent).check().problems}
    for name in DCM:
        assert "JPEG Lossless" in problems[name]
        assert 'pip install "pylibjpeg[all]"' in problems[name]
        assert "damaged" not in problems[name]


def test_files_without_an_ending_are_known_by_their_first_bytes(subject):
    """As scanners export them, or named after an identifier, whose last number is no ending."""
    before = read_chaos_subject(subject)
    names = ["IM0001", "1.2.840.1", "1.2.840.2", "slice.IMA"]
    for old, name in zip(FILES, names, strict=True):
        (subject / IN / f"{old}.dcm").rename(subject / IN / name)
        (subject / GROUND / f"{old}.png").rename(subject / GROUND / f"{name.removesuffix('.IMA')}.png")
    shutil.copy(subject / IN / "IM0001", subject / IN / "DICOMDIR")
    for other in (subject / IN / "notes", subject / GROUND / "Thumbs.db"):
        other.write_bytes(b"?" * 200)
    report = open_source(subject.parent).check()
    assert report.ok, report
    assert {p.path.name for p in report.ignored} == {"DICOMDIR", "notes", "Thumbs.db"}
    assert {p.subject for p in report.ignored} == {"5"}
    after = read_chaos_subject(subject)
    np.testing.assert_array_equal(after.image, before.image)
    np.testing.assert_array_equal(after.labels, before.labels)


@pytest.fixture(scope="module")
def spoilable(tmp_path_factory):
    """A CHAOS tree and a folder of NIfTI: each a root, and files with the bytes that matter most (headers)."""
    tree, folder = tmp_path_factory.mktemp("chaos"), tmp_path_factory.mktemp("nifti")
    subject = write_scan(tree / "1", Scan(), sequences=("T1DUAL",))
    rng = np.random.default_rng(0)
    volume = Volume(rng.random((4, 5, 6), np.float32), np.zeros((4, 5, 6), np.uint8), (5, 1, 1), "s", None)
    image, label = write_nifti(volume, folder / "s_image.nii", "image"), write_nifti(volume, folder / "s_label.nii")
    return [
        (tree, subject / IN / DCM[1], 1200),
        (tree, subject / GROUND / PNG[1], 200),
        (folder, image, 352),
        (folder, label, 352),
    ]


@pytest.mark.filterwarnings("ignore")  # decoders warn of what they find in damaged headers
@settings(deadline=None, max_examples=120)
@given(
    which=st.integers(0, 3), changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_no_damage_to_a_header_stops_the_check(spoilable, which, changes):
    """Whatever bytes a header is overwritten with: the file is named, or still gives numbers."""
    root, path, head = spoilable[which]
    whole = path.read_bytes()
    content = bytearray(whole)
    for place, value in changes:
        content[int(place * (min(head, len(content)) - 1))] = value
    path.write_bytes(content)
    try:
        source = open_source(root)
        report = source.check()
        if report.ok:
            assert np.isfinite(source.read(source.subjects[0]).image).all()
        else:
            assert path.name in str(report)
    finally:
        path.write_bytes(whole)


def test_one_report_names_every_bad_file_of_every_subject(tmp_path):
    for name in ("1", "2", "10"):
        write_scan(tmp_path / name, Scan(seed=int(name)))
    cut(tmp_path / "1" / IN / f"{FILES[0]}.dcm", 0.5)
    (tmp_path / "1" / GROUND / f"{FILES[2]}.png").unlink()
    write_png(tmp_path / "10" / GROUND / f"{FILES[1]}.png", np.full((12, 10), 5, np.uint8))
    source = open_source(tmp_path)
    report = source.check()
    assert report.subjects == ("1", "2", "10")
    assert {p.subject for p in report.problems} == {"1", "10"}
    text = str(report)
    for path in (f"1/{IN}/{FILES[0]}.dcm", f"1/{GROUND}/{FILES[2]}.png", f"10/{GROUND}/{FILES[1]}.png"):
        assert str(tmp_path / path) in text
    assert "in 2 of 3 subjects" in text
    with pytest.raises(DataError, match="mend these files"):
        report.raise_if_bad()
    assert source.check(["2"]).ok
    source.check(["2"]).raise_if_bad()
    assert str(source.check(["2"])) == "1 subject read completely, nothing wrong."


def test_a_subject_without_the_sequence_is_a_problem_of_the_check(tmp_path):
    write_scan(tmp_path / "1", Scan())
    write_scan(tmp_path / "2", Scan(), sequences=("T2SPIR",))
    assert [p.subject for p in open_source(tmp_path).check().problems] == ["2"]
    assert open_source(tmp_path, "T2SPIR").check().ok


def test_unlabelled_subjects_can_be_read_but_not_trained_on(subject):
    shutil.rmtree(subject / GROUND)
    source = open_source(subject.parent)
    assert source.read("5").labels is None
    assert "Ground: is not a folder" in str(source.check())
    assert source.check(need_labels=False).ok


def test_what_is_not_asked_for_is_not_judged(subject):
    shutil.rmtree(subject / OUT)
    cut(next((subject / "T2SPIR/DICOM_anon").iterdir()), 0.5)
    assert open_source(subject.parent).check().ok
    assert not open_source(subject.parent, phase="out").check().ok
    assert not open_source(subject.parent, "T2SPIR").check().ok


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@settings(deadline=None, max_examples=60)
@given(share=st.floats(0, 0.999))
def test_a_file_cut_anywhere_is_an_error_for_people(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("cut")
    scan = Scan()
    write_scan(folder, scan)
    dicom, png = folder / IN / f"{FILES[0]}.dcm", folder / GROUND / f"{FILES[0]}.png"
    cut(dicom, share)
    cut(png, share)
    with pytest.raises(DataError):
        read_slice(dicom)
    with pytest.raises(DataError):
        read_label(png)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_damaged_file_never_ends_in_another_kind_of_error(tmp_path_factory, data):
    """Any byte may be wrong: the file is then read (a grey value changed), or refused with a `DataError`."""
    folder = tmp_path_factory.mktemp("damaged")
    write_scan(folder, Scan(), sequences=("T1DUAL",))
    for path, read in (
        (folder / IN / f"{FILES[0]}.dcm", read_slice),
        (folder / GROUND / f"{FILES[0]}.png", read_label),
    ):
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        try:
            read(path)
        except DataError:
            continue


def test_report_without_problems():
    report = IntegrityReport((), ("1", "2"))
    assert report.ok
    report.raise_if_bad()
    assert str(report) == "2 subjects read completely, nothing wrong."


def test_greys_of_the_factory_are_those_of_the_release():
    assert GREYS.tolist() == [0, 63, 126, 189, 252]
