"""The layout: one room above the other, imports only downwards, one home for each name, and paths that stay."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from guided_attention.metrics import dice, mean_surface_distance, volume_similarity
from guided_attention.models import MODELS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
HOUSE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## The house")[1].split("\n## ")[0]
#: From the door down to the data, as the house's table lists them; a room may use those behind it.
ROOMS = tuple(re.findall(r"^\| `(\w+)/` \|", HOUSE, re.MULTILINE))
#: What every room stands on.
GROUND = tuple(
    re.findall(r"`(\w+)\.py`", re.findall(r"All stand on the ground: .*? know no room", HOUSE, re.DOTALL)[0])
)
#: Modules that are not rooms: the public path of three metrics.
FACES = ("metrics",)


def _modules(top: Path, package: str) -> dict[str, ast.Module]:
    found = {}
    for path in sorted((top / package).rglob("*.py")):
        name = ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = _modules(SOURCE, "guided_attention")


def _is_face(name: str) -> bool:
    return (SOURCE.joinpath(*name.split(".")) / "__init__.py").exists()


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of every import of the package, those inside functions and for type checkers included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import: say the whole path"
            if node.module and node.module.split(".")[0] == "guided_attention":
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield (inner, "") if inner in MODULES else (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "guided_attention":
                    yield alias.name, ""


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_room_is_known():
    rooms = {_room(name) for name in MODULES} - {""}
    assert rooms == {*ROOMS, *GROUND, *FACES}


@pytest.mark.parametrize("room", [*ROOMS, *GROUND])
def test_imports_point_downwards(room):
    floors = {name: floor for floor, name in enumerate(ROOMS)} | dict.fromkeys(GROUND, len(ROOMS))
    wrong = [
        f"{name} imports {module}"
        for name, tree in MODULES.items()
        if _room(name) == room
        for module, _ in _imports(tree)
        if module != "guided_attention" and floors.get(_room(module), -1) < floors[room]
    ]
    assert wrong == []


def test_no_circle():
    """Among modules; a package's face stands above the modules that it hands on."""
    graph = {name: {module for module, _ in _imports(tree) if module != name} for name, tree in MODULES.items()}
    # raises CycleError, which names the circle
    assert len(list(TopologicalSorter(graph).static_order())) >= len(MODULES)


def test_a_name_has_one_home():
    """Only faces hand on names: every other module offers what it defines, and nobody takes a name from elsewhere."""
    wrong = []
    for name, tree in MODULES.items():
        if not _is_face(name) and name.split(".")[-1] not in FACES:
            own = {
                imported.asname or imported.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                for imported in node.names
            }
            wrong += [f"{name} hands on {offered}" for offered in _offered(tree) if offered in own]
        for module, taken in _imports(tree):
            if taken == "*" and _is_face(name):
                continue  # a face may hand on all that a module offers
            if taken and not _is_face(module) and taken not in _defined(MODULES[module]):
                wrong.append(f"{name} takes {taken} from {module}, which does not define it")
    assert wrong == []


def _offered(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return [ast.literal_eval(element) for element in node.value.elts]
    return []


def _defined(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
    return names


def test_the_package_knows_nothing_of_the_book():
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom | ast.Import):
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                assert not any(module.split(".")[0] in ("pipeline", "tests", "benchmarks") for module in modules), name


def test_the_pipeline_is_not_installed():
    from setuptools import find_packages

    found = find_packages(SOURCE)
    assert "guided_attention" in found
    assert {name.split(".")[0] for name in found} == {"guided_attention"}
    assert (ROOT / "pipeline" / "__main__.py").is_file()


#: Import paths that readers, courses and other programs use, with the arguments that they rely on.
PUBLIC = {
    "guided_attention.data": {
        "Volume": "image labels spacing subject",
        "read_chaos_subject": "folder sequence phase",
        "read_nifti": "image_path label_path",
        "write_nifti": "volume path",
        "open_source": "",
    },
    "guided_attention.models": {"build_model": "name in_channels num_classes backbone", "SegmentationOutput": "logits"},
    "guided_attention.models.attention": {
        "PositionAttention": "channels reduction",
        "ChannelAttention": "energy",
        "DualAttention": "",
    },
    "guided_attention.metrics": {
        "dice": "pred ref",
        "volume_similarity": "pred ref",
        "mean_surface_distance": "pred ref spacing",
    },
    "guided_attention.training": {"fit": "model train validation settings out_dir", "FitSettings": "epochs batch_size"},
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_paths_stay(module):
    found = importlib.import_module(module)
    for name, arguments in PUBLIC[module].items():
        parameters = inspect.signature(getattr(found, name)).parameters
        missing = [argument for argument in arguments.split() if argument not in parameters]
        assert not missing, f"{module}.{name}({', '.join(parameters)})"


def test_public_values_stay():
    assert MODELS[:6] == ("daf", "pam", "cam", "dual", "ms-dual", "ms-dual-guided")
    assert set(MODELS[6:]) >= {"unet", "attention-unet", "danet", "pan-resnet34", "pan-resnet101"}
    assert all(inspect.isfunction(metric) for metric in (dice, volume_similarity, mean_surface_distance))
