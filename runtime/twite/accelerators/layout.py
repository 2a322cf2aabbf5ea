"""How tensors lie in the memory that two processes share: one after the other, 64 bytes aligned."""

import mmap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from twite.tensors import Tensors

ALIGNMENT = 64


class Slot(NamedTuple):
    """A tensor's place: offset in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size_bytes(self) -> int:
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))


class Layout(NamedTuple):
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    size_bytes: int

    def table(self) -> dict[str, Any]:
        return {"inputs": self.inputs, "outputs": self.outputs, "size_bytes": self.size_bytes}


def arrange(inputs: Tensors, outputs: Tensors) -> Layout:
    """Slots for tensors of these dtypes and shapes."""
    offset, sides = 0, []
    for tensors in (inputs, outputs):
        slots = []
        for name, array in tensors.items():
            slot = Slot(name, array.dtype.name, tuple(map(int, array.shape)), offset)
            slots.append(slot)
            offset += -(-max(slot.size_bytes, 1) // ALIGNMENT) * ALIGNMENT
        sides.append(tuple(slots))
    return Layout(sides[0], sides[1], offset)


def from_table(table: dict[str, Any]) -> Layout:
    sides = [
        tuple(Slot(name, dtype, tuple(shape), offset) for name, dtype, shape, offset in table[side])
        for side in ("inputs", "outputs")
    ]
    return Layout(sides[0], sides[1], table["size_bytes"])


def views(memory: mmap.mmap, slots: Sequence[Slot]) -> Tensors:
    """Arrays that are the shared memory itself."""
    return {slot.name: np.ndarray(slot.shape, slot.dtype, memory, slot.offset) for slot in slots}
