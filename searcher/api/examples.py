"""Examples of the API's documentation. Tests send each of them, so they stay true."""

from __future__ import annotations

from typing import Any

#: A red dress of 48 x 64 pixels, small enough to read past.
PHOTO = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAADAAAABAAQMAAABm7mYFAAAABlBMVEX////IFB4e3/6wAAAAWUlEQVR42pXPQQqAMAxE0Zfq"
    "wqVH6E3s0XsycaEoQlsxmwnz+ZDwY7addK5PlGiUMFFFbbI7gtJjiWysz6w9trB86Ctzj+XrhIFeiN7vFTHUA0qbJcjvsjkHBUAFkKDUr90AAAAASUVO"
    "RK5CYII="
)

SEARCHES: dict[str, dict[str, Any]] = {
    "words": {"summary": "Words", "value": {"text": "red summer dress", "limit": 24}},
    "filtered": {
        "summary": "Words within a category and a price",
        "value": {
            "text": "comfortable shoes",
            "filters": {
                "category": ["shoes", "sandals"],
                "price": {"gte": 10, "lte": 80},
                "not": {"brand": "Nordtal"},
            },
        },
    },
    "photo": {"summary": "A photo, but in another colour", "value": {"image": PHOTO, "text": "in blue"}},
    "region": {
        "summary": "What lies in one region of a photo",
        "value": {"image": PHOTO, "box": {"left": 0.2, "top": 0.1, "right": 0.8, "bottom": 0.9}},
    },
    "unlike": {
        "summary": "Like this, unlike that",
        "value": {
            "parts": [
                {"product": "sku-1", "weight": 1.0},
                {"text": "for the evening", "weight": 0.5},
                {"text": "leather", "weight": -0.5},
            ],
            "limit": 12,
        },
    },
    "examples": {
        "summary": "Like several products and unlike another, with some variety",
        "value": {
            "parts": [{"product": "sku-1"}, {"product": "sku-2"}, {"product": "sku-3", "weight": -1.0}],
            "diversity": 0.5,
        },
    },
}

SEARCH_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/SearchRequest"},
            "examples": SEARCHES,
        },
        "multipart/form-data": {"schema": {"$ref": "#/components/schemas/SearchForm"}},
    },
}

REGIONS_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/RegionsRequest"},
            "example": {"image": PHOTO},
        },
        "multipart/form-data": {"schema": {"$ref": "#/components/schemas/RegionsForm"}},
    },
}

PRODUCT: dict[str, Any] = {
    "id": "sku-1",
    "title": "Red summer dress",
    "image": PHOTO,
    "brand": "Nordtal",
    "category": "dress",
    "price": 39.9,
    "currency": "EUR",
    "url": "https://shop.example/sku-1",
    "tags": ["summer", "cotton"],
    "attributes": {"colour": "red", "size": 38},
}

PRODUCTS: dict[str, dict[str, Any]] = {
    "one": {"summary": "One product", "value": PRODUCT},
    "several": {
        "summary": "Several products",
        "value": [
            {"id": "sku-1", "title": "Red summer dress", "category": "dress", "price": 39.9},
            {"id": "sku-2", "title": "Blue running shoes", "category": "shoes", "price": 79},
        ],
    },
}

PRODUCTS_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/Product"},
                    {"type": "array", "items": {"$ref": "#/components/schemas/Product"}, "minItems": 1},
                ]
            },
            "examples": PRODUCTS,
        }
    },
}

_SHOWN = {key: value for key, value in PRODUCT.items() if key != "image"}

_ANSWER: dict[str, Any] = {
    "hits": [
        {
            "id": "sku-1",
            "score": 3.21,
            "product": _SHOWN,
            "image_url": "/products/sku-1/image",
            "weights": [
                {
                    "part": 0,
                    "label": "red summer dress",
                    "field": "image",
                    "weight": 0.71,
                    "similarity": 0.33,
                },
                {
                    "part": 0,
                    "label": "red summer dress",
                    "field": "title",
                    "weight": 0.29,
                    "similarity": 0.94,
                },
            ],
        }
    ],
    "parts": [{"index": 0, "kind": "text", "label": "red summer dress", "weight": 1.0}],
    "total": 412,
    "limit": 24,
    "offset": 0,
    "fusion": "learned",
    "took_ms": {"encode": 5.1, "retrieve": 3.0, "fuse": 0.4, "total": 8.5},
}


def answer() -> dict[str, Any]:
    """An example answer of a search."""
    return _example(_ANSWER)


def _example(value: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"example": value}}}


RECORD = _example(_SHOWN | {"image_url": "/products/sku-1/image"})
UPSERT = _example(
    {
        "upserted": 1,
        "rejected": [
            {
                "index": 1,
                "id": "sku-2",
                "title": "Damaged picture",
                "detail": "The picture is damaged or cut short. Copy the picture again or save it anew.",
                "field": "image",
                "mend": "Copy the picture again or save it anew.",
            }
        ],
    }
)
REGIONS = _example(
    {
        "regions": [
            {"box": {"left": 0.2188, "top": 0.0938, "right": 0.7813, "bottom": 0.9063}, "score": 0.41},
            {"box": {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}, "score": 0.0},
        ]
    }
)
DELETE = _example({"deleted": 1})
FACETS = _example({"key": "category", "values": [{"value": "dress", "count": 273}]})
FUSIONS = _example(
    {"default": "learned", "names": ["attention", "mean", "weighted", "relative", "rrf", "learned"]}
)
READY = _example(
    {
        "status": "ready",
        "encoder": "vitrine-compact",
        "collection": "products",
        "products": 3409,
        "store": "embedded",
    }
)
