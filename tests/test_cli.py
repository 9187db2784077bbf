"""The command line on files as people have them."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

import protozoo as pz
from protozoo.cli import main
from protozoo.cli._tables import read


X, Y = load_iris(return_X_y=True)
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
SPECIES = np.array(["setosa", "versicolor", "virginica"])[Y]


def written(path: Path, rows: list, header: list | None = None) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if header is not None:
            writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def iris(tmp_path) -> Path:
    rows = [[i, *x, kind] for i, (x, kind) in enumerate(zip(X, SPECIES, strict=True))]
    return written(tmp_path / "iris.csv", rows, ["id", *NAMES, "species"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A model as the command line leaves it."""
    here = tmp_path_factory.mktemp("trained")
    rows = [[*x, kind] for x, kind in zip(X, SPECIES, strict=True)]
    data = written(here / "iris.csv", rows, [*NAMES, "species"])
    arguments = ["--model", "GMLVQ", "--target", "species", "--output", str(here / "model")]
    assert main(["fit", str(data), *arguments, "--standardise", "--set", "epochs=40"]) == 0
    return here / "model"


def fails(capsys, *arguments) -> str:
    """The one line that says what is wrong."""
    capsys.readouterr()
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as left:
        status = left.code
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert status == 2 and line.startswith("protozoo")
    return line


def test_a_model_of_a_file_predicts_another_one(iris, tmp_path, capsys):
    model, answers = tmp_path / "models" / "iris", tmp_path / "answers.csv"
    options = ["--drop", "id", "--set", "epochs=40", "--set", "prototypes_per_class=2"]
    arguments = ["fit", str(iris), "--model", "GMLVQ", "--target", "species", *options]
    assert main([*arguments, "--standardise", "--output", str(model)]) == 0
    said = capsys.readouterr()
    assert "GMLVQ on 120 rows of 4 features, 3 classes" in said.out
    assert float(re.search(r"accuracy\D+([\d.]+)", said.out)[1]) > 0.85
    # Other columns, in another order, and no classes.
    new = written(tmp_path / "new.csv", X[::5, ::-1].tolist(), NAMES[::-1])
    assert main(["predict", str(model), str(new), "--output", str(answers)]) == 0
    rows = list(csv.DictReader(answers.read_text().splitlines()))
    known = pz.load(model)
    np.testing.assert_array_equal([row["label"] for row in rows], known.predict(X[::5], names=True))
    share = np.array([[float(row[f"p({name})"]) for name in np.unique(SPECIES)] for row in rows])
    np.testing.assert_allclose(share, known.predict_proba(X[::5]), rtol=1e-4, atol=1e-6)
    nearest = np.array([int(row["nearest_prototype"]) for row in rows])
    np.testing.assert_array_equal(nearest, np.argmin(known.distances(X[::5]), axis=1))
    np.testing.assert_allclose(
        [float(row["confidence"]) for row in rows], known.confidence(X[::5]), rtol=1e-4, atol=1e-6
    )
    assert (np.mean(np.array([row["label"] for row in rows]) == SPECIES[::5])) > 0.85


def test_what_a_model_is(trained, tmp_path, capsys):
    assert main(["show", str(trained), "--plots", str(tmp_path / "pictures")]) == 0
    said = capsys.readouterr().out
    for text in ("GMLVQ", "petal width", "virginica", "metric: Omega", "epochs"):
        assert text in said
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert [picture.stem for picture in pictures] == [
        "prototypes",
        "relevance_bars",
        "relevance_matrix",
        "relevance_spectrum",
    ]
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)


def test_a_model_is_validated_by_folds(iris, tmp_path, capsys):
    arguments = ["fit", str(iris), "--target", "species", "--drop", "id", "--model", "GLVQ"]
    arguments += ["--folds", "3", "--set", "epochs=20", "--output", str(tmp_path / "model")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "3 folds" in said and "GLVQ on 150 rows" in said and "held-out" not in said
    assert 0.8 < float(re.search(r"accuracy\D+([\d.]+)", said)[1]) <= 1
    assert pz.load(tmp_path / "model").card.samples["count"] == 150
    clusters = ["--model", "HCM", "--drop", "species", "--folds", "3", "--output", tmp_path / "m"]
    assert "--folds: without classes" in fails(capsys, "fit", iris, *clusters)
    said = fails(capsys, *arguments, "--held-out", "0.5")
    assert "--held-out: not allowed with argument --folds" in said


def test_relevances_say_which_they_are(trained, iris, capsys):
    model, shown = pz.load(trained), {}
    for data in ([], ["--data", str(iris)]):
        assert main(["show", str(trained), *data]) == 0
        lines = capsys.readouterr().out.splitlines()
        at = next(i for i, line in enumerate(lines) if line.split()[:2] == ["by", "unit"])
        for line in lines[at + 1 : at + 5]:
            *name, values = line[2:26].strip(), line[26:].split()
            shown[len(data), name[0]] = [float(value) for value in values]
    by_unit, on_data = model.relevance_diagonal(), model.relevances(X)
    for k, name in enumerate(model.card.features):
        np.testing.assert_allclose(shown[0, name], [by_unit[k]], atol=6e-5)
        np.testing.assert_allclose(shown[2, name], [by_unit[k], on_data[k]], atol=6e-5)


def test_models_are_compared(iris, capsys):
    arguments = ["compare", str(iris), "--target", "species", "--drop", "id", "--folds", "3"]
    assert main([*arguments, "--models", "GLVQ,GMLVQ", "--set", "epochs=20"]) == 0
    said = capsys.readouterr().out
    assert "3 folds of 150 rows of 4 features, 3 classes" in said
    for name in ("GLVQ", "GMLVQ"):
        row = next(line for line in said.splitlines() if line.split()[:1] == [name])
        assert 0.8 < float(re.search(r"\d\.\d+", row)[0]) <= 1


def test_clusters_and_targets_without_classes(iris, tmp_path, capsys):
    clusters = ["--drop", "species", "--drop", "id", "--model", "HCM"]
    assert main(["fit", str(iris), *clusters, "--output", str(tmp_path / "clusters")]) == 0
    assert len(pz.load(tmp_path / "clusters").prototypes) > 1
    one = ["--drop", "id", "--target", "species", "--targets", "setosa", "--model", "OCGLVQ"]
    assert main(["fit", str(iris), *one, "--output", str(tmp_path / "one")]) == 0
    model = pz.load(tmp_path / "one")
    assert np.mean(np.asarray(model.predict(X)) == (Y != 0)) > 0.9
    assert "--targets" in fails(capsys, "fit", iris, *one[:4], *one[6:], "--output", tmp_path / "m")


def test_files_of_arrays(tmp_path, trained, capsys):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    arguments = ["fit", tmp_path / "a.npz", "--model", "GLVQ", "--target", "y", "--output"]
    assert main([str(a) for a in (*arguments, tmp_path / "m", "--set", "epochs=5")]) == 0
    np.save(tmp_path / "b.npy", X[:7])
    answers = tmp_path / "b.csv"
    assert (
        main(["predict", str(tmp_path / "m"), str(tmp_path / "b.npy"), "--output", str(answers)])
        == 0
    )
    assert len(answers.read_text().splitlines()) == 8
    np.savez(tmp_path / "c.npz", x=X, y=Y[:3])
    assert "'x' 150, 'y' 3" in fails(
        capsys, *arguments[:1], tmp_path / "c.npz", *arguments[2:], "o"
    )
    (tmp_path / "d.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:500])
    said = fails(capsys, "predict", trained, tmp_path / "d.npz", "--output", tmp_path / "o.csv")
    assert "d.npz is no whole file of arrays" in said


def test_parquet(tmp_path, trained, capsys):
    import polars

    columns = dict(zip(NAMES, X.T, strict=True)) | {"species": SPECIES.tolist()}
    polars.DataFrame(columns).write_parquet(tmp_path / "x.parquet")
    answers = tmp_path / "o.csv"
    arguments = ["predict", str(trained), str(tmp_path / "x.parquet"), "--output", str(answers)]
    assert main(arguments) == 0
    assert len(answers.read_text().splitlines()) == 151
    (tmp_path / "y.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:-50])
    said = fails(capsys, "predict", trained, tmp_path / "y.parquet", "--output", tmp_path / "p.csv")
    assert "y.parquet is no whole Parquet file" in said


def test_quoted_words(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('"width, mm","kind of ""leaf"""\n"1.5","red, small"\n2,"two\nlines"\n')
    table = read(path)
    assert list(table.columns) == ["width, mm", 'kind of "leaf"']
    assert table.samples(["width, mm"]).tolist() == [[1.5], [2.0]]
    assert table.labels('kind of "leaf"', "--target") == ["red, small", "two\nlines"]


def test_a_model_that_is_cut(trained, tmp_path, capsys):
    model = tmp_path / "model"
    shutil.copytree(trained, model)
    largest = max((p for p in model.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-10])
    new = written(tmp_path / "new.csv", X.tolist(), NAMES)
    said = fails(capsys, "predict", model, new, "--output", tmp_path / "o.csv")
    assert "model" in said and not (tmp_path / "o.csv").exists()


HEADER = "a,b,kind\n"
GOOD = HEADER + "".join(f"{i},{i % 3},{'uv'[i % 2]}\n" for i in range(12))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "1,2\n", r"data.csv, line 14: the row has 2 values, and the first one has 3"),
        (GOOD + "1,,u\n", r"data.csv, line 14, column 'b': the value is missing.*--skip-missing"),
        (GOOD + "1,NaN,u\n", r"line 14, column 'b': the value is missing"),
        (GOOD + "1,red,u\n", r"line 14, column 'b': 'red' is no number.*--drop 'b'"),
        (GOOD + "1,inf,u\n", r"line 14, column 'b': 'inf' is no number"),
        (GOOD + "1,1_000,u\n", r"line 14, column 'b': '1_000' is no number"),
        (GOOD + "1,2,\n", r"line 14, column 'kind': the class is missing"),
        (GOOD + '1,"2,u\n', r"data.csv, line 1[45]: unexpected end of data"),
        (GOOD.replace("v", "u"), r"column 'kind' \(--target\) holds one class, 'u'"),
        (
            GOOD.replace("kind", "sort"),
            r"has no column 'kind' \(--target\); it has 'a', 'b', 'sort'",
        ),
        ("a,a,kind\n1,2,u\n", r"line 1: column 2 is called 'a' like another one"),
        ("a,,kind\n1,2,u\n", r"line 1: column 2 has no name"),
        (
            GOOD[len(HEADER) :].replace("u", "7").replace("v", "8"),
            r"are called '0', '0', '7', which are numbers.*--no-header",
        ),
        (HEADER, r"data.csv holds no rows"),
        ("", r"data.csv holds no rows"),
        ("\x00\xff".encode("latin1"), r"data.csv is no text in UTF-8"),
    ],
    ids=range(16),
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(text, said, tmp_path, capsys):
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = sorted(tmp_path.iterdir())
    model = ["--model", "GLVQ", "--target", "kind", "--output", tmp_path / "model"]
    assert re.search(said, fails(capsys, "fit", path, *model))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--model": "GLVK"}, r"--model: the zoo has no model 'GLVK'; `protozoo models`"),
        ({"--model": "glvq"}, r"do you mean GLVQ\?"),
        ({"--model": "HCM"}, r"--target: HCM learns without classes"),
        ({"--set": "prototypes_per_clas=2"}, r"GLVQ has no option 'prototypes_per_clas'"),
        ({"--set": "epochs=-3"}, r"`epochs`"),
        ({"--set": "epochs"}, r"--set: must be NAME=VALUE, got 'epochs'"),
        ({"--drop": "colour"}, r"has no column 'colour' \(--drop\)"),
        ({"--weight": "colour"}, r"has no column 'colour' \(--weight\)"),
        ({"--held-out": "1.5"}, r"--held-out: must be a number of \[0, 1\)"),
        ({"--held-out": "1e-9"}, r"--held-out: 1e-09 of the rows of each class is less than one"),
        ({"--drop": "kind"}, r"--drop: column 'kind' is named by --target, too"),
        ({"--weight": "kind"}, r"--weight: column 'kind' is named by --target, too"),
        ({"--seed": "-1"}, r"--seed: must be an integer that is not negative.* '-1'"),
        ({"--set": "key=3"}, r"--set: 'key' is no option here: random numbers follow from --seed"),
        ({"--set": "standardise=True"}, r"--set: 'standardise' .* --standardise"),
        ({"--set": "class_names=['a']"}, r"--set: 'class_names' .* --target"),
        ({"--model": "OCGLVQ", "--targets": "w"}, r"--targets: say which class of 'kind'"),
        ({"--targets": "u"}, r"--targets: GLVQ does not tell targets from others"),
    ],
    ids=str,
)
def test_a_wrong_argument_of_fit_is_named(changed, said, tmp_path, capsys):
    (tmp_path / "data.csv").write_text(GOOD)
    given = {"--model": "GLVQ", "--target": "kind", "--output": tmp_path / "model", **changed}
    arguments = [f"{name}={value}" for name, value in given.items()]
    assert re.search(said, fails(capsys, "fit", tmp_path / "data.csv", *arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_what_would_be_ignored_is_refused(tmp_path, capsys):
    (tmp_path / "data.csv").write_text(GOOD.replace("u", "3").replace("v", "4"))
    data, where = tmp_path / "data.csv", ["--output", tmp_path / "far" / "model"]
    said = fails(
        capsys, "fit", tmp_path / "data.csv", "--model", "HCM", "--held-out", "0.5", *where
    )
    assert "--held-out: without classes there is nothing to test" in said
    said = fails(capsys, "fit", data, "--model", "SVDD", "--targets", "3", *where)
    assert "--targets: say which column holds the classes" in said
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_nothing_is_replaced_unless_asked(trained, tmp_path, capsys):
    (tmp_path / "data.csv").write_text(GOOD)
    (tmp_path / "there").mkdir()
    model = ["--model", "GLVQ", "--target", "kind", "--output", tmp_path / "there"]
    assert "is there already; --overwrite" in fails(capsys, "fit", tmp_path / "data.csv", *model)
    (tmp_path / "mine.csv").write_text("mine")
    new = written(tmp_path / "new.csv", X.tolist(), NAMES)
    said = fails(capsys, "predict", trained, new, "--output", tmp_path / "mine.csv")
    assert "is there already" in said and (tmp_path / "mine.csv").read_text() == "mine"
    arguments = ["predict", trained, new, "--output", tmp_path / "mine.csv", "--overwrite"]
    assert main([str(argument) for argument in arguments]) == 0
    assert (tmp_path / "mine.csv").read_text() != "mine"


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_what_is_read_is_never_replaced(link, trained, tmp_path, capsys):
    data = written(tmp_path / "new.csv", X.tolist(), NAMES)
    output = data if link is None else tmp_path / "other.csv"
    if link is not None:
        getattr(output, link)(data)
    before, structure = data.read_bytes(), trained / "structure.json"
    for path in (output, structure):
        arguments = ["predict", trained, data, "--output", path, "--overwrite"]
        assert "is read from" in fails(capsys, *arguments)
    model = ["--model", "HCM", "--output", output, "--overwrite"]
    assert "is read from" in fails(capsys, "fit", data, *model)
    assert data.read_bytes() == before and pz.load(trained) is not None


def test_restarts_and_the_meter(tmp_path, capsys):
    (tmp_path / "data.csv").write_text(GOOD)
    arguments = ["fit", tmp_path / "data.csv", "--model", "GLVQ", "--target", "kind"]
    for i, options in enumerate((["restarts=2"], ["progress=False"])):
        words = [word for option in ("epochs=2", *options) for word in ("--set", option)]
        assert main([str(a) for a in (*arguments, *words, "--output", tmp_path / str(i))]) == 0


def test_columns_of_weights_and_lists_of_models(tmp_path, capsys):
    data = tmp_path / "data.csv"
    data.write_text(GOOD + "-1,2,u\n")
    weighted = ["--target", "kind", "--weight", "a"]
    said = fails(capsys, "compare", data, *weighted, "--models", "GLVQ")
    assert "line 14, column 'a': a weight (--weight) must not be negative, got -1" in said
    said = fails(capsys, "compare", data, "--target", "kind", "--models", "")
    assert "--models: the zoo has no model ''" in said


def test_columns_of_training_are_asked_for_by_name(trained, tmp_path, capsys):
    new = written(tmp_path / "new.csv", X[:, :3].tolist(), NAMES[:3])
    said = fails(capsys, "predict", trained, new, "--output", tmp_path / "o.csv")
    assert "has no column 'petal width' (the model learned from it)" in said
    assert not (tmp_path / "o.csv").exists()
    said = fails(capsys, "predict", tmp_path / "nowhere", new, "--output", tmp_path / "o.csv")
    assert "nowhere" in said


def test_gaps_weights_and_files_without_names(tmp_path, capsys):
    rows = [
        [*x, kind, 1 + i % 2] for i, (x, kind) in enumerate(zip(X.tolist(), SPECIES, strict=True))
    ]
    rows[3][1] = "?"
    data = written(tmp_path / "data.csv", rows)
    arguments = ["fit", data, "--no-header", "--skip-missing", "--model", "GLVQ", "--target", "5"]
    arguments += [
        "--weight",
        "6",
        "--held-out",
        "0",
        "--set",
        "epochs=3",
        "--output",
        tmp_path / "m",
    ]
    assert main([str(argument) for argument in arguments]) == 0
    assert "left out 1 of 150 rows" in capsys.readouterr().out
    assert json.loads(json.dumps(pz.load(tmp_path / "m").card.features)) == [
        "1",
        "2",
        "3",
        "4",
    ]
