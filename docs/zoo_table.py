"""A hook of MkDocs: write the zoo's table, which is data, where its page says `<!-- the table -->`."""

from typing import Any

from protozoo import zoo


MARK = "<!-- the table -->"


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Replace the mark by a row for each model."""
    if MARK not in markdown:
        return markdown
    header = ["| name | encoder · metric · loss | learns by | options | source |", "| --- | --- | --- | --- | --- |"]
    return markdown.replace(MARK, "\n".join(header + [_row(getattr(zoo, name)) for name in zoo.names()]))


def _row(recipe: zoo.Recipe) -> str:
    parts = [part.__name__ for part in (recipe.encoder, recipe.metric, recipe.loss) if part.__name__ != "no_encoder"]
    cells = [
        f"[](){{#protozoo.zoo.{recipe.name}}}`{recipe.name}`",
        " · ".join(part.replace("_", " ") for part in parts),
        f"`{type(recipe.rule).__name__}`",
        ", ".join(f"`{option}`" for option in recipe.options),
        recipe.citation,
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
