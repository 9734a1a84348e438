"""``guided-attention doctor``: one line for each check, offline, and what to do when something is wrong."""

import shutil
import socket
from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch

from guided_attention import __version__
from guided_attention.cli import versions
from guided_attention.cli.doctor import CHECKS, Finding, examine
from guided_attention.cli.main import main
from guided_attention.provenance import device_name
from guided_attention.training.devices import describe_device

NAMES = [check.__name__ for check in CHECKS]


@pytest.fixture
def examined(monkeypatch):
    """The finding of one check, by its name."""

    def examine_only(name):
        check = next(check for check in CHECKS if check.__name__ == name)
        monkeypatch.setattr("guided_attention.cli.doctor.CHECKS", {check: CHECKS[check]})
        return next(examine())

    return examine_only


def pretend(monkeypatch, **others):
    """Pretend that these packages have these versions, or are missing (None)."""
    real = versions.installed
    monkeypatch.setattr(versions, "installed", lambda name: others[name] if name in others else real(name))


def test_version(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"guided-attention {__version__}\n"


def test_all_is_well_without_a_network_and_nothing_is_left_behind(monkeypatch, tmp_path, capsys):
    def refused(*_):
        raise AssertionError("the doctor asked the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    for name in ("GUIDED_ATTENTION_RUNS", "GUIDED_ATTENTION_DATA"):
        monkeypatch.setenv(name, str(tmp_path / "kept"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in NAMES]
    assert "loss" in lines[-1]
    assert not (tmp_path / "kept").exists()
    assert list(tmp_path.glob("guided-attention*")) == []


def test_a_failing_check_is_a_line_and_status_1(monkeypatch, capsys):
    monkeypatch.setattr(
        "guided_attention.cli.doctor.examine",
        lambda: iter([Finding("disk", False, "full.\nMake room."), Finding("a", True, "b")]),
    )
    with pytest.raises(SystemExit) as stopped:
        main(["doctor"])
    assert stopped.value.code == 1
    assert capsys.readouterr().out.splitlines() == ["FAIL  disk      full. Make room.", "ok    a         b"]


def test_old_and_missing_packages_and_the_command_that_helps(monkeypatch, examined):
    pretend(monkeypatch, monai=None, numpy="1.20.3")
    found = examined("packages")
    assert not found.well
    assert "monai is missing" in found.said
    assert "numpy 1.20.3 (needed" in found.said
    bounds = [f'"{n.name}{n.specifier}"' for n in versions.requirements() if n.name in ("monai", "numpy")]
    assert found.said.endswith(f"Run: pip install {' '.join(bounds)}")


def test_versions_that_nobody_tested_are_named_and_no_fault(monkeypatch, examined):
    pretend(monkeypatch, numpy="99.1", torch=f"{versions.known_good()['torch']}+cu130")
    found = examined("packages")
    assert found.well
    assert f"numpy 99.1 ({versions.known_good()['numpy']})" in found.said
    assert "torch" not in found.said  # the build is another, the version is not


def test_the_extra_for_widgets_may_be_missing(monkeypatch, examined):
    need = versions.Requirement("anywidget>=0.9")
    monkeypatch.setattr(versions, "requirements", lambda extra="": [need] if extra == "widgets" else [])
    pretend(monkeypatch, anywidget=None)
    found = examined("widgets")
    assert found.well
    assert (
        'not installed (anywidget); the chapters with widgets need: pip install "guided-attention[widgets]"'
        in found.said
    )


def test_an_old_python(monkeypatch, examined):
    monkeypatch.setattr("platform.python_version", lambda: "3.9.1")
    found = examined("python")
    assert (found.well, "newer Python" in found.said) == (False, True)


def test_a_full_disk(monkeypatch, examined):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12, 5 * 10**8))
    found = examined("disk")
    assert not found.well
    assert "has 0.50 GB" in found.said
    assert "needed 1 GB" in found.said
    assert "GUIDED_ATTENTION_RUNS" in found.said


def test_little_memory(monkeypatch, examined):
    monkeypatch.setattr("guided_attention.cli.doctor.MEMORY", 10**16)
    found = examined("memory")
    assert (found.well, "Close other programs" in found.said) == (False, True)


def test_no_phantom_no_training(monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("guided_attention.data.write_phantom", full)
    found = {finding.what: finding for finding in examine()}
    assert [name for name in NAMES if not found[name].well] == ["phantom", "training"]
    assert "No space left on device" in found["phantom"].said
    assert "TMPDIR" in found["phantom"].said
    assert "no phantom to train on" in found["training"].said


def test_a_broken_library_is_a_line_too(monkeypatch, examined):
    def broken():
        raise RuntimeError("CUDA driver version is insufficient")

    monkeypatch.setattr("guided_attention.training.devices.describe_device", broken)
    found = examined("device")
    assert not found.well
    assert "RuntimeError: CUDA driver version is insufficient. Install PyTorch again" in found.said


def test_the_device_line_names_gpu_or_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert f"processor: {device_name('cpu')}, {torch.get_num_threads()} thread" in describe_device()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Some GPU")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80 * 2**30))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert describe_device() == "GPU: Some GPU, 80 GB, CUDA 13.0, one of 2"
