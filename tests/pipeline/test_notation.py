"""One symbol, one meaning: the display equations of the chapters against `book/notation.md`."""

import re

import pytest

from pipeline.layout import Book
from small_book import ROOT

BOOK = Book(ROOT)
NOTATION = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")

GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta kappa lambda mu nu xi rho sigma tau phi varphi "
    "psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega ell"
).split()
INDICES = frozenset("ijnctskbpm")
#: What stands for a word is a function or a name that says itself what it is.
WORDS = re.compile(r"\\(?:mathrm|text|operatorname\*?)\{[^{}]*\}(?:_\{[^{}]*\}|_\w)?")
LAYOUT = re.compile(r"\\(?:begin|end|tag)\{[^{}]*\}|\\(?:top|in)\b")
SYMBOL = re.compile(
    r"(\\(?:hat|bar|mathcal)\s*\{?\s*)?"
    r"(\\(?:" + "|".join(GREEK) + r")(?![a-zA-Z])|(?<![\\a-zA-Z])[A-Za-z](?![a-zA-Z]))\}?"
    r"('*)(?:_(\{[^{}]*\}|\\?\w))?('*)"
)
COMMAND = re.compile(r"\\[a-zA-Z]+\*?")


def symbols(latex: str) -> set[str]:
    """Split an equation into its symbols: a letter with its accent, and ``_`` or ``_{NAME}`` for a subscript.

    Running indices are equal to each other (``s_{ij}`` and ``s_{i'j}`` are ``s_``), capital or long subscripts are
    names (``F_{MS}``, ``N_{eff}``). A prime makes another symbol, unless of an index; an exponent makes none.
    """
    latex = re.sub(r"_\{\\mathrm\{(\w+)\}\}", r"_{\1}", latex)
    latex = re.sub(r"_\{(\w+)_\{(\w+)\}\}", r"_{\1\2}", latex)
    latex = LAYOUT.sub(" ", WORDS.sub(" ", latex)).replace("^", " ")
    found = set()

    def note(match: re.Match[str]) -> str:
        accent, letter, before, below, after = match.groups()
        mark = re.sub(r"[\s{]", "", accent or "")
        name = (below or "").strip("{}")
        kind = "" if not name else f"_{{{name}}}" if re.match(r"[A-Z]|[a-z]{3}", name) else "_"
        prime = "" if letter in INDICES else before + after
        found.add(f"{mark} {letter}".strip() + prime + kind)
        return " "

    rest = SYMBOL.sub(note, latex)
    commands = COMMAND.sub(" ", rest)
    for match in SYMBOL.finditer(re.sub(r"[_{}]", " ", commands)):  # what stood under a sum
        note(match)
    return found


def equations(text: str) -> str:
    """Return the display equations of a page, in one piece."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(re.findall(r"\$\$(.*?)\$\$", prose, re.DOTALL))


def declared(text: str) -> tuple[list[str], dict[str, list[str]]]:
    """Return the symbols of the general tables, and those of single chapters by their stem; repeated as they stand."""
    general: list[str] = []
    local: dict[str, list[str]] = {}
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *rows = [[cell.strip() for cell in line.strip("| \n").split(" | ")] for line in table.splitlines()]
        if head[0] != "symbol":
            continue
        for cells in rows:
            parts = [one for part in re.findall(r"\$([^$]+)\$", cells[0]) for one in part.split(", ")]
            names = sorted({name for part in parts for name in symbols(part)})
            if head[1] == "chapter":
                (stem,) = re.findall(r"chapters/(\w+)", cells[1])
                local.setdefault(stem, []).extend(names)
            else:
                general.extend(names)
    return general, local


GENERAL, LOCAL = declared(NOTATION)


@pytest.mark.parametrize(
    ("latex", "found"),
    [
        (r"s_{ij} = \frac{\exp(k_i \cdot q_j)}{\sum_{i'=1}^{N} \exp(k_{i'} \cdot q_j)}", {"s_", "k_", "q_", "i", "N"}),
        (r"F_{MS} = \mathrm{conv}([F'_0, F'_1]) \tag{1}", {"F_{MS}", "F'_"}),
        (r"L_{Seg_{Total}} = \sum_{s=0}^{3} L_{Seg}^{F'_s}", {"L_{SegTotal}", "s", "L_{Seg}", "F'_"}),
        (r"\hat F_s = D_1(E_1(F_s))", {r"\hat F_", "D_", "E_", "F_"}),
        (r"N_{\mathrm{eff}} = N\, e^{-\sigma^2/2}", {"N_{eff}", "N", "e", r"\sigma"}),
        (r"\min_{b \in \partial \mathcal B} \lVert a - b \rVert_2", {"b", r"\mathcal B", "a"}),
        (r"I = \mathrm{PD} \sin\vartheta\, e^{-\mathrm{TE} / T_2^*}", {"I", r"\vartheta", "e", "T_"}),
        (r"A^{(t)} \odot g_t", {"A", "t", "g_"}),
    ],
)
def test_an_equation_is_split_into_its_symbols(latex, found):
    assert symbols(latex) == found


def test_a_second_meaning_is_found():
    general, local = declared(
        "| symbol | meaning |\n| --- | --- |\n| $\\alpha, F$ | weight; features |\n\n"
        "| symbol | chapter | meaning |\n| --- | --- | --- |\n| $\\alpha$ | {doc}`../chapters/01_data` | flip angle |\n"
    )
    assert general == ["F", r"\alpha"]
    assert local == {"01_data": [r"\alpha"]}
    assert set(local["01_data"]) & set(general)
    assert symbols(equations("$$ G = \\alpha F $$")) - set(general) == {"G"}


def test_no_symbol_is_declared_twice():
    assert sorted(GENERAL) == sorted(set(GENERAL))
    for stem, names in LOCAL.items():
        assert sorted(names) == sorted(set(names)), stem
        assert not set(names) & set(GENERAL), f"{stem}: a general symbol may mean nothing else in one chapter"


@pytest.mark.parametrize("stem", BOOK.chapters)
def test_every_symbol_of_a_chapter_is_declared_and_no_other(stem):
    used = symbols(equations(BOOK.text(stem).read_text(encoding="utf-8")))
    own = set(LOCAL.get(stem, ()))
    assert used <= own | set(GENERAL)
    assert own <= used


def test_the_equations_of_the_paper_need_no_chapter():
    assert symbols(equations(NOTATION)) <= set(GENERAL)
