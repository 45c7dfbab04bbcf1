"""Fusion: from similarities of every query part and product field to one score with its reasons."""

from searcher.fusion import attention, baselines  # noqa: F401  (registers them)
from searcher.fusion.base import Fused, Fusion, fusion_names, make_fusion

__all__ = ["Fused", "Fusion", "fusion_names", "make_fusion"]
