"""The options of a row: the keyword arguments of its makers, as their docstrings explain them."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of a row.

    - `default`: its value where it is not given.
    - `kind`: what it is annotated with.
    - `meaning`: what it does.
    - `range`: the values that it may have.
    - `by_default`: in words, what the default stands for; empty where its value says it all.
    """

    default: Any
    kind: Any
    meaning: str = ""
    range: str = ""
    by_default: str = ""

    def __str__(self) -> str:
        values = f" Range: {self.range}." if self.range else ""
        return f"{self.meaning}{values} Default: {self.default_in_words}."

    @property
    def default_in_words(self) -> str:
        """The default as documentation shows it."""
        if self.default is None and self.by_default:
            return self.by_default
        text = f'"{self.default}"' if isinstance(self.default, str) else repr(self.default)
        text = f"`{getattr(self.default, '__name__', text)}`"
        return f"{text} ({self.by_default})" if self.by_default else text


@functools.lru_cache(maxsize=256)  # rows share makers, and ask whenever a model is built
def options_of(maker: Callable) -> Mapping[str, Option]:
    """The options that a maker has."""
    explained = _explanations(maker)
    parameters = inspect.signature(maker).parameters.values()
    keywords = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    return MappingProxyType(
        {p.name: Option(p.default, p.annotation, **explained.get(p.name, {})) for p in keywords}
    )


def summary(maker: Callable) -> str:
    """What a maker makes: the first paragraph of its docstring."""
    return " ".join((maker.__doc__ or "").split("\n\n")[0].split())


def explained_by(*makers: Callable) -> Callable[[Callable], Callable]:
    """Declare that these makers' docstrings explain the options that a maker's own does not."""

    def declare(maker: Callable) -> Callable:
        vars(maker)["explained_by"] = makers
        return maker

    return declare


def with_options_of(inner: Callable) -> Callable[[Callable], Callable]:
    """Declare that the `**options` of a maker are those of another one, which is given them; beside
    its own."""

    def declare(maker: Callable) -> Callable:
        given = inspect.signature(inner)
        own = inspect.signature(maker).parameters.values()
        more = [p for p in own if p.kind is inspect.Parameter.KEYWORD_ONLY]
        vars(maker)["__signature__"] = given.replace(parameters=[*given.parameters.values(), *more])
        return explained_by(inner)(maker)

    return declare


#: "- `name`: meaning. Range: values. Default: in words.", and lines that continue it.
_BULLET = re.compile(
    r"^ *- `(?P<name>\w+)`: (?P<text>.*(?:\n(?! *- `)(?! *\n) *\S.*)*)", re.MULTILINE
)
_PARTS = re.compile(
    r"(?P<meaning>.*?\.)(?: Range: (?P<range>.*?)\.)?(?: Default: (?P<by_default>.*)\.)?"
)


def _explanations(maker: Callable) -> dict[str, dict[str, str]]:
    """What docstrings explain: for each option its meaning, its range and its default in words."""
    found = {}
    for docstring in _docstrings(maker):
        for bullet in _BULLET.finditer(docstring):
            parts = _PARTS.fullmatch(" ".join(bullet["text"].split()))
            if parts:
                said = {name: text for name, text in parts.groupdict().items() if text is not None}
                found.setdefault(bullet["name"], said)
    return found


def _docstrings(maker: Callable) -> Iterator[str]:
    """A maker's docstring, and those of the makers that explain what it does not."""
    yield maker.__doc__ or ""
    for other in getattr(maker, "explained_by", ()):
        yield from _docstrings(other)
