"""One self-contained script from several small ES modules: what a notebook and a page without a server need.

A widget's module imports helpers from its neighbours (``import { clamp } from "./dom.js";``). A notebook hands the
browser one text, in which such an import would lead nowhere; so the neighbours are put in front of it, each in a
scope of its own. There is one source of each file, and no build step with tools of its own.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from guided_attention.errors import SettingsError

__all__ = ["SCRIPTS", "notebook_script", "page_script", "style"]

#: Folder of the scripts and the style.
SCRIPTS = Path(__file__).parents[1] / "js"

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)


@cache
def notebook_script(name: str) -> str:
    """Return the ES module of one widget for ``AnyWidget._esm``; its default export has ``render``.

    Parameters
    ----------
    name : str
        Its file in `SCRIPTS`, without suffix.

    Raises
    ------
    SettingsError
        If a file imports or exports in a way that cannot be put together here.
    """
    return "\n".join([*_modules([name]), f"export default $default_{name};", ""])


@cache
def page_script(name: str) -> str:
    """Return the script of one widget for a static page: a function ``$start(key)`` mounts it there."""
    return "\n".join([*_modules([name, "mount"]), f"const $start = (key) => $mount.mount($default_{name}, key);", ""])


@cache
def style() -> str:
    """Return the style that all widgets share."""
    return (SCRIPTS / "widgets.css").read_text(encoding="utf-8")


def _modules(entries: list[str]) -> list[str]:
    """Texts of the entries and of all that they import, each once, what is imported first."""
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name in done:
            return
        text = (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")
        for _, other in _IMPORT.findall(text):
            add(other)
        done[name] = _scoped(name, text)

    for entry in entries:
        add(entry)
    return list(done.values())


def _scoped(name: str, text: str) -> str:
    exported = _EXPORT.findall(text)
    body = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = ${found[2]};\n", text)
    body, defaults = _DEFAULT.subn(f"$default_{name} = ", _EXPORT.sub("", body))
    if re.search(r"^(?:import|export)\b", body, re.MULTILINE) or "</script" in body or defaults > 1:
        raise SettingsError(
            f"{name}.js: only `import {{ a, b }} from './file.js';`, `export function|const|class` and one `export "
            "default` can be put together, each at the start of a line; and no text may close a script element."
        )
    head = f"let $default_{name};\n" * defaults
    return f"{head}const ${name} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();"
