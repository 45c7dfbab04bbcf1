"""The container files name only what exists: settings, folders, build targets, command-line options."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from searcher.api.metrics import Metrics
from services.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = sorted((ROOT / "deploy" / "compose").glob("*.yaml"))
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()


def known_variables() -> set[str]:
    names = {f"VITRINE_{name.upper()}" for name in Settings.model_fields}
    return names | {"QDRANT_URL", "QDRANT_API_KEY"}


def environments(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, dict):
        own = [content["environment"]] if isinstance(content.get("environment"), dict) else []
        return own + [found for value in content.values() for found in environments(value)]
    return []


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_compose_sets_only_settings_that_exist(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    used = {name for environment in environments(content) for name in environment}
    ours = {name for name in used if not name.startswith(("QDRANT__", "GF_"))}
    assert ours <= known_variables()


def test_dockerfile_sets_only_settings_that_exist() -> None:
    used = set(re.findall(r"\b(VITRINE_[A-Z_]+)=", DOCKERFILE))
    assert used and used <= known_variables()


def test_dockerfile_copies_what_is_there_and_what_the_build_context_lets_in() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    sources = [name for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.M) for name in line.split()]
    assert {"services", "indexer", "searcher", "vitrine", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_compose_builds_targets_of_the_dockerfile() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text())["services"]
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.M))
    built = {name: service["build"] for name, service in services.items() if "build" in service}
    assert set(built) == {"indexer", "searcher"}
    for build in built.values():
        assert build["target"] in targets
        assert (ROOT / "deploy" / "compose" / build["context"] / build["dockerfile"]).is_file()


def test_cluster_has_three_nodes_that_find_each_other() -> None:
    cluster = yaml.safe_load((ROOT / "deploy" / "compose" / "cluster.yaml").read_text())["services"]
    nodes = {name: node for name, node in cluster.items() if name.startswith("qdrant")}
    assert len(nodes) == 3
    for name, node in nodes.items():
        assert node["environment"]["QDRANT__CLUSTER__ENABLED"] == "true"
        assert f"http://{name}:6335" == node["command"][node["command"].index("--uri") + 1]
        if "--bootstrap" in node["command"]:
            assert node["command"][node["command"].index("--bootstrap") + 1] == "http://qdrant:6335"
    assert sum("--bootstrap" not in node["command"] for node in nodes.values()) == 1


def test_compose_mounts_only_what_is_there() -> None:
    mounted = [
        volume.split(":")[0]
        for path in COMPOSE
        for service in (yaml.safe_load(path.read_text())["services"] or {}).values()
        for volume in service.get("volumes", [])
        if volume.startswith("..")
    ]
    assert mounted
    for place in mounted:
        assert (ROOT / "deploy" / "compose" / place).exists(), place


def test_the_dashboard_asks_for_metrics_and_labels_that_the_service_has() -> None:
    metrics = Metrics()
    metrics.observe_request("GET", "/search", 200, 0.1)
    metrics.observe_search({"encode": 1.0, "retrieve": 1.0, "fuse": 1.0, "total": 3.0})
    exposed = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }
    panels = json.loads((ROOT / "deploy" / "grafana" / "vitrine.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(expressions) >= 10
    added_by_prometheus = {"job", "instance"}
    for expression in expressions:
        for name, selector in re.findall(r"((?:vitrine|process)_[a-z_]+)\{([^}]*)\}", expression):
            assert name in exposed, name
            labels = set(re.findall(r"(\w+)(?==|!=|=~|!~)", selector))
            assert labels <= exposed[name] | added_by_prometheus, expression
        for labels in re.findall(r"by \(([^)]*)\)", expression):
            known = set.union(*exposed.values()) | added_by_prometheus
            assert set(labels.replace(" ", "").split(",")) <= known, expression
