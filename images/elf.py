"""Read and shorten ELF files of any architecture, without running anything."""

import struct
from collections.abc import Iterator
from pathlib import Path

DT_NEEDED, DT_STRTAB = 1, 5
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3


def needed(path: Path) -> list[str]:
    """The file names of DT_NEEDED and, with its folders, of the interpreter; [] when it is no ELF.

    Only little-endian files are read (System V ABI, chapters 4 and 5).
    """
    with path.open("rb") as file:
        if file.read(6)[:4] != b"\x7fELF":
            return []
    content = path.read_bytes()
    is_64 = content[4] == 2
    segments = list(_segments(content, is_64))
    names = [
        content[offset : offset + size].rstrip(b"\0").decode()
        for kind, offset, _, size in segments
        if kind == PT_INTERP
    ]
    dynamic = [(offset, size) for kind, offset, _, size in segments if kind == PT_DYNAMIC]
    if not dynamic:
        return names
    entries = list(struct.iter_unpack("<QQ" if is_64 else "<II", _slice(content, *dynamic[0])))
    (table,) = [value for tag, value in entries if tag == DT_STRTAB]
    start = _file_offset(segments, table)
    return names + [_text(content, start + value) for tag, value in entries if tag == DT_NEEDED]


def strip(path: Path) -> None:
    """Cut off what no loader reads: everything after the last segment, and the section table.

    Debug information and symbol tables of linkers lie there; program headers alone load a file.
    """
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return
    content = bytearray(path.read_bytes())
    is_64 = content[4] == 2
    end = max(offset + size for _, offset, _, size in _segments(bytes(content), is_64))
    struct.pack_into("<Q" if is_64 else "<I", content, 0x28 if is_64 else 0x20, 0)
    struct.pack_into("<HH", content, 0x3C if is_64 else 0x30, 0, 0)
    path.write_bytes(content[:end])


def _segments(content: bytes, is_64: bool) -> Iterator[tuple[int, int, int, int]]:
    """Type, offset in the file, address and size in the file of every program header."""
    if is_64:
        (first,) = struct.unpack_from("<Q", content, 0x20)
        size, count = struct.unpack_from("<HH", content, 0x36)
    else:
        (first,) = struct.unpack_from("<I", content, 0x1C)
        size, count = struct.unpack_from("<HH", content, 0x2A)
    for at in range(first, first + size * count, size):
        if is_64:
            kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", content, at)
        else:
            kind, offset, address, _, length = struct.unpack_from("<IIIII", content, at)
        yield kind, offset, address, length


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, start, size in segments:
        if kind == PT_LOAD and start <= address < start + size:
            return offset + address - start
    raise ValueError(f"address {address:#x} is in no loaded segment")


def _slice(content: bytes, offset: int, size: int) -> bytes:
    return content[offset : offset + size]


def _text(content: bytes, start: int) -> str:
    return content[start : content.index(b"\0", start)].decode()
