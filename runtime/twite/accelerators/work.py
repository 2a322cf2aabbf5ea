"""The child's side of a worker: a byte asks for a call on the shared memory, a byte answers.

python -m twite.accelerators.work REQUESTS REPLIES MEMORY
"""

import mmap
import os
import sys

from twite.accelerators.backends import open_backend
from twite.accelerators.layout import from_table, views
from twite.accelerators.speech import Speaker, arm, end_with_parent, read_plan
from twite.errors import AcceleratorError

DONE, PROBLEM = b".", b"!"


def main(requests: int, replies: int, memory: int) -> None:
    plan, speaker = read_plan(requests), Speaker(replies)
    layout = from_table(plan["layout"])
    shared = mmap.mmap(memory, layout.size_bytes)
    os.close(memory)
    inputs, outputs = views(shared, layout.inputs), views(shared, layout.outputs)
    patience_s = plan["patience_s"]
    arm(patience_s)
    try:
        backend = open_backend(plan, speaker.stage)
    except AcceleratorError as error:
        speaker.say({"failed": str(error)})
        os._exit(0)
    arm(0)
    # The interpreter frees Python's lock while it runs, LiteRT's WebGPU does not: there the kernel
    # watches, at the price of two calls.
    watches = plan["kind"] == "webgpu"
    if not watches:
        end_with_parent(requests)
    speaker.say({"ready": True})
    while os.read(requests, 1):
        if watches:
            arm(patience_s)
        try:
            for name, array in backend.run(inputs).items():
                outputs[name][...] = _of(outputs[name].shape, array.shape, array, name)
        except AcceleratorError as error:
            _write(replies, PROBLEM + str(error).encode())
            # The interpreter is of no more use. Its owner ends this process once it knows why.
            os.read(requests, 1)
            break
        if watches:
            arm(0)
        _write(replies, DONE)
    os._exit(0)


def _of(wanted: tuple[int, ...], came: tuple[int, ...], array: object, name: str) -> object:
    # numpy would stretch a smaller answer over the memory of the last one.
    if came != wanted:
        raise AcceleratorError(f"output '{name}' is {came}; it was {wanted}")
    return array


def _write(replies: int, content: bytes) -> None:
    try:
        os.write(replies, content)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
