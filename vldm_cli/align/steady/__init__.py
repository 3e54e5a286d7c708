"""Temporal layers for image super-resolution networks of any make (Video LDM, §3.4)."""
