"""The family of Table I: sizes, outputs, settings, and that every parameter learns."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from guided_attention.data import InputSettings
from guided_attention.errors import CheckpointError, SettingsError
from guided_attention.models import FAMILY, MODELS, MultiScaleAttentionNet, SegmentationOutput, build_model
from guided_attention.models.stored.weights import ModelSpec, load_network, save_network
from guided_attention.training.losses import objective
from guided_attention.training.settings import get_preset
from learning import key_biases, without_gradient
from small_book import ROOT

#: Published totals of torchvision's classifiers, and the widths of their maps.
BACKBONES = {
    "resnet18": (11_689_512, (64, 128, 256, 512)),
    "resnet101": (44_549_160, (256, 512, 1024, 2048)),
    "resnext101_32x8d": (88_791_336, (256, 512, 1024, 2048)),
}
TABLE_1 = {  # row: (position branch, channel branch, steps, guided)
    "daf": (False, False, 1, False),
    "pam": (True, False, 1, False),
    "cam": (False, True, 1, False),
    "dual": (True, True, 1, False),
    "ms-dual": (True, True, 2, False),
    "ms-dual-guided": (True, True, 2, True),
}
SMALL = {"backbone": "resnet18", "channels": 8, "reduction": 2}


def small(name: str = "ms-dual-guided", **options) -> nn.Module:
    torch.manual_seed(0)
    return build_model(name, **small_options(name, **options))


def small_options(name: str, **options) -> dict[str, object]:
    """Options of a small network, less the `reduction` and `energy` of attention that it does not have."""
    position, channel, *_ = TABLE_1[name]
    has = {"reduction": position, "energy": channel}
    return {option: value for option, value in {**SMALL, **options}.items() if has.get(option, True)}


def image(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def switch_on(network: nn.Module) -> None:
    """Let every attention module contribute."""
    for name, parameter in network.named_parameters():
        if name.endswith(".lam"):
            nn.init.constant_(parameter, 0.5)


def brick(inputs: int, outputs: int, size: int = 3) -> int:
    """Convolution without bias, scale and shift of batch norm, slope of PReLU."""
    return size * size * inputs * outputs + 2 * outputs + 1


def expected_parameters(
    name: str, backbone: str, c: int, reduction: int, classes: int, entry: str, second_input: str, semantic: str
) -> int:
    """Count the parameters of one row of Table I from the figures of the paper."""
    total, widths = BACKBONES[backbone]
    count = total - (widths[-1] + 1) * 1000 - 2 * 64 * 7 * 7  # no classifier, one channel instead of three
    count += sum(brick(w, c, 1) for w in widths) + brick(4 * c, c)  # fusion
    count += 8 * (c + 1) * classes  # predictions
    position, channel, steps, guided = TABLE_1[name]
    if name == "daf":
        return count + 4 * (2 * brick(2 * c, c) + 2 * brick(c, c) + brick(c, c, 1) + c * (c + 1))
    for inputs in [2 * c, c if second_input == "direct" else 2 * c][:steps]:
        into = c if entry == "conv" else inputs
        scale = brick(inputs, c) if entry == "conv" and inputs != c else 0
        if position:
            d = c // reduction
            scale += brick(into, c) + 2 * d * (c + 1) + c * (c + 1) + 1 + brick(c, c)
        if channel:
            scale += brick(into, c) + 1 + brick(c, c)
        if guided:
            scale += brick(inputs, c)  # the gate
            a, b, e = 2 * c, 4 * c, 8 * c
            pairs = [(inputs, a), (a, a), (a, b), (b, b), (b, e), (e, e), (e, b), (b, b), (b, a), (a, a)]
            autoencoder = sum(brick(p, q) for p, q in pairs) + (a + 1) * inputs
            count += autoencoder * (1 if semantic == "shared" else 4)
        count += 4 * scale
    return count


@pytest.mark.parametrize("name", TABLE_1)
@pytest.mark.parametrize(
    ("backbone", "c", "entry"),
    [("resnet18", 16, "concat"), ("resnet101", 64, "conv"), ("resnext101_32x8d", 64, "concat")],
)
def test_parameters_of_every_member(name, backbone, c, entry):
    entry = "conv" if name == "daf" else entry
    with torch.device("meta"):
        network = build_model(name, num_classes=4, backbone=backbone, channels=c, entry=entry)
    expected = expected_parameters(name, backbone, c, 8, 4, entry, "modulate", "per-scale")
    assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize("semantic", ["per-scale", "shared"])
@pytest.mark.parametrize("second_input", ["modulate", "direct"])
def test_parameters_of_the_guided_network_s_settings(semantic, second_input):
    with torch.device("meta"):
        network = build_model("ms-dual-guided", semantic=semantic, second_input=second_input, reduction=4)
    expected = expected_parameters("ms-dual-guided", "resnet101", 64, 4, 5, "conv", second_input, semantic)
    assert sum(p.numel() for p in network.parameters()) == expected


def test_the_family_is_table_1():
    assert set(FAMILY) == set(TABLE_1)
    assert set(FAMILY) <= set(MODELS)


@pytest.mark.parametrize(
    ("name", "size"), [*[(name, (100, 76)) for name in TABLE_1], ("ms-dual-guided", (33, 47)), ("ms-dual", (64, 64))]
)
def test_outputs_in_training(name, size):
    network = small(name, num_classes=3, in_channels=2)
    out = network(image(2, 2, *size))
    assert isinstance(out, SegmentationOutput)
    assert out.logits.shape == (2, 3, *size)
    assert [tuple(side.shape) for side in out.side_logits] == [(2, 3, *size)] * 8
    torch.testing.assert_close(out.logits, sum(out.side_logits[4:]) / 4)
    guided = name == "ms-dual-guided"
    assert len(out.latents) == (4 if guided else 0)
    assert len(out.reconstructions) == (8 if guided else 0)
    h, w = (-(-n // 4) for n in size)  # the resolution of scale 0, rounded up twice
    for first, second in out.latents:
        assert first.shape == second.shape == (2, 64, h // 4, w // 4)
    for given, rebuilt in out.reconstructions:
        assert given.shape == rebuilt.shape == (2, 16, h, w)


@pytest.mark.parametrize("name", TABLE_1)
def test_evaluation_returns_the_mean_of_the_four_attention_predictions(name):
    network = small(name)
    network(image(4, 1, 64, 64))  # some statistics
    network.eval()
    predictions = []
    hooks = [h.register_forward_hook(lambda m, given, out: predictions.append(out)) for h in network.attention_heads]
    x = image(1, 1, 96, 64)
    with torch.no_grad():
        out = network(x)
    for hook in hooks:
        hook.remove()
    assert (out.side_logits, out.latents, out.reconstructions) == ((), (), ())
    enlarged = [nn.functional.interpolate(p, size=(96, 64), mode="bilinear", align_corners=False) for p in predictions]
    assert len(enlarged) == 4
    torch.testing.assert_close(out.logits, sum(enlarged) / 4)
    finest = small(name, prediction="finest").eval()
    finest.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(finest(x).logits, enlarged[0])


@pytest.mark.parametrize("name", ["daf", "ms-dual-guided"])
def test_images_of_a_batch_do_not_mix_in_evaluation(name):
    network = small(name).eval()
    switch_on(network)
    x = image(3, 1, 64, 64)
    with torch.no_grad():
        together = network(x).logits
        for b in range(3):
            torch.testing.assert_close(network(x[b : b + 1]).logits, together[b : b + 1], rtol=1e-3, atol=1e-4)


SETTINGS = [
    *[(name, {}) for name in TABLE_1],
    ("ms-dual-guided", {"entry": "concat", "semantic": "shared"}),
    ("ms-dual-guided", {"second_input": "direct", "energy": "released"}),
    ("ms-dual-guided", {"prediction": "finest", "implementation": "chunked", "semantic_widths": (6, 7, 9)}),
    ("ms-dual", {"entry": "concat", "second_input": "direct", "implementation": "plain"}),
    ("dual", {"entry": "concat", "energy": "scaled"}),
]


@pytest.mark.parametrize(("name", "options"), SETTINGS, ids=str)
def test_gradients_reach_every_parameter_that_can_learn(name, options):
    network = small(name, **{"energy": "scaled", **options})
    switch_on(network)
    labels = torch.randint(0, 5, (2, 64, 64), generator=torch.Generator().manual_seed(0))
    assert without_gradient(network, image(2, 1, 64, 64), labels) == key_biases(network)


@pytest.mark.parametrize("name", TABLE_1)
def test_at_the_start_only_queries_keys_and_values_wait_for_lambda(name):
    network = small(name)
    labels = torch.zeros(2, 64, 64, dtype=torch.int64)
    objective(network(image(2, 1, 64, 64)), labels).total.backward()
    waiting = {key for key, p in network.named_parameters() if torch.count_nonzero(p.grad) == 0}
    expected = {key for key, _ in network.named_parameters() if key.split(".")[-2] in ("query", "key", "value")}
    assert waiting == expected


def test_shared_semantics_are_the_same_modules_at_every_scale():
    shared, own = small(semantic="shared"), small(semantic="per-scale")
    for step in (0, 1):
        assert len({id(scale.autoencoders[step]) for scale in shared.scales}) == 1
        assert len({id(scale.autoencoders[step]) for scale in own.scales}) == 4
    assert shared.scales[0].autoencoders[0] is not shared.scales[0].autoencoders[1]


@pytest.mark.parametrize("implementation", ["plain", "chunked", "fused"])
def test_the_implementation_does_not_change_the_network(implementation):
    reference, other = small("ms-dual").double(), small("ms-dual", implementation=implementation).double()
    other.load_state_dict(reference.state_dict())
    switch_on(reference)
    switch_on(other)
    x = image(2, 1, 64, 64).double()
    torch.testing.assert_close(other(x).logits, reference(x).logits, rtol=1e-6, atol=1e-9)


def test_training_the_whole_network_stores_no_n_by_n_map():
    network, n = small("ms-dual-guided", channels=8), 32 * 32

    def largest(implementation: str) -> int:
        for module in network.modules():
            if hasattr(module, "implementation"):
                module.implementation = implementation
        sizes, weights = [], {parameter.data_ptr() for parameter in network.parameters()}

        def pack(tensor: Tensor) -> Tensor:
            if tensor.data_ptr() not in weights:
                sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(image(1, 1, 128, 128))
        return max(sizes)

    # The backbone's own maps have 64 x 64 x 64 = N^2 / 4 numbers here: only an attention map has N^2.
    assert largest("plain") >= n * n
    for implementation in ("auto", "chunked", "fused"):
        assert largest(implementation) <= n * n / 4


@pytest.mark.parametrize("name", TABLE_1)
def test_bfloat16_autocast_runs_forward_and_backward(name):
    network = small(name)
    switch_on(network)
    with torch.autocast("cpu", torch.bfloat16):
        out = network(image(2, 1, 64, 64))
    loss = objective(out, torch.zeros(2, 64, 64, dtype=torch.int64)).total
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(("name", "options"), SETTINGS[-5:], ids=str)
def test_safetensors_round_trip(tmp_path, name, options):
    network = small(name, **options)
    network(image(2, 1, 64, 64))
    switch_on(network)
    spec = ModelSpec(name, small_options(name, **options), InputSettings())
    path = save_network(tmp_path / "model.safetensors", network, spec)
    other, spec = load_network(path)
    assert spec.name == name
    found, expected = other.state_dict(), network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())
    x = image(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(other(x).logits, network.eval()(x).logits)


def test_shared_semantics_are_written_once(tmp_path):
    network = small(semantic="shared")
    path = save_network(tmp_path / "model.safetensors", network, ModelSpec("ms-dual-guided", SMALL, InputSettings()))
    written = [key for key in load_file(path) if "autoencoders.0.rebuild.weight" in key]
    assert len(written) == 1
    # These are not the weights of a network with semantics for each scale.
    with pytest.raises(CheckpointError, match="another network"):
        load_network(path)


@pytest.mark.parametrize("path", sorted((ROOT / "results").glob("*/**/*.json")), ids=lambda path: path.parent.name)
def test_recorded_networks_are_those_of_their_preset_and_can_be_built(path):
    record = json.loads(path.read_text())
    name, options = record["model"]["name"], {**record["model"]["options"]}
    assert json.loads(json.dumps(get_preset(record["preset"].split("-")[0]).model_options(name))) == options
    with torch.device("meta"):
        network = build_model(name, **options)
    if "backbone" in options:
        assert network.backbone.name == options["backbone"]


class TestErrors:
    def test_what_the_name_fixes_cannot_be_changed(self):
        with pytest.raises(SettingsError, match=r"'pam'.*says attention='position', found attention='dual'.*channels"):
            build_model("pam", attention="dual")
        assert build_model("pam", attention="position", backbone="resnet18").scales[0].steps[0].channel is None

    @pytest.mark.parametrize(
        ("name", "option", "value"),
        [
            ("daf", "reduction", 4),
            ("cam", "reduction", 4),
            ("cam", "implementation", "plain"),
            ("pam", "energy", "released"),
            ("daf", "energy", "scaled"),
            ("daf", "entry", "concat"),
            ("dual", "second_input", "direct"),
            ("ms-dual", "semantic", "shared"),
            ("ms-dual", "semantic_widths", (8, 16, 32)),
        ],
    )
    def test_no_option_is_ignored(self, name, option, value):
        with pytest.raises(SettingsError, match=rf"{option}=.* has no effect: this network has no .*Leave it out"):
            build_model(name, backbone="resnet18", **{option: value})

    def test_unknown_network(self):
        with pytest.raises(SettingsError, match=r"model='unet\+\+' is unknown.*ms-dual-guided"):
            build_model("unet++")

    def test_unknown_option(self):
        with pytest.raises(SettingsError, match=r"model 'dual'.*'width'"):
            build_model("dual", width=3)

    @pytest.mark.parametrize(
        ("argument", "value"),
        [
            ("backbone", "vgg16"),
            ("attention", "self"),
            ("steps", 3),
            ("entry", "sum"),
            ("second_input", "none"),
            ("semantic", "global"),
            ("prediction", "max"),
            ("energy", "cosine"),
            ("implementation", "flash"),
        ],
    )
    def test_unknown_values(self, argument, value):
        with pytest.raises(SettingsError, match=rf"{argument}={value!r} is unknown; choose one of"):
            MultiScaleAttentionNet(**{**SMALL, argument: value})

    @pytest.mark.parametrize("options", [{"steps": 1}, {"attention": "daf", "steps": 1}, {"attention": "daf"}])
    def test_guidance_needs_two_steps_of_attention(self, options):
        with pytest.raises(SettingsError, match="guided=True needs steps=2"):
            MultiScaleAttentionNet(**SMALL, **options)

    def test_daf_has_one_step(self):
        with pytest.raises(SettingsError, match="one step; found steps=2"):
            MultiScaleAttentionNet(**SMALL, attention="daf", guided=False, steps=2)

    def test_too_few_channels_for_queries(self):
        with pytest.raises(SettingsError, match="channels=4 over reduction=8"):
            build_model("pam", backbone="resnet18", channels=4)

    @pytest.mark.parametrize("size", [(31, 64), (64, 16)])
    def test_too_small_an_image(self, size):
        with pytest.raises(SettingsError, match="at least 32 x 32"):
            small("daf")(image(2, 1, *size))
