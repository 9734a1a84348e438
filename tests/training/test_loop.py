"""Training: the loop's protocol, and that nothing can interrupt it for good."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from guided_attention.data import Augmentation, InputSettings
from guided_attention.errors import CheckpointError, NotFiniteError, OutOfTimeError, SettingsError
from guided_attention.experiments.record import record_path
from guided_attention.models import build_model
from guided_attention.models.stored.tensors import load_weights
from guided_attention.models.stored.weights import ModelSpec, load_network, save_network
from guided_attention.training import checkpoints
from guided_attention.training.batches import EpochBatches
from guided_attention.training.changes import Changes, vary
from guided_attention.training.checkpoints import latest_checkpoint
from guided_attention.training.devices import Where
from guided_attention.training.history import FitResult, as_csv
from guided_attention.training.loop import fit
from guided_attention.training.schedule import learning_rate
from guided_attention.training.settings import PRESETS, get_preset
from learning import key_biases
from small_training import LONG, SETTINGS, TRAIN, VALIDATION, network


def family_member(name="ms-dual-guided", seed=0):
    torch.manual_seed(seed)
    options = {"channels": 8, "semantic_widths": (4, 8, 8)} if "guided" in name else {"channels": 8}
    return build_model(name, backbone="resnet18", **options)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same_bits(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


class TestFit:
    def test_learns_and_returns_the_best_epoch(self, tmp_path):
        model = network()
        result = fit(
            model,
            TRAIN,
            VALIDATION,
            replace(SETTINGS, epochs=25, patience=25, learning_rate=1e-2, augmentation=None),
            tmp_path,
            progress=False,
        )
        losses = [entry["loss"] for entry in result.history]
        assert losses[-1] < 0.5 * losses[0]
        dices = [entry["dice"] for entry in result.history]
        assert result.best_dice == max(dices)
        assert result.best_epoch == 1 + int(np.argmax(dices))
        # The model holds the weights of the best epoch, as its checkpoint does.
        kept = network(seed=1)
        checkpoints.load_checkpoint(tmp_path / "checkpoints" / f"epoch-{result.best_epoch:04d}", kept)
        assert_same_bits(weights(model), weights(kept))

    def test_memory_and_disk_give_the_same_weights(self, tmp_path):
        on_disk, in_memory = network(), network()
        fit(on_disk, TRAIN, VALIDATION, SETTINGS, tmp_path, progress=False)
        fit(in_memory, TRAIN, VALIDATION, SETTINGS, progress=False)
        assert_same_bits(weights(in_memory), weights(on_disk))

    def test_slices_in_a_file_do_not_change_the_weights(self, tmp_path, monkeypatch):
        """Nor does it matter whether the volumes lie in memory, or each is made when it is asked for."""

        class Volumes:
            def __len__(self):
                return len(TRAIN)

            def __iter__(self):
                return (replace(volume, image=volume.image.copy()) for volume in TRAIN)

        alone, mapped = network(), network()
        chosen = replace(SETTINGS, epochs=2, augmentation=Augmentation())
        fit(alone, TRAIN, VALIDATION, chosen, progress=False)
        monkeypatch.setattr("guided_attention.data.slices._memory", lambda: 1000)
        fit(mapped, Volumes(), VALIDATION, chosen, tmp_path, progress=False)
        assert_same_bits(weights(mapped), weights(alone))

    def test_a_run_that_an_older_version_began_goes_on(self, tmp_path):
        """Its settings also name the processes that prepared slices, on which nothing depended."""
        fit(network(), TRAIN, VALIDATION, replace(SETTINGS, epochs=1), tmp_path, progress=False)
        state = tmp_path / "checkpoints" / "epoch-0001" / "state.json"
        old = json.loads(state.read_text())
        old["settings"] |= {"epochs": 2, "workers": 4}
        state.write_text(json.dumps(old))
        (state.parent / "digests.json").unlink()
        result = fit(network(), TRAIN, VALIDATION, replace(SETTINGS, epochs=2), tmp_path, progress=False)
        assert (result.resumed_from, len(result.history)) == (1, 2)

    def test_mixed_precision_learns_like_single(self):
        losses = []
        for precision in ("32-true", "bf16-mixed"):
            chosen = replace(SETTINGS, precision=precision)
            losses.append([e["loss"] for e in fit(network(), TRAIN, VALIDATION, chosen, progress=False).history])
        assert losses[1][-1] < losses[1][0]
        np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)
        assert losses[1] != losses[0]

    def test_the_random_state_of_the_caller_is_left_alone(self):
        model, before = network(), torch.get_rng_state()
        fit(model, TRAIN, VALIDATION, replace(SETTINGS, epochs=1), progress=False)
        assert torch.equal(torch.get_rng_state(), before)

    def test_attention_learns(self):
        """Lambda leaves zero, and then the queries get gradients."""
        model = network()
        start = weights(model)
        fit(model, TRAIN, VALIDATION, replace(SETTINGS, epochs=3), progress=False)
        moved = {name: value for name, value in weights(model).items() if name.endswith(".lam")}
        assert moved
        assert all(value.abs() > 1e-4 for value in moved.values())
        queries = [name for name in start if name.endswith("query.weight")]
        assert queries
        assert all(not torch.equal(weights(model)[name], start[name]) for name in queries)

    def test_learning_rate_is_halved_after_patience_epochs_without_better(self, tmp_path, monkeypatch):
        """Best at epoch 2 and patience 3: epochs 6, 9 train with half and a quarter of the rate."""
        dices = iter([0.1, 0.5] + [0.4] * 9)
        monkeypatch.setattr("guided_attention.training.loop.validate", lambda *_: {"mean": next(dices)})
        chosen = replace(SETTINGS, epochs=10, patience=3, learning_rate=0.008)
        result = fit(network(), TRAIN[:1], VALIDATION, chosen, tmp_path, progress=False)
        rates = [entry["learning_rate"] for entry in result.history]
        assert rates == [0.008] * 5 + [0.004] * 3 + [0.002] * 2

    def test_trains_the_whole_guided_network(self, monkeypatch):
        """All terms of eq. 11 fall, and every parameter moves that can learn."""
        dices = iter([0.1, 0.2, 0.3, 0.4])  # the last epoch is the best, so that its weights come back
        monkeypatch.setattr("guided_attention.training.loop.validate", lambda *_: {"mean": next(dices)})
        model = family_member()
        start = weights(model)
        result = fit(model, TRAIN, VALIDATION, replace(SETTINGS, epochs=4, patience=9), progress=False)
        for term in ("loss", "segmentation", "guided", "reconstruction"):
            assert result.history[-1][term] < result.history[0][term], term
        assert result.best_epoch == 4
        assert {n for n, p in model.named_parameters() if torch.equal(p, start[n])} <= key_biases(model)

    def test_writes_a_history_that_a_spreadsheet_reads(self, tmp_path):
        fit(network(), TRAIN, VALIDATION, replace(SETTINGS, epochs=2), tmp_path, progress=False)
        rows = (tmp_path / "history.csv").read_text().splitlines()
        assert rows[0].startswith("epoch,learning_rate,loss,segmentation,guided,reconstruction,dice")
        assert len(rows) == 3
        assert any((tmp_path / "tensorboard").iterdir())

    def test_keeps_only_the_best_and_the_last_checkpoint(self, tmp_path):
        result = fit(network(), TRAIN, VALIDATION, SETTINGS, tmp_path, progress=False)
        kept = {p.name for p in (tmp_path / "checkpoints").iterdir()}
        assert kept == {f"epoch-{result.best_epoch:04d}", f"epoch-{SETTINGS.epochs:04d}"}

    def test_a_loss_that_is_no_number_is_an_error(self, tmp_path):
        model = network()
        model.heads[0].weight.register_hook(lambda gradient: gradient * float("nan"))
        with pytest.raises(NotFiniteError, match=r"loss became nan in epoch 1; lower learning_rate \(now 0.001\)"):
            fit(model, TRAIN, VALIDATION, SETTINGS, tmp_path, progress=False)
        with pytest.raises(SettingsError, match=r"finite weights to start from, found NaN or infinity in"):
            fit(model, TRAIN, VALIDATION, SETTINGS, progress=False)

    def test_needs_volumes_with_labels(self):
        with pytest.raises(SettingsError, match="train needs one or more volumes"):
            fit(network(), [], VALIDATION, SETTINGS, progress=False)
        with pytest.raises(SettingsError, match="validation needs"):
            fit(network(), TRAIN, [VALIDATION[0].with_labels(None)], SETTINGS, progress=False)

    def test_needs_a_network_of_as_many_classes_as_the_volumes_have(self):
        few = build_model("unet", channels=4, num_classes=3)
        with pytest.raises(SettingsError, match=r"of 5 classes, background and liver.*; found one of 3\. Build"):
            fit(few, TRAIN, VALIDATION, SETTINGS, progress=False)


class TestResume:
    def test_goes_on_where_it_stopped(self, tmp_path):
        """Stopped by an error in epoch 3, it gives the weights of an uninterrupted run."""
        whole = network()
        expected = fit(whole, TRAIN, VALIDATION, SETTINGS, tmp_path / "whole", progress=False)

        def stop_in_epoch_3(folder, epoch, *rest):
            if epoch == 3:
                raise KeyboardInterrupt
            return checkpoints.save_checkpoint(folder, epoch, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("guided_attention.training.kept.save_checkpoint", stop_in_epoch_3)
            with pytest.raises(KeyboardInterrupt):
                fit(network(), TRAIN, VALIDATION, SETTINGS, tmp_path / "cut", progress=False)
        assert latest_checkpoint(tmp_path / "cut" / "checkpoints").name == "epoch-0002"
        resumed = network(seed=99)  # its own weights must not matter
        result = fit(resumed, TRAIN, VALIDATION, SETTINGS, tmp_path / "cut", progress=False)
        assert result.resumed_from == 2
        assert_same_bits(weights(resumed), weights(whole))
        timeless = [[{k: v for k, v in e.items() if k != "seconds"} for e in r.history] for r in (result, expected)]
        assert timeless[0] == timeless[1]

    def test_when_the_time_is_over_it_stops_with_a_checkpoint_and_goes_on(self, tmp_path):
        """One epoch for each call whose time is over already; in the end the weights of an uninterrupted run."""
        whole, resumed = network(), network()
        fit(whole, TRAIN, VALIDATION, SETTINGS, progress=False)
        for done in range(1, SETTINGS.epochs):
            with pytest.raises(OutOfTimeError, match=f"stopped after epoch {done} of {SETTINGS.epochs}"):
                fit(resumed, TRAIN, VALIDATION, SETTINGS, tmp_path, where=Where(until=0.0), progress=False)
            assert latest_checkpoint(tmp_path / "checkpoints").name == f"epoch-{done:04d}"
        fit(resumed, TRAIN, VALIDATION, SETTINGS, tmp_path, where=Where(until=0.0), progress=False)
        assert_same_bits(weights(resumed), weights(whole))
        with pytest.raises(SettingsError, match="until needs out_dir"):
            fit(resumed, TRAIN, VALIDATION, SETTINGS, where=Where(until=0.0), progress=False)

    def test_a_half_written_checkpoint_is_no_checkpoint(self, tmp_path):
        folder = tmp_path / "checkpoints"
        fit(network(), TRAIN, VALIDATION, replace(SETTINGS, epochs=1), tmp_path, progress=False)
        half = folder / ".epoch-0002.part"
        half.mkdir()
        (half / "model.safetensors").write_bytes(b"half")
        assert latest_checkpoint(folder).name == "epoch-0001"
        with pytest.raises(CheckpointError, match="epochs was 1, is 2"):
            fit(network(), TRAIN, VALIDATION, replace(SETTINGS, epochs=2), tmp_path, progress=False)

    def test_a_half_deleted_checkpoint_is_no_checkpoint(self, tmp_path, monkeypatch):
        """Killed while it deletes epoch 1, the run must not take what is left of it for whole; the next tidies up."""
        folder = tmp_path / "checkpoints"
        model = network()
        for epoch in (1, 2):
            checkpoints.save_checkpoint(folder, epoch, model, torch.optim.Adam(model.parameters()), {"history": []})

        def killed(path, **_):
            if path.exists():
                (path / "model.safetensors").unlink()
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("guided_attention.training.checkpoints.shutil.rmtree", killed)
            with pytest.raises(KeyboardInterrupt):
                checkpoints.prune_checkpoints(folder, {2})
        assert [p.name for p in folder.glob("epoch-*")] == ["epoch-0002"]
        assert len(list(folder.iterdir())) == 2
        checkpoints.prune_checkpoints(folder, {2})
        assert [p.name for p in folder.iterdir()] == ["epoch-0002"]

    def test_a_copy_made_by_hand_is_no_checkpoint(self, tmp_path):
        for name in ("epoch-0009", "epoch-9999", "epoch-10000", "epoch-10001 old", "epoch-99999.bak"):
            (tmp_path / name).mkdir()
        assert latest_checkpoint(tmp_path).name == "epoch-10000"
        checkpoints.prune_checkpoints(tmp_path, {9})
        assert {p.name for p in tmp_path.iterdir()} == {"epoch-0009", "epoch-10001 old", "epoch-99999.bak"}

    def test_killed_after_the_last_checkpoint_the_history_is_completed(self, tmp_path, monkeypatch):
        chosen = replace(SETTINGS, epochs=2)
        with monkeypatch.context() as patch:
            patch.setattr(
                "guided_attention.training.history.as_csv", lambda history: 1 / 0 if len(history) > 1 else "short"
            )
            with pytest.raises(ZeroDivisionError):
                fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False)
        assert (tmp_path / "history.csv").read_text() == "short"
        result = fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False)
        assert result.resumed_from == 2
        assert (tmp_path / "history.csv").read_text() == as_csv(result.history)

    def test_another_origin_is_refused(self, tmp_path):
        """Subjects of two data sets may have the same names; tuples come back from disk as lists, and are the same."""
        chosen, origin = replace(SETTINGS, epochs=1), {"data": "in-phase", "widths": (1, 2)}
        fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False, origin=origin)
        again = fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False, origin=origin)
        assert again.resumed_from == 1
        other = {**origin, "data": "out-of-phase"}
        with pytest.raises(CheckpointError, match="other origin: data was 'in-phase', is 'out-of-phase'"):
            fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False, origin=other)

    def test_other_subjects_are_refused(self, tmp_path):
        chosen = replace(SETTINGS, epochs=1)
        fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False)
        with pytest.raises(CheckpointError, match="other train"):
            fit(network(), TRAIN[:1], VALIDATION, chosen, tmp_path, progress=False)

    def test_another_network_is_refused(self, tmp_path):
        chosen = replace(SETTINGS, epochs=1)
        fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False)
        with pytest.raises(CheckpointError, match="belong to another network"):
            fit(network(channels=12), TRAIN, VALIDATION, chosen, tmp_path, progress=False)

    def test_a_damaged_checkpoint_is_named(self, tmp_path):
        chosen = replace(SETTINGS, epochs=1)
        fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False)
        damaged = tmp_path / "checkpoints" / "epoch-0001" / "model.safetensors"
        damaged.write_bytes(damaged.read_bytes()[:1000])
        with pytest.raises(CheckpointError, match=str(damaged)):
            fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False)
        state = damaged.with_name("state.json")
        damaged.with_name("digests.json").unlink()  # as older versions wrote checkpoints
        for content, missing in ({"epoch": 1}, "history and optimizer"), ([], "epoch and history and optimizer"):
            state.write_text(json.dumps(content))
            with pytest.raises(CheckpointError, match=rf"state\.json: {missing} missing"):
                fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False)


KILLED = textwrap.dedent("""
    import sys
    import torch
    torch.set_num_threads(1)
    sys.path.insert(0, sys.argv[1])
    import small_training as t
    from guided_attention.training import fit
    fit(t.network(), t.TRAIN, t.VALIDATION, t.LONG, sys.argv[2], progress=False)
""")


def test_sigkill_at_any_moment_then_resume_gives_the_same_bits(tmp_path):
    """Two runs are killed at random moments, up to twice each, and finished; all end like one that was left alone."""
    here = str(Path(__file__).parents[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(folder):
        return subprocess.Popen([sys.executable, "-c", KILLED, here, str(folder)], env=environment)

    whole = start(tmp_path / "whole")
    while latest_checkpoint(tmp_path / "whole" / "checkpoints") is None:
        assert whole.poll() is None
        time.sleep(0.01)
    begun = time.monotonic()
    assert whole.wait(timeout=200) == 0
    longest = time.monotonic() - begun
    expected = _final(tmp_path / "whole")
    moments = random.Random(2020)
    for run in range(2):
        folder, kills = tmp_path / str(run), 0
        for _ in range(2):
            process = start(folder)
            # Wait for the first checkpoint, so that the kill hits training and not Python's start.
            while process.poll() is None and latest_checkpoint(folder / "checkpoints") is None:
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.45 * longest))
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert kills > 0, "no kill came in time"
        process = start(folder)
        assert process.wait(timeout=200) == 0
        assert_same_bits(_final(folder), expected)


def _final(folder):
    last = folder / "checkpoints" / f"epoch-{LONG.epochs:04d}"
    model = network(seed=3)
    checkpoints.load_checkpoint(last, model)
    assert json.loads((last / "state.json").read_text())["epoch"] == LONG.epochs
    return weights(model)


class TestBatches:
    def test_every_slice_at_most_once_and_only_whole_batches(self):
        batches = list(EpochBatches(21, 8, seed=0))
        assert [len(batch) for batch in batches] == [8, 8]
        assert len(set(chain.from_iterable(batches))) == 16

    def test_epochs_differ_and_repeat(self):
        batches = EpochBatches(40, 8, seed=0)
        first = list(batches)
        batches.epoch = 1
        assert list(batches) != first
        batches.epoch = 0
        assert list(batches) == first

    def test_processes_share_the_batches_of_one(self):
        alone = list(EpochBatches(40, 8, seed=3))
        parts = [list(EpochBatches(40, 8, seed=3, rank=r, world=2)) for r in range(2)]
        assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == [sorted(batch) for batch in alone]

    def test_a_batch_that_cannot_be_divided_is_refused(self):
        with pytest.raises(SettingsError, match="batch_size=8 cannot be divided among 3 devices"):
            EpochBatches(40, 8, seed=0, world=3)
        with pytest.raises(SettingsError, match="1 slices are too few for 2 devices"):
            EpochBatches(1, 8, seed=0, world=2)


class TestSchedule:
    @given(dices=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=40), patience=st.integers(1, 6))
    @settings(deadline=None)
    def test_plateau_is_torchs_with_one_less_patience(self, dices, patience):
        """Torch counts the bad epochs beyond its patience, the paper the bad epochs."""
        optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
        torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=0.5, patience=patience - 1, threshold=0.0
        )
        for dice in dices:
            torchs.step(dice)
        expected = optimizer.param_groups[0]["lr"]
        if expected > 1e-7:  # torch stops where a step changes less than 1e-8
            assert learning_rate(replace(SETTINGS, patience=patience), dices) == pytest.approx(expected, rel=1e-12)

    def test_best_at_epoch_30_halves_with_epochs_80_and_130(self):
        paper = get_preset("paper").fit
        dices = [0.01 * epoch for epoch in range(1, 31)] + [0.0] * 200
        rates = [learning_rate(paper, dices[:done]) for done in range(200)]
        changes = [done for done in range(1, 200) if rates[done] != rates[done - 1]]
        assert changes == [80, 130, 180]

    def test_cosine_starts_at_the_rate_and_ends_near_zero(self):
        cosine = replace(SETTINGS, schedule="cosine", epochs=10)
        rates = [learning_rate(cosine, [0.5] * done) for done in range(10)]
        assert rates[0] == cosine.learning_rate
        assert rates == sorted(rates, reverse=True)
        assert rates[5] == pytest.approx(cosine.learning_rate / 2)


def _flat(fit):
    """Settings by name, those of the inputs and of the augmentation among them."""
    plain = fit.as_dict()
    return {**plain, **plain.pop("inputs"), **plain.pop("loss"), **(plain["augmentation"] or {})}


class TestSettings:
    def test_presets_are_what_they_say(self):
        paper = get_preset("paper").fit
        assert (paper.epochs, paper.batch_size, paper.learning_rate, paper.betas) == (250, 8, 1e-3, (0.9, 0.99))
        assert (paper.patience, paper.factor, paper.inputs.size) == (50, 0.5, 256)
        assert (paper.loss.alpha, paper.loss.beta, paper.loss.gamma) == (1, 0.25, 0.1)
        assert PRESETS["quick"].fit.inputs.size == 128

    def test_presets_build_every_model(self):
        from guided_attention.models import MODELS

        for name in MODELS:
            assert build_model(name, **PRESETS["quick"].model_options(name)) is not None
        thin = build_model("ms-dual-guided", **PRESETS["widget"].model_options("ms-dual-guided"))
        assert sum(p.numel() for p in thin.parameters()) < 7e6  # 14 MB in half precision

    def test_a_varied_preset_says_so_in_its_name(self):
        quick = get_preset("quick")
        varied = vary(quick, Changes(epochs=3, precision="bf16-mixed", learning_rate=1e-4))
        assert varied.name == "quick-epochs3-bf16-rate0.0001"
        assert varied.fit == replace(quick.fit, epochs=3, precision="bf16-mixed", learning_rate=1e-4)
        assert vary(quick, Changes(epochs=quick.fit.epochs, how="resample")) == quick == vary(quick, Changes())

    @pytest.mark.parametrize(("native", "name"), [(True, "quick-bf16"), (False, "quick")])
    def test_auto_precision_is_what_this_processor_multiplies_fastest_and_named(self, monkeypatch, native, name):
        monkeypatch.setattr("guided_attention.evaluation.precision.multiplies_bfloat16", lambda: native)
        changes = Changes(precision="auto").on("cpu")
        assert changes.precision == ("bf16-mixed" if native else "32-true")
        assert vary(get_preset("quick"), changes).name == name
        assert vary(get_preset("quick"), Changes(precision="float32")) == get_preset("quick")

    def test_every_change_changes_the_settings_and_the_name_of_the_folder(self):
        """So two runs of different settings never meet in one folder; the name is a plain one for every file system."""
        paper = get_preset("paper")
        values = {
            "epochs": 3,
            "batch_size": 2,
            "size": 96,
            "how": "resample",
            "normalisation": "zscore",
            "learning_rate": 1.25e-7,
            "precision": "bf16-mixed",
            "weight_decay": 0.01,
            "schedule": "cosine",
            "patience": 7,
            "factor": 0.1,
            "flips": False,
            "augmentation": False,
            "vary": True,
            "dice": 0.5,
            "average": 0.9,
            "balance": 0.25,
            "warmup": 2,
        }
        assert set(values) == {field.name for field in fields(Changes)}
        varied = [vary(paper, Changes(**{name: value})) for name, value in values.items()]
        assert len({preset.name for preset in varied}) == len(values)
        for (name, value), preset in zip(values.items(), varied, strict=True):
            before, now = _flat(paper.fit), _flat(preset.fit)
            assert before != now, name
            assert now.get(name, value) == value or name == "augmentation"
            assert record_path("results", preset.name, "unet", 0, 0).parts[1] == preset.name
        with pytest.raises(SettingsError, match="vary"):
            vary(paper, Changes(**values))
        everything = vary(paper, Changes(**{**values, "vary": False}))
        assert everything.name == (
            "paper-epochs3-bf16-rate1.25e-07-batch2-size96-resample-zscore-decay0.01-cosine-patience7-factor0.1"
            "-dice0.5-average0.9-balance0.25-warmup2-plain"
        )

    def test_unknown_preset_lists_the_known(self):
        with pytest.raises(SettingsError, match="choose one of 'paper', 'quick', 'standard', 'widget'"):
            get_preset("slow")

    @pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"precision": "64"}])
    def test_settings_that_cannot_work_are_refused(self, wrong):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            replace(SETTINGS, **wrong)


class TestNetworkFiles:
    def spec(self):
        options = {"backbone": "resnet18", "channels": 8, "semantic_widths": (4, 8, 8), "semantic": "shared"}
        return ModelSpec("ms-dual-guided", options, InputSettings(32, "resample", "zscore"))

    def test_round_trip(self, tmp_path):
        """Also where modules are shared between scales, which safetensors stores once."""
        model = self.spec().build().eval()
        save_network(tmp_path / "model.safetensors", model, self.spec())
        loaded, spec = load_network(tmp_path)
        x = torch.randn(2, 1, 32, 32)
        assert torch.equal(loaded(x).logits, model(x).logits)
        assert spec.inputs == self.spec().inputs
        assert not list(tmp_path.glob(".*"))

    def test_weights_laid_out_in_another_way_are_loaded_in_place(self, tmp_path):
        model = family_member("pam")
        save_network(tmp_path / "model.safetensors", model, self.spec())
        other = family_member("pam", seed=1).to(memory_format=torch.channels_last)
        load_weights(other, tmp_path / "model.safetensors")
        assert_same_bits(weights(other), weights(model))

    def test_missing_and_foreign_files_are_named(self, tmp_path):
        with pytest.raises(CheckpointError, match=r"model\.json: no such file"):
            load_network(tmp_path)
        save_network(tmp_path / "model.safetensors", family_member("pam"), self.spec())
        with pytest.raises(CheckpointError, match="another network"):
            load_network(tmp_path)
        (tmp_path / "model.json").write_text("{")
        with pytest.raises(CheckpointError, match="not readable as JSON"):
            load_network(tmp_path)


def test_csv_has_a_column_for_whatever_an_epoch_reports():
    result = FitResult()
    result.add({"epoch": 1, "dice": 0.25})
    result.add({"epoch": 2, "dice": 0.5, "dice_liver": 0.5})
    assert as_csv(result.history) == "epoch,dice,dice_liver\n1,0.25,\n2,0.5,0.5\n"


SHARED = textwrap.dedent("""
    import json
    import os
    import sys
    import torch
    torch.set_num_threads(1)
    sys.path.insert(0, sys.argv[1])
    from dataclasses import fields, replace
    import small_training as t
    from guided_attention.training import Where, fit

    class Watch(torch.nn.Module):  # draws as dropout does, and keeps what it draws instead of using it
        def forward(self, x):
            if self.training:
                drawn.append(torch.nn.functional.dropout(torch.ones(64)).tolist())
            return x

    drawn, model = [], t.network()
    model.drop = Watch()
    where = Where("cpu", int(sys.argv[3]))
    settings = replace(t.SETTINGS, patience=1)
    result = fit(model, t.TRAIN, t.VALIDATION, settings, sys.argv[2], where=where, progress=False)
    with open(sys.argv[2] + "-rank" + os.environ.get("LOCAL_RANK", "0"), "w") as file:
        json.dump([result.best_epoch, result.history, drawn], file)
""")


def test_two_processes_train_as_one_does(tmp_path):
    """Same batches in halves; batch norm sees only its half, so losses agree to some percent, not to the bit.

    Both halves take the same decisions: the learning rate follows from scores, and scores from batch norm.
    """
    losses = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        command = [sys.executable, "-c", SHARED, str(Path(__file__).parents[1]), str(folder), str(devices)]
        if devices > 1:  # each further process is started by the first with the same command, which needs a file
            script = tmp_path / "shared.py"
            script.write_text(SHARED)
            command[1:3] = [str(script)]
        subprocess.run(
            command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, timeout=200, capture_output=True
        )
        state = json.loads((folder / "checkpoints" / "epoch-0004" / "state.json").read_text())
        losses.append([entry["loss"] for entry in state["history"]])
    alone, shared = losses
    (_, _, only), *ranks = [json.loads((tmp_path / name).read_text()) for name in ("1-rank0", "2-rank0", "2-rank1")]
    decisions = [(best, [(e["dice"], e["learning_rate"]) for e in history]) for best, history, _ in ranks]
    assert decisions[0] == decisions[1]
    assert alone[-1] < alone[0]
    np.testing.assert_allclose(shared, alone, rtol=0.05)
    # Dropout: the first process draws what one alone does, the second something else in every step.
    first, second = (drawn for _, _, drawn in ranks)
    assert first == only
    assert len(first) == len(second) > 0
    assert all(one != other for one, other in zip(first, second, strict=True))
