"""A library that is cut short or changed anywhere is refused with a message, without being opened."""

import random
from pathlib import Path

import pytest

from tcc.artifact import Manifest, blob, read_manifest, seal
from tcc.artifact.seal import check
from tcc.errors import UserError
from tests.targets.toy import COUNT, FLIP, PICK, SCALE, SQUARES, STEP

MANIFEST = Manifest("0.0", "m", (SCALE, PICK, SQUARES, FLIP, STEP, COUNT), messages=("a “message”",))


def test_a_manifest_is_the_same_after_a_round_trip():
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert Manifest.from_json(MANIFEST.to_json(indent=2)) == MANIFEST
    assert MANIFEST.to_json().isascii()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1}', '{"schema": 1, "functions": 3}'])
def test_text_that_is_no_manifest_is_refused(text):
    with pytest.raises(UserError, match="manifest cannot be read"):
        Manifest.from_json(text)


def test_another_schema_is_named():
    with pytest.raises(UserError, match="schema 7, and this tcc reads schema 1"):
        Manifest.from_json('{"schema": 7}')


def test_any_file_can_carry_a_manifest():
    data, offset = blob(MANIFEST)
    assert data[offset:].startswith(b"{")
    found = check(seal(b"before" + data + b"after"), "it")
    assert found.functions == MANIFEST.functions
    assert len(found.sha256) == 64


def test_two_manifests_or_none_are_refused():
    data, _ = blob(MANIFEST)
    with pytest.raises(UserError, match="more than one"):
        check(data + data, "it")
    with pytest.raises(UserError, match="no manifest"):
        check(random.Random(0).randbytes(10000), "it")


def places(data: bytes, count: int, seed: int) -> list[int]:
    """Positions over the whole file, a third of them in the blob."""
    source = random.Random(seed)
    begin = data.index(b"tcc-manifest-begin")
    end = data.index(b"tcc-manifest-end") + 24
    inside = [source.randrange(begin - 1, end) for _ in range(count // 3)]
    return inside + [source.randrange(len(data)) for _ in range(count - len(inside))]


def test_a_library_cut_at_a_thousand_places_is_refused(model):
    data = model.read_bytes()
    for place in {*places(data, 1000, 1), 0, len(data) - 1}:
        with pytest.raises(UserError, match=r"is not a complete library|is damaged"):
            check(data[:place], "it")


def test_a_library_with_a_bit_flipped_at_a_thousand_places_is_refused(model):
    data = bytearray(model.read_bytes())
    for number, place in enumerate(places(bytes(data), 1000, 2)):
        data[place] ^= 1 << number % 8
        with pytest.raises(UserError, match=r"is not a complete library|is damaged|more than one"):
            check(bytes(data), "it")
        data[place] ^= 1 << number % 8
    assert check(bytes(data), "it").prefix == "model"


def test_a_library_with_bytes_appended_is_refused(model):
    with pytest.raises(UserError, match="is damaged"):
        check(model.read_bytes() + b"\0", "it")


@pytest.mark.parametrize("name", ["missing.so", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(UserError, match="cannot read the library"):
        read_manifest(tmp_path / name)


def test_an_empty_and_a_random_file_are_no_libraries(tmp_path: Path):
    for data in (b"", random.Random(3).randbytes(5000), b"\x7fELF" + bytes(100)):
        (tmp_path / "x.so").write_bytes(data)
        with pytest.raises(UserError, match="not a complete library made by tcc"):
            read_manifest(tmp_path / "x.so")
