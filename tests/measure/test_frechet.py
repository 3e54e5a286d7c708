import torch

from vldm_cli.measure.frechet import Gaussian, frechet_distance


def test_gaussians_in_closed_form():
    """For covariances that share their axes the distance is Σ (μ_a − μ_b)² + (σ_a − σ_b)²."""
    turn, _ = torch.linalg.qr(
        torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    )
    a_sigma = torch.tensor([1.0, 2.0, 0.5, 3.0, 0.0], dtype=torch.float64)
    b_sigma = torch.tensor([2.0, 2.0, 0.1, 1.0, 0.0], dtype=torch.float64)
    a = Gaussian(torch.zeros(5, dtype=torch.float64), turn @ torch.diag(a_sigma**2) @ turn.T)
    b = Gaussian(torch.full((5,), 0.3, dtype=torch.float64), turn @ torch.diag(b_sigma**2) @ turn.T)
    expected = 5 * 0.3**2 + float(((a_sigma - b_sigma) ** 2).sum())
    assert abs(frechet_distance(a, b) - expected) < 1e-6
    assert abs(frechet_distance(b, a) - expected) < 1e-6


def test_covariances_without_common_axes():
    """tr (Σ_a Σ_b)^½ of 2×2 matrices is √(tr(Σ_a Σ_b) + 2 √det(Σ_a Σ_b))."""
    a = torch.tensor([[2.0, 0.6], [0.6, 1.0]], dtype=torch.float64)
    b = torch.tensor([[1.0, -0.4], [-0.4, 3.0]], dtype=torch.float64)
    product = a @ b
    cross = (product.trace() + 2 * torch.linalg.det(product).sqrt()).sqrt()
    expected = float(a.trace() + b.trace() - 2 * cross)
    zero = torch.zeros(2, dtype=torch.float64)
    assert abs(frechet_distance(Gaussian(zero, a), Gaussian(zero, b)) - expected) < 1e-10


def test_few_vectors_of_many_dimensions_are_nothing_apart_from_themselves():
    x = torch.randn(6, 40, generator=torch.Generator().manual_seed(1))
    a = Gaussian.of(x)
    assert abs(frechet_distance(a, a)) < 1e-4
    moved = frechet_distance(a, Gaussian.of(x + 2))
    assert abs(moved - 40 * 4) < 1e-4
