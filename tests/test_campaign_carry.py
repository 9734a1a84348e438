"""What is carried to a bare machine: the same numbers, in one file, with a commit that is true."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from guided_attention import provenance
from guided_attention.campaign import carry
from guided_attention.campaign.carry import carried_commit, carried_packages, code_digest, pack
from guided_attention.campaign.packed import is_packed, open_packed, write_packed
from guided_attention.cells import describe
from guided_attention.data import DataSource, Volume, open_source
from guided_attention.errors import DataError, SettingsError
from guided_attention.provenance import Provenance
from small_volumes import small_volume


class Made(DataSource):
    """Small volumes under any name."""

    def read(self, subject):
        volume = small_volume(subject, int(subject))
        if subject == "1":  # whole grey values, as scanners give them, and a place in the world
            image = np.rint(1000 * np.clip(volume.image, 0, None)).astype(np.float32)
            return Volume(image, volume.labels, (7.7, 1.25, 1.5), subject, np.diag([-1.25, -1.5, 7.7, 1.0]))
        return volume.with_labels(None) if subject == "3" else volume


def made(subjects="123", kind="phantom"):
    return Made(f"{kind}-made", kind, None, tuple(subjects), "T2SPIR", "out")


def assert_same(found, expected):
    np.testing.assert_array_equal(found.image, expected.image)
    assert found.image.dtype == np.float32
    assert (found.spacing, found.subject) == (expected.spacing, expected.subject)
    for name in ("labels", "affine"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


class TestPacked:
    def test_gives_back_every_number(self, tmp_path):
        source = made()
        packed = open_packed(write_packed(source, tmp_path))
        for subject in source.subjects:
            assert_same(packed.read(subject), source.read(subject))
        assert describe(packed) == describe(source)
        assert packed.subjects == source.subjects

    def test_whole_numbers_take_two_bytes(self, tmp_path):
        write_packed(made(), tmp_path)
        with np.load(tmp_path / "volumes.npz") as archive:
            assert archive["1/image"].shape == (2, 6, 32, 32)
            assert archive["2/image"].shape == (4, 6, 32, 32)

    def test_check_finds_missing_labels_and_damage(self, tmp_path):
        packed = open_packed(write_packed(made(), tmp_path))
        assert [p.subject for p in packed.check().problems] == ["3"]
        assert packed.check(need_labels=False).ok
        path = tmp_path / "volumes.npz"
        content = bytearray(path.read_bytes())
        content[len(content) // 4] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"volumes\.npz: subject .* cannot be read"):
            packed.check(need_labels=False).raise_if_bad()

    def test_errors_name_what_is_wrong(self, tmp_path):
        assert not is_packed(tmp_path)
        with pytest.raises(DataError, match=r"volumes\.json: no such file"):
            open_packed(tmp_path)
        packed = open_packed(write_packed(made(), tmp_path))
        with pytest.raises(SettingsError, match="'9' is not in"):
            packed.read("9")
        (tmp_path / "volumes.json").write_text("{}")
        with pytest.raises(DataError, match="not the description of a packed data set"):
            open_packed(tmp_path)


class TestPack:
    def test_keeps_itself_out_of_git(self, tmp_path):
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
        size = pack(made(), tmp_path / "carried", wheels=False)
        assert size == sum(path.stat().st_size for path in (tmp_path / "carried").iterdir())
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert status.stdout == ""
        assert carried_packages(tmp_path / "carried") == []

    def test_too_much_is_an_error(self, tmp_path):
        with pytest.raises(DataError, match=r"expected at most 0\.01 MiB to carry, found 0\."):
            pack(made(), tmp_path, wheels=False, limit_mib=0.01)

    def test_commit_of_a_clean_copy(self, tmp_path, monkeypatch):
        """True only while the code is the one that was packed, and that was committed."""
        found = Provenance("1", "c" * 40, False, "3", "2", "2", None, "Linux", "CPU", 1)
        monkeypatch.setattr(carry, "provenance", lambda: found)
        pack(made(), tmp_path, wheels=False)
        assert carried_commit(tmp_path) == "c" * 40
        code = json.loads((tmp_path / "code.json").read_text())
        for change in ({"dirty": True}, {"dirty": None}, {"digest": "0" * 64}):
            (tmp_path / "code.json").write_text(json.dumps({**code, **change}))
            assert carried_commit(tmp_path) is None
        assert carried_commit(tmp_path / "elsewhere") is None

    def test_packages_are_unpacked(self, tmp_path, monkeypatch):
        """pip is asked for pure wheels without their dependencies; here it is played by a function."""
        import zipfile

        asked = []

        def download(command, **_):
            asked.append(command)
            folder = command[command.index("--dest") + 1]
            (tmp_path / "carried" / "wheels").mkdir()
            with zipfile.ZipFile(f"{folder}/attrs-1-py3-none-any.whl", "w") as wheel:
                wheel.writestr("attr/__init__.py", "")
            return subprocess.CompletedProcess(command, 0, "", "")

        pack(made(), tmp_path / "carried", wheels=False)  # asks git through subprocess too
        monkeypatch.setattr(carry.subprocess, "run", download)
        carry._fetch(tmp_path / "carried" / "packages")
        assert {"--no-deps", "--platform=any", "jsonschema==4.17.3"} <= set(asked[0])
        (found,) = carried_packages(tmp_path / "carried")
        assert (tmp_path / "carried" / "packages" / "attr" / "__init__.py").is_file()
        assert found == str(tmp_path / "carried" / "packages")


def test_a_record_names_the_commit_of_a_copy(monkeypatch):
    """Only where there is no checkout to ask."""
    here = provenance.provenance().commit
    monkeypatch.setenv("GUIDED_ATTENTION_COMMIT", "c" * 40)
    assert provenance.provenance().commit == (here or "c" * 40)
    monkeypatch.setattr(provenance, "_git", lambda _: (None, None))
    found = provenance.provenance()
    assert (found.commit, found.dirty) == ("c" * 40, False)
    monkeypatch.delenv("GUIDED_ATTENTION_COMMIT")
    assert provenance.provenance().commit is None


def test_commands(tmp_path):
    """``pack`` makes the folder, from a packed one too; nonsense ends in a message and status 2."""
    script = [sys.executable, str(Path(__file__).parents[1] / "benchmarks" / "gpu_campaign.py")]
    folder = write_packed(made("12"), tmp_path / "packed")
    command = [*script, "pack", "--data", str(folder), "--out", str(tmp_path / "carried"), "--no-wheels"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "2 subjects of phantom-made, 0.0 MiB" in done.stdout
    assert_same(open_packed(tmp_path / "carried").read("2"), made().read("2"))
    command = [*script, "--minutes", "1", "--data", str(folder), "--models", "vnet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: models=vnet: choose some of daf")


def test_digest_is_of_the_code():
    assert code_digest() == code_digest()
    assert len(code_digest()) == 64


@pytest.mark.real_data
def test_real_volumes_fit_and_are_the_same(tmp_path, real_data):
    """Four of the 20 subjects, which all are about as large: under 2 MiB each, and the same voxels."""
    source = open_source(real_data)
    source = replace(source, subjects=source.subjects[::5])
    packed = open_packed(write_packed(source, tmp_path))
    assert (tmp_path / "volumes.npz").stat().st_size < 4 * 2 * 2**20
    for subject in packed.subjects:
        assert_same(packed.read(subject), source.read(subject))
