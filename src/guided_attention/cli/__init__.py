"""The door: the command line ``guided-attention``."""

from guided_attention.cli.main import main

__all__ = ["main"]
