"""A training of seconds: a network of a few thousand weights, three volumes, and the settings for them."""

from dataclasses import replace

import torch
from torch import nn

from guided_attention.data import InputSettings
from guided_attention.models import SegmentationOutput
from guided_attention.models.attention import DualAttention
from guided_attention.training.settings import FitSettings
from small_volumes import small_volume

SETTINGS = FitSettings(epochs=4, batch_size=4, patience=2, seed=5, inputs=InputSettings(size=32, how="resample"))
#: Long enough to be interrupted.
LONG = replace(SETTINGS, epochs=25)
TRAIN = [small_volume("a", 1), small_volume("b", 2)]
VALIDATION = [small_volume("c", 3)]


class Tiny(nn.Module):
    """A network of a few thousand weights with attention, batch norm, dropout and deep supervision."""

    def __init__(self, channels=8):
        super().__init__()
        self.attend = DualAttention(channels, 1, reduction=4)
        self.drop = nn.Dropout2d(0.1)
        self.heads = nn.ModuleList(nn.Conv2d(channels, 5, 3, padding=1) for _ in range(2))

    def forward(self, x):
        y = self.drop(self.attend(x))
        first, second = (head(y) for head in self.heads)
        return SegmentationOutput((first + second) / 2, side_logits=(first, second))


def network(seed=0, channels=8):
    torch.manual_seed(seed)
    return Tiny(channels)
