"""The bare ASGI app that throughput is measured against: parse, invoke inline, answer.

python bench/bare_asgi.py BUNDLE PORT serves a bundle of features and one rounded number, with no
check of anything and with the settings of uvicorn that `twite serve` has.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from ai_edge_litert.interpreter import Interpreter

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


def make_app(bundle: Path) -> App:
    manifest = json.loads((bundle / "bundle.json").read_text())
    before, decimals = manifest["preprocessing"], manifest["postprocessing"]["decimals"]
    mean = np.array(before["mean"], np.float32)
    scale = np.array(before["scale"], np.float32)
    interpreter = Interpreter(str(bundle / manifest["model"]), num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def predict(body: bytes) -> bytes:
        features = np.array(json.loads(body)["features"], np.float32)
        interpreter.set_tensor(source, (features - mean) / scale)
        interpreter.invoke()
        values = (
            interpreter.get_tensor(result).reshape(-1).astype(np.float64).round(decimals).tolist()
        )
        return json.dumps({"prediction": values}, separators=(",", ":")).encode()

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        answer = predict(body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def serve(app: App, port: int) -> None:
    """Run an app on uvicorn as lean as it gets."""
    uvicorn.run(
        app,
        port=port,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    serve(make_app(Path(sys.argv[1])), int(sys.argv[2]))
