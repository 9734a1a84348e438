"""Multi-scale guided attention for medical image segmentation.

The package behind the book *Guided Attention*. The chapters build its parts from their equations and then
import them from here; ``README.md`` says where to start.
"""

from importlib.metadata import version

__version__ = version("guided-attention")
__all__ = ["__version__"]
