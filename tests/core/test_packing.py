"""Rows packed, summed and unpacked: equal, or noticed."""

from __future__ import annotations

import doctest
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbops.core import contents, table_name
from dbops.core.contents import Contents, sum_rows
from dbops.core.packing import (
    DamagedFile,
    Packer,
    hash_lines,
    pack,
    unpack,
    unpack_rows,
)

values = st.binary(max_size=40).map(lambda value: value.replace(b"\n", b"\\n"))
rows = st.lists(
    values.map(lambda value: value.replace(b"\r", b"\\r") + b"\n"), max_size=60
)


def pack_rows(lines: list[bytes]) -> tuple[bytes, Contents]:
    packer = Packer()
    packer.add(sum_rows(b"".join(lines)))
    return packer.finish(), packer.contents


@pytest.mark.parametrize("module", [contents, table_name])
def test_doctests(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@given(rows, st.randoms())
def test_what_was_packed_is_unpacked_and_sums_do_not_know_the_order(
    lines: list[bytes], chance: random.Random
) -> None:
    packed, packed_contents = pack_rows(lines)
    assert b"".join(unpack_rows(packed)) == b"".join(lines)
    found = Contents()
    for batch in unpack_rows(packed):
        found.add(batch)
    assert found == packed_contents
    shuffled = lines.copy()
    chance.shuffle(shuffled)
    assert pack_rows(shuffled)[1].checksum == found.checksum
    assert found.rows == len(lines)


@given(rows, st.randoms())
def test_a_hash_of_the_lines_knows_their_order(
    lines: list[bytes], chance: random.Random
) -> None:
    packer = Packer()
    for each in lines:
        packer.add(sum_rows(each))
    assert hash_lines(packer.finish()) == packer.digest
    shuffled = lines.copy()
    chance.shuffle(shuffled)
    same = hash_lines(pack_rows(shuffled)[0]) == packer.digest
    assert same == (shuffled == lines)


def test_several_rows_in_one_message_are_counted_one_by_one() -> None:
    assert pack_rows([b"a\nb\n", b"c\n"])[1] == pack_rows([b"a\n", b"b\n", b"c\n"])[1]


@given(rows.filter(bool))
def test_another_row_another_sum(lines: list[bytes]) -> None:
    checksum = pack_rows(lines)[1].checksum
    assert pack_rows([*lines, lines[0]])[1].checksum != checksum
    assert pack_rows([b"x" + lines[0], *lines[1:]])[1].checksum != checksum


def test_a_file_that_is_not_whole_is_noticed() -> None:
    packed = pack(random.Random(1).randbytes(1 << 20))
    for end in (0, 1, 100, len(packed) // 2, len(packed) - 1):
        with pytest.raises(DamagedFile):
            unpack(packed[:end])
    with pytest.raises(DamagedFile, match="behind its end"):
        unpack(packed + b"x")


def test_a_flipped_bit_is_noticed_wherever_it_is() -> None:
    chance = random.Random(2)
    packed, _ = pack_rows([b"%d\t%d\n" % (n, n * n) for n in range(20000)])
    for _ in range(200):
        at = chance.randrange(len(packed))
        spoilt = bytearray(packed)
        spoilt[at] ^= 1 << chance.randrange(8)
        try:
            unpacked = unpack(bytes(spoilt))
        except DamagedFile:
            continue
        # A few bits of a frame mean nothing.
        assert unpacked == unpack(packed)


def test_a_file_that_ends_inside_a_row_is_noticed() -> None:
    with pytest.raises(DamagedFile, match="inside a row"):
        list(unpack_rows(pack(b"1\n2")))
