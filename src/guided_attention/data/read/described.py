"""What ``labels.json`` or nnU-Net's ``dataset.json`` says of the files beside it (chapter *From scanner to tensor*).

Both hold ``labels``, names to ids (``{"background": 0, "liver": 1}``) or, as in nnU-Net's first version, ids to names
(``{"0": "background", "1": "liver"}``). ``labels.json`` is ours, so it may also hold ``colours`` (``{"liver":
"#E69F00"}``) and ``mirrored`` (``[["ovary_left", "ovary_right"]]``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guided_attention.data.labels import BACKGROUND, CHAOS_LABELS, LabelSet, name_key
from guided_attention.errors import DataError, SettingsError
from guided_attention.files import write_text

__all__ = ["DATASET_JSON", "LABELS_JSON", "Description", "describe_folder", "describe_labels", "write_labels"]

LABELS_JSON, DATASET_JSON = "labels.json", "dataset.json"


@dataclass(frozen=True)
class Description:
    """What a folder says of its data.

    Parameters
    ----------
    label_set : LabelSet
        Names that are CHAOS's five, with whatever ids, are that set in its own order; other sets go by their ids.
    channels : tuple of str
        Names of the image channels (``channel_names``, or ``modality``), in order; empty where they are not given.
    files : tuple of Path
        What was read.
    """

    label_set: LabelSet = CHAOS_LABELS
    channels: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def describe_folder(folder: str | Path) -> Description:
    """Read ``labels.json`` and ``dataset.json`` of a folder; without either its labels are CHAOS's.

    Of the labels the first has the word, so that it can give other names to a data set of somebody else.

    Raises
    ------
    DataError
        If a file is no such description; it names the file, what was expected and what was found.
    """
    own, theirs = (Path(folder) / name for name in (LABELS_JSON, DATASET_JSON))
    content = {path: _parse(path) for path in (own, theirs) if path.is_file()}
    if not content:
        return Description()
    path = next(iter(content))
    channels = content.get(theirs, {}).get("channel_names", content.get(theirs, {}).get("modality", {}))
    if not isinstance(channels, dict) or not all(number.isdecimal() for number in channels):
        raise DataError(f'{theirs}: expected channel_names like {{"0": "MRI"}}, found {channels!r}.')
    names = tuple(str(channels[number]) for number in sorted(channels, key=int))
    return Description(_label_set(path, content[path]), names, tuple(content))


def describe_labels(path: str | Path) -> Description:
    """Return what is said of one label file: by what lies in its folder, or beside that where it is ``labelsTr``."""
    folder = Path(path).parent
    here = describe_folder(folder)
    above = not here.files and folder.name.lower().startswith("labelst")
    return describe_folder(folder.parent) if above else here


def write_labels(label_set: LabelSet, folder: Path) -> Path:
    """Write ``labels.json``, so that whoever finds label files there knows what their numbers mean.

    Raises
    ------
    SettingsError
        If the folder says already that they mean something else; nothing is written.
    """
    there = describe_folder(folder)
    if there.files and there.label_set != label_set:
        raise SettingsError(
            f"{there.files[0]} says that label files there hold {there.label_set}; these hold {label_set}. Write them "
            "to another folder."
        )
    if there.files:
        return there.files[0]
    content = {
        "labels": dict(sorted(zip(label_set.names, label_set.ids, strict=True), key=lambda pair: pair[1])),
        "colours": dict(zip(label_set.organs, label_set.colours[1:], strict=True)),
        "mirrored": label_set.mirrored,
    }
    return write_text(folder / LABELS_JSON, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _parse(path: Path) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise DataError(f"{path}: expected every name once, found {', '.join(twice)} twice.")
        return dict(pairs)

    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=once)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected JSON, but it cannot be read ({error}).") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(content).__name__}.")
    return content


def _label_set(path: Path, content: Mapping[str, Any]) -> LabelSet:
    id_of = _ids(path, content.get("labels"))
    own = {name_key(name): name for name in sorted(id_of, key=id_of.get)}
    names, shown = tuple(sorted(id_of, key=id_of.get)), None
    if len(own) == len(names) and set(own) == set(map(name_key, CHAOS_LABELS.names)):
        shown = CHAOS_LABELS.names  # one order of classes for networks trained on either
        names = tuple(own[name_key(name)] for name in shown)
    ours = content if path.name == LABELS_JSON else {}
    try:
        found = LabelSet(shown or names, tuple(id_of[name] for name in names))
        chosen = list(found.colours)
        for name, colour in ours.get("colours", {}).items():
            chosen[found.index(name)] = colour
        pairs = ours.get("mirrored")
        pairs = pairs and tuple(tuple(found.names[found.index(name)] for name in pair) for pair in pairs)
        return LabelSet(found.names, found.ids, tuple(chosen), pairs)
    except (SettingsError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: {error}") from error


def _ids(path: Path, labels: Any) -> dict[str, int]:
    """Return name -> id, whichever of them is the key; with the background, where only organs are named."""
    if not isinstance(labels, dict) or not labels:
        raise DataError(f'{path}: expected "labels" such as {{"background": 0, "liver": 1}}, found {labels!r}.')
    pairs = [*labels.items()]
    if all(name.isdecimal() for name in labels):
        pairs = [(name, number) for number, name in pairs]
    if not all(isinstance(name, str) for name, _ in pairs):
        raise DataError(f"{path}: expected names and whole numbers as labels, found {labels}.")
    if regions := [name for name, number in pairs if isinstance(number, list)]:
        raise DataError(
            f"{path}: {', '.join(regions)} are regions made of several labels, which overlap; a network here gives "
            f"each voxel one class. Write a {LABELS_JSON} beside it that names every label by itself."
        )
    if "ignore" in dict(pairs):
        raise DataError(
            f"{path}: holds nnU-Net's label 'ignore' ({dict(pairs)['ignore']}) for voxels that nobody has labelled; "
            "training here would take them for a class. Label them, or leave these subjects out."
        )
    try:
        numbers = [(name, int(str(number))) for name, number in pairs]
    except ValueError as error:
        raise DataError(f"{path}: expected a whole number for each label, found {labels}.") from error
    if 0 not in dict(numbers).values():
        numbers.append((BACKGROUND, 0))
    if len(dict(numbers)) < len(numbers):
        raise DataError(f"{path}: expected another name for each label, found {labels}.")
    return dict(numbers)
