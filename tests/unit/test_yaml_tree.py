"""The YAML reader: plain values with lines; everything else is a located error."""

import datetime as dt

import pytest

from chipwise.core.errors import InputError
from chipwise.files.yaml_tree import MAX_BYTES, parse_yaml, path_text, read_yaml


def parsed(text: str):
    return parse_yaml(text.encode(), file="f.yaml")


def test_values_and_lines():
    tree = parsed("# Title\na: 1\nb:\n  - x\n  - {c: 2023-11-21, d: 2023-11}\n")
    assert tree.value == {"a": 1, "b": ["x", {"c": dt.date(2023, 11, 21), "d": "2023-11"}]}
    assert tree.first_comment == "Title"
    assert tree.place(("b", 1, "c")) == "f.yaml:5 b[1].c"
    assert tree.line(("b",)) == 3
    assert tree.place(("b", 1, "absent")) == "f.yaml:5 b[1].absent"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e25", 1e25),
        ("1.0e+25", 1e25),
        ("-3", -3),
        (".5", 0.5),
        ("007", 7),
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("'1e25'", "1e25"),
        ("0x1f", "0x1f"),
        ("01.AI", "01.AI"),
    ],
)
def test_scalars(text, value):
    got = parsed(f"a: {text}").value["a"]
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "twice"),
        ("a: {b: 1, b: 2}", 1, "twice"),
        ("a: .nan", 1, "not a number"),
        ("a:\n- -.inf", 2, "not a number"),
        ("a: NaN", 1, "not a number"),
        ("a: 1e999", 1, "too big"),
        ("a: 1" + "0" * 5000, 1, "too big"),
        ("a: 2023-02-30", 1, "calendar"),
        ("a: !!python/object/apply:os.system [x]", 1, "tag"),
        ("a: !!binary aGk=", 1, "tag"),
        ("a: &x [1]\nb: {<<: *x}", 2, "merge"),
        ("--- 1\n--- 2\n", 2, "second document"),
        ("a: &x [*x]", 1, "anchor"),
        ("a: *nowhere", 1, "anchor"),
        ("? [1, 2]\n: x", 1, "key"),
        ("a: [1, 2", 1, "YAML"),
        ("a:\n\tb: 1", 2, "YAML"),
        ("a: " + "[" * 500 + "]" * 500, 1, "deep"),
    ],
)
def test_refused(text, line, word):
    with pytest.raises(InputError) as caught:
        parsed(text)
    assert caught.value.place.startswith(f"f.yaml:{line}")
    assert word in caught.value.line()
    assert "\n" not in caught.value.line()


@pytest.mark.parametrize("content", [b"", b"   \n\n", b"# only a comment\n", b"\xef\xbb\xbf"])
def test_empty(content):
    with pytest.raises(InputError, match=r"empty|no data"):
        parse_yaml(content, file="f.yaml")


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\x00\x00", b"a: \xff\xfe", b"a: b\nc\x00d", b"PK\x03\x04\x14\x00"]
)
def test_binary(content):
    with pytest.raises(InputError, match="not a text file"):
        parse_yaml(content, file="f.yaml")


def test_alias_bomb_is_counted_not_unfolded():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(InputError, match="too many nodes"):
        parsed("\n".join(lines))


def test_aliases_in_measure_are_read():
    assert parsed("a: &x {v: 1}\nb: *x").value == {"a": {"v": 1}, "b": {"v": 1}}


def test_files_that_cannot_be_read(tmp_path):
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (MAX_BYTES + 1))
    for path, word in ((big, "bytes"), (tmp_path, "regular"), (tmp_path / "none.yaml", "no such")):
        with pytest.raises(InputError, match=word):
            read_yaml(path)
    with pytest.raises(InputError):
        read_yaml("nul\x00byte.yaml")


def test_paths():
    assert path_text(("a", 0, "b", 12)) == "a[0].b[12]"
    assert path_text(()) == ""
