"""NIfTI in and out: voxels moved, never changed, and back in the same place of the world."""

from __future__ import annotations

import gzip
import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_factory import cut
from guided_attention.data import Volume, open_source, read_nifti, write_nifti
from guided_attention.errors import DataError, SettingsError

AFFINE = np.array([[-1.25, 0, 0, 30], [0, -1.5, 0, 40], [0, 0, 7.5, -100], [0, 0, 0, 1.0]])


def a_volume(affine=AFFINE, labels=True):
    rng = np.random.default_rng(0)
    image = rng.normal(100, 30, (4, 6, 5)).astype(np.float32)
    return Volume(
        image, rng.integers(0, 5, image.shape, dtype=np.uint8) if labels else None, (7.5, 1.5, 1.25), "7", affine
    )


def write_pair(folder, name="7"):
    volume = a_volume()
    write_nifti(volume, folder / f"{name}_image.nii.gz", "image")
    write_nifti(volume, folder / f"{name}_label.nii.gz")
    return folder / f"{name}_image.nii.gz", folder / f"{name}_label.nii.gz"


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_round_trip_is_exact(tmp_path, ending):
    volume = a_volume()
    image, label = tmp_path / f"7_image{ending}", tmp_path / f"7_label{ending}"
    write_nifti(volume, image, "image")
    assert write_nifti(volume, label) == label
    back = read_nifti(image, label)
    np.testing.assert_array_equal(back.image, volume.image)
    np.testing.assert_array_equal(back.labels, volume.labels)
    np.testing.assert_array_equal(back.affine, volume.affine)
    assert back.spacing == volume.spacing
    assert back.subject == "7"
    assert nib.load(label).get_data_dtype() == np.uint8
    assert nib.load(image).header.get_xyzt_units()[0] == "mm"


def test_without_labels_the_image_is_written(tmp_path):
    volume = a_volume(labels=False)
    back = read_nifti(write_nifti(volume, tmp_path / "new" / "folder" / "x.nii.gz"))
    np.testing.assert_array_equal(back.image, volume.image)
    assert back.labels is None


def test_without_an_affine_the_spacing_makes_one(tmp_path):
    path = write_nifti(a_volume(affine=None), tmp_path / "x.nii.gz")
    assert nib.aff2axcodes(nib.load(path).affine) == ("L", "P", "S")
    assert read_nifti(path).spacing == (7.5, 1.5, 1.25)


def orientations():
    for axes in itertools.permutations(["LR", "PA", "IS"]):
        yield from itertools.product(*axes)


@pytest.mark.parametrize("codes", list(orientations()), ids="".join)
def test_any_of_the_48_orientations_becomes_one(tmp_path, codes):
    truth = a_volume()
    canonical = nib.Nifti1Image(truth.image.T, AFFINE)
    change = nib.orientations.ornt_transform(nib.io_orientation(AFFINE), nib.orientations.axcodes2ornt(codes))
    turned = canonical.as_reoriented(change)
    assert nib.aff2axcodes(turned.affine) == codes
    nib.save(turned, tmp_path / "7.nii.gz")
    volume = read_nifti(tmp_path / "7.nii.gz")
    np.testing.assert_array_equal(volume.image, truth.image)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)
    assert volume.spacing == pytest.approx((7.5, 1.5, 1.25))
    again = nib.load(write_nifti(volume, tmp_path / "again.nii.gz", like=tmp_path / "7.nii.gz"))
    np.testing.assert_array_equal(again.affine, turned.affine)
    np.testing.assert_array_equal(np.asarray(again.dataobj), np.asarray(turned.dataobj))  # voxel for voxel


def test_an_oblique_file_gets_its_own_grid_back(tmp_path):
    tilted = AFFINE.copy()
    angle = np.deg2rad(38)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    tilted[:3, :3] = turn @ tilted[:3, :3]
    path = tmp_path / "7.nii.gz"
    pixels = np.random.default_rng(1).normal(size=(5, 6, 4)).astype(np.float32)
    nib.save(nib.Nifti1Image(pixels, tilted).as_reoriented(np.array([[2, 1], [0, -1], [1, 1]])), path)
    again = nib.load(write_nifti(read_nifti(path), tmp_path / "again.nii.gz", like=path))
    np.testing.assert_array_equal(np.asarray(again.dataobj), np.asarray(nib.load(path).dataobj))
    np.testing.assert_allclose(again.affine, nib.load(path).affine, atol=1e-5)


def test_a_file_of_another_grid_is_no_model(tmp_path):
    path = write_nifti(a_volume(), tmp_path / "x.nii.gz")
    elsewhere = AFFINE.copy()
    elsewhere[0, 3] += 5
    with pytest.raises(SettingsError, match="is not the file from which subject '7' was read"):
        write_nifti(a_volume(elsewhere), tmp_path / "y.nii.gz", like=path)
    with pytest.raises(DataError, match="does not exist"):
        write_nifti(a_volume(), tmp_path / "y.nii.gz", like=tmp_path / "none.nii.gz")
    assert not (tmp_path / "y.nii.gz").exists()


def test_integers_scaled_values_and_a_trailing_axis_are_read(tmp_path):
    whole = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6, 1)
    nib.save(nib.Nifti1Image(whole, np.diag([-1, -1, 2, 1])), tmp_path / "a.nii")
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii").image, whole[..., 0].T)
    nifti = nib.Nifti2Image(whole[..., 0] * 0.5, np.diag([-1.0, -1, 2, 1]))
    nifti.header.set_data_dtype(np.int16)
    nib.save(nifti, tmp_path / "b.nii.gz")
    np.testing.assert_allclose(read_nifti(tmp_path / "b.nii.gz").image, whole[..., 0].T * 0.5, atol=1e-2)


def save_flat(path):
    """All slices in one place, which nibabel would not write: the third row of the affine, bytes 312 to 327, is 0."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[312:328] = bytes(16)
    path.write_bytes(gzip.compress(content))


SHAPE = (5, 6, 4)


def classes(value, kind, shape=SHAPE, affine=AFFINE):
    return lambda image, label: nib.save(nib.Nifti1Image(np.full(shape, value, kind), affine), label)


def greys(value, kind, shape=SHAPE):
    return lambda image, label: nib.save(nib.Nifti1Image(np.full(shape, value, kind), AFFINE), image)


#: What is done to image and label, the file that must be named, and what must be said of it.
BAD_PAIRS = {
    "shape": (classes(0, "uint8", (5, 6, 3)), "label", "expected the image's shape"),
    "moved": (classes(0, "uint8", affine=AFFINE + np.eye(4, k=3)), "label", "a corner 1 mm elsewhere"),
    "class 9": (classes(9, "uint8"), "label", "expected the classes 0 background.*found 9 as well"),
    "class 1.5": (
        classes(1.5, "float32"),
        "label",
        r"found 1\.5 as well \(values between two classes: a mask that was resampled",
    ),
    "class -1": (classes(-1, "int16"), "label", "found -1 as well"),
    "class NaN": (classes(np.nan, "float32"), "label", "found nan as well"),
    "NaN": (greys(np.nan, "float32"), "image", "expected finite grey values.*120 voxels"),
    "beyond float32": (greys(1e39, "float64"), "image", "expected finite grey values, up to 3.4e.38.*120 voxels"),
    "2-D": (greys(0, "float32", (5, 6)), "image", "expected real numbers on 3 axes"),
    "complex": (greys(0, "complex64"), "image", "expected real numbers on 3 axes"),
    "flat": (lambda image, label: save_flat(image), "image", "expected an affine"),
    "image cut": (lambda image, label: cut(image, 0.7), "image", "cannot be read as NIfTI, it is cut or damaged"),
    "label cut": (lambda image, label: cut(label, 0.99), "label", "cannot be read as NIfTI, it is cut or damaged"),
    "empty": (lambda image, label: image.write_bytes(b""), "image", "cannot be read"),
    "text": (lambda image, label: image.write_bytes(b"no gzip"), "image", "cannot be read"),
    "gone": (lambda image, label: label.unlink(), "label", "does not exist"),
}


@pytest.mark.parametrize("what", list(BAD_PAIRS))
def test_bad_input_is_named(tmp_path, what):
    spoil, name, message = BAD_PAIRS[what]
    image, label = write_pair(tmp_path)
    spoil(image, label)
    with pytest.raises(DataError, match=rf"7_{name}\.nii\.gz: .*{message}"):
        read_nifti(image, label)


def test_both_files_are_named_at_once(tmp_path):
    image, label = write_pair(tmp_path)
    cut(image, 0.5)
    classes(7, "uint8")(image, label)
    with pytest.raises(DataError, match=r"(?s)2 problems.*7_image.*7_label"):
        read_nifti(image, label)


@settings(deadline=None, max_examples=60)
@given(share=st.floats(0, 0.9999), zipped=st.booleans())
def test_a_file_cut_anywhere_is_an_error_for_people(tmp_path_factory, share, zipped):
    path = tmp_path_factory.mktemp("cut") / ("x.nii.gz" if zipped else "x.nii")
    cut(write_nifti(a_volume(), path), share)
    with pytest.raises(DataError, match=f"{path.name}: cannot be read as NIfTI"):
        read_nifti(path)


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = write_nifti(a_volume(), tmp_path / "x.nii.gz")
    before = path.read_bytes()
    assert write_nifti(a_volume(), tmp_path / "y.nii.gz").read_bytes() == before  # same volume, same bytes

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_nifti(a_volume(labels=False), path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.nii.gz", "y.nii.gz"]


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(SettingsError, match=r"must end in \.nii or \.nii\.gz"):
        write_nifti(a_volume(), tmp_path / "x.png")
    with pytest.raises(SettingsError, match="has no labels"):
        write_nifti(a_volume(labels=False), tmp_path / "x.nii", "labels")
    with pytest.raises(SettingsError, match="what='mask' is unknown"):
        write_nifti(a_volume(), tmp_path / "x.nii", "mask")
    with pytest.raises(DataError, match=r"x\.png: expected a name that ends in"):
        read_nifti(tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.real_data
def test_real_volumes_are_read_as_they_are(real_data, tmp_path):
    source = open_source(real_data)
    assert len(source.subjects) == 20
    assert source.check().ok
    slices = 0
    for subject in source.subjects:
        volume = source.read(subject)
        slices += volume.shape[0]
        assert volume.shape[1:] == (256, 256)
        assert 31 <= volume.shape[0] <= 46
        assert volume.spacing == pytest.approx((7.7, 1.25, 1.25))
        assert set(np.unique(volume.labels)) == {0, 1, 2, 3, 4}
        liver, right, left, spleen = (np.argwhere(volume.labels == k).mean(axis=0) for k in (1, 2, 3, 4))
        # on the picture's left: the patient's right
        assert liver[2] < 128 < spleen[2]
        assert right[2] < 128 < left[2]
        assert min(liver[0], spleen[0]) > max(right[0], left[0]) - 1  # kidneys lie lower
        assert max(right[1], left[1]) > liver[1]  # and further back
    assert slices == 718
    write_nifti(volume, tmp_path / "again_image.nii.gz", "image")
    write_nifti(volume, tmp_path / "again_label.nii.gz")
    again = read_nifti(tmp_path / "again_image.nii.gz", tmp_path / "again_label.nii.gz")
    np.testing.assert_array_equal(again.image, volume.image)
    np.testing.assert_array_equal(again.labels, volume.labels)
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-4)
    assert again.spacing == volume.spacing


@pytest.mark.real_data
def test_a_written_label_lies_on_the_released_one(real_data, tmp_path):
    """In the file's own axes, read by nibabel alone."""
    source = open_source(real_data)
    volume = source.read(source.subjects[3])
    image = real_data / f"{volume.subject}_image.nii.gz"
    released = nib.load(real_data / f"{volume.subject}_label.nii.gz")
    alike = nib.load(write_nifti(volume, tmp_path / "alike.nii.gz", like=image))
    np.testing.assert_array_equal(np.asarray(alike.dataobj), np.asarray(released.dataobj))
    np.testing.assert_array_equal(alike.affine, released.affine)
    written = nib.load(write_nifti(volume, tmp_path / "x.nii.gz"))
    same = written.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(written.affine), nib.io_orientation(released.affine))
    )
    np.testing.assert_array_equal(np.asarray(same.dataobj), np.asarray(released.dataobj))
    np.testing.assert_allclose(same.affine, released.affine, atol=1e-4)
