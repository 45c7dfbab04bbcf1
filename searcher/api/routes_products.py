"""Single products: read, show, compare, store, delete. Routes of pictures come before those of ids, which
may hold slashes themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from searcher.answer import StoredProduct
from searcher.api import examples
from searcher.api.context import context_of, id_of, json_response, require_json, root_of
from searcher.api.pictures import MAX_SIZE, MIN_SIZE, Picture
from searcher.api.problems import documented, problem_response
from searcher.api.reading import filter_of_address
from searcher.api.routes_search import (
    Brand,
    Category,
    Diversity,
    FusionName,
    Limit,
    Offset,
    PriceMax,
    PriceMin,
    RerankBy,
    Tags,
)
from searcher.api.schemas import (
    DEFAULT_LIMIT,
    DeleteAnswer,
    ProductRecord,
    SearchAnswer,
    UpsertAnswer,
    answer_json,
    image_url,
    record_json,
)
from searcher.api.security import require_write
from searcher.api.writing import store_products
from services.catalogue.images import is_url
from services.errors import InvalidInput, NotFound

router = APIRouter(tags=["products"])

_CACHE = "public, max-age=3600"
_MAX_DELETED = 1000


@router.get(
    "/products/{product_id:path}/image",
    summary="Show the picture of a product",
    response_class=Response,
    responses=documented(
        404,
        409,
        422,
        503,
        ok={
            200: {
                "description": "The picture, or with `size` a JPEG of it.",
                "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
            },
            304: {"description": "It has not changed."},
            307: {"description": "It lies elsewhere."},
        },
    ),
)
async def get_image(
    request: Request,
    product_id: str,
    size: Annotated[
        int | None,
        Query(ge=MIN_SIZE, le=MAX_SIZE, description="Longest side in pixels.", examples=[320]),
    ] = None,
) -> Response:
    """Only pictures of indexed products are served. Those given by URL are redirected to."""
    context = context_of(request)
    wanted = id_of(request, product_id)
    known = request.headers.get("if-none-match", "")

    def work() -> tuple[str, Picture | None]:
        stored = context.engine.stored(wanted)
        address = context.pictures.address(stored)
        if is_url(address):
            return address, None
        tag = context.pictures.tag(stored, size)
        if tag in known or known.strip() == "*":
            return tag, None
        return tag, context.pictures.load(stored, size)

    tag, picture = await context.showing.run(work)
    if is_url(tag):
        return RedirectResponse(tag, 307, headers={"Cache-Control": _CACHE})
    headers = {"ETag": tag, "Cache-Control": _CACHE}
    if picture is None:
        return Response(status_code=304, headers=headers)
    return Response(picture.data, media_type=picture.media_type, headers=headers)


@router.get(
    "/products/{product_id:path}/similar",
    summary="Find products like this one",
    response_model=SearchAnswer,
    responses=documented(
        404, 409, 422, 503, ok={200: {"description": "One page of results.", **examples.answer()}}
    ),
)
async def get_similar(
    request: Request,
    product_id: str,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    category: Category = None,
    brand: Brand = None,
    tags: Tags = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    fusion: FusionName = None,
    diversity: Diversity = 0.0,
    rerank: RerankBy = None,
) -> Response:
    """Compares by the picture, or by the title of a product without one. The product itself is left out."""
    context = context_of(request)
    wanted, root = id_of(request, product_id), root_of(request)
    declared = ("limit", "offset", "fusion", "diversity", "rerank")
    filter = filter_of_address(request.query_params.multi_items(), declared)

    def work() -> tuple[dict[str, float], Response]:
        answer = context.engine.similar(
            wanted,
            limit=limit,
            offset=offset,
            filter=filter,
            fusion=fusion or None,
            diversity=diversity,
            rerank=rerank,
        )
        return answer.took, json_response(answer_json(answer, root))

    took, response = await context.searching.run(work)
    context.metrics.observe_search(took)
    return response


@router.get(
    "/products/{product_id:path}",
    summary="Read a product",
    response_model=ProductRecord,
    responses=documented(404, 409, 422, 503, ok={200: {"description": "The record.", **examples.RECORD}}),
)
async def get_product(request: Request, product_id: str) -> Response:
    """Ids may hold slashes, written as they are or as `%2F` (needed if the id ends like another route)."""
    context = context_of(request)
    stored: StoredProduct = await context.showing.run(context.engine.stored, id_of(request, product_id))
    record = record_json(stored.product)
    record["image_url"] = image_url(stored.product.id, stored.source, root_of(request))
    return json_response(record)


@router.put(
    "/products",
    summary="Store products",
    response_model=UpsertAnswer,
    responses=documented(
        403,
        409,
        413,
        415,
        422,
        503,
        507,
        ok={200: {"description": "They are on disk; some may be rejected.", **examples.UPSERT}},
    ),
    openapi_extra={"requestBody": examples.PRODUCTS_BODY},
    dependencies=[Depends(require_write)],
)
async def put_products(request: Request) -> Response:
    """One product or a list of them, each whole: a product of the same id is replaced.

    `image` is a data URI, or an http(s) URL if the service allows. Products that cannot be used are
    rejected one by one; if all are, the answer is a 422 with the list under `rejected`.
    """
    require_json(request)
    context = context_of(request)
    body = await request.body()
    stored = await context.searching.run(store_products, body, context.engine)
    context.metrics.upserted.inc(stored.count)
    if stored.count == 0:
        first = stored.rejected[0]
        message = first["detail"].removesuffix(first["mend"]).strip()
        if len(stored.rejected) > 1:
            message = f"None of the {len(stored.rejected)} products can be stored. The first: {message}"
        error = InvalidInput(message, mend=first["mend"], field=first["field"])
        return problem_response(error, {"rejected": stored.rejected})
    return json_response({"upserted": stored.count, "rejected": stored.rejected})


@router.delete(
    "/products",
    summary="Delete products",
    response_model=DeleteAnswer,
    responses=documented(
        403, 404, 409, 422, 503, ok={200: {"description": "How many were there.", **examples.DELETE}}
    ),
    dependencies=[Depends(require_write)],
)
async def delete_products(
    request: Request,
    id: Annotated[
        list[str], Query(description="Ids of products; repeatable.", examples=[["sku-1", "sku-2"]])
    ],
) -> Response:
    """Ids that are not stored do not matter."""
    if len(id) > _MAX_DELETED or not all(id):
        raise InvalidInput(
            f"{len(id)} ids were given, or an empty one.", mend=f"Give 1 to {_MAX_DELETED} ids.", field="id"
        )
    context = context_of(request)
    deleted = await context.searching.run(context.engine.delete, list(dict.fromkeys(id)))
    context.metrics.deleted.inc(deleted)
    return json_response({"deleted": deleted})


@router.delete(
    "/products/{product_id:path}",
    summary="Delete a product",
    response_model=DeleteAnswer,
    responses=documented(
        403, 404, 409, 422, 503, ok={200: {"description": "It was there.", **examples.DELETE}}
    ),
    dependencies=[Depends(require_write)],
)
async def delete_product(request: Request, product_id: str) -> Response:
    """Answers 404 if it is not stored."""
    context = context_of(request)
    wanted = id_of(request, product_id)
    deleted = await context.searching.run(context.engine.delete, [wanted]) if wanted else 0
    if not deleted:
        raise NotFound(f"There is no product '{wanted[:256]}'.", mend="Check the id.", field="id")
    context.metrics.deleted.inc(deleted)
    return json_response({"deleted": deleted})
