"""A hook of MkDocs: write the zoo's table, which is data, where its page says `<!-- the table -->`.

Each row has a section of its own, with what its options mean: the words of the makers' docstrings.
"""

from typing import Any

from protozoo import zoo


MARK = "<!-- the table -->"


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Replace the mark by a row for each model, and a section for each."""
    if MARK not in markdown:
        return markdown
    rows = [getattr(zoo, name) for name in zoo.names()]
    header = [
        "| name | encoder · metric · loss | learns by | source |",
        "| --- | --- | --- | --- |",
    ]
    lines = [
        *header,
        *map(_row, rows),
        "",
        "## Options",
        "",
        *(line for row in rows for line in _section(row)),
    ]
    return markdown.replace(MARK, "\n".join(lines))


def _row(recipe: zoo.Recipe) -> str:
    parts = [
        part.__name__
        for part in (recipe.encoder, recipe.metric, recipe.loss)
        if part.__name__ != "no_encoder"
    ]
    cells = [
        f"[`{recipe.name}`](#protozoo.zoo.{recipe.name})",
        " · ".join(part.replace("_", " ") for part in parts),
        f"`{type(recipe.rule).__name__}`",
        "; ".join(source.short for source in recipe.sources),
    ]
    return _cells(cells)


def _section(recipe: zoo.Recipe) -> list[str]:
    """The sources of a row, and a table of its options with an anchor for each."""
    anchor = f"protozoo.zoo.{recipe.name}"
    options = [
        [f"[](){{#{anchor}.{name}}}`{name}`", option.default_in_words, option.range, option.meaning]
        for name, option in recipe.explained.items()
    ]
    return [
        f"### {recipe.name} {{#{anchor}}}",
        "",
        f"{recipe.citation}.",
        "",
        "| option | default | range | meaning |",
        "| --- | --- | --- | --- |",
        *map(_cells, options),
        "",
    ]


def _cells(texts: list[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"
