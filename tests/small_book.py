"""A book of two pages and one chapter, for tests of the pipeline."""

import shutil
from pathlib import Path

import yaml

from pipeline.layout import Book

ROOT = Path(__file__).parents[1]

CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# One line

See [](../book/index.md).

```{{code-cell}} ipython3
:tags: [parameters]

preset = "paper"
```

```{{code-cell}} ipython3
{code}
```
"""

FIGURE = """\
---
mystnb:
  image:
    alt: A line from 0 to 1.
---
import matplotlib.pyplot as plt
plt.plot([0, 1])
print("preset:", preset)"""


def _config() -> str:
    """Write the book's own configuration, with another address and without the files that only the book has."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["repository"] = {"url": "https://github.com/someone/small", "branch": "trunk"}
    config["html"]["baseurl"] = "https://someone.github.io/small/"
    for name in ("html_static_path", "html_css_files", "html_extra_path", "html_favicon"):
        del config["sphinx"]["config"][name]
    return yaml.safe_dump(config, sort_keys=False)


def small_book(root: Path, code: str = FIGURE) -> Book:
    """Write the small book below ``root``; ``code`` is its chapter's second code cell."""
    for folder in ("book", "chapters"):
        (root / folder).mkdir(parents=True)
    shutil.copy(ROOT / "book" / "references.bib", root / "book")
    (root / "_config.yml").write_text(_config())
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n- caption: A\n  chapters:\n"
        "  - file: chapters/01_line\n  - file: book/status.md\n"
    )
    (root / "book" / "index.md").write_text("# Small\n\nRead [](../chapters/01_line.md).\n")
    (root / "book" / "status.md").write_text("# Times\n\n% times of this build\n")
    (root / "chapters" / "01_line.md").write_text(CHAPTER.format(code=code))
    return Book(root)
