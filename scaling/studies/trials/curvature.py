"""How sharply the loss of a language model bends where the training of an adapter begins."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch.nn.attention import SDPBackend, sdpa_kernel

from scaling.core.config import Config
from scaling.studies.claims.curvature import BATCHES

TOLERANCE = 0.05  # relative, of the eigenvalue
SPACE = 8  # dimensions of the Krylov space; more is restarted


def sharpness(settings: dict[str, Any], peft: None) -> float:
    """The largest eigenvalue of the Hessian, in the parameters that are trained, of the mean loss
    on the first `BATCHES` training batches, before the first step; in float32.

    Args:
        settings: those of a run, whose learning rate does not matter.
        peft: nothing; every trial of a sweep has this argument.
    """
    # transformers, which takes seconds to load
    from scaling.training.adapting import attach
    from scaling.training.job import on_batches
    from scaling.training.preparation import prepare

    job = prepare(Config.of(**settings).replace(precision="float32"))
    attach(job)
    batches = on_batches(job, list, BATCHES)
    model = job.loaded.model
    trained = [p for p in model.parameters() if p.requires_grad]
    with sdpa_kernel(SDPBackend.MATH):  # the fused attention has no second derivative
        mean = torch.stack([model(**batch).loss for batch in batches]).mean()
        gradient = torch.autograd.grad(mean, trained, create_graph=True)
    sizes = [p.numel() for p in trained]

    def product(vector: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = torch.from_numpy(vector).flatten().split(sizes)
        along = [part.view_as(p) for part, p in zip(parts, trained, strict=True)]
        found = torch.autograd.grad(
            gradient, trained, along, retain_graph=True, materialize_grads=True
        )
        return torch.cat([each.flatten() for each in found]).numpy()

    start = np.random.default_rng(job.config.seed).standard_normal(sum(sizes), np.float32)
    shape = (sum(sizes), sum(sizes))
    hessian = LinearOperator(shape, matvec=product, dtype=np.float32)  # type: ignore[call-arg]
    found: Any = eigsh(
        hessian,
        k=1,
        which="LA",
        v0=start,
        ncv=min(SPACE, sum(sizes)),
        tol=TOLERANCE,  # type: ignore[arg-type]
        return_eigenvectors=False,
    )
    return float(found[0])
