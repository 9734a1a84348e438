"""The literal network and the package's are one function, in double precision, going forward and backward."""

import pytest
import torch

from benchmarks.literal import LiteralNetwork, Widths, literal_objective, literal_step
from guided_attention.models import build_model
from guided_attention.training import objective

WIDTHS = Widths(backbone=8, scales=8, semantic=(8, 8, 16))


@pytest.fixture
def both():
    torch.manual_seed(0)
    package = build_model("ms-dual-guided", **WIDTHS.options()).double()
    with torch.no_grad():
        for name, parameter in package.named_parameters():
            if name.endswith(".lam"):
                parameter.fill_(0.3)  # at 0 attention would contribute nothing
        for name, buffer in package.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    literal = LiteralNetwork(WIDTHS).double()
    literal.load_state_dict(package.state_dict())
    return literal, package


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(2, 1, 64, 64, generator=generator, dtype=torch.float64)
    return image, torch.randint(5, (2, 64, 64), generator=generator)


def test_same_logits(both, batch):
    with torch.no_grad():
        ours, theirs = (network.eval()(batch[0]).logits for network in both)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10 * float(theirs.abs().max()))


def test_same_loss_gradients_and_statistics(both, batch):
    literal, package = (network.train() for network in both)
    image, labels = batch
    literal_loss, loss = literal_objective(literal(image), labels), objective(package(image), labels).total
    # the package's losses are computed in float64 here, too
    assert literal_loss.item() == pytest.approx(loss.item(), rel=1e-10)
    literal_loss.backward()
    loss.backward()
    theirs = dict(package.named_parameters())
    for name, parameter in literal.named_parameters():
        if name.endswith("key.bias"):
            continue  # its gradient is rounding: softmax drops it
        scale = float(theirs[name].grad.abs().max())
        torch.testing.assert_close(parameter.grad, theirs[name].grad, rtol=1e-7, atol=1e-8 * scale, msg=name)
    statistics = dict(package.named_buffers())
    for name, buffer in literal.named_buffers():
        torch.testing.assert_close(buffer, statistics[name], rtol=1e-10, atol=1e-12, msg=name)


def test_a_step_goes_down_the_gradient_of_its_own_batch_alone(batch):
    torch.manual_seed(0)
    network = LiteralNetwork(WIDTHS).double().train()
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)
    literal_step(network, optimizer, *batch)
    before = [p.detach().clone() for p in network.parameters()]
    literal_step(network, optimizer, *batch)  # must not go on with the gradients of the first
    for old, new in zip(before, network.parameters(), strict=True):
        if new.grad is not None:
            torch.testing.assert_close(new.detach(), old - 1e-3 * new.grad)
    again = LiteralNetwork(WIDTHS).double().train()
    with torch.no_grad():
        for parameter, value in zip(again.parameters(), before, strict=True):
            parameter.copy_(value)
    literal_objective(again(batch[0]), batch[1]).backward()
    expected, found = again.fusion.fuse[0].weight.grad, network.fusion.fuse[0].weight.grad
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9 * float(expected.abs().max()))
