"""A hook of MkDocs: run the code of pages and of the examples, and show what it prints and draws.

A page whose head says `executed: true` is run from top to bottom; below each block stand its output
and its figures. Where a page says `<!-- the gallery -->`, every example follows with its results.
All of them run beside each other in processes of their own. Nothing of it is in the repository:
results are kept in `.cache`, for as long as neither the code nor the library changes. Of examples
that the environment variable `SHOWN_ONLY` names, there is the code alone.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any


ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "executed"
BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
HEAD = re.compile(r"\A---\n.*?^executed: true\n.*?^---\n", re.DOTALL | re.MULTILINE)
GALLERY = "<!-- the gallery -->"

#: What runs, by the page's or the example's path, and what came of it.
running: dict[str, Future] = {}


def on_files(files: Any, config: Any) -> Any:
    """Begin to run everything that pages will ask for."""
    from mkdocs.exceptions import PluginError

    pool = ThreadPoolExecutor(os.cpu_count())
    running.clear()
    examples = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}
    shown_only = os.environ.get("SHOWN_ONLY", "").split()
    if unknown := sorted(set(shown_only) - set(examples)):
        raise PluginError(f"`SHOWN_ONLY` names {unknown}, which are no examples.")
    for stem, path in examples.items():
        blocks = [path.read_text(encoding="utf-8")]
        how = not_executed if stem in shown_only else executed
        running[f"examples/{path.name}"] = pool.submit(how, path.name, blocks)
    for file in files.documentation_pages():
        if HEAD.match(text := Path(file.abs_src_path).read_text(encoding="utf-8")):
            blocks = BLOCK.findall(text)
            running[file.src_uri] = pool.submit(executed, file.src_uri, blocks)
    pool.shutdown(wait=False)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put its results below each block, and the examples where the gallery is."""
    if GALLERY in markdown:
        shown = (_example(name, page, config, files) for name in running if "examples/" in name)
        return markdown.replace(GALLERY, "\n".join(shown))
    if (uri := page.file.src_uri) not in running:
        return markdown
    results = iter(running[uri].result())
    return BLOCK.sub(lambda b: b[0] + _shown(next(results), uri, page, config, files), markdown)


def _example(name: str, page: Any, config: Any, files: Any) -> str:
    """The section of an example: what it is about, its results, and its code."""
    from mkdocs.structure.files import File

    source = (ROOT / name).read_text(encoding="utf-8")
    _, about, code = source.split('"""', 2)
    summary, _, rest = about.partition("\n\n")
    stem = Path(name).stem
    file = File.generated(config, name, content=source)
    file.inclusion = page.file.inclusion
    files.append(file)
    quoted = "\n".join(f"    {line}".rstrip() for line in code.strip().splitlines())
    return (
        f"## {stem.replace('_', ' ').capitalize()} {{#{stem}}}\n\n{summary}\n\n{rest}\n\n"
        f"{_shown(running[name].result()[0], name, page, config, files)}\n"
        f'??? example "The code: [`{name}`]({name})"\n\n    ```python\n{quoted}\n    ```\n'
    )


def _shown(result: dict[str, Any], name: str, page: Any, config: Any, files: Any) -> str:
    """Output and figures as Markdown; the figures become files of the site."""
    from mkdocs.structure.files import File
    from mkdocs.utils import get_relative_url

    parts = (
        [f'```text title="It prints"\n{result["said"].rstrip()}\n```\n'] if result["said"] else []
    )
    for figure in result["figures"]:
        content = (CACHE / figure).read_bytes()
        uri = f"pictures/{Path(name).stem}-{figure}"
        if uri not in files.src_uris:
            files.append(File.generated(config, uri, content=content))
        where = get_relative_url(uri, page.file.src_uri)
        parts.append(f"![A figure that this code draws]({where}){{ loading=lazy }}\n")
    return "\n" + "\n".join(parts) if parts else ""


def not_executed(name: str, blocks: list[str]) -> list[dict[str, Any]]:
    """As if nothing was printed or drawn."""
    return [{"said": "", "figures": []} for _ in blocks]


def executed(name: str, blocks: list[str]) -> list[dict[str, Any]]:
    """What each block printed and drew, in a process of its own or from the last time."""
    from mkdocs.exceptions import PluginError

    recorded = CACHE / f"{_key(blocks)}.json"
    if not recorded.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, __file__, recorded],
            input=json.dumps([name, blocks]),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PluginError(f"{name} does not run:\n{done.stderr[-3000:]}")
    return json.loads(recorded.read_text(encoding="utf-8"))


def _key(blocks: list[str]) -> str:
    """Of the code, of the library and of this file."""
    digest = hashlib.sha256("\0".join(blocks).encode())
    for path in [*sorted((ROOT / "src").rglob("*.py")), Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def run(recorded: Path, name: str, blocks: list[str]) -> None:
    """Execute blocks one after the other, and write down what they print and draw.

    A figure belongs to the block in which it was made, shown or not.
    """
    from matplotlib.figure import Figure

    made: list[Figure] = []
    begin = Figure.__init__

    def noted(self: Figure, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **options)
        made.append(self)

    Figure.__init__ = noted
    names: dict[str, Any] = {"__name__": "__main__"}
    results = []
    sys.argv = [name]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for block in blocks:
            made.clear()
            with contextlib.redirect_stdout(io.StringIO()) as said:
                exec(compile(block, name, "exec"), names)
            figures = [_saved(figure) for figure in made if figure.axes]
            # Where files are kept differs from run to run.
            text = re.sub(r"/tmp/[\w./-]+", "…", said.getvalue())
            results.append({"said": text, "figures": figures})
    recorded.write_text(json.dumps(results), encoding="utf-8")


def _saved(figure: Any) -> str:
    """A file whose name changes with its picture, so that no browser shows an old one."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=90, bbox_inches="tight")
    name = f"{hashlib.sha256(image.getvalue()).hexdigest()[:8]}.png"
    (CACHE / name).write_bytes(image.getvalue())
    return name


if __name__ == "__main__":
    run(Path(sys.argv[1]), *json.load(sys.stdin))
