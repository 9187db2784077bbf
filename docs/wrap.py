"""Wrap paragraphs of Markdown whose lines are longer than a hundred characters.

    python docs/wrap.py                 all pages of the project
    python docs/wrap.py docs/trust.md   some

Code, tables, formulas of their own and HTML stay as they are; so do paragraphs that fit.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path


WIDTH = 100
ROOT = Path(__file__).resolve().parents[1]
#: What is not broken: code, formulas and addresses within a line; the words around them.
TOKEN = re.compile(r"(?:`[^`\n]+`|\\\(.+?\\\)|\]\([^)\s]+(?: \"[^\"]*\")?\)|\S)+")
#: What begins something else: lists, headings, quotations, tables, HTML, formulas, admonitions.
MARKER = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")
APART = re.compile(r"\s*(?:#|>|\||<|!!!|\?\?\?|===|:::|\[[^\]]+\]:|\\\[|\$\$|---|\s*$)")
#: At the beginning of a line, it would be taken for the beginning of a list, or more.
HELD = re.compile(r"[#>|]|(?:[-*+=]+|\d+[.)])$")


def pages() -> list[Path]:
    """All of them: of the repository and of its documentation."""
    return sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})


def paragraphs(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Lines that belong together, and whether they are a paragraph or an item of a list."""
    fence, formula, held = "", False, []
    for line in lines:
        bare = line.strip()
        opens = re.match(r"(?:`{3,}|~{3,})", bare)
        special = bool(fence or formula or opens or bare in ("\\[", "\\]") or APART.match(line))
        if fence:
            fence = "" if bare == fence else fence
        elif opens:
            fence = opens[0]
        elif bare.startswith("\\["):
            formula = not bare.endswith("\\]")
        elif formula:
            formula = not bare.endswith("\\]")
        if held and (special or MARKER.match(line)):
            yield True, held
            held = []
        if special:
            yield False, [line]
        else:
            held.append(line)
    if held:
        yield True, held


def wrapped(lines: list[str]) -> list[str]:
    """A paragraph in lines that fit; what cannot be broken may be longer."""
    marker = MARKER.match(lines[0])
    first = marker[0] if marker else re.match(r"\s*", lines[0])[0]
    following = re.match(r"\s*", lines[1])[0] if lines[1:] else " " * len(first)
    words = TOKEN.findall(" ".join([lines[0][len(first) :], *map(str.strip, lines[1:])]))
    done, line = [], first
    for word in words:
        empty = line in (first, following)
        if not empty and len(line) + 1 + len(word) > WIDTH and not HELD.match(word):
            done.append(line)
            line, empty = following, True
        line += word if empty else f" {word}"
    return [*done, line]


def page(text: str) -> str:
    """A page whose paragraphs fit."""
    done: list[str] = []
    for plain, lines in paragraphs(text.split("\n")):
        long = plain and any(len(line) > WIDTH for line in lines)
        # Two spaces at the end of a line break it on purpose.
        broken = any(line.endswith(("  ", "\\")) for line in lines)
        done += wrapped(lines) if long and not broken else lines
    return "\n".join(done)


def main() -> None:
    for path in [Path(name) for name in sys.argv[1:]] or pages():
        before = path.read_text(encoding="utf-8")
        after = page(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
