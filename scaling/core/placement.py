"""The model of a run on the devices of its processes.

The base model is the same on all of them, or with `sharded` each holds a part of every block
(fully_shard, FSDP2) and gathers a block when it runs. The adapters, which are small, are whole on
every process either way: DistributedDataParallel averages their gradients, so optimizers,
checkpoints and saving are those of one process.
"""

from collections.abc import Collection

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lora.processes import copy_first
from scaling.core.processes import join
from scaling.core.state import trained_state


def place(model: nn.Module, sharded: bool, kept: Collection[str]) -> None:
    """Move the model to this process's device, in place; where it is sharded, block by block and
    all but the modules `kept`, which are trained whole. Raises ValueError for a sharded model in a
    single process."""
    state = join()
    if sharded:
        if state.num_processes == 1:
            raise ValueError(
                "sharded needs several processes: start them by torchrun --nproc-per-node N"
            )
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(state.device.type, (state.num_processes,))
        whole = {p for name in kept for p in model.get_submodule(name).parameters()}
        for block in blocks(model):
            fully_shard(block, mesh=mesh, ignored_params=whole)
        fully_shard(model, mesh=mesh, ignored_params=whole)
    model.to(state.device)


def blocks(model: nn.Module) -> list[nn.Module]:
    """The members of the outermost lists of modules: a transformer's layers."""
    found: list[nn.Module] = []
    for child in model.children():
        found += list(child) if isinstance(child, nn.ModuleList) else blocks(child)
    return found


def share(model: nn.Module) -> None:
    """Give the adapters of every process the values that the first has."""
    copy_first(*trained_state(model).values())


def replicated(model: nn.Module) -> nn.Module:
    """The model with the gradients of what is trained averaged over the processes; the base
    model is left to itself."""
    own = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    others = {name for name, _ in (*model.named_parameters(), *model.named_buffers())} - own
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, others)
    return DistributedDataParallel(model)
