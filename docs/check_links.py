"""Check the built documentation without a network: links, anchors, pictures, formulas.

    python docs/check_links.py site

Everything that a page shows or runs has to be a file of the site; only what a reader may click on
leads elsewhere. Nothing may stand on a page as TeX.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


#: What a browser fetches by itself, by element.
FETCHED = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "script": "src",
    "source": "src",
    "video": "src",
}
STYLED = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
TEX = re.compile(r"\\[(\[]|\\[)\]]|\\(?:frac|sum|lVert|delta|mathrm|log)\b")


class Page(HTMLParser):
    """The anchors of a page, what it links to, what it fetches, and what it shows as TeX."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.tex: list[str] = []
        self.code = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.code += tag in ("code", "pre", "script", "style", "annotation")
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next", "alternate"):
            self.fetched.append(given["href"])
        if tag in FETCHED and FETCHED[tag] in given:
            self.fetched.append(given[FETCHED[tag]])
        if tag == "img" and not given.get("alt"):
            self.tex.append(f"a picture without words: {given.get('src')}")

    def handle_endtag(self, tag: str) -> None:
        self.code -= tag in ("code", "pre", "script", "style", "annotation")

    def handle_data(self, data: str) -> None:
        if not self.code and TEX.search(data):
            self.tex.append(f"not a formula: {data.strip()[:80]!r}")


def problems(site: Path) -> Iterator[str]:
    """What is wrong, with the page where it is."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site} has no pages: `mkdocs build` makes them"
    for path, page in pages.items():
        here = path.relative_to(site)
        yield from (f"{here}: {what}" for what in page.tex)
        for link in page.links + page.fetched:
            parts = urlsplit(link)
            if parts.scheme in ("data", "mailto", "javascript"):
                continue
            if parts.scheme or parts.netloc:
                if link in page.fetched:
                    yield f"{here}: fetches {link}"
                continue
            if path.name == "404.html":  # its links begin where the site will be
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{here}: no such file: {link}"
            elif target.stat().st_size == 0:
                yield f"{here}: an empty file: {link}"
            elif parts.fragment and target.suffix == ".html":
                at = site / target.relative_to(site.resolve())
                if unquote(parts.fragment) not in pages[at].anchors:
                    yield f"{here}: no such anchor: {link}"
    for path in sorted(site.rglob("*.css")):
        for one in STYLED.findall(path.read_text(encoding="utf-8")):
            if urlsplit("".join(one)).netloc:
                yield f"{path.relative_to(site)}: fetches {''.join(one)}"


def main(site: Path) -> int:
    """Print what is wrong; the exit status."""
    found = defaultdict(int)
    for problem in problems(site):
        found[problem] += 1
    print("\n".join(found) or "all links, anchors, pictures and formulas are in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
