"""Search profiles: turned at any time, each finds what exact search finds, and keeps vectors as they are."""

import numpy as np
import pytest

from services.settings import Settings
from services.store.base import CollectionMeta, Filter, Point
from services.store.profiles import PROFILES, Profile
from tests.contract.conftest import META, Place

DIM, N = 64, 12_000


def clustered(seed: int, count: int) -> np.ndarray:
    """Unit vectors about 40 centres, as embeddings of products lie about their kinds."""
    centres = np.random.default_rng(0).standard_normal((40, DIM))
    rng = np.random.default_rng(seed)
    found = centres[rng.integers(len(centres), size=count)] + 0.8 * rng.standard_normal((count, DIM))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def set_profile(place: Place, profile: Profile) -> None:
    place.settings = place.settings.model_copy(update={"search_profile": profile})


def test_every_profile_of_the_settings_is_known() -> None:
    for profile in PROFILES:
        assert Settings(_env_file=None, search_profile=profile).search_profile == profile
    with pytest.raises(ValueError, match="search_profile"):
        Settings(_env_file=None, search_profile="fast")


@pytest.mark.parametrize("place", ["edge"], indirect=True)
def test_each_profile_finds_what_there_is_and_may_be_changed_at_any_time(place: Place) -> None:
    vectors, queries = clustered(1, N), clustered(2, 40)
    points = [Point(f"p{row}", {"image": vector}) for row, vector in enumerate(vectors)]
    truth = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    for profile in ("balanced", "small", "exact", "accurate"):
        set_profile(place, profile)
        store = place.connect()
        store.open(CollectionMeta(DIM, META.encoder))
        if not store.count():
            store.upsert(points)
        # Once as the profile before has left it, once as this one builds it.
        for _ in range(2):
            found = [[hit.id for hit in store.search("image", query, 10)] for query in queries]
            hits = sum(
                len({f"p{row}" for row in rows} & set(ids)) for rows, ids in zip(truth, found, strict=True)
            )
            assert hits / truth.size >= (1.0 if profile == "exact" else 0.97), profile
            store.optimize()
        best = store.search("image", vectors[7], 1)[0]
        assert best.id == "p7"
        # Scored by the vectors themselves, not by what was made of them.
        assert best.score == pytest.approx(1.0, abs=1e-5)
        kept = store.fetch(["p7"], vectors=True)[0].vectors["image"]
        np.testing.assert_allclose(kept, vectors[7], atol=1e-6)
        some = Filter(ids=tuple(f"p{row}" for row in range(0, N, 500)))
        assert {hit.id for hit in store.search("image", queries[0], 50, filter=some)} == set(some.ids or ())
        store.close()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_collection_of_any_profile_is_written_searched_and_optimised(
    place: Place, profile: Profile, unit
) -> None:
    set_profile(place, profile)
    store = place.connect()
    store.open(META)
    store.upsert([Point(f"p{n}", {"image": unit(n)}) for n in range(30)])
    store.optimize()
    assert store.search("image", unit(3), 5)[0].id == "p3"
    store.delete(["p3"])
    assert "p3" not in {hit.id for hit in store.search("image", unit(3), 30)}
    store.close()


def test_an_exact_search_on_a_server_asks_for_one_and_compressed_vectors_are_scored_anew() -> None:
    from services.store.server_models import quantization, search_params, vectors_config

    assert search_params(10, None, PROFILES["exact"], 0).exact
    assert not search_params(10, None, PROFILES["accurate"], 0).exact
    assert quantization(PROFILES["accurate"]) is None
    for name in ("balanced", "small"):
        profile = PROFILES[name]
        params = search_params(10, None, profile, 0).quantization
        assert params is not None and params.rescore and params.oversampling == profile.oversampling
        config = vectors_config(META, profile)["image"]
        assert config.on_disk and config.quantization_config == quantization(profile)


def test_larger_collections_are_looked_through_further() -> None:
    from services.store.schema import search_ef

    assert search_ef(10, 0) == search_ef(10, 100_000) == 256
    assert search_ef(200, 1_000_000) == 800
    assert search_ef(200, 10**6) < search_ef(200, 10**7) <= search_ef(200, 10**12) == 3200
