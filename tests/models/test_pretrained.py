"""The weights that travel with the book: found, fetched, checked, and good enough to show."""

import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from guided_attention.errors import CheckpointError, SettingsError
from guided_attention.experiments.record import read_record
from guided_attention.models.stored import pretrained
from guided_attention.models.stored.pretrained import PRETRAINED, load_pretrained
from guided_attention.paths import weights_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Behave as an installed package without a checkout, with an empty cache; return a copy of the files, served."""
    monkeypatch.setattr(pretrained, "weights_folder", lambda: None)
    monkeypatch.setenv("GUIDED_ATTENTION_CACHE", str(tmp_path / "cache"))
    served = tmp_path / "served"
    shutil.copytree(weights_folder(), served)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=served))
    Thread(target=server.serve_forever, daemon=True).start()
    yield served, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", PRETRAINED)
def test_weights_in_the_checkout(name):
    model, spec = load_pretrained(name)
    assert spec.name == name
    assert (spec.notes["synthetic"], spec.notes["precision_of_weights"]) == (True, "float16")
    record = read_record(weights_folder() / f"{name}.record.json")
    assert record.dataset.synthetic
    assert record.summary["mean"]["dsc"].mean > 0.8
    assert spec.notes["largest_dice_difference"] < 0.01
    assert spec.notes["commit"] == record.provenance.commit
    lambdas = [float(module.lam.detach()) for module in model.modules() if hasattr(module, "lam")]
    assert max(map(abs, lambdas)) > 0.01  # its attention does something
    size = spec.inputs.size
    assert model(torch.zeros(1, 1, size, size)).logits.shape == (1, 5, size, size)


def test_they_are_small():
    assert sum(path.stat().st_size for path in (ROOT / "book" / "weights").rglob("*")) < 30e6


def test_fetched_once_and_the_same(elsewhere):
    served, address = elsewhere
    here = load_pretrained("ms-dual", folder=served)[0].state_dict()
    fetched = load_pretrained("ms-dual", address=address)[0].state_dict()
    assert all(torch.equal(here[name], fetched[name]) for name in here)
    for path in served.iterdir():
        path.unlink()
    assert load_pretrained("ms-dual", address=address)[1].name == "ms-dual"


def test_other_files_than_the_package_knows_are_refused(elsewhere):
    served, address = elsewhere
    (served / "ms-dual.safetensors").write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"could not be fetched.*folder=\.\.\."):
        load_pretrained("ms-dual", address=address)


def test_nobody_there(elsewhere):
    with pytest.raises(CheckpointError, match="Check the connection"):
        load_pretrained("ms-dual", address="http://127.0.0.1:9/")
    with pytest.raises(SettingsError, match="name='unet' is unknown"):
        load_pretrained("unet")
