"""Fréchet distance of two sets of feature vectors, as in FID and FVD, in float64 and without scipy."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaussian:
    """Mean (F,) and covariance (F, F), float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features_NF: Tensor) -> "Gaussian":
        """The Gaussian of the vectors, at least two; unbiased covariance."""
        x = features_NF.double().cpu()
        return cls(x.mean(0), torch.cov(x.T).reshape(x.shape[1], x.shape[1]))


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½) (Dowson & Landau 1982; Heusel et al. 2017, eq. 6).

    The trace of the root is taken from the symmetric Σ_a^½ Σ_b Σ_a^½, which has the same eigenvalues as Σ_a Σ_b and
    stays exact where there are fewer vectors than dimensions.
    """
    values, vectors = torch.linalg.eigh(a.covariance)
    root = vectors @ (values.clamp_min(0).sqrt()[:, None] * vectors.T)
    product = torch.linalg.eigvalsh(root @ b.covariance @ root)
    cross = product.clamp_min(0).sqrt().sum()
    gap = (a.mean - b.mean).square().sum()
    return float(gap + a.covariance.trace() + b.covariance.trace() - 2 * cross)
