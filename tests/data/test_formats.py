"""NRRD and MetaImage: as other libraries write them, and refused where the header leaves something open."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from guided_attention.data import open_source, read_nifti, write_nifti
from guided_attention.errors import DataError, DataWarning, MissingExtraError, SettingsError

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 900, (4, 9, 10)).astype(np.int16)  # (slice, row, column)
LABELS = RNG.integers(0, 5, (4, 9, 10)).astype(np.uint8)
COSINE, SINE = np.cos(0.3), np.sin(0.3)
#: Indices (column, row, slice) to mm in RAS+: rows and columns turned by 17 degrees, first voxel right and in front.
AFFINE = np.eye(4)
AFFINE[:3, :3] = [[-1.5 * COSINE, 1.4 * SINE, 0], [-1.5 * SINE, -1.4 * COSINE, 0], [0, 0, 6]]
AFFINE[:3, 3] = [10, 20, -30]
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_itk(path: Path, array=IMAGE, affine=AFFINE, packed=True) -> Path:
    image, own = sitk.GetImageFromArray(array), TO_LPS @ affine
    spacing = np.linalg.norm(own[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(own[:3, 3].tolist())
    image.SetDirection((own[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, str(path), packed)
    return path


def write_nrrd(path: Path, affine=AFFINE, space="right-anterior-superior", **fields) -> Path:
    header = {"space": space, "space directions": affine[:3, :3].T.tolist(), "space origin": affine[:3, 3].tolist()}
    header = {name: value for name, value in {**header, **fields}.items() if value is not None}
    nrrd.write(str(path), IMAGE.T, header, detached_header=path.suffix == ".nhdr")
    return path


def holds_the_image(volume) -> bool:
    return np.array_equal(volume.image, IMAGE) and np.allclose(volume.affine, AFFINE)


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd", "a.NRRD", "a.Mha", "a.seg.nrrd"])
@pytest.mark.parametrize("packed", [True, False])
def test_what_simpleitk_writes(tmp_path, name, packed):
    path = write_itk(tmp_path / name.lower(), packed=packed).rename(tmp_path / name)
    volume = read_nifti(path)
    assert holds_the_image(volume)
    assert (volume.subject, volume.spacing) == ("a", pytest.approx((6, 1.4, 1.5)))


@pytest.mark.parametrize("encoding", ["raw", "gzip", "ascii"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr"])
def test_what_pynrrd_writes(tmp_path, name, encoding):
    assert holds_the_image(read_nifti(write_nrrd(tmp_path / name, encoding=encoding)))
    lps = TO_LPS @ AFFINE
    path = write_nrrd(tmp_path / name, lps, "left-posterior-superior", encoding=encoding)
    assert holds_the_image(read_nifti(path))


def test_units_of_length_are_converted(tmp_path):
    metres = AFFINE.copy()
    metres[:3] /= 1000
    assert holds_the_image(read_nifti(write_nrrd(tmp_path / "a.nrrd", metres, **{"space units": ["m"] * 3})))
    with pytest.raises(DataError, match=r"voxels of 0\.01 to 100 mm, found 0\.0015"):
        read_nifti(write_nrrd(tmp_path / "b.nrrd", metres))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"space": None, "space origin": None}, "expected a space that runs through a patient .*found none"),
        ({"space": "scanner-xyz"}, "expected a space .*found 'scanner-xyz'"),
        ({"space directions": None, "spacings": [1, 1, 5]}, "space directions"),
        ({"space units": ["m", "mm", "mm"]}, "expected one unit of length"),
        ({"encoding": "bzip2"}, "packed with bzip2.*gzip"),
    ],
)
def test_a_nrrd_header_that_leaves_something_open_is_refused(tmp_path, fields, said):
    fields = dict(fields)
    path = write_nrrd(tmp_path / "a.nrrd", space=fields.pop("space", "right-anterior-superior"), **fields)
    with pytest.raises(DataError, match=said) as caught:
        read_nifti(path)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("line", ["ElementSpacing", "TransformMatrix"])
def test_a_metaimage_header_that_leaves_something_open_is_refused(tmp_path, line):
    content = write_itk(tmp_path / "a.mha", packed=False).read_bytes().split(b"\n")
    lines = [one for one in content if not one.startswith(line.encode())]
    (tmp_path / "a.mha").write_bytes(b"\n".join(lines))
    with pytest.raises(DataError, match=f"{line}.*found none in the header"):
        read_nifti(tmp_path / "a.mha")


def test_a_lost_origin_and_a_lost_geometry_are_odd(tmp_path):
    content = write_itk(tmp_path / "a.mha", packed=False).read_bytes().split(b"\n")
    (tmp_path / "a.mha").write_bytes(b"\n".join(one for one in content if not one.startswith(b"Offset")))
    sitk.WriteImage(sitk.GetImageFromArray(IMAGE), str(tmp_path / "b.nrrd"))  # as somebody forgets CopyInformation
    for name, said in (("a.mha", "no Offset"), ("b.nrrd", "the affine is the identity")):
        with pytest.warns(DataWarning, match=said):
            read_nifti(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_cut_or_packed_and_damaged_file_is_no_image(tmp_path, name, packed):
    path = write_itk(tmp_path / name, packed=packed)
    whole = path.read_bytes()
    broken = [whole[: int(share * len(whole))] for share in (0.3, 0.8, 0.999)]
    if packed:
        broken.append(whole[:-100] + bytes([whole[-100] ^ 85]) + whole[-99:])
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cannot be read as (NRRD|MetaImage)"):
            read_nifti(path)


def test_a_header_without_its_data_says_which_file_is_missing(tmp_path):
    for name, data in (("a.mhd", "a.zraw"), ("b.nhdr", "b.raw.gz")):
        write_itk(tmp_path / name)
        (tmp_path / data).unlink()
        with pytest.raises(DataError, match=f"voxels are in {data}, and there is no such file"):
            read_nifti(tmp_path / name)


def test_components_are_no_volume(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([IMAGE] * 2, -1), isVector=True), str(tmp_path / "a.mha"))
    with pytest.raises(DataError, match=r"3 axes, found int16 of shape \(10, 9, 4, 2\)"):
        read_nifti(tmp_path / "a.mha")


def test_images_and_labels_of_two_formats_meet_where_they_are(tmp_path):
    """Programs differ in the order of voxels that they write, not in the place."""
    write_itk(tmp_path / "a_image.nrrd")
    turned = nib.Nifti1Image(LABELS.T, AFFINE).as_reoriented(np.array([[1, -1], [0, 1], [2, 1]]))
    nib.save(turned, tmp_path / "a_label.nii.gz")
    source = open_source(tmp_path)
    assert (source.name, source.kind) == (f"nrrd-{tmp_path.name}", "nrrd")
    assert str(source.check()) == "1 subject read completely, nothing wrong."
    volume = source.read("a")
    assert holds_the_image(volume)
    np.testing.assert_array_equal(volume.labels, LABELS)
    moved = AFFINE.copy()
    moved[0, 3] += 0.8
    nib.save(nib.Nifti1Image(LABELS.T, moved), tmp_path / "a_label.nii.gz")
    with pytest.raises(DataError, match=r"a corner 0\.8 mm elsewhere"):
        source.read("a")


def test_the_data_of_a_detached_header_are_accounted_for(tmp_path):
    write_itk(tmp_path / "a_image.mhd")
    write_itk(tmp_path / "b_image.nhdr")
    for name in "ab":
        write_itk(tmp_path / f"{name}_label.mha", LABELS)
    (tmp_path / "left.raw").write_bytes(b"?")
    report = open_source(tmp_path).check()
    assert report.ok
    assert [p.path.name for p in report.ignored] == ["left.raw"]


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_a_volume_is_written_back_to_its_place(tmp_path, ending):
    path = write_itk(tmp_path / f"a.{ending}")
    volume = read_nifti(path).with_labels(LABELS)
    there = sitk.ReadImage(str(path))
    for like in (path, None):
        back = sitk.ReadImage(str(write_nifti(volume, tmp_path / "out" / f"p.{ending}", like=like)))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(back), LABELS)
        for of in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(back, of)(), getattr(there, of)(), atol=1e-9)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [f"p.{ending}"]
    with pytest.raises(SettingsError, match=r"which is (NRRD|MetaImage)"):
        write_nifti(volume, tmp_path / "p.nii", like=path)
    with pytest.raises(SettingsError, match=r"must end in \.nii"):
        write_nifti(volume, tmp_path / "p.mhd")


def test_voxels_in_another_order_come_back_in_theirs(tmp_path):
    other = AFFINE @ np.diag([-1.0, -1.0, -1.0, 1.0])
    path = write_itk(tmp_path / "a.mha", affine=other)
    volume = read_nifti(path)
    np.testing.assert_array_equal(volume.image, IMAGE[::-1, ::-1, ::-1])
    back = sitk.ReadImage(str(write_nifti(volume, tmp_path / "p.mha", "image", like=path)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), IMAGE)
    np.testing.assert_allclose(back.GetDirection(), sitk.ReadImage(str(path)).GetDirection())


def test_without_simpleitk_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = write_itk(tmp_path / "a.mha")
    monkeypatch.setattr("guided_attention.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'SimpleITK.*pip install "guided-attention\[formats\]"'):
        read_nifti(path)
    nib.save(nib.Nifti1Image(IMAGE.T, AFFINE), tmp_path / "a.nii.gz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert holds_the_image(read_nifti(tmp_path / "a.nii.gz"))
