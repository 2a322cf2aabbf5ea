"""The bare script that the function's start is measured against.

python bench/functions/bare.py MODEL [PORT]: imports what the function runs on, loads and predicts
once; says so on its output or, from a container, whose output takes a way of its own, on a port.
"""

import socket
import sys

import awslambdaric.bootstrap  # noqa: F401
import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
detail = interpreter.get_input_details()[0]
interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
interpreter.invoke()
answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
if len(sys.argv) > 2:
    socket.create_connection(("127.0.0.1", int(sys.argv[2]))).sendall(f"{answer.shape}".encode())
else:
    print(answer.shape, flush=True)
