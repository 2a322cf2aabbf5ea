"""Rows and texts from .csv and .jsonl files, through the runtime's own decoding."""

import json
from pathlib import Path

import numpy as np
import pytest

from twite.manifest import (
    ClassPostprocessing,
    FeaturePreprocessing,
    ImagePreprocessing,
    RegressionPostprocessing,
    TextPreprocessing,
)
from twite.text import tokens
from twite_build.data.read import read_samples
from twite_build.data.wanted import Wanted
from twite_build.errors import DataError
from twite_build.recipe import Data

FEATURES = FeaturePreprocessing("features", "x", columns=("a", "b"))
TEXT = TextPreprocessing("text", "words", length=4, buckets=50)
NUMBERS = Wanted(FEATURES, RegressionPostprocessing("regression", "y"), (), Data("", ""))
LABELS = ("ham", "spam")
CLASSES = Wanted(FEATURES, ClassPostprocessing("classes", "y"), LABELS, Data("", ""))
TEXTS = CLASSES._replace(preprocess=TEXT)
TABLE = "b,target,a\n2,10,1\n4,20,3\n"


def write(folder: Path, text: str, name: str = "rows.csv") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_columns_are_taken_by_their_names(tmp_path: Path) -> None:
    samples = read_samples(write(tmp_path, TABLE), NUMBERS)
    assert samples.inputs["x"].tolist() == [[1, 2], [3, 4]]
    assert samples.inputs["x"].dtype == np.float32
    assert samples.target is not None
    assert samples.target.tolist() == [10, 20]


def test_without_columns_all_but_the_target_are_features(tmp_path: Path) -> None:
    every = NUMBERS._replace(preprocess=FEATURES._replace(columns=()))
    samples = read_samples(write(tmp_path, "﻿" + TABLE), every)
    assert samples.inputs["x"].tolist() == [[2, 1], [4, 3]]


def test_a_class_is_its_label_or_its_number(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,kind\n1,2,spam\n3,4,0\n")
    named = CLASSES._replace(data=Data("", "", target="kind"))
    assert read_samples(path, named).target.tolist() == [1, 0]  # type: ignore[union-attr]
    numbered = named._replace(labels=("1", "0", "2"))
    assert read_samples(write(tmp_path, "a,b,kind\n1,2,1\n3,4,0\n"), numbered).target.tolist() == [
        0,
        1,
    ]  # type: ignore[union-attr]


def test_an_empty_cell_is_nan_where_the_recipe_allows_it(tmp_path: Path) -> None:
    allowing = NUMBERS._replace(preprocess=FEATURES._replace(nonfinite="allow"))
    samples = read_samples(write(tmp_path, "a,b\n1,\n3,4\n"), allowing)
    assert np.isnan(samples.inputs["x"][0, 1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,c\n1,2\n", "has no column 'b', one of .preprocess. columns; "),
        ("a,b\n1,two\n", "line 2 'b' is 'two'; it must be a number"),
        ("a,b\n1,\n", "line 2 'b' is empty; requests like it are refused"),
        ("a,b\n1,nan\n", "line 2 'b' is 'nan'"),
        ("a,b\n1\n", "line 2 has 1 fields; its header has 2"),
        ("a,a,b\n1,1,1\n", "two columns 'a'"),
        ("", "no rows below its header"),
        ('a,b\n1,"2\n', "is not CSV"),
        ("a,b,target\n1,2,x\n2,3,4\n", "line 2 'target': 'x' is no number"),
    ],
)
def test_refuses_wrong_rows(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        read_samples(write(tmp_path, text), NUMBERS)
    assert "rows.csv" in str(refused.value)


def test_refuses_a_target_column_that_is_not_there(tmp_path: Path) -> None:
    named = NUMBERS._replace(data=Data("", "", target="price"))
    with pytest.raises(DataError, match="no column 'price', the recipe's .data. target"):
        read_samples(write(tmp_path, TABLE), named)


def test_refuses_what_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("a,b\n1,2\né,3\n".encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8 text"):
        read_samples(tmp_path / "rows.csv", NUMBERS)


def test_texts_from_a_csv(tmp_path: Path) -> None:
    long = "free " * 60_000
    path = write(tmp_path, f'text,label\n"Buy, now\n{long}",spam\nhello,ham\n')
    samples = read_samples(path, TEXTS)
    wanted = [tokens("buy now free free", TEXT), tokens("hello", TEXT)]
    assert samples.inputs["words"].tolist() == wanted
    assert samples.texts == (f"Buy, now\n{long}", "hello")
    assert samples.target.tolist() == [1, 0]  # type: ignore[union-attr]


def test_texts_from_json_lines(tmp_path: Path) -> None:
    rows = [{"body": "a b", "label": "ham"}, {"body": "c", "label": 1}]
    path = write(tmp_path, "\n".join(map(json.dumps, rows)) + "\n\n", "mails.jsonl")
    samples = read_samples(path, TEXTS._replace(data=Data("", "", text="body")))
    assert samples.inputs["words"].tolist() == [tokens("a b", TEXT), tokens("c", TEXT)]
    assert samples.texts == ("a b", "c")
    assert samples.target.tolist() == [0, 1]  # type: ignore[union-attr]


def test_features_from_json_lines_are_requests(tmp_path: Path) -> None:
    text = '{"features": [1, 2], "target": 5}\n{"features": {"b": 4, "a": 3}, "target": 6}\n'
    samples = read_samples(write(tmp_path, text, "rows.jsonl"), NUMBERS)
    assert samples.inputs["x"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1 is not JSON"),
        ("[1]", "line 1 is no JSON object"),
        ('{"body": "a"}', "line 1 lacks 'text'; it has body"),
        ('{"text": 5}', "line 1: text is .*; it must be text"),
        ('{"text": "a", "label": "ham"}\n{"text": "b"}', "line 2 lacks 'label', the right answer"),
        ("\n", "is empty; it must hold one JSON object a line"),
    ],
)
def test_refuses_wrong_lines(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_samples(write(tmp_path, text, "mails.jsonl"), TEXTS)


def test_words_of_an_npz_must_be_words(tmp_path: Path) -> None:
    for wrong in (np.zeros((3, 4)), np.full((3, 4), 50), np.zeros((3, 5), np.int32)):
        np.savez(tmp_path / "words.npz", words=wrong)
        with pytest.raises(DataError, match="words' numbers are .N, 4. whole numbers from 0 to 49"):
            read_samples(tmp_path / "words.npz", TEXTS)


def test_pictures_are_no_rows(tmp_path: Path) -> None:
    pictures = CLASSES._replace(preprocess=ImagePreprocessing("image", "x", 4, 4, 1))
    with pytest.raises(DataError, match="kind 'image' takes none"):
        read_samples(write(tmp_path, TABLE), pictures)


def test_a_file_of_another_kind_is_refused_with_the_kinds_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="what kind of samples is it"):
        read_samples(write(tmp_path, "a", "rows.xlsx"), NUMBERS)
    with pytest.raises(DataError, match=r"rows\.parquet is not there; samples are an \.npz"):
        read_samples(tmp_path / "rows.parquet", NUMBERS)
