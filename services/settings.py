"""All settings, from the environment (`VITRINE_*`), a `.env` file, or the defaults below."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _check_rates(text: str) -> str:
    if text.strip():
        # Imported here, because few set it and every command reads the settings.
        from limits import parse_many

        parse_many(text)
    return text.strip()


class Settings(BaseSettings):
    """Settings shared by the worker and the service; `vitrine settings` lists them."""

    model_config = SettingsConfigDict(
        env_prefix="VITRINE_", env_file=".env", extra="ignore", populate_by_name=True
    )

    # Where things are
    data_dir: Path = Field(Path(".vitrine"), description="Folder of the embedded store and of worker state.")
    collection: str = Field(
        "products", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of the collection."
    )
    qdrant_url: str | None = Field(
        None,
        validation_alias=AliasChoices("VITRINE_QDRANT_URL", "QDRANT_URL"),
        description="Qdrant server or cluster; empty: the embedded store.",
    )
    qdrant_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("VITRINE_QDRANT_API_KEY", "QDRANT_API_KEY"),
        description="API key of the Qdrant server.",
    )
    qdrant_grpc: bool = Field(True, description="Prefer gRPC to REST when talking to a Qdrant server.")
    shard_number: int = Field(1, ge=1, description="Shards of a new collection on a Qdrant server.")
    replication_factor: int = Field(1, ge=1, description="Copies of each shard on a Qdrant cluster.")
    write_consistency: int = Field(1, ge=1, description="Replicas that must acknowledge a write.")
    store_timeout: float = Field(30.0, gt=0, description="Seconds to wait for the Qdrant server.")

    # Encoder
    encoder: str = Field(
        "vitrine-compact",
        description="Encoder: vitrine-compact, MODEL/PRETRAINED of open_clip, hf-hub:..., local-dir:..., "
        "or transformers:MODEL_OR_FOLDER; seeing pictures only: hog, timm:NAME, torchvision:NAME/WEIGHTS.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where the encoder runs.")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="Arithmetic of the encoder.")
    runtime: Literal["auto", "torch", "onnx", "onnx8"] = Field(
        "auto",
        description="What runs the encoder on a CPU: auto takes ONNX Runtime where it is faster and "
        "gives the same vectors, else torch; onnx8 computes with 8 bits, which gives nearly the same vectors "
        "and makes transformers (ViT) three to four times as fast.",
    )
    batch_size: int = Field(64, ge=1, le=4096, description="Pictures or texts encoded at a time.")
    measure: Literal["auto", "cosine", "euclid", "dot"] = Field(
        "auto",
        description="How a new collection compares vectors; auto: as its encoder is made for. "
        "A collection keeps its own.",
    )
    late_interaction: bool = Field(
        False,
        description="Whether a new collection keeps patches of its pictures, so that searches can be "
        "re-ranked by them (rerank=late). A collection keeps its own choice.",
    )

    # Pictures
    max_image_pixels: int = Field(
        50_000_000, ge=1, description="Larger pictures are refused (decompression bombs)."
    )
    max_image_bytes: int = Field(25_000_000, ge=1, description="Larger picture files are refused.")
    fetch_timeout: float = Field(20.0, gt=0, description="Seconds to wait for a picture given by URL.")
    allow_query_urls: bool = Field(False, description="Whether a search may name its picture by URL.")

    # Indexer
    workers: int = Field(0, ge=0, le=64, description="Threads that load and decode pictures; 0: one a core.")

    # Searcher
    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the service listens on; 0: a free one.")
    fusion: str = Field(
        "learned",
        description="How query parts and product fields are combined; learned falls back to attention, its "
        "closed form, where no head was trained for the encoder.",
    )
    temperature: float = Field(
        0.5, gt=0, description="Temperature of attention over fields, in calibrated units."
    )
    part_temperature: float | None = Field(
        8.0,
        gt=0,
        description="Temperature of attention over query parts; the higher, the more each part counts.",
    )
    photo_attention: bool = Field(
        False,
        description="Whether a photo to search by is pooled by attention to what is salient in it: better "
        "for products in clutter, worse for clear pictures, and ten looks instead of one.",
    )
    search_profile: Literal["exact", "accurate", "balanced", "small"] = Field(
        "accurate",
        description="What searching is tuned for: exact looks at every vector, accurate at a graph of them, "
        "balanced and small at a graph of compressed ones, which takes 4 and 8 times less memory. What it "
        "needs is built by the next `vitrine index`.",
    )
    candidates: int | None = Field(
        None,
        ge=10,
        le=10_000,
        description="Candidates retrieved per query part and field; unset: 128 of up to 25,000 products, "
        "200 of more.",
    )
    max_parts: int = Field(16, ge=1, le=64, description="Most parts one query may have.")
    max_window: int = Field(1000, ge=1, le=10_000, description="Most results offset + limit may reach.")
    query_cache: int = Field(2048, ge=0, description="Encoded query texts and pictures kept in memory.")
    vector_cache: int = Field(
        50_000, ge=0, description="Products whose vectors are kept in memory (2 KB each at 256 dimensions)."
    )
    search_threads: int = Field(
        4, ge=1, le=256, description="Requests encoded and ranked at a time; others wait their turn."
    )
    max_waiting: int = Field(
        256, ge=1, description="Requests that may wait for a thread; further ones are answered 503 at once."
    )
    write_key: SecretStr | None = Field(
        None, description="Key that writes over HTTP must send as `Authorization: Bearer KEY`."
    )
    read_key: SecretStr | None = Field(
        None,
        description="Key that every request must send, as `Authorization: Bearer KEY` or as a browser's "
        "password; empty: anyone may search.",
    )
    rate_limit: Annotated[str, AfterValidator(_check_rates)] = Field(
        "",
        description="Most requests of one client address, such as 120/minute or 10/second; 600/hour. "
        "Empty: no limit.",
    )
    cors_origins: str = Field(
        "", description="Web pages that may search from the browser: origins, separated by commas, or *."
    )
    max_request_bytes: int = Field(30_000_000, ge=1024, description="Largest request body accepted.")
    log_format: Literal["console", "json"] = Field("console", description="How log lines are written.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    traces: bool = Field(
        False,
        description="Whether to send OpenTelemetry traces; also on if OTEL_EXPORTER_OTLP_ENDPOINT is set. "
        "Needs vitrine[traces].",
    )

    # Sample catalogue
    sample_catalogue: Path = Field(
        Path("../shared/clothing"),
        description="Folder of real product photos that `vitrine demo` uses when it is there.",
    )


@cache
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
