"""Tables come back as R, Excel, pandas and NumPy wrote them; what is not a number is named by line and column."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gantlet.data.csv_files import NumberTable, read_csv, write_csv
from gantlet.data.parquet_files import read_parquet
from gantlet.data.points import Points
from gantlet.data.specification import SampleSpec, restored
from gantlet.errors import BadData

VALUES = [[1, 2.5], [-3, 400]]
NAMES = ("height", "width")


def read(folder: Path, content: str | bytes) -> NumberTable:
    path = folder / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path)


def refusal(folder: Path, content: str | bytes) -> str:
    """The sentence with which a table of this content is refused."""
    with pytest.raises(BadData) as caught:
        read(folder, content)
    assert "x.csv" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("1,2.5\n-3,4e2\n", ()),
        ("1,2.5\n-3,4e2", ()),
        ("height,width\n1,2.5\n-3,4e2\n", NAMES),
        ("# height, width\r\n 1, 2.5\r\n\r\n-3 ,4e2\r\n\r\n", NAMES),
        ("\ufeff1,2.5\n-3,4e2\n", ()),
        ("height,width\r1,2.5\r-3,4e2\r", NAMES),
    ],
)
def test_plain_tables_have_rows_of_numbers_and_perhaps_a_header(
    text: str, columns: tuple[str, ...], tmp_path: Path
) -> None:
    found = read(tmp_path, text)
    assert found.values.dtype == np.float64
    assert (found.values.tolist(), found.columns) == (VALUES, columns)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0,1\n1,0\n0.5,1\n", [[0, 1], [1, 0], [0.5, 1]]),  # a curve from (0, 1)
        ("0,1\n1,1\n", [[0, 1], [1, 1]]),
        ("0.0,1.0\n0.5,1.5\n", [[0, 1], [0.5, 1.5]]),
        ("0,1,2\n", [[0, 1, 2]]),
        ("5,6,7\n6,7,8\n8,9,10\n", [[5, 6, 7], [6, 7, 8], [8, 9, 10]]),  # windows of a counter
        ("3,4\n10,2\n-1,7\n", [[3, 4], [10, 2], [-1, 7]]),
        ("3,4,5\n2,2,9\n2,3,4\n8,1,6\n", [[3, 4, 5], [2, 2, 9], [2, 3, 4], [8, 1, 6]]),
        ("2019\n2\n", [[2019], [2]]),
        ("x;y\n1.5;2\n1.500;3\n9;4\n", [[1.5, 2], [1.5, 3], [9, 4]]),
        ("x;y\n1.500;2.250\n2.125;3.000\n", [[1.5, 2.25], [2.125, 3]]),
        ("x\ty\n1,500\t2\n0,25\t3\n", [[1.5, 2], [0.25, 3]]),
    ],
)
def test_what_may_be_names_or_thousands_is_data_where_the_rest_says_so(
    text: str, values: list[list[float]], tmp_path: Path
) -> None:
    assert read(tmp_path, text).values.tolist() == values


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_line_ends_in_a_quoted_name_do_not_hide_what_parts_the_fields(mark: str, tmp_path: Path) -> None:
    found = read(tmp_path, f'"height\r\n(cm)"{mark}"width\n"\r\n"1"{mark}"2.5"\r\n-3{mark}400\r\n')
    assert (found.values.tolist(), found.columns) == (VALUES, ("height\r\n(cm)", "width"))


def test_a_table_of_one_column_or_one_row_stays_a_table(tmp_path: Path) -> None:
    assert read(tmp_path, "x\n1\n2\n").values.tolist() == [[1], [2]]
    assert read(tmp_path, "1,2,3\n").values.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("label,0,1", ("label", "0", "1")),
        ("2020,2021,mean", ("2020", "2021", "mean")),
        ("1st,2nd,3rd", ("1st", "2nd", "3rd")),
        ("x,y,z,", ("x", "y", "z", "")),
    ],
)
def test_whole_numbers_beside_words_name_columns_too(header: str, names: tuple[str, ...], tmp_path: Path) -> None:
    rows = [[float(place + row) for place in range(len(names))] for row in range(2)]
    found = read(tmp_path, "\n".join([header, *(",".join(map(str, row)) for row in rows)]))
    assert (found.values.tolist(), found.columns) == (rows, names)


FROM_R = {
    'write.csv(d, "x.csv")': '"","height","width"\n"1",1,2.5\n"2",-3,400\n',
    "write.csv, rows with names": '"","height","width"\n"Mazda RX4",1,2.5\n"Datsun, 710",-3,400\n',
    "write.csv(d, row.names = FALSE)": '"height","width"\n1,2.5\n-3,400\n',
    "write.csv2(d)": '"";"height";"width"\n"1";1;2,5\n"2";-3;400\n',
    "write.csv2(d, row.names = FALSE)": '"height";"width"\n1;2,5\n-3;400\n',
    'write.table(d, sep = ",")': '"height","width"\n"1",1,2.5\n"2",-3,400\n',
    'write.table(d, sep = "\\t", quote = FALSE)': "height\twidth\n1\t1\t2.5\n2\t-3\t400\n",
    "write.table(d)": '"height" "width"\n"1" 1 2.5\n"2" -3 400\n',
    "write.table, rows with names": '"height" "width"\n"Mazda RX4" 1 2.5\n"Datsun, 710" -3 400\n',
    "write.table(d, row.names = FALSE)": '"height" "width"\n1 2.5\n-3 400\n',
    'write.table(d, dec = ",")': '"height" "width"\n"1" 1 2,5\n"2" -3 400\n',
    'write.table(d, dec = ",", row.names = FALSE)': '"height" "width"\n1 2,5\n-3 400\n',
    "print(d), as a text": "   height width\n1       1   2.5 \n2      -3 400.0 \n",
    "readr::write_csv(d)": "height,width\n1,2.5\n-3,400\n",
}
FROM_EXCEL = {
    "CSV UTF-8, English": "\ufeffheight,width\r\n1,2.5\r\n-3,400\r\n",
    "CSV UTF-8, German": "\ufeffheight;width\r\n1;2,5\r\n-3;400\r\n",
    "German, scientific": "\ufeffheight;width\r\n1;2,5E+00\r\n-3,0;4,00E+02\r\n",
    "text, tabs": "height\twidth\r\n1\t2,5\r\n-3\t400\r\n",
    "empty rows at the end": "height,width\r\n1,2.5\r\n-3,400\r\n,\r\n,\r\n",
    "its own first line": "sep=;\r\nheight;width\r\n1;2,5\r\n-3;400\r\n",
}


@pytest.mark.parametrize("case", [*FROM_R, *FROM_EXCEL])
def test_what_r_and_excel_write_is_read(case: str, tmp_path: Path) -> None:
    found = read(tmp_path, {**FROM_R, **FROM_EXCEL}[case])
    assert (found.values.tolist(), found.columns) == (VALUES, NAMES)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"index": False},
        {"index": False, "sep": ";", "decimal": ","},
        {"sep": "\t"},
        {"decimal": ","},
        {"quoting": csv.QUOTE_ALL},
        {"quoting": csv.QUOTE_NONNUMERIC, "index": False},
        {"encoding": "utf-8-sig", "lineterminator": "\r\n"},
        {"float_format": "%.3e"},
    ],
    ids=str,
)
@pytest.mark.parametrize("index", [None, [4, 9], ["a", "b"]], ids=str)
def test_what_pandas_writes_is_read(options: dict[str, Any], index: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame(VALUES, columns=["height, cm", 'the "width"'], index=index)
    frame.to_csv(tmp_path / "x.csv", **options)
    found = read_csv(tmp_path / "x.csv")
    assert found.values.tolist() == VALUES
    assert found.columns == ("height, cm", 'the "width"')


def test_a_pandas_index_that_was_read_as_a_column_is_left_out(tmp_path: Path) -> None:
    pd.DataFrame(VALUES, columns=list(NAMES)).to_csv(tmp_path / "once.csv")
    pd.read_csv(tmp_path / "once.csv").to_csv(tmp_path / "x.csv", index=False)
    assert (tmp_path / "x.csv").read_text().startswith("Unnamed: 0,")
    assert read_csv(tmp_path / "x.csv").columns == NAMES


@pytest.mark.parametrize("delimiter", [",", " ", "\t"])
@pytest.mark.parametrize("names", [(), ("a", "b", "c")])
def test_what_numpy_writes_is_read_to_the_last_bit(names: tuple[str, ...], delimiter: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(50, 3)) * 10.0 ** np.arange(-3, 3)[None, :3]
    np.savetxt(tmp_path / "x.csv", values, delimiter=delimiter, header=delimiter.join(names))
    found = read_csv(tmp_path / "x.csv")
    assert found.columns == names
    np.testing.assert_array_equal(found.values, np.loadtxt(tmp_path / "x.csv", delimiter=delimiter))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".dat"])
def test_points_are_read_from_a_text_of_every_usual_ending(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{ending}"
    path.write_text('"height" "width"\n' + "".join(f'"{row}" {row} {row / 2}\n' for row in range(1, 21)))
    data = Points(data_path=str(path)).load()
    assert (tuple(data.train.shape), data.columns) == ((16, 2), NAMES)


@pytest.mark.parametrize("index", [None, list("abcdefghij"), list(range(4, 24, 2))], ids=str)
def test_parquet_of_pandas_is_read_without_its_index(index: Any, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(10, 2))
    pd.DataFrame(values, columns=list(NAMES), index=index).to_parquet(tmp_path / "x.parquet")
    found = read_parquet(tmp_path / "x.parquet")
    assert found.columns == NAMES
    np.testing.assert_array_equal(found.values, values)
    assert Points(data_path=str(tmp_path / "x.parquet")).load().columns == NAMES


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"a": [1.0, None], "b": [1, 2]},
            "column 'a': 1 of 2 values is missing, the first in row 2; fill in or leave out",
        ),
        (
            {"a": [1, 2], "b": ["x", "y"]},
            "column 'b' holds string, which is not a number; leave the column out, or encode",
        ),
        ({"a": [1, 2], "b": [True, False]}, "column 'b' holds bool, which is not a number"),
        ({"a": [1.0, float("inf")]}, "column 'a': inf in row 2 is not finite; remove or replace it"),
        ({"a": [1.0, float("nan"), float("nan")]}, "column 'a': 2 of 3 values are missing, the first in row 2"),
        ({"a": [1, None], "id": [2**60 + 1, 3]}, "column 'a': 1 of 2 values is missing"),
        ({"id": [3, 2**60 + 1]}, "column 'id': 1152921504606846977 has more digits than 64-bit floating point keeps"),
        ({"id": pa.array([2**64 - 1, 0], pa.uint64())}, "column 'id': 18446744073709551615 has more digits"),
        ({"id": [Decimal(10**30 + 1), Decimal(0)]}, f"column 'id': {10**30 + 1} has more digits"),
        ({"a": []}, "holds no row of numbers"),
        ({}, "holds no row of numbers"),
    ],
)
def test_each_wrong_parquet_has_its_own_sentence(columns: dict[str, Any], words: str, tmp_path: Path) -> None:
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(BadData, match=r"x\.parquet") as caught:
        read_parquet(tmp_path / "x.parquet")
    assert words in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"no parquet at all", None])
def test_a_damaged_parquet_is_a_sentence(damage: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0] * 500}), path)
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    with pytest.raises(BadData, match=r"x\.parquet (is empty|is truncated, corrupt, or not a Parquet file)"):
        read_parquet(path)


@pytest.mark.parametrize("ending", [".xlsx", ".ods", ".rds", ".sav", ".feather", ".json", ".pkl", ".png"])
def test_another_ending_is_told_every_one_that_is_read_and_how_to_save_so(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{ending}"
    path.write_bytes(b"PK")
    with pytest.raises(BadData) as caught:
        Points(data_path=str(path)).load()
    said = str(caught.value)
    assert f"has the ending '{ending}'; points are read from .npy, .npz, .csv, .tsv, .txt, .dat and .parquet" in said
    assert ("'CSV UTF-8'" in said) == (ending in (".xlsx", ".ods"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n3,four\n", "line 3, column 2 (b): 'four' is not a number; leave the column out"),
        ("a,b\n1,2\n\n3,\n", "line 4, column 2 (b): the field is empty, a missing value, one of 1"),
        ("a,b\n1,NA\nNA,4\n", "line 2, column 2 (b): 'NA' is a missing value, one of 2; fill in or leave out"),
        ("1,NA\n2,3\n", "line 1, column 2: 'NA' is a missing value"),
        ("a,b\n1,2\n3,nan\n", "line 3, column 2 (b): 'nan' is a missing value"),
        ("1,2\n3,4,5\n", "line 2 has 3 columns where line 1 has 2"),
        ("a,b,c,d\n1,2\n", "the header names 4 columns, and line 2 has 2"),
        ("1,2\n3,4 # note\n", "line 2, column 2: '4 # note' is not a number"),
        ("1,2\n1_000,3\n", "line 2, column 1: '1_000' is not a number"),
        ("a,b\n", "holds no row of numbers"),
        ("\n\n", "holds no row of numbers"),
        (
            b"caf\xe9,b\n1,2\n",
            "is not UTF-8 text (byte 3); expected rows of numbers. From Excel save it as 'CSV UTF-8'",
        ),
        ("a,b\n1,2\n".encode("utf-16"), "is UTF-16 text, as Excel's 'Unicode text'"),
        ("a,b\n1,inf\n", "line 2, column 2 (b): inf is not finite"),
        ("a,b\n1,2\n1,1e400\n", "line 3, column 2 (b): 1e400 is not finite"),
        ("a;b\n1,5;2\n1,0e400;-3\n", "line 3, column 1 (a): 1,0e400 is not finite"),
        (",b\n0.5,1\n0.7,2\n", "the first column has no name, but holds numbers such as '0.5' in line 2"),
        ("x\n1,5\n2,5\n", "one name is over two columns: give both a name, or write decimal points instead"),
        ('a,b\n"1,234","5,678"\n', "'1,234' may have a thousands separator; save the table without them"),
        ('a,b\n"1,234.5",2\n', "'1,234.5' may have a thousands separator"),
        ("a;b\n1.234,5;2\n", "'1.234,5' may have a thousands separator"),
        (
            "a;b\n1,5;2.5\n",
            "has '1,5' in line 2, column 1 (a) and '2.5' in line 2, column 2 (b); write all numbers with one",
        ),
        ("x\n1 500,5\n2 500,5\n", "one name is over two columns: give both a name, or write decimal points instead"),
        ("x\n1 500\n25 000\n", "line 2, column 1 (x): '1 500' may have a thousands separator"),
        ("1 500\n25 000\n", "may have a thousands separator"),
        ("1 000,2 000\n3 000,4 000\n", "'3 000' may have a thousands separator"),
        ("my x,other x\n1 000,2 000\n", "line 2, column 1 (my x): '1 000' may have a thousands separator"),
        ("a x,y\n1 2,3\n", "line 2, column 1 (a x): '1 2' is not a number"),
        ("x;y\n1\u202f500,5;2\n", "may have a thousands separator"),
        ("x\ty\n1,500\t2\n25,000\t3\n", "line 2, column 1 (x): '1,500' may have a thousands separator"),
        ("x;y\n900;2\n1.500;3\n25.000;4\n", "line 3, column 1 (x): '1.500' may have a thousands separator"),
        ("0,1\n0.5,1.5\n2.5,3.5\n", "line 1 counts from 0, as pandas names columns"),
        ("0\n0.5\n2.5\n", "line 1 counts from 0, as pandas names columns"),
        ("0;1;2\n3;4;5\n6;7;8\n", "line 1 counts from 0, as pandas names columns"),
        ("# made by x\na,b\n1,2\n", "begins with a comment, '# made by x'. Leave it out, or name all 2 columns"),
        ("# made by x\n1,2,3\n", "begins with a comment"),
        (
            "2019,2020,2021\n1.5,2.5,3.5\n0.5,1,2\n",
            "line 1 counts from 2019, as columns of years are named: leave the line out",
        ),
        ("2019\t2020\n150\t250\n10\t11\n", "if it is data, write 2019.0 for 2019"),
        ("2019;2020;2021\n1;2;3\n4;5;6\n", "line 1 counts from 2019"),
        ("1 2 3\n1.5 2.5 3.5\n0.5 1 2\n", "line 1 counts from 1"),
        (
            "id,x\n9007199254740992,1\n9007199254740993,2\n",
            "line 3, column 1 (id): 9007199254740993 has more digits than 64-bit floating point keeps",
        ),
        ("-1234567890123456789,1\n7,2\n", "line 1, column 1: -1234567890123456789 has more digits"),
        ("a b\n1 two\n", "line 2, column 2 (b): 'two' is not a number"),
        ("a b\n1 2\n1 2 3\n", "line 3 has 3 columns where line 2 has 2"),
        ("a,b\n5%,2\n", "'5%' is not a number"),
        (
            "1.0,2.O,3.5\n4,5,6\n",
            "line 1 holds numbers and '2.O', which is none: mend it if the line is data; if it is a header",
        ),
        ("sep=;\n1,5;x\n2,5;3\n", "line 2 holds numbers and 'x', which is none"),
        ("1,2,3x\n4,5,6\n", "line 1 holds numbers and '3x'"),
        ("O,1,1\n4,5,6\n", "line 1 holds numbers and 'O'"),
        ("x,-1\n4,5\n", "line 1 holds numbers and 'x'"),
        ("5%,2\n4,5\n", "line 1 holds numbers and '5%'"),
        ("name,x\nsetosa,1\n", "column 1 (name): 'setosa' is not a number; leave the column out, or encode it"),
    ],
)
def test_each_wrong_table_has_its_own_sentence(content: str | bytes, words: str, tmp_path: Path) -> None:
    assert words in refusal(tmp_path, content)


@pytest.mark.parametrize(
    "text", ["x\n9007199254740992\n2\n", "x\n1234567890123456789.5\n2\n", "x\n1.23456789012345678e18\n2\n"]
)
def test_large_numbers_that_are_kept_or_measured_are_data(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text).values.tolist() == [[float(text.split()[1])], [2]]


def test_what_was_written_reads_back_bit_for_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32)
    write_csv(tmp_path / "out.csv", values, ("height, cm", "width"))
    found = read_csv(tmp_path / "out.csv")
    assert found.columns == ("height, cm", "width")
    np.testing.assert_array_equal(found.values.astype(np.float32), values)
    assert pd.read_csv(tmp_path / "out.csv").columns.tolist() == ["height, cm", "width"]
    assert (tmp_path / "out.csv").read_bytes() == pd.DataFrame(values, columns=found.columns).to_csv(
        index=False
    ).encode()
    write_csv(tmp_path / "bare.csv", values)
    assert read_csv(tmp_path / "bare.csv").columns == ()


def test_standardised_points_are_restored_with_the_names_of_their_columns(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal([1e3, -2], [5, 0.1], (60, 2))
    stream = io.StringIO()
    pd.DataFrame(values, columns=list(NAMES)).to_csv(stream)
    (tmp_path / "x.csv").write_text(stream.getvalue())
    raw, data = (Points(data_path=str(tmp_path / "x.csv"), standardise=on).load() for on in (False, True))
    specification = data.specification
    assert isinstance(specification, SampleSpec)
    assert (specification.columns, specification.standardised, raw.specification.standardised) == (NAMES, True, False)
    np.testing.assert_allclose(restored(data.test, specification).numpy(), raw.test.numpy(), rtol=1e-6)
    assert restored(raw.test, raw.specification) is raw.test
