"""What a NIfTI header says about the place of its voxels: believed, doubted or refused, each for its own reason."""

from __future__ import annotations

import gzip
import warnings

import nibabel as nib
import numpy as np
import pytest

from guided_attention.data import Volume, open_source, read_nifti, write_nifti
from guided_attention.data.read.orientation import oddly_sliced
from guided_attention.errors import DataError, DataWarning

AFFINE = np.array([[-1.5, 0, 0, 90], [0, -1.5, 0, 80], [0, 0, 6, -40], [0, 0, 0, 1.0]])
SHAPE = (32, 20, 10)
IMAGE = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)


def save(path, array=IMAGE, sform=AFFINE, scode=1, qform=None, qcode=0, kind=nib.Nifti1Image, zooms=None, **fields):
    nifti = kind(array, None)
    nifti.header.set_xyzt_units("mm")
    nifti.set_qform(AFFINE if qform is None else qform, qcode)  # states pixdim, too
    nifti.set_sform(sform, scode)
    content = nifti.to_bytes()
    size = kind.header_class.sizeof_hdr
    header = kind.header_class(content[:size], check=False)  # nibabel would mend some of what is written into it
    if zooms is not None:
        header["pixdim"][1:4] = zooms
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + content[size:]
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def moved(*by):
    there = AFFINE.copy()
    there[:3, 3] += by
    return there


def with_columns(*factors):
    return AFFINE @ np.diag([*factors, 1.0])


SHEARED = AFFINE + np.array([[0] * 4, [0, 0, 1.2, 0], [0] * 4, [0] * 4])


def silently(path, label=None):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_nifti(path, label)


@pytest.mark.parametrize(("code", "millimetre"), [(0, 1), (1, 1e-3), (2, 1), (3, 1e3)])
def test_units_become_millimetres_and_are_written_back(tmp_path, code, millimetre):
    affine = np.diag([millimetre] * 3 + [1]) @ AFFINE
    path = save(tmp_path / "a.nii.gz", sform=affine, qform=affine, qcode=1, xyzt_units=code)
    volume = silently(path)
    assert volume.spacing == pytest.approx((6, 1.5, 1.5), rel=1e-5)
    np.testing.assert_allclose(volume.affine, AFFINE, rtol=1e-5)
    back = nib.load(write_nifti(volume, tmp_path / "b.nii.gz", "image", like=path))
    assert int(back.header["xyzt_units"]) == code
    np.testing.assert_array_equal(back.affine, nib.load(path).affine)


def test_a_label_in_metres_fits_an_image_in_millimetres(tmp_path):
    metres = np.diag([1e-3] * 3 + [1]) @ AFFINE
    label = save(tmp_path / "l.nii", np.ones(SHAPE, np.uint8), metres, qform=metres, xyzt_units=1)
    assert silently(save(tmp_path / "a.nii"), label).labels.all()


def test_the_header_of_the_image_is_the_predictions(tmp_path):
    """As the standard and programs read it: both affines, codes, unit and sizes, in either version of NIfTI."""
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        for sform, scode, qform, qcode in (
            (moved(12, -7, 30), 2, AFFINE, 1),
            (moved(12, -7, 30), 4, AFFINE, 1),
            (SHEARED, 2, AFFINE, 1),
            (None, 0, AFFINE, 1),
            (AFFINE, 3, None, 0),
        ):
            path = save(tmp_path / "a.nii.gz", IMAGE, sform, scode, qform, qcode, kind, descrip=b"Jane Doe")
            volume = silently(path)
            labels = volume.with_labels((volume.image > 500).astype(np.uint8))
            there = nib.load(write_nifti(labels, tmp_path / "b.nii.gz", like=path))
            here = nib.load(path)
            assert type(there) is kind
            assert there.get_data_dtype() == np.uint8
            np.testing.assert_array_equal(np.asarray(there.dataobj), IMAGE > 500)
            for stated in ("get_sform", "get_qform"):
                for one, other in zip(*(getattr(f.header, stated)(coded=True) for f in (here, there)), strict=True):
                    np.testing.assert_array_equal(one, other)
            assert here.header.get_zooms() == there.header.get_zooms()
            assert here.header.get_xyzt_units() == there.header.get_xyzt_units()
            assert not there.header["descrip"].item()  # where voxels are, not whose they are


def test_a_big_endian_image_gets_its_geometry_back(tmp_path):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    header.set_sform(AFFINE, 2)
    header.set_qform(AFFINE, 1)
    nib.save(nib.Nifti1Image(IMAGE.astype(">i2"), None, header), tmp_path / "a.nii")
    volume = silently(tmp_path / "a.nii")
    back = nib.load(write_nifti(volume, tmp_path / "b.nii", "image", like=tmp_path / "a.nii"))
    np.testing.assert_array_equal(np.asarray(back.dataobj), IMAGE)
    np.testing.assert_array_equal(back.header.get_qform(), header.get_qform())
    assert back.header.get_sform(coded=True)[1] == 2


def test_a_sheared_volume_is_written_without_a_qform_that_contradicts(tmp_path):
    volume = silently(save(tmp_path / "a.nii", sform=SHEARED))
    written = nib.load(write_nifti(volume, tmp_path / "b.nii", "image"))
    assert written.header.get_qform(coded=True) == (None, 0)
    np.testing.assert_allclose(silently(tmp_path / "b.nii").affine, volume.affine, atol=1e-5)


#: What a header states, and the words of its one message.
UNCERTAIN = {
    "no codes": ({"sform": None, "scode": 0}, "sform_code or qform_code above 0, found both 0"),
    "pixdim": ({"sform": np.diag([-1.0, -1, 1, 1])}, "voxel size of the sform, 1 x 1 x 1, as pixdim, found 1.5 x 1.5"),
    "pixdim 5 % off": ({"sform": with_columns(1, 1.05, 1)}, "as pixdim, found 1.5 x 1.5 x 6: one of them is wrong"),
    "pixdim, qform of one world": (
        {"sform": with_columns(1, 1, 0.5), "qform": AFFINE, "qcode": 1},
        "1.5 x 1.5 x 3, as pixdim, found 1.5 x 1.5 x 6",
    ),
    "mirrored": (
        {"scode": 2, "qform": with_columns(-1, 1, 1), "qcode": 1},
        "sform and qform to turn the axes to the same sides, found LPS and RPS",
    ),
    "metres called mm": ({"sform": np.diag([1e-3] * 3 + [1]) @ AFFINE, "zooms": (1.5e-3, 1.5e-3, 6e-3)}, "states mm"),
    "millimetres called m": ({"xyzt_units": 1}, "voxels of 0.01 to 100 mm, found 1500 x 1500 x 6000; .* states m,"),
    "no unit, no mm": ({"sform": with_columns(1e3, 1e3, 1e3), "zooms": (1500, 1500, 6000), "xyzt_units": 0}, "no unit"),
    "unit 5": ({"xyzt_units": 5}, "unit of length .* found code 5"),
    "qform without pixdim": ({"sform": None, "scode": 0, "qcode": 1, "zooms": (0, 0, 0)}, "pixdim.* for the qform"),
    "quaternion": (
        {"sform": None, "scode": 0, "qcode": 1, "quatern_b": 1, "quatern_c": 1},
        "quaternion of length 1 for the qform",
    ),
}


@pytest.mark.parametrize("what", list(UNCERTAIN))
def test_what_leaves_the_place_open_is_refused(tmp_path, what):
    fields, said = UNCERTAIN[what]
    with pytest.raises(DataError, match=rf"(?s)1 problem .*a\.nii\.gz: .*{said}") as caught:
        read_nifti(save(tmp_path / "a.nii.gz", **fields))
    assert "cut or damaged" not in str(caught.value)


#: What is odd, but clear: the sform counts.
ODD = {
    "rounding that adds up": ({"sform": with_columns(1.018, 1, 1)}, "as pixdim, found 1.5 x 1.5 x 6; the sform is"),
    "scaled to a template": (
        {"sform": with_columns(1.1, 1.1, 1.1), "scode": 4, "qform": AFFINE, "qcode": 1},
        "1.65 x 1.65 x 6.6, as pixdim, found 1.5 x 1.5 x 6",
    ),
    "one world, two places": ({"sform": moved(0, 0, 30), "qform": AFFINE, "qcode": 1}, "a corner 30 mm apart"),
    "identity": ({"sform": np.eye(4), "zooms": (1, 1, 1)}, "the affine is the identity"),
    "no pixdim": ({"zooms": (0, 0, 0)}, "expected a size of a voxel"),
    "quaternion of no use": ({"qcode": 1, "quatern_b": 1, "quatern_c": 1}, "quaternion .*; the sform is believed"),
}


@pytest.mark.parametrize("what", list(ODD))
def test_what_is_odd_is_read_with_a_warning(tmp_path, what):
    fields, said = ODD[what]
    path = save(tmp_path / "a.nii.gz", **fields)
    with pytest.warns(DataWarning, match=said) as given:
        volume = read_nifti(path)
    assert len(given) == 1
    columns = np.sqrt((fields.get("sform", AFFINE)[:3, :3] ** 2).sum(axis=0))
    assert volume.spacing == pytest.approx(columns[::-1], rel=1e-5)


@pytest.mark.parametrize(
    "fields",
    [
        {"sform": with_columns(1.0005, 1, 0.999)},
        {"sform": SHEARED},  # pixdim is the distance between slices, not along the shear
        {"sform": moved(0.1, 0.1, 0.1), "qform": AFFINE, "qcode": 1},
        {"zooms": (-1.5, 1.5, 6)},
    ],
    ids=["rounded", "sheared", "a fifteenth of a voxel", "negative pixdim"],
)
def test_rounding_is_no_contradiction(tmp_path, fields):
    assert silently(save(tmp_path / "a.nii.gz", **fields)).shape == SHAPE[::-1]


def test_a_label_may_miss_the_grid_by_a_part_of_a_voxel_only(tmp_path):
    image = save(tmp_path / "a.nii")
    near, far = (save(tmp_path / f"{by}.nii", np.ones(SHAPE, np.uint8), moved(by, 0, 0)) for by in (0.1, 0.75))
    assert silently(image, near).labels.all()
    with pytest.raises(DataError, match=r"a corner 0\.75 mm elsewhere \(0\.5 voxels\)"):
        read_nifti(image, far)
    # in thick slices the same distance is less than a tenth
    assert silently(image, save(tmp_path / "z.nii", np.ones(SHAPE, np.uint8), moved(0, 0, 0.5))).labels.all()


@pytest.mark.parametrize("how", ["below", "int16", "uint8"])
def test_labels_that_rounding_has_moved_are_the_integers_that_they_were(tmp_path, how):
    truth = np.random.default_rng(1).integers(0, 5, SHAPE)
    nifti = nib.Nifti1Image(truth.astype(float), AFFINE)
    if how == "below":
        nifti = nib.Nifti1Image(np.nextafter(truth.astype(np.float32), np.float32(-1)), AFFINE)
    else:
        nifti.set_data_dtype(how)  # with a scale factor
    nib.save(nifti, tmp_path / "l.nii.gz")
    assert not np.array_equal(nifti.from_bytes(nifti.to_bytes()).get_fdata(), truth)
    labels = silently(save(tmp_path / "a.nii.gz"), tmp_path / "l.nii.gz").labels
    np.testing.assert_array_equal(labels, truth.T)


@pytest.mark.parametrize("value", [0.5, 1.9, -0.2, 4.4, np.nan, np.inf])
def test_parts_of_a_class_are_refused(tmp_path, value):
    label = save(tmp_path / "l.nii.gz", np.full(SHAPE, value, np.float32))
    with pytest.raises(DataError, match=f"found {value:g} as well"):
        silently(save(tmp_path / "a.nii.gz"), label)


def test_what_is_whole_is_not_called_damaged(tmp_path):
    """Compressed under the plain ending, plain under the other: read. A type that NIfTI does not have: named."""
    path = save(tmp_path / "a.nii")
    (tmp_path / "b.nii.gz").write_bytes(path.read_bytes())
    (tmp_path / "c.nii").write_bytes(gzip.compress(path.read_bytes()))
    for name in ("b.nii.gz", "c.nii"):
        np.testing.assert_array_equal(silently(tmp_path / name).image, IMAGE.T)
    content = bytearray(path.read_bytes())
    content[70:72] = (77).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"its header is wrong \(.*77"):
        read_nifti(path)


@pytest.mark.parametrize(
    ("spacing", "plane"),
    [
        ((1.5, 6, 1.5), "coronal"),
        ((0.9, 0.9, 3), "sagittal"),
        ((7.7, 1.25, 1.25), ""),
        ((1, 1, 1), ""),
        ((1, 1.4, 1), ""),
        ((5, 1.6, 0.8), ""),
    ],
)
def test_a_stack_that_does_not_run_from_foot_to_head_is_told(spacing, plane):
    said = oddly_sliced(spacing)
    assert f"found a {plane} stack, {max(spacing):g} mm apart" in said if plane else said == ""


def test_what_is_refused_is_not_called_odd_too(tmp_path):
    label = save(tmp_path / "l.nii", np.ones(SHAPE, np.uint8), np.eye(4), zooms=(1, 1, 1))
    with pytest.raises(DataError, match=r"l\.nii: expected the affine of a\.nii") as caught:
        read_nifti(save(tmp_path / "a.nii"), label)
    assert "identity" not in str(caught.value)


def test_the_check_reports_oddities_without_refusing(tmp_path):
    coronal = np.array([[-1.5, 0, 0, 0], [0, 0, 6, 0], [0, 1.5, 0, 0], [0, 0, 0, 1]])
    for name in "ab":
        affine = coronal if name == "a" else AFFINE
        save(tmp_path / f"{name}_image.nii", sform=affine, qform=affine)
        save(tmp_path / f"{name}_label.nii", np.ones(SHAPE, np.uint8), affine, qform=affine)
    source = open_source(tmp_path)
    report = source.check()
    assert report.ok
    assert [w.subject for w in report.warnings] == ["a"]
    assert "2 subjects read completely, nothing wrong.\n1 warning in 1 of 2 subjects" in str(report)
    assert "found a coronal stack, 6 mm apart" in str(report)
    with pytest.warns(DataWarning, match="coronal"):
        source.read("a")


def test_a_volume_with_an_affine_of_rounded_numbers_is_like_its_file(tmp_path):
    path = save(tmp_path / "a.nii")
    volume = silently(path)
    near = Volume(volume.image, None, volume.spacing, "a", np.round(volume.affine + 1e-3, 3))
    np.testing.assert_array_equal(nib.load(write_nifti(near, tmp_path / "b.nii", like=path)).affine, AFFINE)
