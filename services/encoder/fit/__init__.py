"""Fitting extractors and encoders on a shop's own catalogue: `vitrine train`.

pictures -> (batches, views) -> task (network, measure, clip) -> loop -> model folder
"""

from services.encoder.fit.plan import METHODS, Plan
from services.encoder.fit.run import Trained, train

__all__ = ["METHODS", "Plan", "Trained", "train"]
