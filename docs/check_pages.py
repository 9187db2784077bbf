"""Look at every page of the built documentation with a browser, as a reader would.

    python docs/check_pages.py site [folder for screenshots]

Chromium opens each page at the widths of a desk and of a telephone, light and dark, and finds
pictures that do not show, formulas that were not rendered, content that runs out of the page, text
that can hardly be told from its ground, errors of scripts, and requests that leave the machine.
"""

import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


WIDTHS = {"desk": 1440, "telephone": 390}
#: Milliseconds: how long a page may take, also where much else is going on.
PATIENCE = 300_000
SCHEMES: dict[Any, str] = {"light": "default", "dark": "slate"}

#: Everything that is wrong with the page as it is shown now.
FIND = r"""
() => {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width + 1)
    found.push(`the page is ${document.documentElement.scrollWidth} wide, of ${width}`);
  for (const image of document.images)
    if (!image.complete || image.naturalWidth === 0) found.push(`a broken picture: ${image.src}`);
  const held = (element) => {
    for (let e = element; e && e !== document.body; e = e.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX)) return true;
    return false;
  };
  const article = document.querySelector("article") || document.body;
  const content = "pre, code, table, img, math, p, li, h1, h2, h3";
  for (const element of article.querySelectorAll(content)) {
    const box = element.getBoundingClientRect();
    if (box.width && box.right > width + 1 && !held(element))
      found.push(`out of the page: <${element.localName}> ${element.textContent.slice(0, 60)}`);
  }
  for (const math of article.querySelectorAll("math")) {
    const box = math.getBoundingClientRect();
    const shown = math.checkVisibility();
    if (math.querySelector("merror") || (shown && (box.width < 2 || box.height < 2)))
      found.push(`a formula that does not show: ${math.textContent.slice(0, 60)}`);
  }
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    if (/\\[(\[]|\\(frac|sum|lVert|delta)\b/.test(node.data)
        && !node.parentElement.closest("pre, code, script, style"))
      found.push(`not a formula: ${node.data.trim().slice(0, 60)}`);
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).map(Number).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paragraph = article.querySelector("p");
  if (paragraph) {
    const ground = getComputedStyle(document.body).backgroundColor;
    const [a, b] = [getComputedStyle(paragraph).color, ground].map(light);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(`text of contrast ${contrast.toFixed(1)}`);
  }
  return found;
}
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the site, and says nothing about it."""

    def log_message(self, *arguments: Any) -> None:
        pass


class Patient(http.server.ThreadingHTTPServer):
    """Does not mind a browser that leaves before it was told everything."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def browser_of_this_machine() -> str:
    """Where Chromium is.

    **Raises:** `SystemExit` if there is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise SystemExit(
        "no browser on this machine: the pages were not looked at. Install Chromium, such as by "
        "`apt-get install chromium`."
    )


def problems(site: Path, screenshots: Path | None = None) -> Iterator[str]:
    """What is wrong, with the page where it is and how it was looked at."""
    from playwright.sync_api import sync_playwright

    program = browser_of_this_machine()
    handler = functools.partial(Quiet, directory=str(site))
    server = Patient(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{server.server_port}/"
    said: list[str] = []

    def local(route: Any) -> None:
        url = route.request.url
        if url.startswith((home, "data:", "blob:")):
            route.continue_()
        else:
            said.append(f"asks another machine: {url}")
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        # A worker of a service would ask behind the back of the route.
        page = browser.new_context(service_workers="block").new_page()
        page.set_default_timeout(PATIENCE)
        page.route("**/*", local)
        page.on("pageerror", lambda error: said.append(f"a script fails: {error}"))
        for path in sorted(site.rglob("*.html")):
            name = path.relative_to(site).as_posix()
            if name == "404.html":  # it is served at other addresses
                continue
            for scheme, palette in SCHEMES.items():
                # A reader who comes for the first time is shown what the system prefers.
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": WIDTHS["desk"], "height": 900})
                said.clear()
                page.goto(home + name, wait_until="load")
                page.evaluate("localStorage.clear()")
                page.reload(wait_until="load")
                # Pictures further down load when they are come to.
                page.evaluate("for (const i of document.images) i.loading = 'eager'")
                page.wait_for_function("[...document.images].every(i => i.complete)")
                if (shown := page.evaluate("document.body.dataset.mdColorScheme")) != palette:
                    yield f"{name} ({scheme}): has the colours {shown}"
                for where, width in WIDTHS.items():
                    page.set_viewport_size({"width": width, "height": 900})
                    page.wait_for_timeout(50)
                    for problem in [*page.evaluate(FIND), *said]:
                        yield f"{name} ({where}, {scheme}): {problem}"
                    if screenshots is not None:
                        shot = screenshots / f"{name[:-5].replace('/', '-')}-{where}-{scheme}.png"
                        page.screenshot(path=shot, full_page=False)
                    said.clear()
        browser.close()
    server.shutdown()


def main(site: Path, screenshots: Path | None = None) -> int:
    """Print what is wrong; the exit status."""
    if screenshots is not None:
        screenshots.mkdir(parents=True, exist_ok=True)
    found = False
    for problem in problems(site, screenshots):
        print(problem, flush=True)
        found = True
    if not found:
        print("every page shows as it should, at both widths, light and dark")
    return int(found)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:3])))
