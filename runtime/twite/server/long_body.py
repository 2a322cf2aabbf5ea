"""Memory for the body of a request in one piece, which the socket is read into."""

import numpy as np

LONG = 64 * 1024
"""A shorter body comes in one or two parts, which are joined."""

ALIGNMENT = 16
"""Of what numpy allocates. An array that does not begin at a multiple of its items' size is copied
once more on its way into the engine."""

NOTHING = memoryview(bytearray())


def long_body(size: int, tensors_at: int) -> memoryview:
    """Room for a body and a byte more, in which its numbers begin at tensors_at.

    What leaves some of its room empty has read all there is: nobody asks the socket once more.
    The system gives the memory when it is written to: a client that promises much and sends little
    costs little.
    """
    before = -tensors_at % ALIGNMENT
    return np.empty(before + size + 1, np.uint8).data[before:]


def tensors_at(headers: dict[str, str]) -> int:
    """Where binary tensors begin in a body of the Open Inference Protocol: behind its JSON."""
    text = headers.get("inference-header-content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
