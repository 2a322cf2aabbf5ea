"""The floor of serving.py: interpreters in threads, without HTTP.

python bench/raw_loop.py MODEL THREADS SECONDS [JPEG] prints the inferences a second. With a
picture each of them decodes, crops and resizes it first.
"""

import io
import sys
from pathlib import Path
from threading import Thread
from time import perf_counter

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

CROP = 224 / 256


def main() -> None:
    model, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    jpeg = Path(sys.argv[4]).read_bytes() if len(sys.argv) > 4 else None
    end = perf_counter() + seconds
    counts = [0] * threads

    def loop(number: int) -> None:
        interpreter = Interpreter(model, num_threads=1)
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]
        result = interpreter.get_output_details()[0]["index"]
        tensor = np.zeros(source["shape"], source["dtype"])
        while perf_counter() < end:
            if jpeg:
                tensor = picture(jpeg, source["shape"])
            interpreter.set_tensor(source["index"], tensor)
            interpreter.invoke()
            interpreter.get_tensor(result)
            counts[number] += 1

    running = [Thread(target=loop, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    print(sum(counts) / seconds)


def picture(jpeg: bytes, shape: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """(1, H, W, 3) as float32 of (pixel - 127) / 128, the middle of the picture."""
    image = Image.open(io.BytesIO(jpeg))
    width, height = int(shape[2]), int(shape[1])
    side = CROP * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    small = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC, box)
    return ((np.asarray(small, np.float32) - 127) / 128)[None]


if __name__ == "__main__":
    main()
