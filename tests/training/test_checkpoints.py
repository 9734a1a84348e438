"""A run is not lost and weights are not believed: divergence, damage, and what is said of both."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from guided_attention.cli.main import main
from guided_attention.data import InputSettings, LabelSet
from guided_attention.data.volume import CLASSES
from guided_attention.errors import CheckpointError, DamagedError, NotFiniteError
from guided_attention.evaluation.predict import predict_volume
from guided_attention.files import digest
from guided_attention.models import SegmentationOutput, build_model
from guided_attention.models.stored import pretrained
from guided_attention.models.stored.pretrained import load_pretrained
from guided_attention.models.stored.tensors import as_bytes, weights_of
from guided_attention.models.stored.weights import ModelSpec, load_network, save_network
from guided_attention.paths import weights_folder
from guided_attention.training import checkpoints
from guided_attention.training.devices import Where
from guided_attention.training.loop import fit
from guided_attention.training.settings import FitSettings
from small_volumes import small_volume

SETTINGS = FitSettings(epochs=4, batch_size=3, inputs=InputSettings(32, "crop"), augmentation=None)  # 4 steps an epoch
TRAIN, VALIDATION = [small_volume("a", 1), small_volume("b", 2)], [small_volume("c", 3)]
STEPS = 4
FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "digests.json")


def network(seed=0):
    """A few hundred weights, batch norm (buffers) among them."""
    torch.manual_seed(seed)
    layers = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Conv2d(4, 5, 1)
    return Wrapped(*layers)


class Wrapped(torch.nn.Sequential):
    def forward(self, x):
        return SegmentationOutput(super().forward(x))


def train(folder, model=None, settings=SETTINGS):
    return fit(model or network(), TRAIN, VALIDATION, settings, folder, where=Where("cpu"), progress=False)


def poisoned(step, value=float("nan")):
    """A network whose gradient is spoilt in one step, counted from 1."""
    model, count = network(), [0]

    def spoil(gradient):
        count[0] += 1
        return gradient * value if count[0] == step else gradient

    model[3].weight.register_hook(spoil)
    return model


def stopped(folder, epochs, monkeypatch, dices=None, settings=SETTINGS):
    """A run that was interrupted after some epochs; ``dices`` are its validation scores, one more than epochs."""
    with monkeypatch.context() as patch:
        if dices is not None:
            scores = iter(dices)
            patch.setattr("guided_attention.training.loop.validate", lambda *_: {"mean": next(scores)})

        def save(place, epoch, *rest):
            if epoch > epochs:
                raise KeyboardInterrupt
            return checkpoints.save_checkpoint(place, epoch, *rest)

        patch.setattr("guided_attention.training.kept.save_checkpoint", save)
        with pytest.raises(KeyboardInterrupt):
            train(folder, settings=settings)


def flip(path, share=0.7):
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x40
    path.write_bytes(content)


def finite(folder):
    tensors = [*load_file(folder / FILES[0]).values(), *load_file(folder / FILES[1]).values()]
    return all(torch.isfinite(value.float()).all() for value in tensors)


class TestDivergence:
    def test_in_the_last_step_of_an_epoch_nothing_of_it_is_kept(self, tmp_path):
        """The mean loss of that epoch is finite; its weights are not."""
        with pytest.raises(NotFiniteError, match=r"3\.weight became NaN or infinite in epoch 2; lower learning_rate"):
            train(tmp_path, poisoned(2 * STEPS))
        kept = sorted(path.name for path in (tmp_path / "checkpoints").glob("epoch-*"))
        assert kept == ["epoch-0000", "epoch-0001"]
        assert finite(tmp_path / "checkpoints" / "epoch-0001")

    def test_the_same_command_goes_on_from_the_last_sound_epoch(self, tmp_path):
        """A gradient that was spoilt once (a fault of the machine) leaves no trace."""
        whole, again = network(), network(seed=9)
        train(tmp_path / "whole", whole)
        with pytest.raises(NotFiniteError):
            train(tmp_path / "run", poisoned(3 * STEPS))
        assert train(tmp_path / "run", again).resumed_from == 2
        assert all(torch.equal(again.state_dict()[n], v) for n, v in whole.state_dict().items())
        assert not (tmp_path / "run" / "checkpoints" / "diverged.json").exists()

    def test_the_advice_can_be_followed_and_is_told(self, tmp_path):
        with pytest.raises(NotFiniteError, match=r"the run goes on from epoch 2, the last one whose weights are sound"):
            train(tmp_path, poisoned(2 * STEPS + 2))
        slower = replace(SETTINGS, learning_rate=1e-4)
        result = train(tmp_path, settings=slower)
        assert result.resumed_from == 2
        assert result.changed == [{"epoch": 3, "learning_rate": [1e-3, 1e-4]}]
        assert [entry["learning_rate"] for entry in result.history] == [1e-3, 1e-3, 1e-4, 1e-4]
        assert train(tmp_path, settings=slower).changed == result.changed  # it is not forgotten
        with pytest.raises(CheckpointError, match=r"learning_rate was 0\.0001, is 0\.001"):
            train(tmp_path)

    def test_precision_may_change_and_nothing_else(self, tmp_path):
        mixed = replace(SETTINGS, precision="bf16-mixed")
        with pytest.raises(NotFiniteError, match="or use precision='32-true'"):
            train(tmp_path, poisoned(STEPS + 1), mixed)
        with pytest.raises(CheckpointError, match="weight_decay was"):
            train(tmp_path, settings=replace(SETTINGS, weight_decay=0.1))
        assert train(tmp_path).changed == [{"epoch": 2, "precision": ["bf16-mixed", "32-true"]}]

    def test_without_divergence_no_setting_may_change(self, tmp_path, monkeypatch):
        stopped(tmp_path, 2, monkeypatch)
        with pytest.raises(CheckpointError, match="other settings: learning_rate was"):
            train(tmp_path, settings=replace(SETTINGS, learning_rate=1e-4))

    def test_a_mark_from_before_the_last_checkpoint_is_void(self, tmp_path, monkeypatch):
        """Killed between the checkpoint and the removal of the mark."""
        stopped(tmp_path, 2, monkeypatch)
        (tmp_path / "checkpoints" / "diverged.json").write_text('{"epoch": 2, "what": "the loss became nan"}')
        with pytest.raises(CheckpointError, match="other settings"):
            train(tmp_path, settings=replace(SETTINGS, learning_rate=1e-4))

    def test_moments_that_overflow_count_too(self, tmp_path):
        """The square of a huge gradient is infinite, and the weight it belongs to then stands still, finite."""
        with pytest.raises(NotFiniteError, match=r"optimizer\.\d+\.exp_avg_sq became NaN or infinite in epoch 1"):
            train(tmp_path, poisoned(STEPS, 1e30))

    def test_buffers_count_too(self, tmp_path):
        model, count = network(), [0]

        def spoil(gradient):  # the last one that is computed in a step
            count[0] += 1
            if count[0] == STEPS:
                model[1].running_var[0] = float("inf")

        model[0].weight.register_hook(spoil)
        with pytest.raises(NotFiniteError, match=r"1\.running_var became NaN or infinite in epoch 1"):
            train(tmp_path, model)

    def test_logits_count_too(self, tmp_path):
        """Finite weights whose products are not."""
        model = network()
        model[3].register_forward_hook(lambda module, given, out: out if module.training else out * float("inf"))
        with pytest.raises(NotFiniteError, match=r"validation failed \(subject 'c'.*in epoch 1; lower"):
            train(tmp_path, model)

    @pytest.mark.parametrize("place", ["weights", "buffers", "optimiser"])
    def test_nothing_that_is_not_finite_is_written(self, tmp_path, place):
        model = network()
        optimizer = torch.optim.Adam(model.parameters())
        model(torch.rand(1, 1, 8, 8)).logits.sum().backward()
        optimizer.step()
        values = {
            "weights": model[0].weight.data,
            "buffers": model[1].running_mean,
            "optimiser": optimizer.state[model[0].weight]["exp_avg"],
        }
        values[place].view(-1)[0] = float("nan")
        with pytest.raises(NotFiniteError, match="NaN or infinity in"):
            checkpoints.save_checkpoint(tmp_path, 1, model, optimizer, {"history": []})
        assert not list(tmp_path.iterdir())


class TestDamage:
    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("spoil", [flip, lambda p: p.write_bytes(p.read_bytes()[:-30])], ids=["flipped", "cut"])
    def test_of_the_last_checkpoint_is_named_and_the_advice_works(self, tmp_path, monkeypatch, name, spoil):
        stopped(tmp_path, 3, monkeypatch)
        last = tmp_path / "checkpoints" / "epoch-0003"
        spoil(last / name)
        with pytest.raises(DamagedError, match=rf"epoch-0003/.*Delete the folder {last} .* goes on from epoch 2"):
            train(tmp_path)
        shutil.rmtree(last)
        assert train(tmp_path).resumed_from == 2

    @pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
    @pytest.mark.parametrize("name", FILES)
    def test_anywhere_in_a_file(self, tmp_path, name, share):
        model = network()
        path = checkpoints.save_checkpoint(tmp_path, 1, model, torch.optim.Adam(model.parameters()), {"history": []})
        flip(path / name, share)
        with pytest.raises(CheckpointError, match=str(path)):
            checkpoints.load_checkpoint(path, network(1), torch.optim.Adam(model.parameters()))

    @pytest.mark.parametrize("names", [FILES[:1], FILES[1:2], FILES[2:3], FILES])
    def test_files_of_another_epoch(self, tmp_path, monkeypatch, names):
        stopped(tmp_path, 3, monkeypatch)
        folder = tmp_path / "checkpoints"
        for name in names:
            shutil.copy(folder / "epoch-0002" / name, folder / "epoch-0003" / name)
        with pytest.raises(DamagedError, match="epoch-0003"):
            train(tmp_path)

    def test_without_digests_number_types_and_finiteness_are_still_checked(self, tmp_path, monkeypatch):
        """As older versions wrote them; a checkpoint of theirs that is sound goes on."""
        stopped(tmp_path, 2, monkeypatch)
        last = tmp_path / "checkpoints" / "epoch-0002"
        (last / "digests.json").unlink()
        for name in FILES[:2]:
            whole = (last / name).read_bytes()
            tensors = load_file(last / name)
            key = next(k for k, v in tensors.items() if v.is_floating_point() and v.numel() > 1)
            for wrong in tensors[key].view(torch.int32), torch.full_like(tensors[key], float("nan")):
                save_file({**tensors, key: wrong}, last / name)
                with pytest.raises(DamagedError, match=rf"{name}: .*(int32|NaN)"):
                    train(tmp_path)
            (last / name).write_bytes(whole)
        assert train(tmp_path).resumed_from == 2

    @pytest.mark.parametrize("spoil", [lambda p: flip(p / "model.safetensors"), shutil.rmtree], ids=["flipped", "gone"])
    def test_of_the_best_checkpoint_is_said_at_once_and_another_takes_its_place(
        self, tmp_path, monkeypatch, caplog, spoil
    ):
        """Epoch 1 was best, 3 is the better of those that are left; what follows is measured against it."""
        five = replace(SETTINGS, epochs=5)
        stopped(tmp_path, 4, monkeypatch, [0.9, 0.5, 0.6, 0.4, 0.7], five)
        assert {p.name for p in (tmp_path / "checkpoints").glob("epoch-*")} == {
            "epoch-0001",
            "epoch-0003",
            "epoch-0004",
        }
        spoil(tmp_path / "checkpoints" / "epoch-0001")
        monkeypatch.setattr("guided_attention.training.loop.validate", lambda *_: {"mean": 0.55})
        with caplog.at_level(logging.WARNING):
            result = train(tmp_path, settings=five)
        assert "epoch-0001" in caplog.text
        assert "The best epoch so far, 1 (validation Dice 0.900), is lost" in caplog.text
        assert "epoch 3 (0.600), takes its place" in caplog.text
        assert (result.best_epoch, result.best_dice) == (3, 0.6)
        assert [entry.get("lost") for entry in result.history] == [1, None, None, None, None]

    def test_a_lost_best_epoch_stays_lost(self, tmp_path, monkeypatch, caplog):
        stopped(tmp_path, 2, monkeypatch, [0.9, 0.5, 0.7])
        flip(tmp_path / "checkpoints" / "epoch-0001" / "model.safetensors")
        monkeypatch.setattr("guided_attention.training.loop.validate", lambda *_: {"mean": 0.55})
        train(tmp_path)
        caplog.clear()
        assert train(tmp_path).best_epoch == 3
        assert not caplog.text

    def test_of_all_checkpoints_is_an_error(self, tmp_path, monkeypatch):
        train(tmp_path)
        for path in (tmp_path / "checkpoints").glob("epoch-*"):
            flip(path / "model.safetensors")
        with pytest.raises(DamagedError, match="Delete the folder"):
            train(tmp_path)


SPEC = ModelSpec("unet", {"channels": 4}, InputSettings(32))


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    save_network(tmp_path / "run" / "model.safetensors", build_model("unet", channels=4), SPEC)
    return tmp_path / "run"


class TestNetworks:
    @pytest.mark.parametrize("digests", [True, False], ids=["digest", "old"])
    def test_one_nan_weight_predicts_nothing(self, saved, tmp_path, capsys, digests):
        weights = load_file(saved / "model.safetensors")
        next(v for v in weights.values() if v.ndim == 4).view(-1)[0] = float("nan")
        save_file(weights, saved / "model.safetensors")
        described = json.loads((saved / "model.json").read_text())
        content = (saved / "model.safetensors").read_bytes()
        described["digest"] = digest(content) if digests else None
        (saved / "model.json").write_text(json.dumps(described))
        nib.save(
            nib.Nifti1Image(np.random.default_rng(0).random((32, 32, 3), np.float32), np.eye(4)), tmp_path / "x.nii"
        )
        with pytest.raises(SystemExit):
            main(["predict", str(saved), str(tmp_path / "x.nii"), "--out", str(tmp_path / "out")])
        assert "model.safetensors: expected finite numbers, found NaN" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_logits_that_are_not_finite_name_the_volume(self):
        model = build_model("unet", channels=4)
        with torch.no_grad():
            next(p for p in model.parameters() if p.ndim == 4).fill_(float("inf"))
        with pytest.raises(
            NotFiniteError, match=r"subject 'c': the network gives NaN or infinity for its slices 0 to 3"
        ):
            predict_volume(model, VALIDATION[0], SETTINGS.inputs, batch_size=4)

    def test_a_flipped_bit(self, saved):
        flip(saved / "model.safetensors")
        with pytest.raises(DamagedError, match=r"model\.safetensors: is damaged.*Delete it and make it again"):
            load_network(saved)

    def test_another_order_of_classes(self, saved):
        described = json.loads((saved / "model.json").read_text())
        described["classes"] = [CLASSES[0], *reversed(CLASSES[1:])]
        (saved / "model.json").write_text(json.dumps(described))
        assert load_network(saved)[1].label_set.organs == tuple(reversed(CLASSES[1:]))  # by name, never by number
        described["classes"] = [*reversed(CLASSES)]
        (saved / "model.json").write_text(json.dumps(described))
        with pytest.raises(CheckpointError, match=r"model\.json: not the description .*background, then organs"):
            load_network(saved)

    def test_other_organs_come_back_with_ids_colours_and_pairs(self, saved):
        organs = LabelSet(("background", "a", "b"), (0, 7, 3), ("#000000", "#112233", "#445566"), (("a", "b"),))
        spec = replace(SPEC, label_set=organs)
        save_network(saved / "model.safetensors", spec.build(), spec)
        model, found = load_network(saved)
        assert found == spec
        assert (found.label_set.colours, found.label_set.mirrored) == (organs.colours, organs.mirrored)
        assert model(torch.zeros(1, 1, 32, 32)).logits.shape[1] == 3

    def test_the_description_of_chaos_is_written_as_ever(self, saved):
        described = json.loads((saved / "model.json").read_text())
        assert described["classes"] == [*CLASSES]
        assert sorted(described) == ["classes", "digest", "in_channels", "inputs", "name", "notes", "options"]

    @pytest.mark.parametrize("digests", [True, False], ids=["digest", "old"])
    def test_a_relabelled_number_type(self, saved, digests):
        """Half precision called bfloat16: as many bytes, other numbers."""
        save_network(saved / "model.safetensors", build_model("unet", channels=4), SPEC, half=True)
        assert load_network(saved)[1] == SPEC
        if not digests:
            described = json.loads((saved / "model.json").read_text())
            del described["digest"]
            (saved / "model.json").write_text(json.dumps(described))
            assert load_network(saved)[1] == SPEC  # as older versions wrote it
        content = (saved / "model.safetensors").read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = content[8 : 8 + length].replace(b'"F16"', b'"BF16"')
        header = header[:length] if len(header) == length else header.rstrip()
        changed = len(header).to_bytes(8, "little") + header + content[8 + length :]
        (saved / "model.safetensors").write_bytes(changed)
        with pytest.raises(DamagedError, match="digests differ" if digests else r"found torch\.bfloat16"):
            load_network(saved)

    def test_nothing_that_is_not_finite_is_saved(self, tmp_path):
        model = build_model("unet", channels=4)
        with torch.no_grad():
            next(p for p in model.parameters() if p.ndim == 1)[0] = float("nan")
        for half in False, True:
            with pytest.raises(NotFiniteError):
                save_network(tmp_path / "model.safetensors", model, SPEC, half=half)
        assert not list(tmp_path.iterdir())

    def test_the_digest_is_that_of_the_file(self, saved):
        described = json.loads((saved / "model.json").read_text())
        assert described["digest"] == digest((saved / "model.safetensors").read_bytes())
        assert (saved / "model.safetensors").read_bytes() == as_bytes(weights_of(load_network(saved)[0]))

    def test_weights_of_the_checkout_are_those_that_were_published(self, tmp_path, monkeypatch):
        folder = shutil.copytree(weights_folder(), tmp_path / "weights")
        monkeypatch.setattr(pretrained, "weights_folder", lambda: folder)
        assert load_pretrained("ms-dual")[1].name == "ms-dual"
        flip(folder / "ms-dual.safetensors")
        with pytest.raises(DamagedError, match=r"ms-dual\.safetensors: is damaged"):
            load_pretrained("ms-dual")
