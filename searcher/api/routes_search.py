"""Searching, and what a search page needs beside: facets and the names of fusions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from searcher.answer import Answer
from searcher.api import examples
from searcher.api.context import context_of, json_response, media_type, root_of
from searcher.api.problems import UnsupportedType, documented
from searcher.api.reading import (
    filter_of_address,
    parts_of_address,
    query_of_form,
    query_of_json,
    read_form,
)
from searcher.api.schemas import (
    DEFAULT_LIMIT,
    DIVERSITY,
    RERANK,
    FacetsAnswer,
    FusionsAnswer,
    SearchAnswer,
    answer_json,
)
from searcher.fusion import fusion_names
from searcher.query import Query as SearchQuery
from searcher.query import Rerank

router = APIRouter(tags=["search"])

Category = Annotated[list[str] | None, Query(description="Of any of these categories.")]
Brand = Annotated[list[str] | None, Query(description="Of any of these brands.")]
Tags = Annotated[list[str] | None, Query(description="With any of these tags.")]
PriceMin = Annotated[float | None, Query(description="Costs at least this.")]
PriceMax = Annotated[float | None, Query(description="Costs at most this.")]
Limit = Annotated[int, Query(description="Results wanted.", examples=[24])]
Offset = Annotated[int, Query(description="Results to skip.", examples=[0])]
FusionName = Annotated[str | None, Query(description="How parts and fields are combined; see /fusions.")]
Diversity = Annotated[float, Query(description=DIVERSITY, examples=[0.5])]
RerankBy = Annotated[Rerank | None, Query(description=RERANK)]


@router.post(
    "/search",
    summary="Search by words, pictures, products, or any mixture",
    response_model=SearchAnswer,
    responses=documented(
        400,
        404,
        409,
        413,
        415,
        422,
        503,
        ok={200: {"description": "One page of results.", **examples.answer()}},
    ),
    openapi_extra={"requestBody": examples.SEARCH_BODY},
)
async def post_search(request: Request) -> Response:
    """Send JSON, or a form with picture files.

    Parts with a negative weight say what the results should not be like. Every hit tells what each
    part of the query had to say about its picture and its title.
    """
    context = context_of(request)
    # Twice what the encoder sees: fine patches of a photo look closer.
    settings, side = context.settings, 2 * context.engine.encoder.image_size
    kind = media_type(request)
    if kind == "multipart/form-data":
        async with request.form(
            max_files=settings.max_parts,
            max_fields=64,
            # Part and filter texts may hold pictures in base64; the body as a whole is limited.
            max_part_size=settings.max_request_bytes,
        ) as data:
            form = await read_form(data)
        return await _search(request, lambda: query_of_form(form, settings, side))
    if kind == "application/json" or kind.endswith("+json"):
        body = await request.body()
        return await _search(request, lambda: query_of_json(body, settings, side))
    raise UnsupportedType(
        f"The body is {kind[:100] or 'of no media type'}.",
        mend="Send application/json or multipart/form-data.",
        field="Content-Type",
    )


@router.get(
    "/search",
    summary="Search by words and examples",
    response_model=SearchAnswer,
    responses=documented(
        404, 409, 422, 503, ok={200: {"description": "One page of results.", **examples.answer()}}
    ),
)
async def get_search(
    request: Request,
    q: Annotated[str | None, Query(description="Words to look for.", examples=["red dress"])] = None,
    without: Annotated[
        list[str] | None, Query(alias="not", description="Words for what it should not be like.")
    ] = None,
    like: Annotated[list[str] | None, Query(description="Ids of products it should be like.")] = None,
    unlike: Annotated[list[str] | None, Query(description="Ids of products it should not be like.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    category: Category = None,
    brand: Brand = None,
    tags: Tags = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    fusion: FusionName = None,
    diversity: Diversity = 0.0,
    explain: Annotated[
        bool, Query(description="Whether hits come with heat maps.", examples=[False])
    ] = False,
    rerank: RerankBy = None,
) -> Response:
    """For links and simple clients: words as `q`, examples as `like`, or both.

    A weight may follow a value of `not`, `like` and `unlike`: `like=sku-1^2` counts twice. Attributes of
    products filter as `attributes.NAME=VALUE`.
    """
    items = request.query_params.multi_items()
    settings = context_of(request).settings
    declared = ("q", "not", "like", "unlike", "limit", "offset", "fusion", "diversity", "explain", "rerank")
    filter = filter_of_address(items, declared)
    parts = parts_of_address(q, without or (), like or (), unlike or (), settings)
    query = SearchQuery(parts, filter, limit, offset, fusion or None, diversity, explain, rerank)
    return await _search(request, lambda: query)


@router.get(
    "/facets",
    summary="Count the values of a field",
    response_model=FacetsAnswer,
    responses=documented(
        404, 409, 422, 503, ok={200: {"description": "Values, the most frequent first.", **examples.FACETS}}
    ),
)
async def get_facets(
    request: Request,
    key: Annotated[
        str, Query(description="category, brand, tags, currency or attributes.NAME.", examples=["category"])
    ],
    limit: Annotated[int, Query(ge=1, le=1000, description="Values wanted.", examples=[50])] = 50,
    category: Category = None,
    brand: Brand = None,
    tags: Tags = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
) -> Response:
    """Counts are exact and take the same filters as `GET /search`."""
    context = context_of(request)
    filter = filter_of_address(request.query_params.multi_items(), ("key", "limit"))
    values = await context.searching.run(context.engine.facets, key, limit=limit, filter=filter)
    return json_response(
        {"key": key, "values": [{"value": value, "count": count} for value, count in values]}
    )


@router.get(
    "/fusions",
    summary="Name the ways to combine parts and fields",
    response_model=FusionsAnswer,
    responses={200: {"description": "Their names.", **examples.FUSIONS}},
)
async def get_fusions(request: Request) -> Response:
    """The default is what a search uses that names none."""
    return json_response({"default": context_of(request).settings.fusion, "names": fusion_names()})


async def _search(request: Request, read: Callable[[], SearchQuery]) -> Response:
    """Read the query, search and write the answer, all in one worker thread."""
    context = context_of(request)
    root = root_of(request)

    def work() -> tuple[Answer, Response]:
        answer = context.engine.search(read())
        return answer, json_response(answer_json(answer, root))

    answer, response = await context.searching.run(work)
    context.metrics.observe_search(answer.took)
    return response
