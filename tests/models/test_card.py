"""A model knows its data: names, origin and settings travel with it, and no compiled program knows
them."""

import dataclasses
import enum
import json
import pickle

import equinox as eqx
import jax
import numpy as np
import pandas
import polars
import pytest
from compilations import count_compilations
from zoo import CASES, Case, blobs, sampled

import protozoo as pz


X, Y = blobs()
NAMES = ["setosa", "versicolor", "virginica"]
FEATURES = ["a", "b", "c", "d", "e"]


def fitted(**more) -> pz.PrototypeModel:
    return pz.fit(
        "GMLVQ", X, Y, latent_dim=2, epochs=2, class_names=NAMES, feature_names=FEATURES, **more
    ).model


def card_of(model: pz.PrototypeModel) -> pz.models.Card:
    assert model.card is not None
    return model.card


# What it says.


def test_a_fit_writes_what_the_model_was_made_of():
    card = card_of(fitted(batch_size=20, restore_best=True, standardise=True))
    assert (card.row, card.classes, card.features) == ("GMLVQ", tuple(NAMES), tuple(FEATURES))
    assert card.options["latent_dim"] == 2 and card.options["prototypes_per_class"] == 1
    assert card.scale == "Standardise" and card.version == pz.__version__
    assert card.samples == {"count": 60, "shape": [5]}
    assert card.training["epochs"] == 2 and card.training["batch_size"] == 20
    assert card.training["restore_best"] is True and "curriculum" not in card.training
    assert card.training["rule"]["kind"] == "GradientDescent"
    assert json.loads(card.text) == card.contents
    assert str(card).startswith("model: GMLVQ prototypes_per_class=1") and len(str(card)) < 800
    assert "classes: setosa, versicolor, virginica" in repr(card)
    assert repr(card) not in repr(fitted())  # a model is printed by its parts


def test_numbers_functions_and_modules_are_plain():
    rule = pz.GradientDescent("adam", pz.Cosine(1e-2))
    fit = pz.fit(
        "SiameseGLVQ",
        X,
        Y,
        activation=jax.nn.relu,
        hidden=(4,),
        transfer="sigmoid",
        margin=np.float32(0.1),
        rule=rule,
        epochs=1,
        stopping=pz.Stopping(patience=3),
        regularisers=[pz.training.Diversity(0.5)],
    )
    card = card_of(fit.model)
    assert card.options["activation"] == "relu" and card.options["hidden"] == [4]
    assert card.options["margin"] == 0.1
    assert card.training["stopping"] == {"kind": "Stopping", "patience": 3}
    assert card.training["regularisers"][0]["kind"] == "Diversity"
    assert card.training["rule"]["start"] == 0.01 and "0x" not in card.text


def test_a_card_is_shown_in_notebooks():
    card = pz.models.Card.of(classes=["<b>", "&"], row="GLVQ")
    page = card._repr_html_()
    assert "&lt;b&gt;, &amp;" in page and "<b>" not in page and page.count("<tr>") == 2


def test_a_card_is_plain_json(unchecked):
    for text, message in [
        ("[]", "must be a JSON object"),
        ("{", "Expecting property name"),
        ('{"rows": 1}', "a card has no entry 'rows'; it has row, options"),
        ('{"classes": "abc"}', "`classes` of a card must be of kind"),
        ('{"classes": [[1]]}', "must hold names"),
        ('{"classes": ["a", "a"]}', "must differ"),
        ('{"options": {"a": NaN}}', "NaN is no number of JSON"),
        ("[" * 100_000, "nested too deeply"),
    ]:
        with pytest.raises(ValueError, match=message):
            pz.models.Card(text)
    with pytest.raises(ValueError, match="plain JSON alone"):
        pz.models.Card.of(classes=[1j])


# Names.


def test_classes_are_answered_by_name():
    model = fitted()
    np.testing.assert_array_equal(model.predict(X, names=True), np.array(NAMES)[model.predict(X)])
    labels, y = np.unique(np.array([10, 30, 20])[Y], return_inverse=True)
    numbered = pz.fit("GLVQ", X, y, class_names=labels, epochs=1).model
    np.testing.assert_array_equal(numbered.predict(X, names=True), labels[numbered.predict(X)])
    with pytest.raises(ValueError, match="`names`: the classes of this model have no names"):
        pz.fit("GLVQ", X, Y, epochs=1).model.predict(X, names=True)


WORDS = np.array(["dog", "ant", "cat"])[Y]


@pytest.mark.parametrize(
    "labels",
    [WORDS, WORDS.tolist(), pandas.Series(WORDS), polars.Series(WORDS), Y > 0],
    ids=["array", "list", "pandas", "polars", "truths"],
)
def test_classes_may_be_words(labels, unchecked):
    names, places = np.unique(np.asarray(labels).astype(str), return_inverse=True)
    weight = dict(zip(names.tolist(), range(1, 4), strict=False))
    options = {"class_weight": None if labels is not WORDS else weight, "epochs": 2}
    model = pz.fit("GLVQ", X, labels, validation=(X, labels), **options).model
    options["class_weight"] = None if labels is not WORDS else [1, 2, 3]
    numbered = pz.fit("GLVQ", X, places, validation=(X, places), **options).model
    np.testing.assert_array_equal(model.prototypes.points, numbered.prototypes.points)
    np.testing.assert_array_equal(
        model.predict(X, names=True), np.unique(np.asarray(labels))[model.predict(X)]
    )
    by_name, by_number = pz.evaluate(model, X, labels), pz.evaluate(model, X, places)
    np.testing.assert_array_equal(by_name.confusion, by_number.confusion)
    assert by_name.classes == tuple(names)
    assert pz.evaluation.reject_curve(model, X, labels).accuracy[0] == by_number.accuracy


def test_folds_of_classes_that_are_words():
    options = {"folds": 2, "epochs": 2}
    by_name = pz.cross_validate("GLVQ", X, WORDS, **options)
    names, places = np.unique(WORDS, return_inverse=True)
    by_number = pz.cross_validate("GLVQ", X, places, **options)
    np.testing.assert_array_equal(by_name.scores, by_number.scores)
    assert by_name.evaluations[0].classes == card_of(by_name.fits[1].model).classes == tuple(names)
    compared = pz.compare(["GLVQ"], X, WORDS, **options)
    np.testing.assert_array_equal(compared.results["GLVQ"].scores, by_number.scores)


def test_words_that_do_not_fit_are_refused(unchecked):
    model = pz.fit("GLVQ", X, WORDS, class_names=["cat", "dog", "ant"], epochs=1).model
    assert card_of(model).classes == ("cat", "dog", "ant")
    truths = pz.fit("GLVQ", X, Y > 0, class_names=["other", "dog"], epochs=1).model
    assert truths.predict(X[Y == 0], names=True)[0] == "other"
    for y in ("dog", WORDS[:, None], WORDS[:0], np.ma.masked_array(WORDS, Y == 1), WORDS[:7]):
        with pytest.raises(ValueError, match="`y`"):
            pz.fit("GLVQ", X, y, epochs=1)
    with pytest.raises(ValueError, match="`y` has class 'False', and classes are cat, dog, ant"):
        pz.evaluate(model, X, Y > 0)
    some = WORDS.astype(object)
    some[7] = None
    unknown = np.where(Y == 1, "bee", WORDS)
    with pytest.raises(ValueError, match="`y` has class 'bee', and classes are cat, dog, ant"):
        pz.evaluate(model, X, unknown)
    with pytest.raises(ValueError, match="`validation y` has class 'bee'"):
        pz.fit("GLVQ", X, WORDS, validation=(X, unknown), epochs=1)
    with pytest.raises(ValueError, match="`y` holds words, and None for sample 7"):
        pz.fit("GLVQ", X, some, epochs=1)
    with pytest.raises(ValueError, match="`y` has the single class dog"):
        pz.fit("GLVQ", X, np.full(len(X), "dog"), epochs=1)
    with pytest.raises(ValueError, match=r"choose the target, such as `\(y != 'normal'\)"):
        pz.fit("OCGLVQ", X, WORDS, epochs=1)
    with pytest.raises(ValueError, match="must hold integers 0…c-1, got <U3"):
        pz.evaluate(pz.fit("GLVQ", X, Y, epochs=1).model, X, WORDS)


def test_names_that_do_not_fit_are_refused(unchecked):
    for options, message in [
        ({"class_names": NAMES[:2]}, "`class_names` must be those of the 3 classes, got 2 of them"),
        ({"class_names": ["a", "a", "b"]}, "`classes` of a card must differ"),
        (
            {"feature_names": ["a"]},
            "`feature_names` must be those of the 5 features, got 1 of them",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            pz.fit("GLVQ", X, Y, epochs=1, **options)

    def network(x, y, *, key):
        return pz.networks.RecurrentNetwork.layered((5, 4, 3), key=key)

    rule = pz.GradientDescent("adam", 1e-2)
    with pytest.raises(ValueError, match="`class_names`: RecurrentNetwork has no card"):
        pz.fit(network, X, Y, class_names=NAMES, rule=rule, epochs=1)


class Animal(enum.Enum):
    CAT = 1


NO_LISTS = {"a", "b", "c"}, "abc", b"abc", {1: "a", 2: "b", 3: "c"}, 3, True, np.array("abc")
NO_NAMES = b"a", np.datetime64("2020-01-01"), Animal.CAT, np.nan, None, ("a",)


@pytest.mark.parametrize("name", ["class_names", "feature_names"])
def test_names_are_a_list_of_words_or_numbers(name, unchecked):
    """What has no order would name one class by the name of another."""
    model, x, y = fitted(), X[:, :3], Y

    def ask(names):
        of = {"class_names": "classes", "feature_names": "features"}[name]
        narrow = pz.zoo.GLVQ(x, y, key=0)
        yield name, lambda: pz.fit("GLVQ", x, y, epochs=1, **{name: names})
        yield of, lambda: narrow.named(**{of: names})
        if name == "class_names":
            yield name, lambda: pz.fit("GLVQ", x, WORDS, epochs=1, class_names=names)
            yield name, lambda: pz.evaluate(model, X, Y, class_names=names)
            yield name, lambda: pz.plots.profiles(model, class_names=names)
            yield name, lambda: pz.plots.prototype_images(model, (5, 1), names)
            yield name, lambda: pz.plots.graph(model, X, Y, names)
        else:
            yield name, lambda: pz.plots.profiles(narrow, feature_names=names)
            yield name, lambda: pz.plots.relevance_matrix(narrow, feature_names=names)

    frame = pandas.DataFrame({"a": [1], "b": [2], "c": [3]})
    for names, kind, message in [
        *((one, TypeError, "must be a list of names in their order") for one in (*NO_LISTS, frame)),
        *(([one, "b", "c"], ValueError, "must hold words or numbers") for one in NO_NAMES),
    ]:
        for argument, call in ask(names):
            with pytest.raises(kind, match=f"`{argument}` {message}"):
                call()


def test_names_by_number_are_in_the_order_of_numbers():
    named = fitted().named({2: "fish", 0: "cat", 1: "dog"})
    assert card_of(named).classes == ("cat", "dog", "fish")
    series = pandas.Series(["cat", "dog", "fish"], index=[5, 6, 7])
    assert card_of(fitted().named(series.to_numpy())).classes == ("cat", "dog", "fish")


def test_names_follow_their_classes():
    model = fitted()
    turned = model.relabelled([2, 0, 1])
    np.testing.assert_array_equal(turned.predict(X, names=True), model.predict(X, names=True))
    far = model.prototypes.points[:1] + 100
    grown = model.grow(far, [3])
    assert card_of(grown).classes == (*NAMES, "3")
    assert grown.predict(np.asarray(far), names=True).tolist() == ["3"]
    assert card_of(model.select([0, 1, 2])).classes == tuple(NAMES)
    state = pz.Trainer(pz.GradientDescent("adam", 1e-2), 1).init(model).relabelled([2, 0, 1])
    assert card_of(state.model).classes == card_of(turned).classes


def test_none_of_these_has_a_name():
    model = fitted().open_set(X)
    named = model.predict(np.concatenate([X, X[:1] + 1e4]), names=True)
    assert named[-1] == "none of these" and set(named[:-1]) <= {*NAMES, "none of these"}
    one = pz.fit("SVDD", X[Y == 0], class_names=["normal", "odd"], epochs=2).model
    assert set(one.predict(X, names=True)) <= {"normal", "odd"}


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_name_features(library, unchecked):
    module = pytest.importorskip(library)
    frame = module.DataFrame(dict(zip(FEATURES, X.T, strict=True)))
    model = pz.fit("GLVQ", frame, Y, epochs=1).model
    assert card_of(model).features == tuple(FEATURES)
    np.testing.assert_array_equal(model.predict(frame), model.predict(X))
    with pytest.raises(
        ValueError, match="`x` has other columns .* column 0 is 'e' in place of 'a'"
    ):
        model.predict(frame[FEATURES[::-1]])
    other = module.DataFrame(dict(zip([*FEATURES[:4], "f"], X.T, strict=True)))
    message = "it lacks 'e'; it has beside them 'f'"
    with pytest.raises(ValueError, match=message):
        model.predict_proba(other)
    trainer = pz.Trainer(pz.GradientDescent("adam", 1e-2), 1)
    with pytest.raises(ValueError, match=message):
        trainer.fit(model, other, Y, key=0)
    with pytest.raises(ValueError, match=f"`validation x` has other columns .*{message}"):
        trainer.fit(model, frame, Y, key=0, validation=(other, Y))
    result = pz.cross_validate("GLVQ", frame, Y, folds=2, epochs=1)
    assert card_of(result.fits[0].model).features == tuple(FEATURES)
    # Numbers of columns are no names.
    assert card_of(pz.fit("GLVQ", module.DataFrame(X), Y, epochs=1).model).features is None


# Where it goes.


def test_a_card_is_saved_with_the_model(tmp_path):
    model = fitted(standardise=True)
    pz.save(tmp_path / "model", model)
    again = pz.load(tmp_path / "model")
    assert again.card == model.card and eqx.tree_equal(again, model)
    assert pickle.loads(pickle.dumps(model)).card == model.card
    np.testing.assert_array_equal(again.predict(X, names=True), model.predict(X, names=True))


def test_models_of_earlier_versions_have_none(tmp_path):
    from protozoo.persistence import decompose, rebuild

    model = pz.zoo.GMLVQ(X, Y, key=0)
    structure, arrays = decompose(model)
    for name in ("scale", "card"):
        del structure["fields"][name]
    again = rebuild(structure, arrays)
    assert again.card is None and again.scale is None and eqx.tree_equal(again, model)


#: By gradient, by a closed form, and in a curved space.
ROWS = ("GMLVQ", "HCM", "RiemannianSRNG")


@pytest.mark.parametrize("case", sampled(CASES, [c for c in CASES if str(c) in ROWS]), ids=str)
def test_no_compiled_program_knows_a_card(case: Case):
    """Nothing is compiled for another card, and nothing answers with the card of another model."""

    def learn(card: pz.models.Card | None) -> pz.PrototypeModel:
        model = dataclasses.replace(case.model, card=card)
        trained = trainer.fit(model, case.x, case.y, key=0).model
        trained.predict(case.x), trained.predict_proba(case.x), trained.distances(case.x)
        trained(jax.numpy.asarray(case.x))
        return trained

    trainer = case.trainer(2)
    learn(None)
    cards = [pz.models.Card.of(row=name) for name in "abc"]
    with count_compilations() as compiled:
        models = [learn(card) for card in cards]
    assert compiled.names == []
    assert [model.card for model in models] == cards


def test_streams_steps_and_many_models_know_no_card():
    trainer = pz.Trainer(pz.GradientDescent("adam", 1e-2), 2)
    batches = [(X[i::3], Y[i::3]) for i in range(3)]
    start = pz.zoo.GMLVQ(X, Y, key=0)

    def learn(names: str) -> list[pz.PrototypeModel]:
        models = [start.named(classes=[*names]), start.named(classes=[*names[::-1]])]
        streamed = trainer.fit(models[0], batches, key=0, validation=batches).model
        state, _ = trainer.step(trainer.init(models[0]), X, Y)
        many = sorted(pz.fit_many(trainer, models, X, Y, key=0), key=lambda fit: fit.member)
        streamed.relevances(X)
        return [streamed, state.model, *(fit.model for fit in many)]

    learn("xyz")
    with count_compilations() as compiled:
        found = learn("abc")
    assert compiled.names == []
    assert ["".join(card_of(m).classes or ()) for m in found] == ["abc", "abc", "abc", "cba"]


def test_restarts_return_a_card():
    best = pz.fit("HCM", X, restarts=2, epochs=2, feature_names=FEATURES)
    assert card_of(best.model).features == tuple(FEATURES)
