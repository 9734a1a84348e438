"""Tiny CHAOS trees and NIfTI folders whose contents are known voxel by voxel, and ways to spoil them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

GREYS = np.array([0, 63, 126, 189, 252], np.uint8)


@dataclass
class Scan:
    """One subject as the world has it, slice 0 lowest, and how the scanner numbers and stores it.

    ``order`` lists the slices in the order of their file numbers; ``axes`` is ImageOrientationPatient.
    """

    depth: int = 4
    rows: int = 12
    columns: int = 10
    gap: float = 7.5
    pixel: tuple[float, float] = (1.5, 1.25)  # between rows, between columns
    axes: tuple[float, ...] = (1, 0, 0, 0, 1, 0)
    origin: tuple[float, float, float] = (-20.0, -30.0, -100.0)
    order: tuple[int, ...] = (2, 0, 3, 1)
    slope: float | None = None
    intercept: float | None = None
    seed: int = 0
    images: dict[str, np.ndarray] = field(init=False)
    labels: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        shape = (self.depth, self.rows, self.columns)
        self.images = {name: rng.integers(0, 4096, shape, dtype=np.uint16) for name in ("InPhase", "OutPhase", "T2")}
        self.labels = rng.integers(0, 5, shape, dtype=np.uint8)

    def position(self, z: int) -> np.ndarray:
        x, y = np.array(self.axes[:3], float), np.array(self.axes[3:], float)
        return np.array(self.origin) + z * self.gap * np.cross(x, y)


def write_scan(folder: Path, scan: Scan, sequences=("T1DUAL", "T2SPIR")) -> Path:
    """Write a subject as CHAOS does: even numbers in phase, odd numbers out of phase, labels named as in phase."""
    for place, z in enumerate(scan.order):
        if "T1DUAL" in sequences:
            t1 = folder / "T1DUAL"
            inside, outside = f"IMG-0004-{2 * place + 2:05d}", f"IMG-0004-{2 * place + 1:05d}"
            write_dicom(t1 / "DICOM_anon/InPhase" / f"{inside}.dcm", scan, "InPhase", z, echo=4.6)
            write_dicom(t1 / "DICOM_anon/OutPhase" / f"{outside}.dcm", scan, "OutPhase", z, echo=2.3)
            write_png(t1 / "Ground" / f"{inside}.png", GREYS[scan.labels[z]])
        if "T2SPIR" in sequences:
            t2, name = folder / "T2SPIR", f"IMG-0002-{place + 1:05d}"
            write_dicom(t2 / "DICOM_anon" / f"{name}.dcm", scan, "T2", z, echo=80.0)
            write_png(t2 / "Ground" / f"{name}.png", GREYS[scan.labels[z]])
    return folder


def write_png(path: Path, grey: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path)


def write_dicom(path: Path, scan: Scan, which: str, z: int, echo: float) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, f"1.2.3.{z}.{int(echo * 10)}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    pixels = scan.images[which][z]
    data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesInstanceUID = "MR", "1.2.3.4" if which != "T2" else "1.2.3.5"
    data.EchoTime, data.SliceThickness = str(echo), "5.0"  # not the distance between slices
    data.PixelSpacing = [str(v) for v in scan.pixel]
    data.ImagePositionPatient = [f"{v:.6f}" for v in scan.position(z)]
    data.ImageOrientationPatient = [f"{v:.10f}" for v in scan.axes]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    if scan.slope is not None:
        data.RescaleSlope, data.RescaleIntercept = str(scan.slope), str(scan.intercept)
    data.PixelData = pixels.astype("<u2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


def edit_dicom(path: Path, **values) -> None:
    """Set elements of a file; None deletes one."""
    data = pydicom.dcmread(path)
    for name, value in values.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path)


def cut(path: Path, share: float) -> None:
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
