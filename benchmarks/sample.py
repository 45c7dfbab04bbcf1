"""The catalogue that benchmarks measure with."""

from __future__ import annotations

from services.catalogue.readers import Catalogue, open_catalogue
from services.settings import Settings
from vitrine.sample import find_sample


def open_sample(settings: Settings) -> Catalogue:
    """The demo's: real photos where the settings find them, 1,200 drawn products otherwise."""
    sample = find_sample(settings.sample_catalogue, settings.data_dir / "demo", 1200)
    return open_catalogue(sample.catalogue, images=sample.images)
