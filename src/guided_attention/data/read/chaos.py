"""One subject of CHAOS: DICOM slices and label pictures to a `Volume` (chapter *From scanner to tensor*).

Layout, as released (Kavur et al., CHAOS, Zenodo record 3431873): ``ID/T1DUAL/DICOM_anon/{InPhase,OutPhase}/*.dcm``,
``ID/T1DUAL/Ground/*.png``, ``ID/T2SPIR/{DICOM_anon,Ground}``. DICOM files may lack the ending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from guided_attention.data.integrity import Findings
from guided_attention.data.read.dicom_series import check_alike, order_slices, stack_affine
from guided_attention.data.read.dicom_slice import DicomSlice, dicom_files, read_slices, slice_name
from guided_attention.data.read.label_png import read_labels
from guided_attention.data.read.orientation import oddly_sliced, spacing_of, to_radiological
from guided_attention.data.volume import Volume
from guided_attention.errors import DataError, require_choice

__all__ = ["PHASES", "SEQUENCES", "channel_names", "inspect_chaos_subject", "read_chaos_subject"]

SEQUENCES = ("T1DUAL", "T2SPIR")
PHASES = ("in", "out", "both")
_FOLDERS = {"in": "InPhase", "out": "OutPhase"}


def channel_names(sequence: str, phase: str) -> tuple[str, ...]:
    """Return what the channels of a scan are called, in a record and beside a network's weights."""
    if sequence == "T2SPIR":
        return ("T2-SPIR",)
    return tuple(f"T1-DUAL {one}-phase" for one in _FOLDERS if phase in (one, "both"))


def read_chaos_subject(folder: str | Path, sequence: str = "T1DUAL", phase: str = "in") -> Volume:
    """Read one subject.

    Parameters
    ----------
    folder : str or Path
        ``.../MR/ID``; its name becomes the subject's.
    sequence : {"T1DUAL", "T2SPIR"}
        Which of the two scans.
    phase : {"in", "out", "both"}
        Which echo of T1DUAL: fat and water in phase (the later echo; the paper's choice), out of phase, or both as
        two channels, in phase first. T2SPIR has one echo only, the argument then does not count.

    Returns
    -------
    Volume
        Grey values after RescaleSlope and RescaleIntercept, at the matrix of the scanner; labels, or None where
        there is no ``Ground`` folder (CHAOS's test subjects); spacing from positions; the affine.

    Raises
    ------
    DataError
        If anything is wrong with any file; the message names all of them.
    SettingsError
        If sequence or phase is unknown.
    """
    findings = Findings(Path(folder).name)
    volume = inspect_chaos_subject(folder, sequence, phase, findings)
    findings.raise_if_any()
    return volume


def inspect_chaos_subject(
    folder: str | Path, sequence: str, phase: str, findings: Findings, need_labels: bool = False
) -> Volume | None:
    """Read one subject, note everything that is wrong; a volume only if nothing is.

    Parameters
    ----------
    folder, sequence, phase
        As for `read_chaos_subject`.
    findings : Findings
        Gets the problems.
    need_labels : bool
        Whether a missing ``Ground`` folder is a problem.

    Returns
    -------
    Volume or None
    """
    require_choice("sequence", sequence, SEQUENCES)
    require_choice("phase", phase, PHASES)
    scan, subject = Path(folder) / sequence, Path(folder).name
    phases = sequence == "T1DUAL"
    named = scan / "DICOM_anon" / (_FOLDERS["in"] if phases else "")  # labels carry the names of in-phase images
    shown = scan / "DICOM_anon" / _FOLDERS["out"] if phases and phase != "in" else named
    for place in dict.fromkeys((shown, named)):
        if not place.is_dir():
            findings.add(place, "is not a folder; expected DICOM slices there, as in CHAOS")
            return None
    slices = _read_folder(shown, findings)
    partners = slices if named == shown else _read_folder(named, findings, pixels=phase == "both")
    if phases:
        _check_echoes(scan / "DICOM_anon", phase, slices, partners, findings)
    ordered = names = order_slices(slices, shown, findings)
    if named != shown:
        names = order_slices(partners, named, findings)
        _check_partners(ordered, names, findings)
    labels = None
    if (scan / "Ground").is_dir():
        matrices = {slice_name(s.path): s.shape for s in partners}
        names_there = [slice_name(path) for path in dicom_files(named)[0]]
        labels = read_labels(scan / "Ground", {name: matrices.get(name) for name in names_there}, findings)
    elif need_labels:
        findings.add(scan / "Ground", "is not a folder; expected label pictures there, as in CHAOS")
    if findings:
        return None
    volume = _stack([names, ordered] if phases and phase == "both" else [ordered], names, labels, subject)
    volume = replace(volume, channel_names=channel_names(sequence, phase))
    if odd := oddly_sliced(volume.spacing):
        findings.warn(shown, odd)
    return volume


def _read_folder(folder: Path, findings: Findings, pixels: bool = True) -> list[DicomSlice]:
    slices, (paths, others) = [], dicom_files(folder)
    for path in others:
        findings.ignore(path, "is no DICOM slice: it neither ends in .dcm nor begins as one does, or is an index")
    for path in paths:
        try:
            slices += read_slices(path, pixels)
        except DataError as error:
            findings.add(path, str(error))
    check_alike(slices, findings)
    return slices


def _check_echoes(
    folder: Path, phase: str, slices: Sequence[DicomSlice], partners: Sequence[DicomSlice], findings: Findings
) -> None:
    """In phase is the later echo (4.6 ms at 1.5 T, 2.3 ms out of phase): folders that say otherwise were swapped."""
    inside = _echo(partners)
    outside = _echo(slices) if phase != "in" else _echo(_headers(folder / _FOLDERS["out"]))
    if inside is not None and outside is not None and inside <= outside:
        findings.add(
            folder / _FOLDERS["out" if phase == "out" else "in"],
            f"expected a longer EchoTime in phase than out of phase, found {inside} ms in InPhase and {outside} ms in "
            "OutPhase (folders swapped?)",
        )


def _headers(folder: Path) -> list[DicomSlice]:
    """Read the headers of images that are not asked for; what is wrong with them is not today's question."""
    found = []
    for path in dicom_files(folder)[0][:3]:
        try:
            found += read_slices(path, pixels=False)
        except DataError:
            continue
    return found


def _echo(slices: Sequence[DicomSlice]) -> float | None:
    times = [s.echo_time for s in slices if s.echo_time is not None]
    return float(np.median(times)) if times else None


def _check_partners(ordered: Sequence[DicomSlice], names: Sequence[DicomSlice], findings: Findings) -> None:
    """Out-of-phase images have other file names than the labels; their place in the stack pairs them."""
    if len(ordered) != len(names):
        place = ordered[0].path.parent if ordered else names[0].path.parent if names else Path()
        findings.add(place, f"expected as many slices as in phase, found {len(ordered)} and {len(names)}")
        return
    for image, partner in zip(ordered, names, strict=True):
        apart = float(np.linalg.norm(image.position - partner.position))
        alike = np.allclose(image.pixel_spacing, partner.pixel_spacing, atol=1e-3)
        alike = alike and np.allclose(image.axes, partner.axes, atol=1e-3)
        if not alike:
            wanted = f"expected the pixel size and direction of {partner.path.name} (in phase)"
            findings.add(image.path, f"{wanted}, found others")
        if apart > 0.5 * float(min(image.pixel_spacing)) or image.shape != partner.shape:
            findings.add(
                image.path,
                f"expected the place and matrix of {partner.path.name} (in phase), found them {apart:.2f} mm apart, "
                f"{image.shape} against {partner.shape} pixels",
            )


def _stack(
    echoes: Sequence[Sequence[DicomSlice]],
    names: Sequence[DicomSlice],
    labels: dict[str, np.ndarray] | None,
    subject: str,
) -> Volume:
    arrays = [np.stack([s.pixels for s in ordered]) for ordered in echoes]
    if labels is not None:
        arrays.append(np.stack([labels[slice_name(s.path)] for s in names]))
    moved, affine = to_radiological(arrays, stack_affine(echoes[0]))
    images, masks = moved[: len(echoes)], moved[len(echoes) :]
    image = images[0] if len(images) == 1 else np.stack(images)
    return Volume(image, masks[0] if masks else None, spacing_of(affine), subject, affine)
