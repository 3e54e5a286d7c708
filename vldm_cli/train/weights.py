"""What a step changes: weights in the compute dtype, their float32 masters, the optimiser and the averages."""

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor, nn

from vldm_cli.train.ema import Ema
from vldm_cli.train.flat import Flat
from vldm_cli.train.objectives.base import Task

CLIP_NORM = 1.0
BETAS, WEIGHT_DECAY = (0.9, 0.99), 0.01
MOMENTS = ("exp_avg", "exp_avg_sq")


class Group:
    """Parameters that are clipped together, in flat buffers: float32 masters, their gradients, and the weights in the
    compute dtype, which the models' parameters become views of. In float32 the masters are the weights.
    """

    def __init__(self, parameters: dict[str, nn.Parameter], dtype: torch.dtype):
        self.parameters = parameters
        self.flat = Flat(parameters, torch.float32).copy({n: p.detach() for n, p in parameters.items()})
        self.gradients = Flat(parameters, torch.float32)
        self.master = nn.Parameter(self.flat.data)
        self.weights = self.flat
        if dtype != torch.float32:
            self.weights = Flat(parameters, dtype)
            self.weights.data.copy_(self.flat.data)
        for name, parameter in parameters.items():
            parameter.data = self.weights.views[name]

    def collect(self) -> None:
        """Gradients of the parameters → gradient of the master; where a parameter has none it is zero."""
        found = {name: p.grad for name, p in self.parameters.items() if p.grad is not None}
        if len(found) < len(self.parameters):
            self.gradients.data.zero_()
        if found:
            torch._foreach_copy_([self.gradients.views[name] for name in found], list(found.values()))
        for parameter in self.parameters.values():
            parameter.grad = None
        self.master.grad = self.gradients.data

    def leave_out(self) -> None:
        """Let the optimiser pass over the group in this step."""
        self.master.grad = None

    def clip(self) -> Tensor | None:
        """The gradient's norm, limited now; None if this step leaves the group out."""
        if self.master.grad is None:
            return None
        norm = torch.linalg.vector_norm(self.master.grad)
        # a norm that is not finite leaves the step out; it must not reach the gaps between the views, which are kept
        self.master.grad.mul_((CLIP_NORM / (norm + 1e-6)).clamp_max(1.0).nan_to_num(1.0))
        return norm

    def to_weights(self) -> None:
        if self.weights is not self.flat:
            self.weights.data.copy_(self.flat.data)


class Weights:
    """The objective's trained parameters and what trains them. Nothing here waits for the GPU.

    parameters: the models' own; masters: float32 views, by the same names.
    """

    def __init__(self, objective: Task, processes: PartialState):
        self.objective, self.processes = objective, processes
        named = [
            {
                f"{name}.{n}": p
                for name, m in modules.items()
                for n, p in m.named_parameters()
                if p.requires_grad
            }
            for modules in (objective.trained, objective.helpers)
        ]
        self.groups = [Group(parameters, objective.dtype) for parameters in named if parameters]
        self.parameters = {n: p for group in self.groups for n, p in group.parameters.items()}
        self.masters = {n: t for group in self.groups for n, t in group.flat.views.items()}
        self.optimizer = torch.optim.AdamW(
            [group.master for group in self.groups],
            # on the device, as all that changes from step to step: a recorded step reads it there (see `graphs`)
            lr=torch.zeros((), device=objective.device),
            betas=BETAS,
            weight_decay=WEIGHT_DECAY,
            fused=True,
            capturable=objective.device.type == "cuda",
        )
        # what the fused kernel reads; torch does not declare it
        self.optimizer.grad_scale = None  # type: ignore[attr-defined]
        self.ema = Ema(self.groups[0].flat)
        self.skipped = torch.zeros((), device=objective.device)
        self.streak = torch.zeros((), device=objective.device)

    def prepare(self, lr: float, step: int) -> None:
        """Learning rate and number, from 1, of the step to come."""
        for settings in self.optimizer.param_groups:
            settings["lr"].fill_(lr)
        self.ema.prepare(step)

    def collect(self, loss: Tensor) -> None:
        """Gradients of the loss → float32 gradients of the masters, this process's own."""
        loss.backward()
        taking_part = self._taking_part()
        for group in self.groups:
            if group in taking_part:
                group.collect()
            else:
                group.leave_out()

    def agree(self) -> None:
        """Gradients averaged over the processes.

        One flat sum after the backward pass, not DDP: two players, frozen parts and parts that a step leaves out
        need no wrappers that way, and it comes between two recordings (see `graphs`).
        """
        if self.processes.num_processes > 1:
            for group in self._taking_part():
                group.gradients.data.copy_(reduce(group.gradients.data, "mean"))

    def update(self) -> Tensor:
        """One optimiser step with the gradients; the norm of the exported parts' gradient, before its clipping.

        A gradient that is not finite changes nothing: `skipped` counts such steps, `streak` those in a row.
        """
        norms = [norm for norm in (group.clip() for group in self.groups) if norm is not None]
        bad = ~torch.stack(norms).isfinite().all()
        # the fused kernel leaves everything as it is then; torch does not declare it
        self.optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
        self.streak.add_(1).mul_(bad)
        self.skipped.add_(bad)
        self.optimizer.step()
        self._to_parameters()
        self.ema.update()
        return torch.where(bad, 0.0, norms[0])

    def _taking_part(self) -> list[Group]:
        """The groups that this step changes: helpers only while they learn. The same in every process, for they sum
        their gradients up together, and asking each other would wait for the GPU."""
        return self.groups if self.objective.learns else self.groups[:1]

    def averaged(self):
        """Context manager: the exported parts hold their averages, in float32."""
        return self.ema.applied(self.groups[0].parameters)

    def state(self) -> dict[str, Tensor]:
        """Everything a resume needs, by name, on the CPU: a copy, parameter by parameter, so that the memory layout
        may be another one after the resume."""
        tensors = {f"ema.{n}": t for n, t in self.ema.flat.views_of(self.ema.flat.data.cpu()).items()}
        for index, group in enumerate(self.groups):
            tensors |= {f"model.{n}": t for n, t in group.flat.views_of(group.flat.data.cpu()).items()}
            moments = self.optimizer.state.get(group.master)
            if moments:
                tensors[f"optimizer.step.{index}"] = moments["step"].cpu()
                for key in MOMENTS:
                    views = group.flat.views_of(moments[key].cpu())
                    tensors |= {f"optimizer.{key}.{n}": t for n, t in views.items()}
        tensors = {name: t.clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
        return {**tensors, "skipped": self.skipped.cpu(), "streak": self.streak.cpu()}

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""
        self.ema.flat.copy(_named(tensors, "ema."))
        for index, group in enumerate(self.groups):
            group.flat.copy(_named(tensors, "model."))
            if f"optimizer.step.{index}" not in tensors:
                continue
            moments = {
                key: Flat(group.parameters, torch.float32).copy(_named(tensors, f"optimizer.{key}.")).data
                for key in MOMENTS
            }
            step = tensors[f"optimizer.step.{index}"].to(group.master.device)
            self.optimizer.state[group.master] = {"step": step, **moments}
        self.skipped.copy_(tensors["skipped"])
        self.streak.copy_(tensors["streak"])
        self._to_parameters()

    @torch.no_grad()
    def _to_parameters(self) -> None:
        for group in self.groups:
            group.to_weights()


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
