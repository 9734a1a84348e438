"""What all widgets share: alive in a notebook, and alive on a page.

With a kernel, a widget is an ordinary anywidget: Python sees what the reader does. For a page it writes itself as
HTML, with its state inside. The environment variable `SWITCH` decides which of the two a cell's output holds; the
book's pipeline sets it.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from guided_attention.errors import require_choice
from guided_attention.files import write_text
from guided_attention.widgets.shared import page as pages
from guided_attention.widgets.shared.bundle import notebook_script, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SWITCH", "GuidedWidget", "for_pages"]

#: Environment variable: "kernel" (default) or "page".
SWITCH = "GUIDED_ATTENTION_WIDGETS"


def for_pages() -> bool:
    """Return whether widgets write themselves as HTML for a page without a kernel (`SWITCH`).

    Raises
    ------
    SettingsError
        If the variable has another value than "kernel" or "page".
    """
    value = os.environ.get(SWITCH, "kernel")
    require_choice(SWITCH, value, ("kernel", "page"))
    return value == "page"


class GuidedWidget(anywidget.AnyWidget):
    """Base of the widgets.

    A subclass names its script (``_script = "mine"`` for ``js/mine.js``), puts everything that never changes into
    ``data`` and everything that the reader changes into further traits tagged ``sync=True``, and says by `picture` and
    `alt` what is seen where no JavaScript runs.

    Attributes
    ----------
    data : dict
        Words, numbers and arrays (`guided_attention.widgets.shared.pack.pack`) that the script shows.
    """

    data = traitlets.Dict().tag(sync=True)
    _script: str = ""
    #: ipywidgets before 8 shows itself by this, past `_repr_mimebundle_`; without it, every version asks the latter.
    _ipython_display_ = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # No keyword of the class statement: the metaclass of traitlets before 5.11 (Colab's) refuses them.
        if "_script" in vars(cls):
            cls._esm, cls._css = notebook_script(cls._script), style()
        super().__init_subclass__(**kwargs)

    @abstractmethod
    def picture(self) -> Figure:
        """Return what the widget shows, drawn by matplotlib: for pages without JavaScript."""

    @property
    @abstractmethod
    def alt(self) -> str:
        """What `picture` shows, in words."""

    def open(self) -> None:
        """Tell the front end that this widget exists; on pages there is none."""
        if not for_pages():
            super().open()

    def state(self) -> dict[str, Any]:
        """Return the values of the traits that the script knows."""
        inherited = anywidget.AnyWidget.class_traits(sync=True)
        own = [name for name in self.traits(sync=True) if name not in inherited and not name.startswith("_")]
        return {name: getattr(self, name) for name in own}

    def to_html(self) -> str:
        """Return the widget as it is now as a piece of HTML that needs nothing else."""
        return pages.fragment(self._script, self.state(), pages.still(self.picture()), self.alt)

    def save(self, path: str | Path, title: str = "Guided Attention") -> Path:
        """Write a page with this widget alone; it works when opened from a folder. Return its path."""
        return write_text(Path(path), pages.page(self.to_html(), title))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if for_pages():
            return {"text/html": self.to_html(), "text/plain": self.alt}
        return super()._repr_mimebundle_(**kwargs)
