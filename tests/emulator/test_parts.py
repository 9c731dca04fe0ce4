"""The emulator's smaller parts: quotas, callers, options, price list, validation."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from braket_emulator import Options, offers
from braket_emulator.__main__ import main
from braket_emulator.callers import Callers, access_key_for, account_in
from braket_emulator.devices import DEVICES
from braket_emulator.quotas import Quotas
from braket_emulator.service_model import ApiError, braket, violations


class Time:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestQuotas:
    def test_a_burst_and_then_the_rate(self) -> None:
        time = Time()
        quotas = Quotas(seconds=time)
        assert sum(quotas.admits("1", "r", "GetJob") for _ in range(100)) == 25
        time.now = 2.0
        assert sum(quotas.admits("1", "r", "GetJob") for _ in range(100)) == 10
        time.now = 1_000.0
        assert sum(quotas.admits("1", "r", "GetJob") for _ in range(100)) == 25

    def test_all_requests_together_have_a_quota_too(self) -> None:
        quotas = Quotas(seconds=Time())
        assert sum(quotas.admits("1", "r", "SearchSpendingLimits") for _ in range(700)) == 600
        assert not quotas.admits("1", "r", "GetQuantumTask")

    def test_a_refused_request_takes_no_token(self) -> None:
        quotas = Quotas(seconds=Time())
        for _ in range(1_000):
            quotas.admits("1", "r", "SearchJobs")
        assert sum(quotas.admits("1", "r", "GetQuantumTask") for _ in range(700)) == 500

    def test_accounts_and_regions_have_their_own(self) -> None:
        quotas = Quotas(seconds=Time())
        for account, region in (("1", "r"), ("1", "s"), ("2", "r")):
            assert sum(quotas.admits(account, region, "SearchJobs") for _ in range(60)) == 50

    def test_they_can_be_switched_off(self) -> None:
        quotas = Quotas(enabled=False, seconds=Time())
        assert all(quotas.admits("1", "r", "GetJob") for _ in range(1_000))


class TestCallers:
    def header(self, key: str, scope: str = "20261118/eu-north-1/braket") -> bytes:
        return f"AWS4-HMAC-SHA256 Credential={key}/{scope}/aws4_request, SignedHeaders=host".encode()

    @pytest.mark.parametrize("account", ["123456789012", "000000000001", "999999999999"])
    def test_a_key_names_its_account(self, account: str) -> None:
        key = access_key_for(account)
        assert len(key) == 20
        assert account_in(key) == account

    @pytest.mark.parametrize("key", ["testing", "AKIA", "AKIA!!!", "ASIAIOSFODNN7", ""])
    def test_other_keys_name_none(self, key: str) -> None:
        assert account_in(key) is None

    def test_the_region_is_the_signatures(self) -> None:
        callers = Callers(["111111111111", "222222222222"])
        caller = callers.caller(self.header(access_key_for("222222222222")))
        assert (caller.account, caller.region) == ("222222222222", "eu-north-1")

    def test_an_account_that_is_not_here_gives_way_to_the_first(self) -> None:
        callers = Callers(["111111111111", "222222222222"])
        assert callers.caller(self.header(access_key_for("333333333333"))).account == "111111111111"
        callers.map_keys({"me": "222222222222"})
        assert callers.caller(self.header("me")).account == "222222222222"

    @pytest.mark.parametrize(
        "scope", ["20261118/eu-north-1/s3", "20261118/braket", "today/eu-north-1/braket"]
    )
    def test_a_scope_that_is_not_brakets_is_denied(self, scope: str) -> None:
        with pytest.raises(ApiError) as error:
            Callers(["111111111111"]).caller(self.header("me", scope))
        assert error.value.code == "AccessDeniedException"


class TestPriceList:
    def rows(self) -> list[dict[str, str]]:
        lines = offers.as_csv().splitlines(keepends=True)
        return list(csv.DictReader(io.StringIO("".join(lines[5:]))))

    def test_five_lines_stand_before_the_header(self) -> None:
        names = [line[0] for line in csv.reader(offers.as_csv().splitlines()[:6])]
        assert names == ["FormatVersion", "Disclaimer", "Publication Date", "Version", "OfferCode", "SKU"]

    def test_all_product_families_are_there(self) -> None:
        assert {row["Product Family"] for row in self.rows()} == {
            "Quantum Task",
            "Quantum Task-Shot",
            "Braket Managed Jobs QPU Task",
            "Braket Managed Jobs QPU Task Shot",
            "Simulator Task",
            "Braket Managed Jobs Simulator Task",
            "Braket Managed Jobs Instance",
            "Braket Managed Jobs Volume",
            "Quantum Reservation",
        }

    @pytest.mark.parametrize(
        ("family", "column"),
        [
            ("Quantum Task", "DeviceName"),
            ("Quantum Task-Shot", "DeviceName"),
            ("Braket Managed Jobs QPU Task", "Device Name"),
            ("Braket Managed Jobs QPU Task Shot", "Device Name"),
        ],
    )
    def test_every_qpu_has_one_price_a_family(self, family: str, column: str) -> None:
        found = sorted(
            (row[column], row["Region Code"]) for row in self.rows() if row["Product Family"] == family
        )
        assert found == sorted((each.offer_name, each.region) for each in DEVICES if each.is_qpu)

    def test_simulators_have_a_price_a_minute_for_both_operations(self) -> None:
        found = {
            (row["Product Family"], row["operation"], row["PricePerUnit"], row["Unit"])
            for row in self.rows()
            if row["Version"] == "SV1" and row["Region Code"] == "us-west-2"
        }
        assert found == {
            ("Simulator Task", "CompleteTask", "0.0750000000", "minutes"),
            ("Braket Managed Jobs Simulator Task", "Managed-Jobs", "0.0750000000", "minutes"),
        }

    def test_made_up_rates_say_so(self) -> None:
        instances = [row for row in self.rows() if row["Product Family"] == "Braket Managed Jobs Instance"]
        assert all("made-up rate" in row["PriceDescription"] for row in instances)
        assert {"ml.m5.large", "ml.p3.2xlarge"} <= {row["Instance Type"] for row in instances}
        garnet = [row for row in self.rows() if row["DeviceName"] == "Garnet"]
        assert not any("made-up rate" in row["PriceDescription"] for row in garnet)
        assert "Synthetic" in offers.DISCLAIMER

    def test_json_says_the_same_as_csv(self) -> None:
        listed = offers.as_json()
        rows = {row["SKU"]: row for row in self.rows()}
        assert len(rows) == len(self.rows()) == len(listed["products"]) == len(listed["terms"]["OnDemand"])
        for sku, row in rows.items():
            assert listed["products"][sku]["productFamily"] == row["Product Family"]
            (term,) = listed["terms"]["OnDemand"][sku].values()
            (dimension,) = term["priceDimensions"].values()
            assert Decimal(dimension["pricePerUnit"]["USD"]) == Decimal(row["PricePerUnit"]) > 0
            assert (dimension["rateCode"], dimension["unit"]) == (row["RateCode"], row["Unit"])
        names = [each["attributes"] for each in listed["products"].values()]
        assert {"devicename", "deviceName", "instanceType", "version"} <= {
            key for each in names for key in each
        }


class TestValidation:
    def test_violations_name_what_is_wrong(self) -> None:
        shape = braket().operations["SearchQuantumTasks"].input
        assert list(violations(shape, {"filters": []})) == []
        found = " ".join(violations(shape, {"filters": [{"name": 1, "operator": "LIKE"}], "maxResults": 101}))
        for part in ("values is required", "name must be a string", "operator must be one of", "maxResults"):
            assert part in found

    def test_answers_are_held_to_known_members_and_time_formats(self) -> None:
        shape = braket().operations["GetJob"].output.members["events"]
        assert list(violations(shape, [{"message": None}], strict=True)) == []
        assert list(violations(shape, [{"colour": 1}], strict=True))
        assert list(violations(shape, [{"timeOfEvent": 1.0}], strict=True))
        assert list(violations(shape, [{"timeOfEvent": "noon"}], strict=True))
        assert list(violations(shape, [{}] * 21, strict=True))

    def test_routes_are_the_models(self) -> None:
        routes = {(each.method, each.path, each.label, each.action) for each in braket().operations.values()}
        assert ("GET", "quantum-task", "quantumTaskArn", "") in routes
        assert ("POST", "spending-limits", None, "") in routes
        assert ("PUT", "job", "jobArn", "cancel") in routes
        assert len(routes) == 11


class TestCommandLine:
    def test_options_survive_the_way_through_arguments(self, capsys: pytest.CaptureFixture[str]) -> None:
        options = Options(now=datetime(2026, 1, 1, tzinfo=UTC), regions=["r"], frozen=True, quotas=False)
        assert "--now=2026-01-01T00:00:00+00:00" in options.arguments()
        assert main([*options.arguments()]) == 2
        assert "no Amazon Braket in r" in capsys.readouterr().err

    def test_the_package_is_cheap_to_import(self) -> None:
        heavy = "{'uvicorn', 'starlette', 'botocore'}"
        code = f"import sys, braket_emulator; print(sorted({heavy} & set(sys.modules)))"
        assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
