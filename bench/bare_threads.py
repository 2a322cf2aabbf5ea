"""The bare ASGI app that serving is measured beside: an interpreter in a thread for each core, a
queue before them, and no check of anything.

python bench/bare_threads.py MODEL PORT takes the bytes of the one input at the end of a body, and
answers those of the one output. With "pictures" behind it takes pictures as raw_loop.py does, and
answers the three highest. It has the settings of uvicorn that bare_asgi.py has.
"""

import asyncio
import json
import os
import sys
from math import prod
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter
from bare_asgi import Receive, Send, serve
from raw_loop import picture

Array = npt.NDArray[np.float32]
Job = tuple["asyncio.Future[bytes]", bytes]


def main() -> None:
    takes_pictures = sys.argv[3:] == ["pictures"]
    queue: SimpleQueue[Job] = SimpleQueue()
    for _ in os.sched_getaffinity(0):
        Thread(target=compute, args=(sys.argv[1], queue, takes_pictures), daemon=True).start()

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        parts, is_whole = [], False
        while not is_whole:
            message = await receive()
            parts.append(message["body"])
            is_whole = not message["more_body"]
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        queue.put((future, b"".join(parts)))
        answer = await future
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    serve(app, int(sys.argv[2]))


def compute(model: str, queue: "SimpleQueue[Job]", takes_pictures: bool) -> None:
    interpreter = Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    result = interpreter.get_output_details()[0]["index"]
    size = prod(map(int, source["shape"]))
    while True:
        future, body = queue.get()
        if takes_pictures:
            tensor = picture(body, source["shape"])
        else:
            offset = len(body) - size * np.dtype(source["dtype"]).itemsize
            tensor = np.frombuffer(body, source["dtype"], offset=offset).reshape(source["shape"])
        interpreter.set_tensor(source["index"], tensor)
        interpreter.invoke()
        output = interpreter.get_tensor(result)
        answer = best_three(output[0]) if takes_pictures else output.tobytes()
        future.get_loop().call_soon_threadsafe(future.set_result, answer)


def best_three(scores: Array) -> bytes:
    return json.dumps([[int(i), float(scores[i])] for i in np.argsort(-scores)[:3]]).encode()


if __name__ == "__main__":
    main()
