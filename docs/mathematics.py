"""A hook of MkDocs: turn TeX into MathML when the site is built.

Browsers draw MathML themselves, so that a page asks nobody for a script or a font.
"""

import html
import re
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError


FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, page: Any, **kwargs: Any) -> str:
    """Replace each formula that `arithmatex` has found."""

    def drawn(formula: re.Match[str]) -> str:
        tex = html.unescape(formula[3]).strip()
        display = "block" if formula[2] == "[" else "inline"
        # The only name of a function in use that the converter lacks.
        mathml = convert(re.sub(r"\\arg\b", r"\\operatorname{arg}", tex), display=display)
        # What it does not know it writes down as it is.
        if "\\" in mathml:
            raise PluginError(f"{page.file.src_uri}: no MathML for {tex!r}.")
        return f'<{formula[1]} class="formula">{mathml}</{formula[1]}>'

    return FORMULA.sub(drawn, content)
