"""The command line on consoles that cannot print every name."""

import io
import os
import subprocess
import sys

import pytest

from guided_attention.cli.main import main
from guided_attention.data import write_nifti
from small_volumes import small_volume


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("cp1252", "\\u0141ucja Jérôme Zoë"),  # Windows, output redirected to a file
        ("ascii", "\\u0141ucja J\\xe9r\\xf4me Zo\\xeb"),
        ("utf-8", "Łucja Jérôme Zoë"),
    ],
)
def test_a_name_beyond_the_code_page_is_printed_as_an_escape(tmp_path, monkeypatch, encoding, printed):
    names = ("Łucja", "Jérôme", "Zoë")
    for name in names:
        volume = small_volume(name)
        write_nifti(volume, tmp_path / f"{name}_image.nii.gz", what="image")
        write_nifti(volume, tmp_path / f"{name}_label.nii.gz", what="labels")
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", console)
    main(["data", "folds", str(tmp_path)])
    console.flush()
    words = set(console.buffer.getvalue().decode(encoding).split())
    assert words >= set(printed.split())


def test_a_stream_that_is_no_console_stays_as_it_is(monkeypatch):
    captured = io.StringIO()
    monkeypatch.setattr(sys, "stdout", captured)
    main(["--version"])
    assert captured.getvalue().startswith("guided-attention ")


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    """As in ``guided-attention data folds | head -1``: nothing is said, and the status is a shell's for that."""
    command = [sys.executable, "-m", "guided_attention.cli", "data", "check", str(tmp_path), "--json"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
