"""What llama.cpp says about itself and this machine, asked in a worker so that the caller loads none of it."""

from pathlib import Path
from typing import Any

from localfin_models.seal import WorkerLimits
from localfin_models.worker import SealedWorker
from localfin_models.worker.child import CancelFlag, Emit


def about_llama() -> dict[str, Any]:
    """`system`: the CPU features in use; `gpus`: names and free bytes; `seal`: what holds for the worker."""
    worker = SealedWorker("localfin.engine.about:AboutService")
    try:
        status = worker.start(WorkerLimits())
        return {**worker.call("about"), "seal": status}
    finally:
        worker.stop()


class AboutService:
    """Answers from what was read before the seal."""

    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        from localfin.engine.devices import gpu_devices
        from localfin_models.llama_binding import load_binding

        binding = load_binding()
        self._answer = {
            "system": binding.llama_print_system_info().decode("utf-8", "replace").strip(" |"),
            "gpus": [{"name": d.name, "free_bytes": d.free_bytes} for d in gpu_devices(binding)],
            "library": str(Path(binding.__file__).parent),
        }
        return limits

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        return self._answer
