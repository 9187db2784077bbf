"""What the table says about its rows: options, sources, names that checkers know."""

import dataclasses
import inspect
import pydoc
import re
from collections.abc import Callable
from typing import Any

import equinox as eqx
import pytest

import protozoo as pz
from protozoo import _sources
from protozoo._sources import SOURCES, bibtex, quoted, source_paragraph, sources_of


ROWS = [getattr(pz.zoo, name) for name in pz.zoo.names()]


# Options.


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_option_is_explained(row):
    for name, option in row.explained.items():
        assert option.meaning.endswith("."), name
        # `None` stands for something, which words tell.
        assert option.default is not None or option.by_default, name
        assert option.range, name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_help_explains_a_row(row):
    text = " ".join(pydoc.render_doc(row, renderer=pydoc.plaintext).split())
    for name, option in row.explained.items():
        assert f"- `{name}`: {option.meaning}" in text
        assert f"Default: {option.default_in_words}." in text
        assert f"Range: {option.range}." in text
    assert row.citation in text


def test_help_of_the_class_is_about_the_class():
    assert "A published model as a composition of parts" in str(inspect.getdoc(pz.zoo.Recipe))
    assert "sources" in inspect.signature(pz.zoo.Recipe).parameters


def test_what_an_option_is():
    option = pz.zoo.GMLVQ.explained["latent_dim"]
    assert (option.default, option.kind) == (None, int | None)
    assert option.meaning == "how many columns Ω has."
    assert option.range.startswith("from 1 to the number of features")
    assert option.by_default == option.default_in_words == "as many as there may be"
    assert pz.zoo.LVQMLN.explained["activation"].default_in_words == "`tanh`"
    assert pz.zoo.GLVQ.explained["initialiser"].default_in_words == '`"means"`'


def test_editors_see_the_options():
    parameters = inspect.signature(pz.zoo.SiameseGMLVQ).parameters
    arguments = [
        name
        for name in inspect.signature(pz.zoo.Recipe.__call__).parameters
        if name not in ("self", "options")
    ]
    assert list(parameters) == [*arguments, *pz.zoo.SiameseGMLVQ.options]
    assert parameters["omega_dim"].annotation == int | None


def test_what_a_row_of_ones_own_does_not_explain_is_an_option_all_the_same():
    def loss(context: Any, *, sharpness: float = 1.0) -> Any:
        return pz.losses.GLVQ()

    row = dataclasses.replace(pz.zoo.GLVQ, name="Mine", sources=(), loss=loss)
    assert row.options == {"prototypes_per_class": 1, "initialiser": "means", "sharpness": 1.0}
    assert row.explained["sharpness"].meaning == ""
    assert "`sharpness`" in row.__doc__ and "Source:" not in row.__doc__
    assert row.bibtex() == row.citation == ""


def _with_latent_dim(context: Any, *, latent_dim: int = 2) -> Any: ...


def _with_key(context: Any, *, key: int = 0) -> Any: ...


def _with_epochs(context: Any, *, epochs: int = 0) -> Any: ...


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            _with_latent_dim,
            "`latent_dim` is an option of the metric and an option of the loss of GMLVQ: give one",
        ),
        (_with_key, "`key` is an argument of `Recipe` and an option of the loss of GMLVQ"),
        (_with_epochs, "`epochs` is an argument of `Trainer` and an option of the loss of GMLVQ"),
    ],
)
def test_an_option_has_one_owner(loss, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(pz.zoo.GMLVQ, loss=loss)


# Sources.


def test_sources_are_no_text(unchecked):
    with pytest.raises(
        TypeError, match="`sources` must hold entries of kind `Source`, got 'Sato 1995'"
    ):
        dataclasses.replace(pz.zoo.GLVQ, sources="Sato 1995")


def classes() -> list[type]:
    def below(cls: type) -> list[type]:
        return [c for sub in cls.__subclasses__() for c in (sub, *below(sub))]

    return [
        c
        for c in below(eqx.Module)
        if c.__module__.startswith("protozoo.") and "Source:" in (c.__doc__ or "")
    ]


def functions() -> list[Callable]:
    """Public functions, and classes that are no modules, that quote a source."""
    modules = [getattr(pz, name) for name in pz.__all__ if inspect.ismodule(getattr(pz, name))]
    found = {
        f: None
        for module in modules
        for name, f in vars(module).items()
        if inspect.isfunction(f) or name in module.__all__ and inspect.isclass(f)
    }
    known = classes()
    return [f for f in found if "Source:" in (f.__doc__ or "") and f not in known]


def entries(text: str) -> list[tuple[str, str, dict[str, str]]]:
    """A BibTeX file, parsed: kind, key and fields of each entry."""
    found = []
    for entry in text.split("\n\n"):
        ((kind, key, body),) = re.findall(r"\A@(\w+)\{(\w+),\n(.*)\n\}\Z", entry, re.DOTALL)
        fields = dict(re.findall(r"^  (\w+) = \{(.+)\},$", body, re.MULTILINE))
        assert len(fields) == len(body.split("\n"))
        assert all(value.count("{") == value.count("}") for value in fields.values())
        found.append((kind, key, fields))
    return found


def test_the_table_of_sources_is_sound():
    assert (
        len({source.key for source in SOURCES})
        == len({source.short for source in SOURCES})
        == len(SOURCES)
    )
    for source, (kind, key, fields) in zip(SOURCES, entries(bibtex(SOURCES)), strict=True):
        assert re.fullmatch(r"[a-z]+\d{4}[a-z]+", key), key
        place = {
            "article": "journal",
            "inproceedings": "booktitle",
            "book": "publisher",
            "misc": "howpublished",
        }[kind]
        needed = {"author", "title", "year", *([place] if kind != "misc" else [])}
        assert needed <= set(fields) <= needed | {place, "volume"}
        assert fields["author"].split(" and ") == source.authors.split(", ")
        assert 1950 < int(fields["year"]) < 2030


@pytest.mark.parametrize("cls", [*classes(), *functions()], ids=lambda cls: cls.__name__)
def test_docstrings_quote_the_table(cls):
    """So that what is read and what BibTeX says are the same: no title that the table has not."""
    paragraph = source_paragraph(cls.__doc__)
    assert quoted(cls.__doc__)
    for source in quoted(cls.__doc__):
        paragraph = paragraph.replace(str(source), "").replace(source.short, "")
    assert "*" not in paragraph, f"not in the table, or spelled in another way: {paragraph}"


def test_every_source_is_cited():
    cited = {source for thing in [*classes(), *functions()] for source in quoted(thing.__doc__)}
    cited |= {source for row in ROWS for source in row.sources}
    assert cited == set(SOURCES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows_have_bibtex(row):
    assert row.sources and set(row.sources) <= set(SOURCES)
    assert [key for _, key, _ in entries(row.bibtex())] == [source.key for source in row.sources]


def test_a_model_cites_what_is_within_its_parts():
    kernel = pz.metrics.GaussianKernel(pz.metrics.Omega.identity(4, 2))
    cooperation = pz.RankCooperation(pz.Cosine(3.0, 0.1))
    named = sources_of((kernel, pz.losses.GLVQ(cooperation=cooperation)))
    assert {_sources.VILLMANN_2015, _sources.SCHNEIDER_2009, _sources.SATO_1995} <= set(named)
    assert {_sources.MARTINETZ_1993, _sources.HAMMER_2005, _sources.LOSHCHILOV_2017} <= set(named)
    assert _sources.HAMMER_2005 not in sources_of(pz.losses.GLVQ())


@pytest.mark.parametrize(
    ("source", "full", "short"),
    [
        (
            _sources.KOHONEN_1990,
            "T. Kohonen, *Improved versions of learning vector quantization*, IJCNN 1990",
            "Kohonen 1990",
        ),
        (
            _sources.SATO_1995,
            "A. Sato, K. Yamada, *Generalized learning vector quantization*, NIPS 8, 1995",
            "Sato & Yamada 1995",
        ),
        (
            _sources.VILLANI_2009,
            "C. Villani, *Optimal transport: old and new*, Springer, 2009",
            "Villani 2009",
        ),
        (
            _sources.COTTRELL_2006,
            "M. Cottrell, B. Hammer, A. Hasenfuß, T. Villmann, *Batch and median neural gas*, "
            "Neural Networks 19, 2006",
            "Cottrell et al. 2006",
        ),
    ],
)
def test_how_sources_are_written(source, full, short):
    assert (str(source), source.short) == (full, short)
