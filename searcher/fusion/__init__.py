"""Fusion: from similarities of every query part and product field to one score with its reasons."""

from searcher.fusion import attention, baselines, learned  # noqa: F401  (registers them)
from searcher.fusion.base import Embeddings, Evidence, Fused, Fusion, fusion_names, make_fusion
from searcher.fusion.learned import composed, used

__all__ = ["Embeddings", "Evidence", "Fused", "Fusion", "composed", "fusion_names", "make_fusion", "used"]
