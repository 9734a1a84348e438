"""A network for the browser: the same numbers by another program, from the one file of weights."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load
from torch import nn

from guided_attention.errors import CheckpointError, SettingsError
from guided_attention.models import build_model, capture_positions
from guided_attention.models.attention import PositionAttention
from guided_attention.models.stored.onnx import export_network, export_weights, run_exported
from guided_attention.models.stored.onnx_weights import WEIGHTS, point_into
from guided_attention.models.stored.weights import (
    ModelSpec,
    in_half_precision,
    load_network,
    save_network,
    weights_bytes,
)
from guided_attention.widgets import LiveNetwork
from guided_attention.widgets.live_data import RUNTIME_FILES, live_data, runtime_folder
from small_live import INPUTS, OPTIONS, SIZE

GUIDED = {**OPTIONS, "semantic": "shared", "semantic_widths": (4, 4, 4)}


def network(name: str, **options) -> nn.Module:
    """A network whose attention and statistics are not those of the first moment."""
    torch.manual_seed(1)
    made = build_model(name, **options)
    with torch.no_grad():
        made(torch.rand(4, 1, SIZE, SIZE))
        for key, parameter in made.named_parameters():
            if key.endswith(".lam"):
                parameter.fill_(0.5)
    return made.eval()


def image(size: tuple[int, int] = (SIZE, SIZE)) -> torch.Tensor:
    return torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    spec = ModelSpec("ms-dual-guided", GUIDED, INPUTS)
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    return save_network(path, network("ms-dual-guided", **GUIDED), spec, half=True)


@pytest.fixture(scope="module")
def exported(weights):
    return export_weights(weights)


def own_network() -> nn.Module:
    torch.manual_seed(3)
    layers = [
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        PositionAttention(16),
        nn.Conv2d(16, 3, 1),
        nn.Upsample(scale_factor=2),
    ]
    return nn.Sequential(*layers)


def test_another_program_computes_pytorchs_logits_queries_and_keys(exported):
    found, model, spec = exported
    assert spec.inputs == INPUTS
    x = image()
    outputs = run_exported(found, x.numpy())
    with torch.no_grad():
        expected = model(x).logits
    assert expected.std() > 0.01
    np.testing.assert_allclose(outputs["logits"], expected, atol=1e-5)
    maps = capture_positions(model, x)
    assert [module["path"] for module in found.modules] == list(maps)
    for i, values in enumerate(maps.values()):
        np.testing.assert_allclose(outputs[f"query.{i}"], values.query, atol=1e-5)
        np.testing.assert_allclose(outputs[f"key.{i}"], values.key, atol=1e-5)
        assert found.modules[i]["grid"] == values.grid
        assert found.modules[i]["depth"] == values.query.shape[1]


def test_the_download_is_the_file_that_python_reads(exported, weights):
    found, model, _ = exported
    assert found.weights == weights.read_bytes()
    assert found.shape == (1, SIZE, SIZE)
    assert found.classes == 5
    other, _ = load_network(weights)
    with torch.no_grad():
        assert torch.equal(other(image()).logits, model(image()).logits)


def test_the_graph_holds_no_weights_and_no_path_of_this_machine(exported):
    graph = onnx.load_from_string(exported[0].graph)
    inside = [t for t in graph.graph.initializer if t.data_location != onnx.TensorProto.EXTERNAL]
    assert sum(len(t.raw_data) for t in inside) < 1000
    assert {entry.value for t in graph.graph.initializer for entry in t.external_data if entry.key == "location"} == {
        WEIGHTS
    }
    for place in (b"/", b"\\", b".py"):
        strings = [s for node in graph.graph.node for s in (node.doc_string, *(p.value for p in node.metadata_props))]
        assert not any(place in text.encode() for text in strings)
    assert b"site-packages" not in exported[0].graph
    assert len(gzip.compress(exported[0].graph)) < 60_000


def test_a_network_of_ones_own():
    model = own_network()
    found = export_network(model, (12, 20))
    assert found.shape == (1, 12, 20)
    x = image((12, 20))
    outputs = run_exported(found, x.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(outputs["logits"], in_half_precision(model)(x), atol=1e-6)
    assert model[1].implementation == "auto"  # the network itself is left alone
    assert [(m["path"], m["grid"], m["depth"]) for m in found.modules] == [("1", (6, 10), 2)]


def test_half_precision_rounds_parameters_and_nothing_else():
    model = nn.Sequential(own_network(), nn.BatchNorm2d(3))
    model[1].running_var.fill_(1e-9)  # half precision would make it 0
    copy, parameters = in_half_precision(model), dict(model.named_parameters())
    kept = load(weights_bytes(model, half=True))
    for name, before in model.state_dict().items():
        expected = before.half() if name in parameters else before
        assert torch.equal(copy.state_dict()[name], expected.to(before.dtype)), name
        assert kept[name].dtype == expected.dtype, name
    assert not torch.equal(copy[0][0].weight, model[0][0].weight)


def test_half_precision_has_an_end():
    model = own_network()
    with torch.no_grad():
        model[0].weight[0] = 1e6
    with pytest.raises(SettingsError, match=r"0\.weight holds 1e\+06; half precision ends at 65504"):
        export_network(model, 16)


def test_weights_of_another_network_are_refused(exported):
    graph = onnx.load_from_string(exported[0].graph)
    own = weights_bytes(own_network(), half=True)
    name = next(t.name for t in graph.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL)
    with pytest.raises(CheckpointError, match=r"0\.bias: expected \[.*\] in F16 or F32, found .*F16"):
        point_into(graph.graph, own, {name: "0.bias"})
    with pytest.raises(CheckpointError, match="found nothing"):
        point_into(graph.graph, own, {name: "head.weight"})


def test_the_size_must_be_known(tmp_path):
    model = network("pam", **OPTIONS)
    path = save_network(tmp_path / "net.safetensors", model, ModelSpec("pam", OPTIONS, INPUTS), half=True)
    described = json.loads(path.with_suffix(".json").read_text())
    del described["inputs"]["size"]
    path.with_suffix(".json").write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match=r"net\.json: not the description of a network \('size'\)"):
        export_weights(path)


def test_vendored_runtime_is_as_published():
    folder = runtime_folder()
    sums = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {path.name for path in folder.iterdir()}
    assert files == {*(f"{name}.gz" if name.endswith(".wasm") else name for name in sums), "README.md", "SHA256SUMS"}
    for name, digest in sums.items():
        path = folder / name
        content = path.read_bytes() if path.is_file() else gzip.decompress((folder / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest, name


@pytest.fixture(scope="module")
def live() -> LiveNetwork:
    return LiveNetwork.from_model(own_network(), {"one": image((16, 16)), "two": image((16, 16)) ** 2})


class TestWidget:
    def test_a_notebook_gets_runtime_and_weights_in_parts(self, live, monkeypatch):
        sent = []
        monkeypatch.setattr(live, "send", lambda content, buffers: sent.append((content, buffers[0])))
        step = 500_000
        for start in range(0, sum(live.data["bytes"]), step):
            live._handle_custom_msg({"type": "part", "start": start, "length": step}, [])
        live._handle_custom_msg({"type": "something else"}, [])
        assert [content["start"] for content, _ in sent] == list(range(0, sum(live.data["bytes"]), step))
        runtime = b"".join((runtime_folder() / name).read_bytes() for name in RUNTIME_FILES)
        assert b"".join(bytes(part) for _, part in sent) == runtime + weights_bytes(own_network(), half=True)

    def test_the_browser_has_the_slice_itself(self, live):
        assert live.image(1).shape == (1, 1, 16, 16)
        np.testing.assert_array_equal(live.image(1), image((16, 16)) ** 2)

    def test_save_puts_everything_beside_the_page(self, live, tmp_path):
        urls = live.urls
        page = live.save(tmp_path / "there" / "page.html")
        assert (page.parent / "page.safetensors").stat().st_size == live.data["bytes"][2]
        assert [(page.parent / "onnxruntime-web" / name).stat().st_size for name in RUNTIME_FILES] == live.data[
            "bytes"
        ][:2]
        assert live.urls == urls

    def test_its_words_count_pixels(self, live):
        assert "one" in live.alt
        assert "patient's right is on the picture's left" in live.alt
        counts = [
            int(word.rstrip("."))
            for word in live.alt.split("pixels: ")[1].replace(",", "").split()
            if word.rstrip(".").isdigit()
        ]
        assert len(counts) == 2
        assert sum(counts) <= 256

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            ([], "at least one slice"),
            (torch.zeros(1, 1, 16, 16), "equally grey"),
            ({"b": image((16, 18))}, r"slice 'b': expected an input of the network, 1 x 16 x 16, found 1 x 16 x 18"),
        ],
    )
    def test_slices_that_cannot_be_shown(self, live, images, message):
        with pytest.raises(SettingsError, match=message):
            live_data(live._exported, own_network(), images, {})

    def test_a_network_that_segments_nothing(self):
        with pytest.raises(SettingsError, match="expected logits"):
            LiveNetwork.from_model(nn.Sequential(nn.Conv2d(1, 2, 2, stride=2)), image((16, 16)))

    def test_unknown_slice(self, live):
        with pytest.raises(SettingsError, match="slice=2 is unknown; choose one of -1, 0, 1"):
            live.slice = 2
