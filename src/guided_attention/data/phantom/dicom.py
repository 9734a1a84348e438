"""Write a synthetic subject as a scanner would: DICOM images and PNG labels in CHAOS's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from guided_attention.data.phantom.subject import PhantomSubject

__all__ = ["GREYS", "acquisition_order", "write_subject"]

#: Grey value of each class in CHAOS's label PNGs.
GREYS = np.array([0, 63, 126, 189, 252], np.uint8)


def write_subject(phantom: PhantomSubject, folder: Path, seed: int) -> None:
    """Write one subject to ``folder`` (the place of CHAOS's ``MR/ID``).

    As in CHAOS, in-phase and out-of-phase images share one series UID and one set of labels, the labels carry the file
    names of the in-phase images, and the order of the file numbers is that of acquisition: upwards, downwards, or every
    other slice first. Only positions tell the anatomical order.

    Parameters
    ----------
    phantom : PhantomSubject
        What to write.
    folder : Path
        Made if it does not exist.
    seed : int
        The subject's seed: order and UIDs follow from it.
    """
    order = acquisition_order(phantom.labels.shape[0], np.random.default_rng([seed, 1]))
    protocol = phantom.protocol
    t1, t2 = folder / "T1DUAL", folder / "T2SPIR"
    gradient = {"sequence": "GR", "tr": protocol.t1_tr, "flip": protocol.t1_flip, "description": "T1DUAL synthetic"}
    echo = {"sequence": "SE", "tr": protocol.t2_tr, "flip": 90.0, "description": "T2SPIR synthetic"}
    gradient["series"], echo["series"] = (_uid(seed, "series", name) for name in ("T1DUAL", "T2SPIR"))
    for place, z in enumerate(order):
        inside, outside, spir = (
            f"IMG-0004-{2 * place + 2:05d}",
            f"IMG-0004-{2 * place + 1:05d}",
            f"IMG-0002-{place + 1:05d}",
        )
        _write_image(
            t1 / "DICOM_anon/InPhase" / f"{inside}.dcm",
            phantom,
            "in_phase",
            z,
            2 * place + 2,
            protocol.te_in,
            gradient,
            seed,
        )
        _write_image(
            t1 / "DICOM_anon/OutPhase" / f"{outside}.dcm",
            phantom,
            "out_phase",
            z,
            2 * place + 1,
            protocol.te_out,
            gradient,
            seed,
        )
        _write_image(t2 / "DICOM_anon" / f"{spir}.dcm", phantom, "t2_spir", z, place + 1, protocol.t2_te, echo, seed)
        _write_labels(t1 / "Ground" / f"{inside}.png", phantom.labels[z])
        _write_labels(t2 / "Ground" / f"{spir}.png", phantom.labels[z])


def acquisition_order(slices: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of the slices in the order of their file numbers."""
    up = np.arange(slices)
    return (up, up[::-1], np.concatenate([up[::2], up[1::2]]))[rng.choice(3, p=(0.5, 0.3, 0.2))]


def _write_labels(path: Path, labels: np.ndarray) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(GREYS[labels]).save(path)


def _write_image(
    path: Path, phantom: PhantomSubject, which: str, z: int, number: int, te: float, scan: dict, seed: int
) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(seed, which, z)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    geometry, volume = phantom.geometry, getattr(phantom, which)
    pixels = volume.image[z].astype("<u2")
    x, y = geometry.rows_and_columns()
    data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = _uid(seed, "study"), scan["series"]
    data.FrameOfReferenceUID = _uid(seed, "frame")
    data.Modality, data.Manufacturer, data.PatientName, data.PatientID = (
        "MR",
        "Digital phantom",
        "Synthetic",
        volume.subject,
    )
    data.PatientPosition, data.SeriesDescription, data.ImageComments = (
        "HFS",
        scan["description"],
        "Synthetic image, not of a person",
    )
    data.ImageType = ["DERIVED", "SECONDARY", "SYNTHETIC"]
    data.SeriesNumber, data.InstanceNumber, data.AcquisitionNumber = (4 if which != "t2_spir" else 2), number, 1
    data.MagneticFieldStrength, data.ScanningSequence, data.SequenceVariant = "1.5", scan["sequence"], "SP"
    data.ScanOptions, data.MRAcquisitionType = ("FS" if which == "t2_spir" else ""), "2D"
    data.RepetitionTime, data.EchoTime, data.FlipAngle = str(scan["tr"]), str(te), str(scan["flip"])
    data.SliceThickness, data.SpacingBetweenSlices = str(geometry.thickness), str(geometry.distance)
    data.PixelSpacing = [str(geometry.spacing)] * 2
    # DICOM's world runs to the patient's left, back and head, as the phantom's does
    data.ImagePositionPatient = [f"{v:.4f}" for v in (x[0], y[0], geometry.heights()[z])]
    data.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    data.SliceLocation = f"{geometry.heights()[z]:.4f}"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    high = float(np.percentile(pixels, 99.5))
    data.WindowCenter, data.WindowWidth = f"{max(high / 2, 1):.0f}", f"{max(high, 2):.0f}"
    data.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


def _uid(*parts: object) -> str:
    """A UID that follows from what it names, so that the same seed writes the same bytes."""
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=["guided-attention phantom", *map(str, parts)])
