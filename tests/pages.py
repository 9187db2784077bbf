"""The pages of the documentation, as programs."""

import re
from pathlib import Path


ROOT = Path(__file__).parents[1]


def run(page: Path) -> dict:
    """Execute the code of a page from top to bottom; what it defines."""
    names: dict = {"__name__": page.stem}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        exec(compile(block, str(page), "exec"), names)
    return names
