"""The least that answers and is seen: one inference and one line of log, nothing checked.

Its model is the file in LEAST_MODEL; the line is as long as the function's own.
"""

import os

import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(os.environ["LEAST_MODEL"], num_threads=1)
interpreter.allocate_tensors()
source = interpreter.get_input_details()[0]["index"]
result = interpreter.get_output_details()[0]["index"]
LINE = b'{"message": "%s"}\n' % (b"x" * int(os.environ["LEAST_LINE_BYTES"]))


def handler(event: dict[str, list[float]], context: object) -> dict[str, float]:
    interpreter.set_tensor(source, np.array([event["features"]], np.float32))
    interpreter.invoke()
    prediction = float(interpreter.get_tensor(result)[0, 0])
    os.write(1, LINE)
    return {"prediction": prediction}
