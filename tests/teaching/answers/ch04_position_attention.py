"""Right and wrong answers to the exercises of `chapters/04_position_attention.md`."""

import math

import numpy as np
import torch

from guided_attention.teaching import check_coordinates, check_one_pixel, check_position_attention


def logits(q, k):
    return k.transpose(-1, -2) @ q


def loops(q, k, v):
    out = torch.zeros_like(v)
    for b in range(len(q)):
        for j in range(q.shape[2]):
            s = torch.stack([k[b, :, i] @ q[b, :, j] for i in range(k.shape[2])]).softmax(0)
            out[b, :, j] = sum(s[i] * v[b, :, i] for i in range(k.shape[2]))
    return out


def kernel(q, k, v):
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2)


def compare(asking, answering, row, col):
    return torch.einsum("bd,bdhw->bhw", asking[:, :, row, col], answering)


def one(module, x, row, col):
    return compare(module.query(x), module.key(x), row, col).flatten(1).softmax(1).view(len(x), *x.shape[2:])


def place(x, *, low=-1.0):
    rows = torch.linspace(low, 1, x.shape[2], dtype=x.dtype)[:, None].expand(x.shape[2:])
    columns = torch.linspace(low, 1, x.shape[3], dtype=x.dtype).expand(x.shape[2:])
    return torch.cat([x, torch.stack([rows, columns]).expand(len(x), -1, -1, -1)], 1)


def test_wrong_axis_quotes_a_sum_that_is_not_one():
    message = check_position_attention(lambda q, k, v: v @ logits(q, k).softmax(2)).message
    assert abs(float(message.split("add up to ")[1].split(",")[0]) - 1) > 0.1


def whole(module, x):
    return module.weights(x)  # (B, N asking, h, w)


def grids(x):
    b, _, h, w = x.shape
    rows, columns = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    return torch.cat([x, torch.from_numpy(rows).expand(b, 1, h, w), torch.from_numpy(columns).expand(b, 1, h, w)], 1)


ANSWERS = {
    check_position_attention: (
        [loops, kernel, lambda q, k, v: kernel(q.float(), k.float(), v.float())],
        [
            (lambda q, k, v: v @ logits(q, k).softmax(2), "add up to"),
            (lambda q, k, v: v @ logits(q, k).softmax(1).transpose(1, 2), "changed places"),
            (lambda q, k, v: v.clone(), "as eq. 3 is printed"),
            (lambda q, k, v: v @ (logits(q, k) / math.sqrt(q.shape[1])).softmax(1), "square root"),
            (lambda q, k, v: v @ logits(k, q).softmax(1), "Keys and queries"),
            (lambda q, k, v: v @ logits(q, k).exp(), "division"),
            (lambda q, k, v: v @ logits(q, k), "where is the softmax"),
            (lambda q, k, v: v.mean(2, keepdim=True).expand_as(v), "mean of all values"),
            (lambda q, k, v: v @ (logits(q, k).exp() / logits(q, k).exp().sum(1, keepdim=True)), "overflows"),
            (lambda q, k, v: (v @ logits(q, k).softmax(1))[0], "shape (2, 4, 6), found (4, 6)"),
            (lambda q, k, v: 2 * loops(q, k, v), "off by up to"),
        ],
    ),
    check_one_pixel: (
        [one, lambda m, x, row, col: m.weights(x, torch.tensor([row * x.shape[3] + col]))[:, 0]],
        [
            (lambda m, x, r, c: one(m, x, c, r), "changed places"),
            (lambda m, x, r, c: whole(m, x)[:, r * x.shape[2] + c], "row * w + col"),
            (lambda m, x, r, c: compare(m.query(x), m.key(x), r, c), "logits"),
            (lambda m, x, r, c: compare(m.query(x), m.key(x), r, c).softmax(2), "one axis"),
            (lambda m, x, r, c: whole(m, x)[:, :, r, c].view(2, 6, 10), "everyone asks of this pixel"),
            (lambda m, x, r, c: compare(x, x, r, c).flatten(1).softmax(1).view(2, 6, 10), "1x1"),
            (lambda m, x, r, c: whole(m, x)[:, r * x.shape[3] + c], "60 x 60"),
            (lambda m, x, r, c: one(m, x, r, c).flatten(1), "shape"),
            (lambda m, x, r, c: one(m, x, 4, 3), "off by up to"),
            (lambda m, x, r, c: one(m, x, r, c).view(2, 6, 10), "raised RuntimeError"),
        ],
    ),
    check_coordinates: (
        [place, grids],
        [
            (lambda x: place(x)[:, [0, 1, 2, 4, 3]], "other way round"),
            (lambda x: place(x)[:, [3, 4, 0, 1, 2]], "after the features"),
            (lambda x: place(x, low=0.0), "0 to 1"),
            (
                lambda x: torch.cat([x, (place(x)[:, 3:] + 1) / 2 * torch.tensor([3, 5])[:, None, None]], 1),
                "pixel numbers",
            ),
            (
                lambda x: torch.cat([x + place(x)[:, 3:4] + place(x)[:, 4:], place(x)[:, 3:]], 1),
                "features were changed",
            ),
            (lambda x: place(x)[:, 3:], "shape (2, 5, 4, 6)"),
            (lambda x: torch.cat([x, place(torch.zeros(2, 3, 4, 6))[:, 3:]], 1), "raised RuntimeError"),
        ],
    ),
}
