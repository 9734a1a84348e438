"""Where a NIfTI header puts its voxels, and whether it says one thing only.

The standard gives a file two affines (sform and qform, each with a code that is 0 where it says nothing), the size of a
voxel (pixdim) and the unit of all three (xyzt_units); programs differ in which they believe. Where the fields leave the
place of a voxel open the file is refused; where they are only odd, it is read and a warning says what was believed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from guided_attention.errors import DataError

__all__ = ["TOLERANCE", "apart", "check_affine", "check_geometry", "copy_geometry"]

#: How far, in voxels, two statements about a corner of the volume may differ and still be rounded from one.
TOLERANCE = 0.1
#: Units of length by NIfTI's code: name, mm. Code 0 states none; what then is meant is nearly always mm.
_UNITS = {0: ("no unit", 1.0), 1: ("m", 1e3), 2: ("mm", 1.0), 3: ("µm", 1e-3)}
#: Voxels of a body have edges in this range, in mm: one outside it has a wrong unit.
_EDGES = (0.01, 100.0)
#: Part of a voxel by which pixdim may miss the affine: more is no rounding, one of them is wrong.
_PIXDIM = 0.02
#: Voxels by which two statements may move the last voxel before it is worth a warning.
_DRIFT = 0.5
_FIELDS = (
    *("xyzt_units", "dim_info", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)


def check_geometry(header: Any, pixdim: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, list[str]]:
    """Return the affine that a header states, in mm, and what is odd about it.

    Parameters
    ----------
    header : nibabel.nifti1.Nifti1Header
        As nibabel reads it; of NIfTI-2, too.
    pixdim : ndarray, (3,)
        Sizes of a voxel as they are in the file: nibabel writes 1 where they are 0.
    shape : tuple of int
        Number of columns, rows, slices.

    Returns
    -------
    affine : ndarray, float64, (4, 4)
        The sform if its code is not 0, else the qform: indices (w, h, d, 1) to NIfTI's RAS+ world.
    warnings : list of str
        One for each oddity.

    Raises
    ------
    DataError
        If the fields do not say where a voxel is, or say two things.
    """
    unit, millimetres = _unit(header)
    sform, scode = header.get_sform(coded=True)
    qform, qcode, warnings = _qform(header, pixdim, needed=sform is None)
    if sform is None and qform is None:
        raise DataError(
            "expected an sform_code or qform_code above 0, found both 0: nothing tells the patient's left from the "
            "right. Write the file again from the scan that it came from; if you know its affine, nibabel's "
            "image.set_sform(affine, code=1) states it"
        )
    affine = np.array(qform if sform is None else sform, float)
    _require_space(affine)
    if sform is not None:
        warnings += _check_pixdim(affine, pixdim, shape, tolerated=qform is not None and qcode != scode)
        if qform is not None and _maps_to_space(qform):
            warnings += _check_qform(affine, qform, shape, millimetres, same_world=qcode == scode)
    affine, odd = check_affine(affine, unit, millimetres, lost=np.eye(4))
    return affine, warnings + odd


def check_affine(
    affine: np.ndarray, unit: str, millimetres: float, lost: np.ndarray | None = None
) -> tuple[np.ndarray, list[str]]:
    """Return an affine in mm, and what is odd about it: the end of the check of every format.

    Parameters
    ----------
    affine : ndarray, (4, 4)
        As the header states it.
    unit : str
        What it calls its unit.
    millimetres : float
        How long that is.
    lost : ndarray, (4, 4), optional
        The affine that programs write which have none.

    Raises
    ------
    DataError
        If it does not map voxels to space, or to voxels of a size that no body is imaged with.
    """
    _require_space(affine)
    warnings = []
    if lost is not None and np.array_equal(affine, lost):
        warnings.append(
            "the affine is the identity: no scanner states that, programs do that have lost the geometry, and with it "
            "left, right and the voxel's size"
        )
    affine = np.array(affine, float)
    affine[:3] *= millimetres
    edges = _lengths(affine)
    if edges.min() < _EDGES[0] or edges.max() > _EDGES[1]:
        raise DataError(
            f"expected voxels of {_EDGES[0]:g} to {_EDGES[1]:g} mm, found {_sizes(edges)}; the header states {unit}, "
            "which cannot be the affine's unit: state the right one (NIfTI: xyzt_units, nibabel's "
            "header.set_xyzt_units)"
        )
    return affine, warnings


def copy_geometry(of: Any, to: Any) -> None:
    """Give header ``to`` every field of header ``of`` that says where voxels are; types and values are its own."""
    for name in _FIELDS:
        to[name] = of[name]
    to["pixdim"][:4] = of["pixdim"][:4]


def apart(here: np.ndarray, there: np.ndarray, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the largest distance between the corners of one grid under two affines, in voxels of ``here`` and in mm.

    Parameters
    ----------
    here, there : ndarray, (4, 4)
        Affines in mm.
    shape : tuple of int
        Number of columns, rows, slices.
    """
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in shape]), axis=-1).reshape(-1, 3)
    moved = np.c_[corners, np.ones(len(corners))] @ (there - here)[:3].T
    return float(np.abs(moved @ np.linalg.inv(here[:3, :3]).T).max()), float(np.abs(moved).max())


def _unit(header: Any) -> tuple[str, float]:
    code = int(header["xyzt_units"]) & 7
    if code not in _UNITS:
        raise DataError(f"expected a unit of length (xyzt_units) of 1 m, 2 mm, 3 µm or 0 (none), found code {code}")
    return _UNITS[code]


def _qform(header: Any, pixdim: np.ndarray, needed: bool) -> tuple[np.ndarray | None, int, list[str]]:
    """Return the qform, None if it is not stated, or cannot be had and need not be."""
    code = int(header["qform_code"])
    if code == 0:
        return None, 0, []
    wrong = ""
    if not (np.isfinite(pixdim).all() and (pixdim != 0).all()):
        wrong = f"expected a size of a voxel (pixdim) for the qform, found {_sizes(pixdim)}"
    else:
        try:
            return header.get_qform(), code, []
        except ValueError:  # nibabel's, for a quaternion longer than 1
            found = [float(header[f"quatern_{part}"]) for part in "bcd"]
            wrong = f"expected a quaternion of length 1 for the qform, found parts {_sizes(found)}"
    if needed:
        raise DataError(wrong)
    return None, 0, [f"{wrong}; the sform is believed"]


def _check_pixdim(affine: np.ndarray, pixdim: np.ndarray, shape: tuple[int, ...], tolerated: bool) -> list[str]:
    """Compare pixdim with columns of the sform, or, where these are sheared, with distances between its planes."""
    if not (np.isfinite(pixdim).all() and (pixdim != 0).all()):
        return [f"expected a size of a voxel (pixdim), found {_sizes(pixdim)}; the sform is believed"]
    columns, planes = _lengths(affine), 1 / _lengths(np.linalg.inv(affine[:3, :3]).T)
    off = np.minimum(np.abs(columns - abs(pixdim)), np.abs(planes - abs(pixdim))) / columns
    said = f"expected the voxel size of the sform, {_sizes(columns)}, as pixdim, found {_sizes(abs(pixdim))}"
    if off.max() > _PIXDIM and not tolerated:
        raise DataError(f"{said}: one of them is wrong; mend the file (nibabel: image.set_sform(affine, code=1))")
    # the last voxel of a row counts: small differences add up
    drift = (off * (np.array(shape) - 1)).max()
    if off.max() > _PIXDIM or drift > _DRIFT:
        return [f"{said}; the sform is believed"]
    return []


def _check_qform(
    affine: np.ndarray, qform: np.ndarray, shape: tuple[int, ...], millimetres: float, same_world: bool
) -> list[str]:
    """Refuse two affines that turn an axis to different sides; in one world, doubt those that differ at all."""
    cosines = (affine[:3, :3] / _lengths(affine) * qform[:3, :3] / _lengths(qform)).sum(axis=0)
    if cosines.min() < 0.5:
        from nibabel.orientations import aff2axcodes

        here, there = ("".join(aff2axcodes(one)) for one in (affine, qform))
        raise DataError(
            f"expected sform and qform to turn the axes to the same sides, found {here} and {there}; remove the wrong "
            "one (nibabel: image.set_qform(None, code=0), or set_sform)"
        )
    voxels, distance = apart(affine, qform, shape)
    if same_world and voxels > _DRIFT:
        return [
            f"expected sform and qform of the same code to agree, found a corner {distance * millimetres:.3g} mm "
            "apart; the sform is believed, other programs may believe the qform"
        ]
    return []


def _maps_to_space(affine: np.ndarray) -> bool:
    """Whether three axes stay three: no column vanishes, no two point the same way."""
    sizes = _lengths(affine)
    if not np.isfinite(sizes).all() or not np.isfinite(affine).all() or sizes.min() < 1e-6:
        return False
    return abs(np.linalg.det(affine[:3, :3] / sizes)) > 1e-2


def _require_space(affine: np.ndarray) -> None:
    if not _maps_to_space(affine):
        raise DataError(f"expected an affine that maps voxels to space, found {np.asarray(affine)[:3].tolist()}")


def _lengths(matrix: np.ndarray) -> np.ndarray:
    return np.sqrt((np.asarray(matrix, float)[:3, :3] ** 2).sum(axis=0))


def _sizes(numbers: Any) -> str:
    return " x ".join(f"{number:.4g}" for number in numbers)
