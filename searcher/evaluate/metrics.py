"""Metrics over rankings, computed by trec_eval, with bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytrec_eval

#: Name in the tables -> measure of trec_eval. Recall@k is what metric learning and composed retrieval call
#: so (FashionIQ, Wu et al. 2021, arXiv 1905.12794): the share of queries with a right answer in the first k.
MEASURES = {
    "recall@1": "success_1",
    "recall@5": "success_5",
    "recall@10": "success_10",
    "precision@10": "P_10",
    "mAP": "map",
    "nDCG@10": "ndcg_cut_10",
}
_ASKED = {"success.1,5,10", "P.10", "map", "ndcg_cut.10"}


def score(
    relevant: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]]
) -> dict[str, list[float]]:
    """Value of each measure for each query, in the order of `relevant`.

    `relevant` maps a query to the ids that answer it (at least one) and their gain, 1 or more, which nDCG
    alone tells apart; `rankings` to ids, best first.
    """
    evaluator = pytrec_eval.RelevanceEvaluator(
        {query: dict(gains) for query, gains in relevant.items()}, _ASKED
    )
    # trec_eval orders by score and breaks ties by id: give every rank a score of its own.
    runs = {
        query: {product_id: float(len(ids) - at) for at, product_id in enumerate(ids)}
        for query, ids in rankings.items()
    }
    found = evaluator.evaluate(runs)
    return {
        name: [found[query][measure] if query in found else 0.0 for query in relevant]
        for name, measure in MEASURES.items()
    }


def interval(values: Sequence[float], *, rounds: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % confidence interval of the mean by the percentile bootstrap (Efron 1979) over queries."""
    rng = np.random.default_rng(seed)
    array = np.asarray(values, dtype=np.float64)
    means = array[rng.integers(len(array), size=(rounds, len(array)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
