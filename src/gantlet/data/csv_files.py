"""Tables of numbers in text files, as R, Excel, pandas and NumPy write them.

Understood are commas, semicolons, tabs and blanks between fields; quoted fields; a byte-order mark and any line ends; decimal
commas, where fields are separated otherwise; a header, whose names may be whole numbers beside words; names of rows, as R's ``write.csv`` and pandas' ``to_csv`` put them
into a first column without a name. What is not a number is named by line and column, never guessed.

Legend: ``N`` rows, ``d`` columns.

Reference:
    | Common format and MIME type for comma-separated values, RFC 4180 (2005)
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData
from gantlet.files import write_whole

from .array_files import EXACT, check_whole
from .files import read_bytes

__all__ = ["NumberTable", "read_csv", "write_csv"]

_MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "-", ".", "?"}
_UNNAMED = {"", "Unnamed: 0"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE | re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_THOUSANDS = re.compile("[+-]?[1-9]\\d{0,2}([.,' \u00a0\u202f]\\d{3})+([.,]\\d+)?", re.ASCII)
_PIECE = re.compile(r'"[^"]*"|[^ ]+')  # of a line whose fields blanks part
_Line = tuple[int, list[str]]  # the number of a line, from 1, and its fields


@dataclass(frozen=True)
class NumberTable:
    """The content of a table: values ``[N, d]``, float64, and the names of the columns, none where there is no header."""

    values: NDArray[np.float64]
    columns: tuple[str, ...] = ()


def read_csv(path: str | Path) -> NumberTable:
    """Read a table of numbers.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "excel.csv")
        ...     _ = path.write_text("height;width\\n1,5;2\\n3;4,25\\n")
        ...     read_csv(path)
        NumberTable(values=array([[1.5 , 2.  ],
               [3.  , 4.25]]), columns=('height', 'width'))

    Raises:
        BadData: The file is missing, empty or not UTF-8 text; it has no rows, rows of different lengths, or a field that is
            missing or not a number, with its line and column, or has more digits than are kept; its first line may be names or data.
    """
    source = str(path)
    separator, lines = _lines(_text(Path(path), source), source)
    while len(lines) > 1 and not any(lines[-1][1]):
        lines.pop()  # empty rows at the end of a sheet
    header: list[str] = []
    if lines and _is_header(lines[0][1]):
        number, header = lines.pop(0)
        _check_header(number, header, source)
    if not lines:
        raise BadData(f"{source} holds no row of numbers.")
    width = len(lines[0][1])
    for number, fields in lines:
        if len(fields) != width:
            raise BadData(f"{source}, line {number} has {len(fields)} columns where line {lines[0][0]} has {width}.")
    if header and header[0].startswith("#") and len(header) == 1 < width:
        raise BadData(f"{source} begins with a comment, '{header[0][:40]}'. Leave it out, or name all {width} columns.")
    if header and len(header) not in (width, width - 1):
        raise BadData(f"{source}: the header names {len(header)} columns, and line {lines[0][0]} has {width}.")
    if header and width > 1 and (header[0] in _UNNAMED or len(header) < width):
        shorter = len(header) < width
        commas = shorter and width == 2 and separator == ","
        _check_row_names([(number, fields[0]) for number, fields in lines], commas=commas, source=source)
        header = header if shorter else header[1:]
        lines = [(number, fields[1:]) for number, fields in lines]
    header = [name.lstrip("# ") for name in header]  # NumPy's savetxt writes a comment
    values = _numbers(lines, header, source, separator=separator)
    for row, column in np.argwhere(abs(values) >= EXACT).tolist():
        number, fields = lines[row]
        if fields[column].lstrip("+-").isdigit():
            check_whole([int(fields[column])], f"{source}, {_place(number, column, header)}")
    if not header and len(lines) > 1:
        _check_counted(lines, values, source)
    return NumberTable(values, tuple(header))


def write_csv(path: Path, values: NDArray[np.floating], columns: Sequence[str] = ()) -> None:
    """Write a table ``[N, d]`` with the names of its columns; each number is the shortest that reads back as the same.

    Raises:
        StoreError: It cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if columns:
        writer.writerow(columns)
    writer.writerows([str(value) for value in row] for row in values)
    write_whole(path, stream.getvalue().encode())


def _text(path: Path, source: str) -> str:
    content = read_bytes(path).tobytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadData(f"{source} is UTF-16 text, as Excel's 'Unicode text'; save it as 'CSV UTF-8'.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadData(
            f"{source} is not UTF-8 text (byte {error.start}); expected rows of numbers. From Excel save it as 'CSV UTF-8'."
        ) from None


def _lines(text: str, source: str) -> tuple[str, list[_Line]]:
    """The separator, and the lines that are not blank, each field without the blanks around it."""
    stated = re.match(r"sep=([,;\t])\r?\n", text)  # Excel's own first line
    start = text[stated.end() :] if stated else text
    separator = stated[1] if stated else _separator(start)
    if separator == " ":
        start = re.sub(r" +(?=[\r\n]|$)", "", re.sub(r"\A# *", "", start))
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        rows = [(reader.line_num + bool(stated), [field.strip() for field in fields]) for fields in reader]
    except csv.Error as error:
        raise BadData(f"{source}, line {reader.line_num} cannot be read: {error}.") from None
    return separator, [(number, fields) for number, fields in rows if fields and fields != [""]]


def _separator(text: str) -> str:
    """What parts the fields of the first two lines: a tab or a semicolon where both have one, blanks, or else a comma."""
    # A line end in a quoted name ends no line of the table.
    start = re.sub(r'"[^"]*"', lambda quoted: re.sub(r"[\r\n]", " ", quoted[0]), text[:65536])
    first = [line for line in start.splitlines() if line.strip()][:2]
    bare = [re.sub(r'"[^"]*"', "", line) for line in first]
    marks = (mark for mark in "\t;" if bare and all(mark in line for line in bare))
    return next(marks, " " if first and _by_blanks(first) else ",")


def _by_blanks(first: Sequence[str]) -> bool:
    """Whether blanks part the fields of the first lines: each is quoted, a number, or free of commas.

    A blank between three digits and others parts thousands, unless there is a name for each piece.
    """
    lines = [re.sub(r"^# *", "", line).strip() for line in (first[0], first[-1])]
    head, last = map(_PIECE.findall, lines)
    if len(last) < 2 or len(last) - len(head) not in (0, 1):
        return False
    nameless = len(head) < len(last) or any(map(_value, head))
    if nameless and any(map(_THOUSANDS.fullmatch, (lines[1], *map(str.strip, lines[1].split(","))))):
        return False
    return all(
        piece[0] == '"' or "," not in piece or (_value(piece) and "," not in (piece[0], piece[-1]))
        for piece in (*head, *last)
    )


def _is_header(fields: Sequence[str]) -> bool:
    """Whether a first line names columns: not all of it is numbers or missing, or its first name alone is missing."""
    first, *others = fields
    if not first and others and all(others):
        return True
    return not all(_value(field) or field.lower() in _MISSING for field in fields)


def _check_header(number: int, names: Sequence[str], source: str) -> None:
    """See that a first line in which not all is numbers holds names, and not data of which one is mistyped.

    Beside words, different whole numbers without a sign are names, too: of years or pixels.

    Raises:
        BadData: It holds other numbers, or a word that begins as a number does.
    """
    numbers, words = [name for name in names if _value(name)], [name for name in names if not _value(name)]
    if not numbers or names[0] in _UNNAMED:
        return
    names_too = len(set(numbers)) == len(numbers) and all(map(str.isdigit, numbers))
    odd = next((word for word in words if re.match(r"[+-]?[.,]?\d", word)), "" if names_too else words[0])
    if odd:
        raise BadData(
            f"{source}, line {number} holds numbers and '{odd}', which is none: mend it if the line is data; if it is a header, "
            "give every column a name that is not a number."
        )


def _check_counted(lines: Sequence[_Line], values: NDArray[np.float64], source: str) -> None:
    """See that a first line 0,1,2,… or 2019,2020,… is data: pandas and years name columns so.

    What begins with 0 is, where other fields are whole numbers, too; but for 0,1,2 and longer ones, which nobody measures. What begins
    with another number is, where it is near the other lines and, if it is no pair, another one counts on, too.

    Raises:
        BadData: It may be names.
    """
    (number, first), *rest = lines
    if not _counts(first) or (first != ["0"] and len(first) == 1):
        return
    whole = any(field.lstrip("+-").isdigit() for _, fields in rest for field in fields)
    pair = len(first) < 3 and whole
    if first[0] == "0":
        data, names = pair, "pandas names columns that have no names"
    else:
        data = _near(values) and (pair or any(_counts(fields) for _, fields in rest))
        names = "columns of years are named"
    if not data:
        raise BadData(
            f"{source}, line {number} counts from {first[0]}, as {names}: leave the line out (header=False), or give every column "
            f"a name that is not a number; if it is data, write {first[0]}.0 for {first[0]}."
        )


def _counts(fields: Sequence[str]) -> bool:
    """Whether a line counts on by one: 7,8,9."""
    return all(field.isdecimal() and field.isascii() for field in fields) and fields == [
        str(int(fields[0]) + place) for place in range(len(fields))
    ]


def _near(values: NDArray[np.float64]) -> bool:
    """Whether each number of the first row is within the others of its column, or as far beyond them as they are apart."""
    low, high = values[1:].min(0), values[1:].max(0)
    return bool(((2 * low - high <= values[0]) & (values[0] <= 2 * high - low)).all())


def _check_row_names(names: Sequence[tuple[int, str]], *, commas: bool, source: str) -> None:
    """See that a first column without a name holds names of rows: text, or distinct whole numbers.

    With ``commas``, one name stands over what commas part into two: there whole numbers may be halves of a number.

    Raises:
        BadData: It holds other numbers, which may be data.
    """
    values = [name for _, name in names]
    parted = any(_THOUSANDS.fullmatch(name) and not _value(name) for name in values)  # "1 500,5" in one column
    if (not any(map(_value, values)) and not parted) or (
        len(set(values)) == len(values) and all(map(str.isdigit, values)) and not commas
    ):
        return
    number, value = next((row for row in names if not row[1].isdigit()), names[0])
    what = (
        "one name is over two columns: give both a name, or write decimal points instead of decimal commas"
        if commas
        else f"the first column has no name, but holds numbers such as '{value}' in line {number}; give it a name, or remove it"
    )
    raise BadData(f"{source}: {what}.")


def _numbers(lines: Sequence[_Line], header: Sequence[str], source: str, *, separator: str) -> NDArray[np.float64]:
    """The fields as numbers; between commas and tabs commas may part thousands, between semicolons points may."""
    if separator == ";" and (cell := _by_points(lines)):
        raise BadData(f"{source}, {_place(*cell[1:], header)}: {_fault(cell[0], lines)}.")
    try:
        values = np.asarray([[float(field) for field in fields] for _, fields in lines], dtype=np.float64)
        if np.isfinite(values).all() and not any("_" in field for _, fields in lines for field in fields):
            return values
    except ValueError:
        pass  # decimal commas, or a fault to be named
    fields = [(field, number, column) for number, row in lines for column, field in enumerate(row)]
    for field, number, column in fields:
        if not _value(field):
            raise BadData(f"{source}, {_place(number, column, header)}: {_fault(field, lines)}.")
        if not math.isfinite(float(_value(field))):  # inf itself, or more than 64 bits can hold
            raise BadData(f"{source}, {_place(number, column, header)}: {field} is not finite; remove or replace it.")
    commas, points = ([cell for cell in fields if mark in cell[0]] for mark in ",.")
    if commas and points:
        one, other = (f"'{cell[0]}' in {_place(*cell[1:], header)}" for cell in (commas[0], points[0]))
        raise BadData(f"{source} has {one} and {other}; write all numbers with one decimal mark.")
    if separator in ",\t" and commas and all(_THOUSANDS.fullmatch(cell[0]) for cell in commas):
        field, number, column = commas[0]
        raise BadData(f"{source}, {_place(number, column, header)}: {_fault(field, lines)}.")
    return np.asarray([[float(_value(field)) for field in row] for _, row in lines], dtype=np.float64)


def _by_points(lines: Sequence[_Line]) -> tuple[str, int, int] | None:
    """The first field, with line and column, of a column in which points part thousands: 1.500 beside 900, and no 1.5."""
    for column in range(len(lines[0][1])):
        marked = [(fields[column], number, column) for number, fields in lines if "." in fields[column]]
        whole = any(re.fullmatch(r"[+-]?\d{1,3}", fields[column]) for _, fields in lines)
        if marked and whole and all(_THOUSANDS.fullmatch(field) for field, _, _ in marked):
            return marked[0]
    return None


def _value(field: str) -> str:
    """A number as Python reads it; empty where it is none."""
    if _NUMBER.fullmatch(field):
        return field
    return field.replace(",", ".") if _DECIMAL_COMMA.fullmatch(field) else ""


def _place(number: int, column: int, header: Sequence[str]) -> str:
    name = f" ({header[column]})" if header else ""
    return f"line {number}, column {column + 1}{name}"


def _fault(field: str, lines: Sequence[_Line]) -> str:
    if field.lower() in _MISSING:
        count = sum(other.lower() in _MISSING for _, fields in lines for other in fields)
        which = f"'{field}' is" if field else "the field is empty,"
        return f"{which} a missing value, one of {count}; fill in or leave out what is missing"
    shown = field if len(field) <= 40 else f"{field[:40]}…"
    if _THOUSANDS.fullmatch(field):
        return f"'{shown}' may have a thousands separator; save the table without them"
    return f"'{shown}' is not a number; leave the column out, or encode it as numbers"
