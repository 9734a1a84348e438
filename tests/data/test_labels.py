"""What the numbers of a label file mean, against numbers and colours worked out here."""

import json

import nibabel as nib
import numpy as np
import pytest

from guided_attention.data import CHAOS_LABELS, CLASSES, LabelSet, Volume, open_source, read_nifti, write_nifti
from guided_attention.data.digest import volume_digest
from guided_attention.data.labels import PALETTE, name_key
from guided_attention.data.read.described import describe_folder, describe_labels, write_labels
from guided_attention.errors import DataError, SettingsError
from guided_attention.figures import ORGAN_COLOURS

AMOS = (
    "background spleen right_kidney left_kidney gall_bladder esophagus liver stomach aorta postcava pancreas "
    "right_adrenal_gland left_adrenal_gland duodenum bladder prostate_or_uterus"
).split()
PROSTATE = LabelSet(("background", "prostate"))
GAPS = LabelSet(("background", "liver", "kidneys", "spleen"), (0, 1, 5, 300))
AFFINE = np.diag([-1.5, -1.5, 6, 1])


def an_nnunet_folder(folder, values, description, names="ab"):
    """Images and labels of equal values, (column, row, slice), in nnU-Net's folders."""
    values = np.asarray(values)
    for name in names:
        for part, file, array in (
            ("imagesTr", f"{name}_0000.nii.gz", values.astype(np.int16)),
            ("labelsTr", f"{name}.nii.gz", values.astype(np.int16)),
        ):
            (folder / part).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array, AFFINE), folder / part / file)
    if description is not None:
        (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def described(folder, labels, file="dataset.json", **more):
    (folder / file).write_text(json.dumps({"labels": labels, **more}))
    return describe_folder(folder)


def blocks(ids, side=4):
    """One slice of a square per id, beside each other, and a slice of background."""
    row = np.kron(np.asarray(ids), np.ones((side, side), int))
    return np.stack([row.T, np.zeros_like(row.T)], axis=-1)  # (column, row, slice)


class TestNames:
    def test_names_are_the_same_whatever_their_case_order_and_marks(self):
        for name in ("kidney_right", "Right Kidney", "right-kidney", "RightKidney", "kidney.RIGHT"):
            assert name_key(name) == name_key("kidney_right")
            assert CHAOS_LABELS.index(name) == CLASSES.index("kidney_right") == 2
        assert len({name_key(name) for name in ("kidney_right", "kidney_left", "kidney", "kidneys", "kidney 2")}) == 5
        with pytest.raises(SettingsError, match="'pancreas' is unknown; choose one of liver, kidney_right"):
            CHAOS_LABELS.index("pancreas")

    def test_left_and_right_are_found(self):
        assert CHAOS_LABELS.mirrored == (("kidney_right", "kidney_left"),)
        assert LabelSet(tuple(AMOS)).mirrored == (
            ("right_kidney", "left_kidney"), ("right_adrenal_gland", "left_adrenal_gland"),
        )  # fmt: skip
        assert LabelSet(("background", "lung_l", "lung_r", "left_atrium")).mirrored == (("lung_l", "lung_r"),)
        assert GAPS.mirrored == ()

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"names": ("background",)}, "organs"),
            ({"names": ("liver", "spleen")}, "background"),
            ({"names": ("background", "left kidney", "kidney_left")}, "'left kidney' and 'kidney_left'"),
            ({"names": ("background", "mean")}, "mean"),
            ({"names": ("background", "liver"), "ids": (0, 0)}, "another id"),
            ({"names": ("background", "liver"), "ids": (1, 0)}, "id 0"),
            ({"names": ("background", "liver"), "ids": (0, 1, 2)}, "2 ids"),
            ({"names": ("background", "liver"), "ids": (0, -1)}, "from 0 on"),
            ({"names": ("background", *map(str, range(256)))}, "255 organs at most"),
            ({"names": ("background", "liver"), "colours": ("#000000", "orange")}, "#E69F00"),
            ({"names": ("background", "liver"), "mirrored": (("liver", "spleen"),)}, "mirrored"),
        ],
    )
    def test_sets_that_mean_nothing_are_refused(self, wrong, said):
        with pytest.raises(SettingsError, match=said):
            LabelSet(**wrong)


class TestColours:
    def test_known_organs_keep_theirs_in_every_set(self):
        assert dict(zip(CHAOS_LABELS.organs, CHAOS_LABELS.colours[1:], strict=True)) == ORGAN_COLOURS == {
            "liver": "#E69F00", "kidney_right": "#56B4E9", "kidney_left": "#CC79A7", "spleen": "#009E73",
        }  # fmt: skip
        amos = LabelSet(tuple(AMOS))
        assert amos.colours[amos.index("liver")] == "#E69F00"
        assert amos.colours[amos.index("spleen")] == "#009E73"
        assert len(set(amos.colours)) == 16
        assert PROSTATE.colours[1] == PALETTE[0]
        assert not {"#D55E00", "#F0E442"} & set(PALETTE)  # what pictures mark missed and invented pixels with

    def test_readers_without_one_kind_of_cone_tell_them_apart(self):
        """Viénot, Brettel and Mollon's projections (1999), not the model that the palette was made with."""
        to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
        lost = {
            "none": np.eye(3),
            "red": np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),
            "green": np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),
        }
        rgb = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in PALETTE[:15]]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        for kind, projection in lost.items():
            seen = np.clip(linear @ (np.linalg.inv(to_lms) @ projection @ to_lms).T, 0, 1)
            lab = _cielab(seen)
            apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(15, 1)]
            assert apart.min() > 8, (kind, apart.min())  # 2.3 can just be seen


def _cielab(linear):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / to_xyz.sum(1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)


class TestDescriptions:
    def test_nothing_said_is_chaos(self, tmp_path):
        assert describe_folder(tmp_path).label_set is CHAOS_LABELS

    def test_both_versions_of_nnunet(self, tmp_path):
        names = {"background": 0, "liver": 1, "kidneys": 5, "spleen": 300}
        second = described(tmp_path, names, channel_names={"1": "T2", "0": "T1"}, file_ending=".nii.gz")
        assert (second.label_set, second.channels) == (GAPS, ("T1", "T2"))
        first = described(tmp_path, {str(i): name for name, i in names.items()}, modality={"0": "MRI"})
        assert (first.label_set, first.channels) == (GAPS, ("MRI",))

    def test_numbers_written_as_text_a_missing_background_and_a_mark_of_windows(self, tmp_path):
        text = json.dumps({"labels": {"spleen": "2", "liver": 1}})
        (tmp_path / "dataset.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert describe_folder(tmp_path).label_set == LabelSet(("background", "liver", "spleen"))

    def test_the_five_of_chaos_are_in_its_order_whatever_their_numbers_and_spelling(self, tmp_path):
        labels = {"background": 0, "spleen": 1, "right kidney": 2, "Left_Kidney": 3, "liver": 4}
        found = described(tmp_path, labels).label_set
        assert (found.names, found.ids) == (CLASSES, (0, 4, 2, 3, 1))
        assert found.colours == CHAOS_LABELS.colours

    def test_labels_json_has_the_word_and_chooses_colours_and_pairs(self, tmp_path):
        described(tmp_path, {"background": 0, "a": 1, "b": 2}, channel_names={"0": "CT"})
        labels = {"background": 0, "ovary one": 1, "ovary two": 2}
        pairs = [["ovary one", "ovary two"]]
        more = {"colours": {"ovary_one": "#123456"}, "mirrored": pairs}
        found = described(tmp_path, labels, "labels.json", **more)
        assert found.label_set.names == ("background", "ovary one", "ovary two")
        assert found.label_set.colours[1] == "#123456"
        assert found.label_set.mirrored == (tuple(pairs[0]),)
        assert found.channels == ("CT",)
        assert [path.name for path in found.files] == ["labels.json", "dataset.json"]

    def test_what_is_written_is_read(self, tmp_path):
        odd = LabelSet(("background", "liver", "b"), (0, 7, 9), ("#000000", "#112233", "#445566"), (("liver", "b"),))
        for number, label_set in enumerate((GAPS, odd, CHAOS_LABELS, LabelSet(CLASSES, (0, 4, 2, 3, 1)))):
            write_labels(label_set, tmp_path / str(number))
            found = describe_folder(tmp_path / str(number)).label_set
            assert (found, found.colours[1:], found.mirrored) == (label_set, label_set.colours[1:], label_set.mirrored)

    def test_a_folder_does_not_say_two_things(self, tmp_path):
        described(tmp_path, dict(zip(GAPS.names, GAPS.ids, strict=True)))
        assert write_labels(GAPS, tmp_path) == tmp_path / "dataset.json"
        with pytest.raises(SettingsError, match=r"dataset\.json says .* 5 kidneys, 300 spleen; these hold 1 prostate"):
            write_labels(PROSTATE, tmp_path)
        assert not (tmp_path / "labels.json").exists()

    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            ({"background": 0, "whole": [1, 2], "core": 2}, r"whole are regions.*labels\.json"),
            ({"background": 0, "liver": 1, "ignore": 2}, "label 'ignore'"),
            ({"background": 0, "liver": "one"}, "whole number"),
            ({"background": 0, "liver": 1.5}, "whole number"),
            ({"background": 0, "liver": 1, "spleen": 1}, "another id"),
            ({"0": "background", "1": "liver", "2": "liver"}, "another name"),
            ({"0": "background", "1": 3}, "names and whole numbers"),
            ({"liver": 0, "spleen": 1}, "background"),
            ({"background": 0}, "organs"),
            ({}, "expected \"labels\""),
            (["background", "liver"], "expected \"labels\""),
        ],
    )  # fmt: skip
    def test_what_cannot_be_followed_is_refused_with_the_file(self, tmp_path, labels, said):
        with pytest.raises(DataError, match=rf"(?s)dataset\.json: .*{said}"):
            described(tmp_path, labels)

    @pytest.mark.parametrize(
        ("text", "said"), [("{", "JSON"), ("[]", "object"), ('{"labels": {"liver": 1, "liver": 2}}', "liver twice")]
    )
    def test_files_that_are_no_description(self, tmp_path, text, said):
        (tmp_path / "labels.json").write_text(text)
        with pytest.raises(DataError, match=rf"labels\.json: .*{said}"):
            describe_folder(tmp_path)

    def test_a_label_file_finds_its_names_beside_it_or_above_labels_tr(self, tmp_path):
        described(tmp_path, {"background": 0, "prostate": 1})
        assert describe_labels(tmp_path / "a_label.nii.gz").label_set == PROSTATE
        assert describe_labels(tmp_path / "labelsTr" / "a.nii.gz").label_set == PROSTATE
        assert describe_labels(tmp_path / "elsewhere" / "a.nii.gz").label_set == CHAOS_LABELS


class TestVolumes:
    def test_ids_with_gaps_become_classes_and_ids_again(self, tmp_path):
        labels = dict(zip(GAPS.names, GAPS.ids, strict=True))
        source = open_source(an_nnunet_folder(tmp_path, blocks([[5, 300, 1]]), {"labels": labels}))
        volume = source.read("a")
        assert volume.label_set == source.label_set == GAPS
        assert [int(volume.labels[0, 1, column]) for column in (1, 5, 9)] == [2, 3, 1]
        path = write_nifti(volume, tmp_path / "p.nii.gz", like=tmp_path / "imagesTr" / "a_0000.nii.gz")
        written, original = nib.load(path), nib.load(tmp_path / "labelsTr" / "a.nii.gz")
        np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(original.dataobj))
        assert written.get_data_dtype() == np.uint16
        np.testing.assert_array_equal(read_nifti(path, path, GAPS).labels, volume.labels)

    def test_numbers_that_mean_something_else_are_never_taken_over(self, tmp_path):
        labels = {"background": 0, "spleen": 1, "right_kidney": 2, "left_kidney": 3, "liver": 4}
        folder = an_nnunet_folder(tmp_path, blocks([[4, 1, 0]]), {"labels": labels})
        for volume in (
            open_source(folder).read("a"),
            read_nifti(folder / "imagesTr" / "a_0000.nii.gz", folder / "labelsTr" / "a.nii.gz"),
        ):
            assert np.bincount(volume.labels.ravel(), minlength=5).tolist() == [64, 16, 0, 0, 16]

    def test_an_id_that_nobody_named_is_an_error(self, tmp_path):
        folder = an_nnunet_folder(tmp_path, blocks([[1, 2]]), {"labels": {"background": 0, "prostate": 1}})
        with pytest.raises(DataError, match=r"0 background, 1 prostate; found 2 as well \(a labels\.json"):
            open_source(folder).read("a")

    def test_the_description_is_read_and_so_not_ignored(self, tmp_path):
        source = open_source(an_nnunet_folder(tmp_path, blocks([[1]]), {"labels": {"background": 0, "prostate": 1}}))
        assert source.described == tmp_path / "dataset.json"
        assert not source.check(inputs=None).ignored
        report = source.check(inputs=None)
        assert report.ok
        assert report.fingerprints["a"].voxels == (16, 16)

    def test_labels_are_classes_of_the_set(self):
        image, two = np.zeros((1, 2, 2), np.float32), np.full((1, 2, 2), 2, np.uint8)
        with pytest.raises(DataError, match=r"classes 0 to 1 \(1 prostate\), found 2"):
            Volume(image, two, (1, 1, 1), "a", label_set=PROSTATE)

    def test_sets_are_matched_by_name(self):
        image, labels = np.zeros((1, 1, 4), np.float32), np.array([[[0, 1, 2, 3]]], np.uint8)
        volume = Volume(image, labels, (1, 1, 1), "a", label_set=GAPS)  # liver, kidneys, spleen
        assert volume.in_set(CHAOS_LABELS).labels.tolist() == [[[0, 1, 0, 4]]]
        assert GAPS.common(CHAOS_LABELS) == LabelSet(("background", "liver", "spleen"), (0, 1, 300))
        with pytest.raises(DataError, match="found liver, kidneys, spleen and prostate: none is in both"):
            GAPS.common(PROSTATE)

    def test_other_names_are_other_data(self):
        image, labels = np.zeros((1, 1, 2), np.float32), np.array([[[0, 1]]], np.uint8)
        digests = [
            volume_digest(Volume(image, labels, (1, 1, 1), "a", label_set=LabelSet(names)))
            for names in (CLASSES, ("background", "liver"), ("background", "spleen"))
        ]
        assert len(set(digests)) == 3
        assert digests[0] == volume_digest(Volume(image, labels, (1, 1, 1), "a"))
