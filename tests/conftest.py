"""Shared by all tests: one thread per test process, and where the real volumes are."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))

ROOT = Path(__file__).parents[1]


def find_real_data() -> Path | None:
    """Folder with the 20 real T2-SPIR volumes as NIfTI, or None."""
    named = os.environ.get("GUIDED_ATTENTION_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data" / "chaos_t2spir"
    return folder if any(folder.glob("*_image.nii.gz")) else None


def pytest_configure(config):
    config.addinivalue_line("markers", "real_data: needs real MR volumes (GUIDED_ATTENTION_REAL_DATA)")


def pytest_collection_modifyitems(config, items):
    """Without the real volumes, leave their tests out; the summary below says so."""
    if find_real_data() is None:
        left_out = [item for item in items if "real_data" in item.keywords]
        config.left_out = [item.nodeid for item in left_out]
        items[:] = [item for item in items if "real_data" not in item.keywords]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter, config):
    left_out = getattr(config, "left_out", [])
    if left_out:
        terminalreporter.section("not run: real MR volumes")
        terminalreporter.line(
            f"{len(left_out)} tests need real volumes. Set GUIDED_ATTENTION_REAL_DATA to a folder with "
            "*_image.nii.gz and *_label.nii.gz:"
        )
        for name in left_out:
            terminalreporter.line(f"  {name}")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real volumes; only tests marked ``real_data`` may ask for it."""
    folder = find_real_data()
    assert folder is not None, "mark this test with @pytest.mark.real_data"
    return folder
