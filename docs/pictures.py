"""A hook of MkDocs: run the code of the page of pictures, and show below it what it draws.

Pictures are made when the site is built, and are nowhere in the repository.
"""

import hashlib
import io
import re
from typing import Any

from mkdocs.structure.files import File


PAGE = "pictures.md"
BLOCK = re.compile(r"```python\n(.*?)```\n", re.DOTALL)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put a picture below each block of code that makes a `figure`."""
    if page.file.src_uri != PAGE:
        return markdown
    names: dict[str, Any] = {"__name__": "pictures"}

    def drawn(block: re.Match[str]) -> str:
        names.pop("figure", None)
        exec(compile(block[1], PAGE, "exec"), names)
        if "figure" not in names:
            return block[0]
        image = io.BytesIO()
        names["figure"].savefig(image, format="png", dpi=90)
        called = re.findall(r"pz\.plots\.(\w+)", block[1])[-1]
        # A name that changes with its picture, so that no browser shows an old one.
        source = f"pictures/{called}-{hashlib.sha256(image.getvalue()).hexdigest()[:8]}.png"
        files.append(File.generated(config, source, content=image.getvalue()))
        return f"{block[0]}\n![{called.replace('_', ' ')}]({source})\n"

    return BLOCK.sub(drawn, markdown)
