"""Networks on disk: weights with how to build the network, weights that travel with the book, ONNX."""

from guided_attention.models.stored.pretrained import load_pretrained, pretrained_path
from guided_attention.models.stored.weights import ModelSpec, load_network, save_network

__all__ = ["ModelSpec", "load_network", "load_pretrained", "pretrained_path", "save_network"]
