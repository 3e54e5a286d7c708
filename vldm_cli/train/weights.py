"""What a step changes: weights in the compute dtype, their float32 masters, the optimiser and the averages."""

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor

from vldm_cli.train import checkpoint
from vldm_cli.train.ema import Ema
from vldm_cli.train.objectives.base import Objective

CLIP_NORM = 1.0
BETAS, WEIGHT_DECAY = (0.9, 0.99), 0.01


class Weights:
    """The objective's trained parameters. In bfloat16 the optimiser works on float32 masters of them; in float32
    they are their own masters. Nothing here waits for the GPU."""

    def __init__(self, objective: Objective, processes: PartialState):
        self.processes = processes
        self.groups = [
            {
                f"{name}.{n}": p
                for name, m in modules.items()
                for n, p in m.named_parameters()
                if p.requires_grad
            }
            for modules in (objective.trained, objective.helpers)
        ]
        self.parameters = {**self.groups[0], **self.groups[1]}
        self.masters = self.parameters
        if objective.dtype != torch.float32:
            self.masters = {n: torch.nn.Parameter(p.detach().float()) for n, p in self.parameters.items()}
        self.optimizer = torch.optim.AdamW(
            list(self.masters.values()), lr=0.0, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True
        )
        self.optimizer.grad_scale = None
        self.ema = Ema({name: self.masters[name] for name in self.groups[0]})
        self.skipped = torch.zeros((), device=objective.device)
        self.streak = torch.zeros((), device=objective.device)

    def update(self, loss: Tensor, lr: float, step: int) -> Tensor:
        """One optimiser step, number `step` from 1; the norm of the exported parts' gradient, before its clipping.

        A gradient that is not finite changes nothing: `skipped` counts such steps, `streak` those in a row.
        """
        loss.backward()
        self._collect_gradients()
        norms = [norm for norm in map(self._clip, self.groups) if norm is not None]
        bad = ~torch.stack(norms).isfinite().all()
        self.optimizer.found_inf = bad.float()  # the fused kernel leaves everything as it is then
        self.streak = (self.streak + 1) * bad
        self.skipped = self.skipped + bad
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._to_parameters()
        self.ema.update(step)
        return torch.where(bad, 0.0, norms[0])

    def averaged(self):
        """Context manager: the exported parts hold their averages, in float32."""
        return self.ema.applied({name: self.parameters[name] for name in self.groups[0]})

    def state(self) -> dict[str, Tensor]:
        """Everything a resume needs, by name."""
        tensors = {f"model.{n}": p for n, p in self.masters.items()}
        tensors |= {f"ema.{n}": t for n, t in self.ema.average.items()}
        tensors |= checkpoint.optimizer_tensors(self.optimizer, self._names())
        return {**tensors, "skipped": self.skipped, "streak": self.streak}

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""
        for name, master in self.masters.items():
            master.copy_(tensors[f"model.{name}"])
        for name, average in self.ema.average.items():
            average.copy_(tensors[f"ema.{name}"])
        checkpoint.restore_optimizer(self.optimizer, self._names(), tensors)
        self.skipped.copy_(tensors["skipped"])
        self.streak.copy_(tensors["streak"])
        self._to_parameters()

    def _collect_gradients(self) -> None:
        """Gradients of the parameters → float32 gradients of the masters, averaged over the processes.

        One flat sum after the backward pass, not DDP: two players, frozen parts and parts that a step leaves out
        need no wrappers that way.
        """
        many = self.processes.num_processes > 1
        if many:
            for p in self.parameters.values():
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        if self.masters is not self.parameters:
            for name, p in self.parameters.items():
                self.masters[name].grad = None if p.grad is None else p.grad.float()
                p.grad = None
        if many:
            grads = [m.grad for m in self.masters.values()]
            flat = reduce(torch.cat([g.flatten() for g in grads]), "mean")
            for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
                grad.copy_(part.view_as(grad))

    def _clip(self, group: dict[str, Tensor]) -> Tensor | None:
        """The norm of the group's gradients, limited now; None if this step gave it none."""
        trained = [self.masters[name] for name in group if self.masters[name].grad is not None]
        return torch.nn.utils.clip_grad_norm_(trained, CLIP_NORM, foreach=True) if trained else None

    @torch.no_grad()
    def _to_parameters(self) -> None:
        if self.masters is not self.parameters:
            torch._foreach_copy_(list(self.parameters.values()), list(self.masters.values()))

    def _names(self) -> dict[Tensor, str]:
        return {p: name for name, p in self.masters.items()}
