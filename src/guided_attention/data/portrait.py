"""What a check keeps of a volume, and what is odd about one among the others (chapter *From scanner to tensor*).

A file can be in order and still be the wrong one: a CT scan among MR images, the same patient twice under two names,
a right kidney labelled left. Nothing in the file says so, only the comparison with its neighbours, or with anatomy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from guided_attention.data.labels import CHAOS_LABELS, LabelSet, name_key
from guided_attention.data.patients import ONE_SIDE, look_alike, same_patient, shared
from guided_attention.data.volume import Volume

__all__ = ["Portrait", "portrait", "set_oddities"]

#: Voxels looked at for percentiles; a volume has fifty times as many at most.
_ENOUGH = 1_000_000
#: No MR image has a value below this; air in CT is at -1000 Hounsfield units.
_HOUNSFIELD = -150
#: How many times brighter or darker than the others a scan of the same kind may be: scanners scale as they like.
_SCALE = 20.0
#: How far the brightness of an organ, against the mean of the organs, may lie from the other subjects': a factor.
_CONTRAST = 3.0
_DRAWN = "Folds that are drawn keep them on one side."
#: Part of the image's width by which a right organ must lie left of its partner to be on the wrong side.
_APART = 0.1
#: Comparisons with "the others" need as many of them.
_OTHERS = 4


@dataclass(frozen=True)
class Portrait:
    """A volume in a few numbers.

    Parameters
    ----------
    image : str
        Digest of the grey values alone: the same image with other labels is the same patient.
    spacing : tuple of 3 floats
        (dz, dy, dx) in mm.
    grey : tuple of 4 floats
        Minimum, median, 99th percentile and maximum of the first channel.
    brightness : mapping from class to float
        Mean grey value of each organ.
    place : mapping from class to float
        Centre of each organ from the patient's right (0) to left (1).
    patient, study : str
        PatientID and StudyInstanceUID where the files are DICOM, else empty.
    """

    image: str
    spacing: tuple[float, float, float]
    grey: tuple[float, float, float, float]
    brightness: Mapping[int, float]
    place: Mapping[int, float]
    patient: str = ""
    study: str = ""


def portrait(volume: Volume, identity: tuple[str, str] = ("", "")) -> Portrait:
    """Draw the portrait of a volume; ``identity`` from `guided_attention.data.patients.dicom_identity`."""
    depth, *plane = volume.image.shape[-3:]
    image = volume.image.reshape(-1, depth, *plane)[0]
    step = max(1, int((image.size / _ENOUGH) ** 0.5))
    median, high = np.percentile(image[:, ::step, ::step], (50, 99))
    grey = tuple(float(value) for value in (image.min(), median, high, image.max()))
    brightness, place = {}, {}
    if volume.labels is not None and volume.labels.any():
        flat = volume.labels.ravel()
        counts, sums = np.bincount(flat), np.bincount(flat, weights=image.ravel())
        columns = np.arange(plane[1])
        for value in np.flatnonzero(counts[1:]) + 1:
            brightness[int(value)] = float(sums[value] / counts[value])
            profile = (volume.labels == value).sum(axis=(0, 1))
            place[int(value)] = float((profile * columns).sum() / counts[value] / max(plane[1] - 1, 1))
    digest = hashlib.sha256(np.ascontiguousarray(volume.image, "<f4")).hexdigest()[:16]
    return Portrait(digest, volume.spacing, grey, brightness, place, *identity)


def set_oddities(
    portraits: Mapping[str, Portrait], label_set: LabelSet = CHAOS_LABELS, groups: Mapping[str, str] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield (subject, sentence) for all that is odd about subjects among the others of their data set.

    Parameters
    ----------
    portraits : mapping from subject to Portrait
    label_set : LabelSet
        Of their labels.
    groups : mapping from subject to patient, optional
        What is known already about who is who.
    """
    yield from _twice(portraits, groups or {})
    yield from _scales(portraits)
    yield from _contrasts(portraits, label_set.names)
    for subject, of in portraits.items():
        yield from ((subject, said) for said in _sides(of.place, label_set))


def _twice(portraits: Mapping[str, Portrait], groups: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """One patient under several names: same voxels, same PatientID or study, or names like visits."""
    told: set[str] = set()
    blank = {subject for subject, of in portraits.items() if of.grey[0] == of.grey[3]}
    studies = {subject: ("", of.study) for subject, of in portraits.items()}
    for whose, what, then in (
        (shared({s: of.image for s, of in portraits.items() if s not in blank}), "holds the same image as", ONE_SIDE),
        (same_patient({s: (of.patient, "") for s, of in portraits.items()}), "has the PatientID of", _DRAWN),
        (same_patient(studies), "is of the same study (StudyInstanceUID) as", ONE_SIDE),
        (look_alike(portraits), "is called like another scan of the patient of", ONE_SIDE),
    ):
        for patient in dict.fromkeys(whose.values()):
            same = [subject for subject in whose if whose[subject] == patient]
            known = len({groups.get(subject, subject) for subject in same}) == 1
            if not known and not set(same) <= told:
                yield same[0], f"{what} {', '.join(same[1:])}. {then}"
            told |= set(same)


def _scales(portraits: Mapping[str, Portrait]) -> Iterator[tuple[str, str]]:
    """CT among MR, or a scan whose grey values are scaled otherwise."""
    ct = [subject for subject, of in portraits.items() if of.grey[0] <= _HOUNSFIELD]
    mr = [subject for subject in portraits if subject not in ct]
    for subject in ct if mr else []:
        yield (
            subject,
            (
                f"has values down to {portraits[subject].grey[0]:g}, as CT has (Hounsfield units), beside "
                f"{len(mr)} without: another modality?"
            ),
        )
    high = {subject: portraits[subject].grey[2] for subject in mr if portraits[subject].grey[2] > 0}
    for subject, value in high.items():
        others = [other for name, other in high.items() if name != subject]
        usual = float(np.median(others)) if len(others) >= _OTHERS else value
        if not usual / _SCALE <= value <= usual * _SCALE:
            yield (
                subject,
                (
                    f"has grey values of another scale: the 99th percentile is {value:.3g}, the others' {usual:.3g} "
                    "(median). Converted by another tool, or another kind of scan?"
                ),
            )


def _contrasts(portraits: Mapping[str, Portrait], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """An organ that is far brighter or darker, against the other organs, than in the other subjects."""
    relative = {}
    for subject, of in portraits.items():
        if len(of.brightness) > 1 and min(of.brightness.values()) > 0:
            mean = np.mean(np.log(list(of.brightness.values())))
            relative[subject] = {value: np.log(grey) - mean for value, grey in of.brightness.items()}
    for subject, own in relative.items():
        worst, said = np.log(_CONTRAST), ""
        for value, grey in own.items():
            others = [of[value] for name, of in relative.items() if name != subject and value in of]
            if len(others) >= _OTHERS and (off := abs(grey - np.median(others))) > worst:
                worst, how = off, "brighter" if grey > np.median(others) else "darker"
                said = (
                    f"shows {names[value]} {np.exp(off):.1f} times {how}, against the other organs, than the other "
                    "subjects do: another sequence or modality, or labels that lie elsewhere?"
                )
        if said:
            yield subject, said


def _sides(place: Mapping[int, float], label_set: LabelSet) -> Iterator[str]:
    """Right organs that lie further left than their left partners; told apart from a picture that is mirrored."""
    wrong = []
    for pair in label_set.mirrored:
        right, left = sorted(pair, key=lambda name: not {"right", "r"} & set(name_key(name)))
        sides = [place.get(label_set.index(name)) for name in (right, left)]
        if None not in sides and {"right", "r"} & set(name_key(right)) and sides[0] > sides[1] + _APART:
            wrong.append(f"{right} and {left}")
    if not wrong:
        return
    where = {name: place[value] for value, name in enumerate(label_set.names) if value in place}
    if where.get("liver", 0) > where.get("spleen", 1):
        yield (
            f"has {' and '.join(wrong)} on each other's side, and liver and spleen as well: the picture is mirrored, "
            "and its header does not say so (or the patient is: situs inversus)"
        )
    else:
        yield f"has {' and '.join(wrong)} on each other's side: labels exchanged, or left and right mixed up"
