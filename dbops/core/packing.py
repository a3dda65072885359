"""Rows packed into files of a bounded size, and back."""

from __future__ import annotations

from collections.abc import Iterator

import zstandard
from xxhash import xxh3_128

from dbops.core.contents import Contents, Rows

LEVEL = 1
"""Costs about as much as no compression; higher levels cost more than they save."""
COMPRESSION = f"zstd:{LEVEL}"
BATCH_BYTES = 256 << 10


class DamagedFile(ValueError):
    """What was packed cannot be unpacked."""


class Packer:
    """Compresses rows of COPY's text format, and knows what they add up to."""

    def __init__(self) -> None:
        self.contents = Contents()
        self.size_bytes = 0
        """Of what is packed so far, about."""
        self._hash = xxh3_128()
        self._pieces: list[bytes] = []
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._stream = compressor.compressobj()

    @property
    def digest(self) -> bytes:
        """A hash of the rows in their order, as `hash_lines` has it."""
        return self._hash.digest()

    def add(self, rows: Rows) -> None:
        """Take more rows."""
        self.contents.merge(rows.contents)
        self._hash.update(rows.lines)
        self._keep(self._stream.compress(rows.lines))

    def finish(self) -> bytes:
        """Return all of it."""
        self._keep(self._stream.flush())
        return b"".join(self._pieces)

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self.size_bytes += len(piece)


def pack(data: bytes) -> bytes:
    """Return the data compressed."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(data)


def unpack(packed: bytes) -> bytes:
    """Return what was packed.

    Raises:
        DamagedFile: it is not whole.
    """
    return b"".join(_unpack(packed))


def unpack_rows(packed: bytes) -> Iterator[bytes]:
    """Yield batches of whole rows.

    Raises:
        DamagedFile: it is not whole.
    """
    rest = b""
    for piece in _unpack(packed):
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            yield rest + head + newline
            rest = tail
        else:
            rest += tail
    if rest:
        raise DamagedFile("it ends inside a row")


def hash_lines(packed: bytes) -> bytes:
    """Return a hash of what was packed, row by row in its order.

    Raises:
        DamagedFile: it is not whole.
    """
    found = xxh3_128()
    for piece in _unpack(packed):
        found.update(piece)
    return found.digest()


def _unpack(packed: bytes) -> Iterator[bytes]:
    # An object that ends too early is not always told: its end has to be seen.
    stream = zstandard.ZstdDecompressor().decompressobj()
    try:
        for at in range(0, len(packed), BATCH_BYTES):
            piece = stream.decompress(packed[at : at + BATCH_BYTES])
            if piece:
                yield piece
    except zstandard.ZstdError as error:
        raise DamagedFile(f"it cannot be decompressed: {error}") from error
    if not stream.eof:
        raise DamagedFile("it ends too early")
    if stream.unused_data:
        raise DamagedFile("something stands behind its end")
