"""Samples from lines: .csv with a header, and .jsonl whose lines are requests and their answers."""

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from twite.decode import JSON
from twite.fields import suggestion
from twite.manifest import FeaturePreprocessing, TextPreprocessing
from twite.tensors import Array, Tensors
from twite_build.data.wanted import Wanted, decoded, decoded_rows, request_format, targets
from twite_build.errors import DataError
from twite_build.samples import Samples

LONGEST_FIELD = 1 << 28

Row = tuple[int, dict[str, str]]


def read_table(path: Path, wanted: Wanted) -> Samples:
    """A .csv file: the recipe's columns of numbers, or a column of texts."""
    columns, rows = read_csv(path)
    target = wanted.target_column(columns, str(path))
    how, numbered = wanted.preprocess, [(f"{path} line {line}", row) for line, row in rows]
    texts: tuple[str, ...] = ()
    if isinstance(how, TextPreprocessing):
        column = _text_column(path, columns, wanted)
        texts = tuple(row[column] for _, row in numbered)
        inputs = decoded_texts([(where, row[column]) for where, row in numbered], how)
    elif isinstance(how, FeaturePreprocessing):
        names = _feature_columns(path, columns, target, how)
        values = [[_cell(row[name], name, where, how) for name in names] for where, row in numbered]
        inputs = decoded_rows(np.array(values, np.float64), how, str(path))
    else:
        raise DataError(f"{path} holds rows; [preprocess] kind '{how.kind}' takes none")
    return Samples(path, inputs, _answers(numbered, target, wanted), texts=texts)


def read_lines(path: Path, wanted: Wanted) -> Samples:
    """A .jsonl file: each line the JSON of a request, `text` or `features`, and its answer."""
    numbered = [*_objects(path)]
    if not numbered:
        raise DataError(f"{path} is empty; it must hold one JSON object a line")
    target = wanted.target_column([*numbered[0][1]], str(path))
    how = wanted.preprocess
    key = wanted.data.text if isinstance(how, TextPreprocessing) else "features"
    values = []
    for where, row in numbered:
        if key not in row:
            raise DataError(f"{where} lacks '{key}'; it has {', '.join(row) or 'nothing'}")
        values.append((where, row[key]))
    texts: tuple[str, ...] = ()
    if isinstance(how, TextPreprocessing):
        inputs = decoded_texts(values, how)
        texts = tuple(str(text) for _, text in values)
    else:
        bodies = [(where, json.dumps({"features": value}).encode()) for where, value in values]
        form = request_format(how, _width(values[0][1]))
        inputs = _joined([decoded(body, JSON, form, where) for where, body in bodies])
    return Samples(path, inputs, _answers(numbered, target, wanted), texts=texts)


def decoded_texts(values: list[tuple[str, Any]], how: TextPreprocessing) -> Tensors:
    """(where, text) pairs as the runtime decodes them."""
    form = request_format(how, 0)
    bodies = ((where, json.dumps({"text": text}).encode()) for where, text in values)
    return _joined([decoded(body, JSON, form, where) for where, body in bodies])


def read_csv(path: Path) -> tuple[list[str], list[Row]]:
    """The header, and each row by column with its line number; raises DataError."""
    csv.field_size_limit(LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            rows = [*_rows(path, reader, columns)]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error.reason}") from error
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num} is not CSV: {error}") from error
    twice = {name for name in columns if columns.count(name) > 1}
    if twice or not rows:
        what = f"two columns '{min(twice)}'" if twice else "no rows below its header"
        raise DataError(f"{path} has {what}; it must be a header and one row a sample")
    return columns, rows


def _rows(path: Path, reader: Any, columns: list[str]) -> Iterator[Row]:
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(columns):
            raise DataError(
                f"{path} line {reader.line_num} has {len(cells)} fields; its header has "
                f"{len(columns)}"
            )
        yield reader.line_num, dict(zip(columns, cells, strict=True))


def _feature_columns(
    path: Path, columns: list[str], target: str | None, how: FeaturePreprocessing
) -> list[str]:
    """The recipe's columns, or all but the target."""
    for name in how.columns:
        if name not in columns:
            hint = suggestion(name, columns)
            raise DataError(f"{path} has no column '{name}', one of [preprocess] columns{hint}")
    return [*how.columns] or [name for name in columns if name != target]


def _text_column(path: Path, columns: list[str], wanted: Wanted) -> str:
    name = wanted.data.text
    if name not in columns:
        raise DataError(f"{path} has no column '{name}', [data] text{suggestion(name, columns)}")
    return name


def _cell(text: str, name: str, where: str, how: FeaturePreprocessing) -> float:
    try:
        number = float(text) if text.strip() else math.nan
    except ValueError as error:
        raise DataError(f"{where} '{name}' is '{text[:60]}'; it must be a number") from error
    if not math.isfinite(number) and how.nonfinite == "forbid":
        came = f"'{text}'" if text.strip() else "empty"
        hint = 'remove the row or set nonfinite = "allow" in [preprocess]'
        raise DataError(f"{where} '{name}' is {came}; requests like it are refused: {hint}")
    return number


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    for i, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} line {i} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f"{path} line {i} is no JSON object")
        yield f"{path} line {i}", row


def _width(value: object) -> int:
    return len(value) if isinstance(value, list | dict) else 1


def _answers(
    numbered: list[tuple[str, dict[str, Any]]], target: str | None, wanted: Wanted
) -> Array | None:
    if target is None:
        return None
    for where, row in numbered:
        if target not in row:
            raise DataError(f"{where} lacks '{target}', the right answer")
    wheres = [f"{where} '{target}'" for where, _ in numbered]
    return targets([row[target] for _, row in numbered], wanted, wheres)


def _joined(samples: list[Tensors]) -> Tensors:
    return {name: np.concatenate([s[name] for s in samples]) for name in samples[0]}
