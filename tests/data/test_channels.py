"""Several images of one subject on one grid, as the channels of a network's input."""

from __future__ import annotations

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from data_factory import Scan, edit_dicom, write_scan
from guided_attention.data import Augmentation, InputSettings, SliceDataset, Volume, open_source, read_chaos_subject
from guided_attention.data.augmentation import Draw
from guided_attention.data.digest import volume_digest
from guided_attention.data.oddities import oddities
from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.predict import predict_volume
from guided_attention.models import build_model
from guided_attention.models.stored.weights import ModelSpec, load_network, save_network
from guided_attention.training import FitSettings, fit
from guided_attention.widgets import LiveNetwork, VolumeBrowser
from guided_attention.widgets.shared.inputs import as_slice, grey_values
from guided_attention.widgets.shared.pack import unpack
from small_volumes import small_volume

NAMES = ("T1", "T2")
LABELS = {"background": 0, "liver": 1, "kidney_right": 2, "kidney_left": 3, "spleen": 4}


def two(subject="a", seed=0, **sizes) -> Volume:
    """Organs in both channels, in the second with other greys on another scale."""
    one = small_volume(subject, seed, **sizes)
    second = 1000 - 50 * one.image[:, ::-1]
    return replace(one, image=np.stack([one.image, second]), channel_names=NAMES)


def channel_alone(volume: Volume, index: int) -> Volume:
    return replace(volume, image=volume.image[index].copy(), channel_names=())


def test_a_volume_knows_its_channels():
    volume = two()
    assert (volume.channels, volume.shape) == (2, (6, 32, 32))
    np.testing.assert_array_equal(volume.channel(1), volume.image[1])
    assert small_volume("a").channels == 1
    np.testing.assert_array_equal(small_volume("a").channel(), small_volume("a").image)
    for wrong in ({"image": volume.image[:1]}, {"channel_names": ("T1",)}, {"image": volume.image[:, 0]}):
        with pytest.raises(DataError):
            replace(volume, **wrong)


def test_a_digest_tells_channels_from_slices_and_keeps_its_value_for_one():
    volume = two()
    swapped = replace(volume, image=volume.image[::-1].copy())
    longer = Volume(volume.image.reshape(12, 32, 32), None, volume.spacing, "a")
    assert len({volume_digest(one) for one in (volume, swapped, replace(volume, labels=None), longer)}) == 4
    assert volume_digest(replace(volume, channel_names=())) == volume_digest(volume)
    single = Volume(np.arange(24, dtype=np.float32).reshape(2, 3, 4), None, (5, 1, 1), "a")
    assert volume_digest(single) == "a277b353b5f7d986"  # as before there were channels


@pytest.mark.parametrize("inputs", [InputSettings(40), InputSettings(24), InputSettings(24, "resample", "zscore")])
def test_each_channel_is_prepared_as_if_it_were_alone(inputs):
    volume = two()
    prepared = inputs.prepare(volume)
    assert prepared.image.shape == (2, 6, inputs.size, inputs.size)
    for index in range(2):
        alone = inputs.prepare(channel_alone(volume, index))
        np.testing.assert_allclose(prepared.image[index], alone.image, atol=1e-6)
        np.testing.assert_array_equal(prepared.labels, alone.labels)


def test_slices_have_channels_and_turn_together():
    volume, inputs = two(), InputSettings(32)
    both = SliceDataset([volume], inputs, Augmentation())
    alone = [SliceDataset([channel_alone(volume, index)], inputs, Augmentation()) for index in range(2)]
    for place in range(len(both)):
        image = both[place]["image"]
        assert image.shape == (2, 32, 32)
        torch.testing.assert_close(image, torch.cat([one[place]["image"] for one in alone]))
        assert torch.equal(both[place]["labels"], alone[0][place]["labels"])
    with pytest.raises(DataError, match=r"subject 'b': expected an image of 2 channels, as that of subject 'a'"):
        SliceDataset([volume, small_volume("b")], inputs)


def test_a_slice_of_channels_is_augmented_as_its_channels_are():
    image, labels = torch.rand(2, 16, 16), torch.zeros(16, 16, dtype=torch.uint8)
    turned, _ = Augmentation.apply(image, labels, Draw(angle=20.0, horizontal=True))
    for channel, found in zip(image, turned, strict=True):
        torch.testing.assert_close(found, Augmentation.apply(channel, labels, Draw(20.0, True))[0])


def test_a_blank_channel_is_odd():
    volume = two()
    volume.image[1] = 7
    assert oddities(volume, None) == ["channel 1 of the image is blank: every voxel is 7"]


def test_training_prediction_and_files_of_two_channels(tmp_path):
    volumes = [two(name, seed) for seed, name in enumerate("abc")]
    model = build_model("unet", 2, channels=4)
    settings = FitSettings(epochs=1, batch_size=4, inputs=InputSettings(32))
    assert fit(model, volumes[:2], volumes[2:], settings, progress=False).history[0]["loss"] > 0
    predicted = predict_volume(model, volumes[2], settings.inputs)
    assert predicted.labels.shape == volumes[2].shape
    x = torch.from_numpy(settings.inputs.prepare(volumes[2]).image).transpose(0, 1)
    with torch.no_grad():
        np.testing.assert_array_equal(predicted.labels, model.eval()(x).logits.argmax(1).numpy())
    with pytest.raises(DataError, match=r"expected an image of 2 channels, as the network takes, found 1"):
        predict_volume(model, small_volume("d"), settings.inputs)
    with pytest.raises(DataError, match=r"expected an image of 1 channels.* found 2 \(T1, T2\)"):
        fit(build_model("unet", channels=4), volumes[:2], volumes[2:], settings, progress=False)
    spec = ModelSpec("unet", {"channels": 4}, settings.inputs, in_channels=2, channels=NAMES)
    save_network(tmp_path / "model.safetensors", model, spec)
    again, found = load_network(tmp_path)
    assert (found.in_channels, found.channels) == (2, NAMES)
    np.testing.assert_array_equal(predict_volume(again, volumes[2], found.inputs).labels, predicted.labels)


def test_a_network_refuses_other_channels_and_names_both():
    spec = ModelSpec("unet", {}, InputSettings(), in_channels=2, channels=NAMES)
    assert spec.require_channels(("t1", "T2"), "here") == ""
    assert spec.require_channels(("0000", "0001"), "here") == ""  # nothing says what they are
    for names in (("T1",), ("T2", "T1"), ("T1", "T2", "T3"), ("0000",)):
        with pytest.raises(DataError, match=rf"here: .*2 \(T1, T2\), found {len(names)} \({', '.join(names)}\)"):
            spec.require_channels(names, "here")
    one = ModelSpec("unet", {}, InputSettings(), channels=("T1",))
    assert one.require_channels(("T1",), "here") == one.require_channels(("0000",), "here") == ""
    assert "1 (T1), found 1 (T2)" in one.require_channels(("T2",), "here")
    unnamed = ModelSpec("unet", {}, InputSettings())
    assert unnamed.require_channels(("T1",), "here") == ""
    with pytest.raises(DataError, match=r"1 \(not named\), found 2"):
        unnamed.require_channels(NAMES, "here")


def test_widgets_show_the_first_channels():
    volume = two()
    sent = VolumeBrowser(volume).data
    assert sent["blend"] == "T1 to T2"
    assert len(sent["phases"]) == 2
    assert unpack(VolumeBrowser(channel_alone(volume, 0)).data["phases"][0]).shape == unpack(sent["phases"][0]).shape
    shown = as_slice(volume, index=2)
    assert shown.x.shape == (1, 2, 32, 32)
    np.testing.assert_array_equal(
        grey_values(shown.x[0, 1]), grey_values(as_slice(channel_alone(volume, 1), index=2).x[0, 0])
    )
    with pytest.raises(SettingsError, match="expected a network of one channel"):
        LiveNetwork.from_model(build_model("unet", 2, channels=4), {"a": volume}, InputSettings(32))


class TestBothPhases:
    def test_they_are_two_channels_in_phase_first(self, tmp_path):
        scan = Scan()
        volume = read_chaos_subject(write_scan(tmp_path / "5", scan), phase="both")
        np.testing.assert_array_equal(volume.image, np.stack([scan.images["InPhase"], scan.images["OutPhase"]]))
        np.testing.assert_array_equal(volume.labels, scan.labels)
        assert volume.channel_names == ("T1-DUAL in-phase", "T1-DUAL out-phase")

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"ImagePositionPatient": ["0", "0", "-100"]}, "expected the place and matrix of"),
            ({"PixelSpacing": ["1.6", "1.25"]}, "pixel size and direction of"),
            ({"ImageOrientationPatient": ["1", "0", "0", "0", "0.8", "0.6"]}, "pixel size and direction of"),
        ],
    )
    def test_they_must_share_their_geometry(self, tmp_path, values, said):
        write_scan(tmp_path / "5", Scan())
        for path in (tmp_path / "5/T1DUAL/DICOM_anon/OutPhase").iterdir():
            own = dict(values)
            if "ImagePositionPatient" in own:
                own = {"ImagePositionPatient": [-14.0, -30.0, float(_height(path))]}
            edit_dicom(path, **own)
        with pytest.raises(DataError, match=said):
            read_chaos_subject(tmp_path / "5", phase="both")
        assert read_chaos_subject(tmp_path / "5").channels == 1

    def test_a_source_and_its_sequence_say_so(self, tmp_path):
        for name in "123":
            write_scan(tmp_path / name, Scan(seed=int(name)))
        source = open_source(tmp_path, phase="both")
        assert (source.name, len(source.channels)) == ("chaos-t1dual-both", 2)
        assert source.check().ok
        assert open_source(tmp_path, "T2SPIR", "both").channels == ("T2-SPIR",)


def _height(path):
    import pydicom

    return pydicom.dcmread(path).ImagePositionPatient[2]


class TestNnunet:
    """``_0000``, ``_0001`` ... in imagesTr."""

    AFFINE = np.diag([-1.5, -1.4, 6, 1.0])

    def write(self, root, cases="abc", channels=(0, 1), affine=AFFINE, described=None):
        image = np.random.default_rng(0).integers(0, 900, (9, 8, 4)).astype(np.int16)
        (root / "imagesTr").mkdir(exist_ok=True)
        (root / "labelsTr").mkdir(exist_ok=True)
        for case in cases:
            for number in channels:
                nib.save(nib.Nifti1Image(image + number, affine), root / "imagesTr" / f"{case}_{number:04d}.nii.gz")
            nib.save(nib.Nifti1Image((image % 5).astype(np.uint8), self.AFFINE), root / "labelsTr" / f"{case}.nii.gz")
        if described:
            (root / "dataset.json").write_text(json.dumps({"labels": LABELS, **described}))
        return image.T

    def test_channels_are_gathered_in_the_order_of_their_numbers(self, tmp_path):
        image = self.write(tmp_path)
        source = open_source(tmp_path)
        assert (source.subjects, source.channels) == (("a", "b", "c"), ("0000", "0001"))
        np.testing.assert_array_equal(source.read("b").image, np.stack([image, image + 1]))
        assert source.check().problems == source.check().ignored == ()

    @pytest.mark.parametrize("key", ["channel_names", "modality"])
    def test_their_names_come_from_dataset_json(self, tmp_path, key):
        self.write(tmp_path, described={key: {"0": "T1", "1": "T2"}})
        source = open_source(tmp_path)
        assert source.channels == source.read("a").channel_names == NAMES

    def test_a_subject_that_lacks_a_channel_or_has_one_more_is_an_error(self, tmp_path):
        self.write(tmp_path)
        (tmp_path / "imagesTr/b_0001.nii.gz").unlink()
        (problem,) = open_source(tmp_path).check().problems
        assert (problem.subject, problem.path.name) == ("b", "b_0000.nii.gz")
        assert "expected the channels 0000, 0001 of the data set, found no _0001" in problem.message
        self.write(tmp_path, described={"channel_names": {"0": "T1"}})
        told = {p.subject: p.message for p in open_source(tmp_path).check().problems}
        assert told.keys() == {"a", "b", "c"}
        assert "found _0001 as well" in told["a"]

    def test_channels_of_another_geometry_are_refused(self, tmp_path):
        self.write(tmp_path)
        moved = self.AFFINE.copy()
        moved[0, 3] = 3
        self.write(tmp_path, "b", (1,), moved)
        (problem,) = open_source(tmp_path).check().problems
        assert problem.path.name == "b_0001.nii.gz"
        assert "a corner 3 mm elsewhere" in problem.message

    def test_a_fourth_axis_is_channels_only_where_dataset_json_says_so(self, tmp_path):
        image = self.write(tmp_path, channels=())
        both = nib.Nifti1Image(np.stack([image.T, image.T + 1], -1), self.AFFINE)
        for case in "abc":
            nib.save(both, tmp_path / "imagesTr" / f"{case}.nii.gz")
        assert "if the fourth are channels, say so in dataset.json" in str(open_source(tmp_path).check())
        (tmp_path / "dataset.json").write_text(json.dumps({"labels": LABELS, "modality": {"0": "T1", "1": "T2"}}))
        source = open_source(tmp_path)
        assert source.check().ok
        np.testing.assert_array_equal(source.read("a").image, np.stack([image, image + 1]))
        (tmp_path / "dataset.json").write_text(json.dumps({"labels": LABELS, "modality": {"0": "T1"}}))
        assert not open_source(tmp_path).check().ok
