"""The bare script that the start is measured against: load the model, predict once, say the class.

python bench/bare_start.py MODEL PIXELS; PIXELS is an .npy file of one picture, uint8 (H, W, C).
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
pixels = np.load(sys.argv[2])[None].astype(np.float32) / np.float32(255)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
interpreter.invoke()
scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
print(int(scores[0].argmax()), flush=True)
