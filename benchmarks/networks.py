"""A training step, a prediction, a whole volume: the literal network against the package's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.case import Case, Job, Work
from benchmarks.literal import LiteralNetwork, Widths, literal_step
from guided_attention.data import CLASSES, InputSettings, Volume, make_phantom
from guided_attention.data.phantom import phantom_settings
from guided_attention.evaluation.predict import evaluating, predict_volume
from guided_attention.models import build_model
from guided_attention.report.costs import network_cost
from guided_attention.training import objective
from guided_attention.training.devices import Where, prepare

NAME = "ms-dual-guided"
LITERAL, PACKAGE, FAST, LITERAL_BF16 = "literal", "package", "package, bf16", "literal, bf16"
PRECISIONS = {LITERAL: "32-true", PACKAGE: "32-true", FAST: "bf16-mixed", LITERAL_BF16: "bf16-mixed"}
#: Published size, and one that a processor goes through in a second.
WIDTHS = {False: Widths(), True: Widths(backbone=8, scales=16, semantic=(16, 32, 64))}
PIXELS = {False: 256, True: 64}


def contenders(device: str) -> tuple[str, ...]:
    """On a GPU the literal network competes in bfloat16, too, because that is what anybody would switch on first."""
    return (LITERAL, PACKAGE, FAST, *([LITERAL_BF16] if device == "cuda" else []))


def batch_of(device: str) -> int:
    return 8 if device == "cuda" else 2


def settings(quick: bool, device: str) -> dict[str, str | int | float | bool]:
    return {"network": NAME, "pixels": PIXELS[quick], **{k: str(v) for k, v in WIDTHS[quick].options().items()}}


def network_of(job: Job, widths: Widths | None = None, lam: float = 0.1) -> nn.Module:
    """The contender's network; all have the same weights, and a lambda that is not 0: nothing may be skipped."""
    torch.manual_seed(0)
    widths = widths or WIDTHS[job.quick]
    network = build_model(NAME, **widths.options())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".lam"):
                parameter.fill_(lam)
    if job.contender.startswith(LITERAL):
        literal = LiteralNetwork(widths, len(CLASSES))
        literal.load_state_dict(network.state_dict())
        return literal.to(job.device)
    return network.to(job.device, memory_format=torch.channels_last)  # as `fit` and `predict_volume` lay it out


def operations(job: Job, slices: int, step: bool = False) -> float:
    """Of the equations as they are written; backward costs twice as much as forward."""
    forward = network_cost(NAME, WIDTHS[job.quick].options(), PIXELS[job.quick]).flops
    return float(forward * slices * (3 if step else 1))


def inputs_of(job: Job, batch: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    size = PIXELS[job.quick]
    image = torch.randn(batch, 1, size, size, generator=generator)
    labels = torch.randint(len(CLASSES), (batch, size, size), generator=generator)
    return image.to(job.device), labels.to(job.device)


def precision(job: Job) -> str:
    return "bfloat16" if PRECISIONS[job.contender] == "bf16-mixed" else "float32"


def step_of(job: Job) -> Callable[[Tensor, Tensor], Any]:
    """A training step of the contender, as a function of images and labels; the package's is that of `fit`."""
    return training_of(job)[1]


def training_of(
    job: Job, widths: Widths | None = None, lam: float = 0.1
) -> tuple[nn.Module, Callable[[Tensor, Tensor], Any]]:
    """The contender's network in training mode, and its step."""
    network, literal = network_of(job, widths, lam).train(), job.contender == LITERAL
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, (0.9, 0.99), fused=not literal)  # as `fit` makes it
    if literal:
        return network, lambda image, labels: literal_step(network, optimizer, image, labels)
    fabric = prepare(Where(job.device), PRECISIONS[job.contender])
    prepared, optimizer = fabric.setup(network, optimizer)

    def step(image: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = objective(prepared(image), labels)
        fabric.backward(loss.total)
        optimizer.step()

    return network, step


def prepare_step(job: Job, size: int | None) -> Work:
    batch = batch_of(job.device)
    step, inputs = step_of(job), inputs_of(job, batch)
    return Work(
        lambda: step(*inputs), operations=operations(job, batch, step=True), precision=precision(job), count=True
    )


def prepare_inference(job: Job, size: int | None) -> Work:
    network, (image, _) = network_of(job), inputs_of(job, 1)
    bf16 = precision(job) == "bfloat16"

    def once() -> Tensor:
        with evaluating(network), torch.inference_mode(), torch.autocast(job.device, torch.bfloat16, enabled=bf16):
            return network(image).logits

    return Work(once, operations=operations(job, 1), precision=precision(job), count=True)


def prepare_volume(job: Job, size: int | None) -> Work:
    volume = make_phantom(7, phantom_settings("tiny" if job.quick else "full")).in_phase
    network, inputs = network_of(job), InputSettings(PIXELS[job.quick])

    def predict(what: Volume) -> Volume:
        return predict_volume(network, what, inputs, device=job.device, precision=PRECISIONS[job.contender])

    few = replace(volume, image=volume.image[:8], labels=None)  # one batch: a whole volume takes long
    return Work(
        lambda: predict(volume),
        warm=lambda: predict(few),
        facts=lambda: {"slices": len(volume.image)},
        operations=operations(job, len(volume.image)),
        precision=precision(job),
    )


STEP = Case(
    "step",
    "Training step",
    prepare_step,
    contenders,
    lambda quick, device: {"batch": batch_of(device), **settings(quick, device)},
    peaks=True,
)
INFERENCE = Case(
    "inference",
    "Prediction of one slice",
    prepare_inference,
    contenders,
    lambda quick, device: {"batch": 1, **settings(quick, device)},
    peaks=True,
)
VOLUME = Case(
    "volume",
    "Prediction of a whole volume",
    prepare_volume,
    contenders,
    lambda quick, device: {"volume": "synthetic (phantom)", **settings(quick, device)},
    peaks=True,
)
