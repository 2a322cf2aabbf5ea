"""An interpreter that runs one signature of a model of several, with the face of a plain one.

A plain interpreter's own methods reach the file's first graph alone. LiteRT's and tflite-runtime's
signature runners reach each; they resize the inputs at every call, so that nothing is left to
resize here.
"""

from typing import Any

from twite.tensors import Array


def at_signature(interpreter: Any, name: str) -> Any:
    """What runs this signature: the interpreter itself where it is the whole first graph.

    Raises ValueError where the model has no such signature.
    """
    known = interpreter._get_full_signature_list()
    if name not in known:
        raise ValueError(f"it has no signature '{name}'; it has {', '.join(known) or 'none'}")
    runner = interpreter.get_signature_runner(name)
    if is_first_graph(interpreter, runner, known[name]):
        return interpreter
    return SignatureInterpreter(interpreter, runner, name)


def is_first_graph(interpreter: Any, runner: Any, signature: dict[str, dict[str, int]]) -> bool:
    """Whether its tensors are those that the interpreter's own methods set and get, each once."""
    pairs = (
        (signature["inputs"], interpreter.get_input_details()),
        (signature["outputs"], interpreter.get_output_details()),
    )
    return runner._subgraph_index == 0 and all(
        len(names) == len(details) == len({*names.values(), *(d["index"] for d in details)})
        for names, details in pairs
    )


class SignatureInterpreter:
    """Its tensors are numbered by the order of their names."""

    def __init__(self, interpreter: Any, runner: Any, name: str) -> None:
        self._interpreter, self._runner, self._name = interpreter, runner, name
        self._inputs, self._outputs = runner.get_input_details(), runner.get_output_details()
        self._input_names, self._output_names = [*self._inputs], [*self._outputs]
        self._tensors: dict[str, Array] = {}
        self._answers: dict[str, Array] = {}

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{**detail, "index": i} for i, detail in enumerate(self._inputs.values())]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{**detail, "index": i} for i, detail in enumerate(self._outputs.values())]

    def set_tensor(self, index: int, array: Array) -> None:
        self._tensors[self._input_names[index]] = array

    def get_tensor(self, index: int) -> Array:
        return self._answers[self._output_names[index]]

    def invoke(self) -> None:
        self._answers = self._runner(**self._tensors)

    def resize_tensor_input(self, index: int, shape: tuple[int, ...]) -> None:
        """Left to the runner, as is allocate_tensors."""

    def allocate_tensors(self) -> None:
        pass

    def _get_full_signature_list(self) -> dict[str, dict[str, dict[str, int]]]:
        sides = {"inputs": self._input_names, "outputs": self._output_names}
        return {
            self._name: {
                side: {each: i for i, each in enumerate(names)} for side, names in sides.items()
            }
        }

    def _get_ops_details(self) -> list[dict[str, Any]]:
        """Of the first graph: neither engine tells those of another one."""
        operators: list[dict[str, Any]] = self._interpreter._get_ops_details()
        return operators
