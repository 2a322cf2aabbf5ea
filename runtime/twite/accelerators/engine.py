"""An engine that asks the accelerator first, with the face of the CPU's own."""

from typing import TYPE_CHECKING

from twite.accelerator_status import AcceleratorStatus
from twite.engine import Engine
from twite.tensors import Tensors

if TYPE_CHECKING:
    from twite.accelerators.acceleration import Acceleration


class AcceleratedEngine:
    """The CPU's engine, its names and tensors; run is answered by the accelerator where it can."""

    def __init__(self, cpu: Engine, acceleration: "Acceleration") -> None:
        self._cpu, self._acceleration = cpu, acceleration
        self.name, self.version, self.threads = cpu.name, cpu.version, cpu.threads
        self.inputs, self.outputs = cpu.inputs, cpu.outputs

    @property
    def xnnpack(self) -> bool:
        return self._cpu.xnnpack

    @property
    def may_block(self) -> bool:
        return self._acceleration.may_block

    def status(self) -> AcceleratorStatus:
        return self._acceleration.status()

    def operators(self) -> dict[str, int]:
        return self._cpu.operators()

    def run(self, tensors: Tensors) -> Tensors:
        return self._acceleration.run(tensors, self._cpu)
