"""Loading price lists as AWS lays them out: by Region, by version, with odd rows, as the pricing API gives them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from typer.testing import CliRunner

from braket_emulator import offers
from braket_etl.cli import costs as verbs
from braket_etl.costs.errors import PriceListError
from braket_etl.costs.load import refresh_prices
from braket_etl.costs.source import linked_source
from braket_etl.warehouse.connection import Warehouse
from tests.cost_cases import offer, qpu
from tests.http_server import answered_by
from tests.warehouses import empty_warehouse

pytestmark = pytest.mark.warehouse

ROOT = "/offers/v1.0/aws/AmazonBraket"
app = typer.Typer()
app.add_typer(verbs.prices, name="prices")


@pytest.fixture
def place(tmp_path: Path) -> Warehouse:
    return empty_warehouse(tmp_path)


def of_region(region: str, published: str = "2026-09-11T00:00:00Z") -> bytes:
    """The price list of one Region, as JSON."""
    content = offers.as_json()
    kept = {
        sku: product
        for sku, product in content["products"].items()
        if product["attributes"].get("regionCode") == region
    }
    terms = {sku: content["terms"]["OnDemand"][sku] for sku in kept}
    return json.dumps(
        content | {"products": kept, "terms": {"OnDemand": terms}, "publicationDate": published}
    ).encode()


def region_index(*regions: str) -> bytes:
    return json.dumps(
        {
            "formatVersion": "v1.0",
            "publicationDate": "2026-09-11T00:00:00Z",
            "regions": {
                region: {
                    "regionCode": region,
                    "currentVersionUrl": f"{ROOT}/20260911000000/{region}/index.json",
                }
                for region in regions
            },
        }
    ).encode()


def version_index(*versions: str) -> bytes:
    return json.dumps(
        {
            "formatVersion": "v1.0",
            "offerCode": "AmazonBraket",
            "currentVersion": versions[-1],
            "versions": {
                version: {
                    "versionEffectiveBeginDate": "2026-08-01T00:00:00Z",
                    "versionEffectiveEndDate": "",
                    "offerVersionUrl": f"{ROOT}/{version}/index.json",
                }
                for version in versions
            },
        }
    ).encode()


def lay(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


@contextmanager
def served(files: Mapping[str, bytes]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.partition("?")[0])
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

    with answered_by(Handler) as url:
        yield url


def loaded(place: Warehouse) -> list[tuple[Any, ...]]:
    with place.writing("test") as connection:
        return connection.execute(
            "SELECT published_at::DATE::VARCHAR, region, count(*) FROM prices WHERE NOT is_seed GROUP BY ALL ORDER BY ALL"
        ).fetchall()


TWO_REGIONS = {
    f"{ROOT}/20260911000000/{region}/index.json": of_region(region) for region in ("us-east-1", "eu-north-1")
}


def test_an_index_of_regions_loads_all_that_it_names(place: Warehouse) -> None:
    files = {f"{ROOT}/current/region_index.json": region_index("us-east-1", "eu-north-1"), **TWO_REGIONS}
    with served(files) as url:
        done = refresh_prices(place, f"{url}{ROOT}/current/region_index.json?token=secret")
    assert (done.failed, done.told, done.publications) == ((), (), 1)
    assert "secret" not in done.loaded_from
    assert [row[:2] for row in loaded(place)] == [("2026-09-11", "eu-north-1"), ("2026-09-11", "us-east-1")]
    assert sum(row[2] for row in loaded(place)) == done.new


@pytest.mark.parametrize("folder", [f"copy{ROOT}/20260911000000", "flat"])
def test_an_index_in_a_folder_leads_to_the_lists_below_it(
    place: Warehouse, tmp_path: Path, folder: str
) -> None:
    regions = {f"{folder}/{region}/index.json": of_region(region) for region in ("us-east-1", "eu-north-1")}
    index = f"{folder}/region_index.json"
    lay(tmp_path, {index: region_index("us-east-1", "eu-north-1"), **regions})
    assert refresh_prices(place, str(tmp_path / index)).failed == ()
    assert [row[1] for row in loaded(place)] == ["eu-north-1", "us-east-1"]


def test_the_list_of_one_region_is_a_price_list(place: Warehouse, tmp_path: Path) -> None:
    lay(tmp_path, {"index.json": of_region("eu-north-1")})
    refresh_prices(place, str(tmp_path / "index.json"))
    assert [row[1] for row in loaded(place)] == ["eu-north-1"]


def test_an_index_of_versions_loads_the_past_and_tells_what_it_could_not_read(place: Warehouse) -> None:
    files = {
        "/offers/v1.0/aws/AmazonBraket/index.json": version_index("1", "2", "3"),
        f"{ROOT}/1/index.json": of_region("eu-north-1", "2025-01-01T00:00:00Z"),
        f"{ROOT}/2/index.json": b"{}",
        f"{ROOT}/3/index.json": of_region("eu-north-1"),
    }
    with served(files) as url:
        done = refresh_prices(place, f"{url}{ROOT}/index.json")
    assert [row[0] for row in loaded(place)] == ["2025-01-01", "2026-09-11"]
    assert "and 1 older" in done.summary
    (problem,) = done.failed
    assert "/2/index.json" in problem


def test_an_index_of_which_nothing_can_be_read_is_an_error_and_changes_nothing(place: Warehouse) -> None:
    with (
        served({f"{ROOT}/index.json": version_index("1")}) as url,
        pytest.raises(PriceListError, match="404"),
    ):
        refresh_prices(place, f"{url}{ROOT}/index.json")
    assert loaded(place) == []


def test_an_index_that_names_itself_has_an_end(place: Warehouse) -> None:
    files = {f"{ROOT}/1/index.json": version_index("1")}
    with served(files) as url, pytest.raises(PriceListError, match="index in an index"):
        refresh_prices(place, f"{url}{ROOT}/1/index.json")


@pytest.mark.parametrize(
    "link",
    [
        "http://169.254.169.254/latest",
        "//other.example/offers/x",
        "/offers/../../etc/passwd",
        "offers/x",
        "/a\\..\\b",
    ],
)
def test_a_link_that_leads_anywhere_else_is_refused(link: str) -> None:
    for source in (
        "https://pricing.example/offers/v1.0/aws/index.json",
        "/tmp/copy/index.json",
        "s3://bucket/index.json",
    ):
        with pytest.raises(PriceListError, match="no path"):
            linked_source(source, link)


def test_a_link_is_on_the_same_host_in_the_same_bucket_or_below_the_same_folder() -> None:
    link = f"{ROOT}/2/eu-north-1/index.json"
    assert linked_source("https://u:p@h.example/x/index.json", link) == f"https://u:p@h.example{link}"
    assert linked_source(f"s3://bucket/copy{ROOT}/index.json", link) == f"s3://bucket/copy{link}"
    assert (
        linked_source("s3://bucket/copy/region_index.json", link) == "s3://bucket/copy/eu-north-1/index.json"
    )
    assert linked_source("region_index.json", link) == "./eu-north-1/index.json"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAKET_ETL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_odd_rows_are_kept_with_the_reason_and_told_and_the_rest_is_published(
    home: Path, tmp_path: Path
) -> None:
    good = qpu("Forte-1", "0.30", "0.08", "us-east-1")
    odd = [good[0] | {"SKU": f"ODD{n}", "Product Family": ""} for n in range(7)]
    lay(tmp_path, {"index.csv": offer([*odd, *good])})
    done = CliRunner().invoke(app, ["prices", "import", str(tmp_path / "index.csv")])
    assert done.exit_code == 0
    assert "SKU ODD0 is kept and not used: it has no product family" in done.stderr
    assert "2 more" in done.stderr
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        kept = connection.execute(
            "SELECT is_used, why_not_used, count(*) FROM prices WHERE NOT is_seed GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert kept == [(False, "it has no product family", 7), (True, None, 2)]


def test_a_list_of_an_index_that_cannot_be_read_is_exit_1_and_the_others_are_published(
    home: Path, tmp_path: Path
) -> None:
    lay(
        tmp_path,
        {
            "region_index.json": region_index("us-east-1", "eu-north-1"),
            "us-east-1/index.json": of_region("us-east-1"),
        },
    )
    done = CliRunner().invoke(app, ["prices", "import", str(tmp_path / "region_index.json")])
    assert done.exit_code == 1
    assert "eu-north-1/index.json" in done.stderr
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute("SELECT DISTINCT region FROM prices WHERE NOT is_seed").fetchall()
    assert found == [("us-east-1",)]


def test_pages_of_get_products_loaded_one_by_one_are_one_publication(
    place: Warehouse, tmp_path: Path
) -> None:
    content = offers.as_json()
    products = [
        {
            "product": product,
            "serviceCode": "AmazonBraket",
            "terms": {"OnDemand": content["terms"]["OnDemand"][sku]},
            "version": "1",
            "publicationDate": "2026-09-11T00:00:00Z",
        }
        for sku, product in content["products"].items()
    ]
    half = len(products) // 2
    pages = {
        "1.json": {"FormatVersion": "aws_v1", "PriceList": products[:half], "NextToken": "more"},
        "2.json": {"FormatVersion": "aws_v1", "PriceList": [json.dumps(each) for each in products[half:]]},
    }
    lay(tmp_path, {name: json.dumps(page).encode() for name, page in pages.items()})
    first, second = (refresh_prices(place, str(tmp_path / name)) for name in pages)
    assert (first.new, second.new) == (half, len(products) - half)
    assert "NextToken" in first.told[0]
    assert second.told == ()
    lay(tmp_path, {"index.csv": offers.as_csv().encode()})
    assert refresh_prices(place, str(tmp_path / "index.csv")).new == 0


def test_a_row_that_was_not_understood_makes_way_for_one_that_is_and_never_the_other_way(
    place: Warehouse, tmp_path: Path
) -> None:
    good = qpu("Forte-1", "0.30", "0.08", "us-east-1")
    odd = [good[0] | {"Unit": "fortnights"}, good[1]]
    known = []
    for n, rows in enumerate((odd, good, odd)):
        lay(tmp_path, {f"{n}.csv": offer(rows)})
        known.append(refresh_prices(place, str(tmp_path / f"{n}.csv")).known)
        with place.writing("test") as connection:
            query = "SELECT count(*) FILTER (is_used), count(*) FROM prices WHERE NOT is_seed"
            known.append(connection.execute(query).fetchall()[0])
    assert known == [0, (1, 2), 1, (2, 2), 2, (2, 2)]
