"""Amazon Braket's own SDK as outside judge: it submits, polls and tracks; our pipeline reads and prices.

The SDK talks to the emulator for Braket and to moto for S3 and STS, with its cost Tracker on; then the program
pulls the same account. Both read the same price list. Where the two mean to differ, a test names the rule.
Run by `make test-sdk`, in an environment of its own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest

from braket_emulator import Emulator, running
from braket_emulator.devices import DEVICES
from tests.conftest import Program
from tests.integration.buckets import empty_moto

WHY = "amazon-braket-sdk is not installed here; `make test-sdk` has it in an environment of its own"
aws = pytest.importorskip("braket.aws", reason=WHY)
circuits = pytest.importorskip("braket.circuits", reason=WHY)
program_sets = pytest.importorskip("braket.program_sets", reason=WHY)
tracking = pytest.importorskip("braket.tracking", reason=WHY)

MICRODOLLAR = Decimal("0.000001")
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
DM1 = "arn:aws:braket:::device/quantum-simulator/amazon/dm1"
FORTE = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-Enterprise-1"
CEPHEUS = "arn:aws:braket:us-west-1::device/qpu/rigetti/Cepheus-1-108Q"
GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
IBEX = "arn:aws:braket:eu-north-1::device/qpu/aqt/Ibex-Q1"
RESERVATION = "arn:aws:braket:eu-north-1:123456789012:reservation/a-morning"
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonBraketJobsExecutionRole"
IMAGE = "292282985366.dkr.ecr.us-west-2.amazonaws.com/amazon-braket-base-jobs:latest"
# prices of the emulator's list, in US dollars
FEE, GARNET_SHOT, FORTE_SHOT = Decimal("0.30"), Decimal("0.00145"), Decimal("0.08")
MINIMUM = Decimal("0.00375")  # 3 s of SV1

BELL = circuits.Circuit().h(0).cnot(0, 1)
GHZ = circuits.Circuit().h(0).cnot(0, 1).cnot(1, 2)


@dataclass
class Tracked:
    """What the Tracker said of one scenario, and what the API knew of it then."""

    qpu: Decimal
    simulators: Decimal
    statistics: dict[str, Any]
    arns: list[str]
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def cost(self) -> Decimal:
        return self.qpu + self.simulators


@dataclass
class Judged:
    """Everything that was run, and the warehouse into which the program pulled it."""

    program: Program
    tracked: dict[str, Tracked]

    def costs(self, scenario: str) -> dict[str, dict[str, Any]]:
        """Our row of each task of a scenario, by ARN."""
        arns = ", ".join(f"'{arn}'" for arn in self.tracked[scenario].arns)
        columns = (
            "quantum_task_arn",
            "cost_usd",
            "cost_status",
            "committed_usd",
            "billed_shots",
            "cost_rule",
        )
        rows = self.program.rows(
            f"SELECT {', '.join(columns)} FROM task_costs WHERE quantum_task_arn IN ({arns})"
        )
        assert len(rows) == len(self.tracked[scenario].arns)
        return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}

    def total(self, scenario: str) -> Decimal:
        """Our cost of a scenario; every task of it must have one."""
        return sum((row["cost_usd"] for row in self.costs(scenario).values()), Decimal(0))

    def only(self, scenario: str) -> dict[str, Any]:
        (row,) = self.costs(scenario).values()
        return row


def device(arn: str, region: str | None = None) -> Any:
    session = None if region is None else aws.AwsSession(boto_session=boto3.Session(region_name=region))
    return aws.AwsDevice(arn, aws_session=session)


def ran(where: Any, program: Any, shots: int, **options: Any) -> Any:
    """A task that was run to its end, its results read."""
    task = where.run(program, shots=shots, poll_interval_seconds=0.05, **options)
    task.result()
    return task


def simulators(emulator: Emulator, folder: Path) -> dict[str, Any]:
    for region, execution in (("us-east-1", None), ("us-west-2", "3001"), ("eu-west-2", "90000")):
        tags = {"team": "a"} if execution is None else {"emulator:execution_ms": execution}
        ran(device(SV1, region), BELL, 100, tags=tags)
    ran(device(SV1), BELL.copy().state_vector(), 0)
    ran(device(DM1, "us-west-1"), GHZ, 10, tags={"emulator:execution_ms": "12345"})
    return {}


def qpus(emulator: Emulator, folder: Path) -> dict[str, Any]:
    for arn, shots in ((FORTE, 100), (FORTE, 1000), (GARNET, 200), (CEPHEUS, 333), (IBEX, 7)):
        task = ran(device(arn), BELL, shots)
        assert sum(task.result().measurement_counts.values()) == shots
    ran(device(GARNET), BELL, 50, tags={"emulator:outcome": "FAILED"})
    cancelled = device(GARNET).run(BELL, shots=50, tags={"emulator:wait": "600"})
    cancelled.cancel()
    assert cancelled.result() is None
    return {}


def program_set(emulator: Emulator, folder: Path) -> dict[str, Any]:
    task = ran(device(GARNET), program_sets.ProgramSet([BELL, GHZ, BELL]), 300)
    metadata = task.metadata()
    return {"executables": len(task.result().entries), "action": metadata["actionMetadata"]}


def batch(emulator: Emulator, folder: Path) -> dict[str, Any]:
    results = device(GARNET).run_batch([BELL] * 12, shots=20).results()
    return {"results": len(results)}


def retried_batch(emulator: Emulator, folder: Path) -> dict[str, Any]:
    tags = {"emulator:outcome": "FAILED"}
    device(GARNET).run_batch([BELL] * 2, shots=20, tags=tags).results(max_retries=1)
    return {}


def reserved(emulator: Emulator, folder: Path) -> dict[str, Any]:
    ran(device(GARNET), BELL, 100, reservation_arn=RESERVATION)
    return {}


def reserved_unread(emulator: Emulator, folder: Path) -> dict[str, Any]:
    device(GARNET).run(BELL, shots=100, reservation_arn=RESERVATION)
    return {}


def partial(emulator: Emulator, folder: Path) -> dict[str, Any]:
    task = ran(device(FORTE), BELL, 100, tags={"emulator:successful_shots": "40"})
    return {"told": task.metadata()["numSuccessfulShots"]}


def partial_program_set(emulator: Emulator, folder: Path) -> dict[str, Any]:
    program = program_sets.ProgramSet([BELL, BELL, BELL])
    ran(device(GARNET), program, 300, tags={"emulator:successful_shots": "200"})
    return {}


def cancelling(emulator: Emulator, folder: Path) -> dict[str, Any]:
    task = device(GARNET).run(BELL, shots=100, tags={"emulator:wait": "600", "emulator:cancel": "3600"})
    task.cancel()
    return {"state": task.state()}


def waiting(emulator: Emulator, folder: Path) -> dict[str, Any]:
    task = device(FORTE).run(BELL, shots=100, tags={"emulator:wait": "3600"})
    return {"state": task.state(), "position": task.queue_position().queue_position}


def zero_duration(emulator: Emulator, folder: Path) -> dict[str, Any]:
    ran(device(SV1), BELL, 100, tags={"emulator:execution_ms": "0"})
    return {}


def unread_simulator(emulator: Emulator, folder: Path) -> dict[str, Any]:
    device(SV1).run(BELL, shots=100)
    return {}


def job(emulator: Emulator, folder: Path) -> dict[str, Any]:
    """A hybrid job whose tasks are created as its container would: with its token in the environment."""
    script = folder / "algorithm.py"
    script.write_text("def main():\n    pass\n")
    garnet = device(GARNET)
    made = aws.AwsQuantumJob.create(
        device=GARNET,
        source_module=str(script),
        role_arn=ROLE,
        aws_session=garnet.aws_session,
        tags={"emulator:run": "600"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMZN_BRAKET_JOB_TOKEN", emulator.job_token(made.arn))
        tasks = [ran(garnet, BELL, 100), ran(garnet, BELL, 40)]
    known = aws.AwsQuantumJob(made.arn)
    states = [known.state()]
    known.cancel()
    return {
        "arn": made.arn,
        "found": [task.id for task in known.get_tasks()],
        "created": [task.id for task in tasks],
        "states": [*states, known.state(use_cached_value=False)],
    }


def job_on_a_simulator(emulator: Emulator, folder: Path) -> dict[str, Any]:
    """The same over boto3, as other tools create jobs."""
    braket = boto3.client("braket", region_name="us-west-2")
    arn = braket.create_job(
        jobName="tune",
        roleArn=ROLE,
        algorithmSpecification={"containerImage": {"uri": IMAGE}},
        instanceConfig={"instanceType": "ml.m5.xlarge", "volumeSizeInGb": 50, "instanceCount": 2},
        outputDataConfig={"s3Path": "s3://amazon-braket-us-west-2-123456789012/jobs"},
        deviceConfig={"device": SV1},
        tags={"emulator:run": "600"},
    )["jobArn"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMZN_BRAKET_JOB_TOKEN", emulator.job_token(arn))
        ran(device(SV1, "us-west-2"), BELL, 100, tags={"emulator:execution_ms": "7000"})
    braket.cancel_job(jobArn=arn)
    return {"arn": arn}


SCENARIOS = (
    simulators,
    qpus,
    program_set,
    batch,
    retried_batch,
    reserved,
    reserved_unread,
    partial,
    partial_program_set,
    cancelling,
    waiting,
    zero_duration,
    unread_simulator,
    job,
    job_on_a_simulator,
)


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """S3 and STS of moto."""
    with empty_moto() as url:
        yield url


@pytest.fixture(scope="module")
def emulator(storage: str) -> Iterator[Emulator]:
    """An account without a past, whose tasks are over at once; its clock is the real one."""
    with running(tasks=0, jobs=0, days=1, quick=True, quotas=False, s3_endpoint=storage) as started:
        yield started


@pytest.fixture(scope="module")
def environment(emulator: Emulator, storage: str) -> dict[str, str]:
    """What points the SDK at them."""
    return {
        **emulator.env(),
        "AWS_ENDPOINT_URL_STS": storage,
        "AWS_DEFAULT_REGION": "us-east-1",
        "BRAKET_PRICE_OFFERS_URL": f"{emulator.price_list_url}/index.csv",
        "no_proxy": "127.0.0.1,localhost",
    }


@pytest.fixture
def at_the_emulator(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def judged(
    emulator: Emulator, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Judged:
    """All scenarios, each with a Tracker of its own; then one run of the program."""
    folder = tmp_path_factory.mktemp("judged")
    tracked = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        for scenario in SCENARIOS:
            with tracking.Tracker() as tracker:
                seen = scenario(emulator, folder)
            tracked[scenario.__name__] = Tracked(
                tracker.qpu_tasks_cost(),
                tracker.simulator_tasks_cost(),
                tracker.quantum_tasks_statistics(),
                tracker.tracked_resources(),
                seen,
            )
        program = Program(folder / "home", {**environment, "BRAKET_ETL_PRICE_LIST": "auto"})
        program.ok("sync")
    return Judged(program, tracked)


class TestAgreement:
    """Completed tasks on demand: to the micro-dollar, in total and against prices worked out by hand."""

    @pytest.mark.parametrize("scenario", ["simulators", "qpus", "program_set", "batch", "retried_batch"])
    def test_totals_agree(self, judged: Judged, scenario: str) -> None:
        tracked = judged.tracked[scenario]
        assert abs(judged.total(scenario) - tracked.cost) <= MICRODOLLAR
        known = {"priced", "not_billed"}
        assert {row["cost_status"] for row in judged.costs(scenario).values()} <= known

    def test_simulators_cost_what_they_ran(self, judged: Judged) -> None:
        # three tasks of the minimum, 3.001 s, 90 s and 12.345 s at 0.075 US dollars a minute
        by_hand = (2 * 3000 + 3001 + 90_000 + 12_345) * Decimal("0.00000125")
        assert judged.tracked["simulators"].cost == by_hand
        assert judged.total("simulators") == by_hand
        assert len(judged.tracked["simulators"].arns) == 5

    def test_qpus_cost_a_fee_and_their_shots(self, judged: Judged) -> None:
        shots = 1100 * FORTE_SHOT + 200 * GARNET_SHOT + 333 * Decimal("0.000425") + 7 * Decimal("0.0235")
        assert judged.tracked["qpus"].cost == judged.total("qpus") == 5 * FEE + shots
        statuses = sorted(row["cost_status"] for row in judged.costs("qpus").values())
        assert statuses == ["not_billed"] * 2 + ["priced"] * 5

    def test_a_program_set_is_one_task(self, judged: Judged) -> None:
        assert judged.tracked["program_set"].seen["action"]["executableCount"] == 3
        assert judged.tracked["program_set"].seen["executables"] == 3
        assert judged.total("program_set") == FEE + 300 * GARNET_SHOT

    def test_a_batch_is_its_tasks(self, judged: Judged) -> None:
        assert judged.tracked["batch"].seen["results"] == 12
        assert judged.total("batch") == 12 * (FEE + 20 * GARNET_SHOT)

    def test_what_a_batch_tries_again_and_fails_costs_nothing(self, judged: Judged) -> None:
        assert len(judged.tracked["retried_batch"].arns) == 4  # each of two circuits, and once again
        assert judged.total("retried_batch") == 0


class TestIntendedDifferences:
    """Where the Tracker is a guess made while the program ran, and ours the account of what happened."""

    def test_both_price_a_task_in_a_reservation_at_nothing(self, judged: Judged) -> None:
        assert judged.tracked["reserved"].cost == 0
        ours = judged.only("reserved")
        assert (ours["cost_usd"], ours["cost_status"]) == (0, "reservation")

    def test_the_tracker_sees_a_reservation_only_with_the_results(self, judged: Judged) -> None:
        """Rule: a task with a reservation costs nothing, whether anyone has read its results or not."""
        assert judged.tracked["reserved_unread"].cost == FEE + 100 * GARNET_SHOT
        ours = judged.only("reserved_unread")
        assert (ours["cost_usd"], ours["cost_status"]) == (0, "reservation")

    def test_the_tracker_bills_shots_that_did_not_succeed(self, judged: Judged) -> None:
        """Rule: shots that succeeded are billed, where the API tells how many; the Tracker bills the wish."""
        assert judged.tracked["partial"].seen["told"] == 40
        assert judged.tracked["partial"].cost == FEE + 100 * FORTE_SHOT
        ours = judged.only("partial")
        assert (ours["cost_usd"], ours["billed_shots"]) == (FEE + 40 * FORTE_SHOT, 40)
        assert ours["cost_rule"] == "task fee + successful shots"

    def test_the_same_holds_for_program_sets(self, judged: Judged) -> None:
        """Rule: a program set is billed its fee once, and the shots of all programs that succeeded."""
        assert judged.tracked["partial_program_set"].cost == FEE + 300 * GARNET_SHOT
        assert judged.only("partial_program_set")["cost_usd"] == FEE + 200 * GARNET_SHOT

    def test_the_tracker_bills_what_is_being_cancelled(self, judged: Judged) -> None:
        """Rule: what has not ended has no cost yet; what it may come to is committed."""
        assert judged.tracked["cancelling"].seen["state"] == "CANCELLING"
        assert judged.tracked["cancelling"].cost == FEE + 100 * GARNET_SHOT
        ours = judged.only("cancelling")
        assert (ours["cost_usd"], ours["cost_status"]) == (None, "pending")
        assert ours["committed_usd"] == FEE + 100 * GARNET_SHOT

    def test_the_tracker_bills_what_still_waits(self, judged: Judged) -> None:
        """Rule: the same; a task in the queue may yet fail or be cancelled and cost nothing."""
        assert judged.tracked["waiting"].seen["state"] in ("CREATED", "QUEUED")
        assert int(judged.tracked["waiting"].seen["position"]) >= 1
        assert judged.tracked["waiting"].cost == FEE + 100 * FORTE_SHOT
        ours = judged.only("waiting")
        assert (ours["cost_usd"], ours["cost_status"]) == (None, "pending")
        assert ours["committed_usd"] == judged.tracked["waiting"].cost

    def test_the_tracker_gives_away_a_run_of_no_time(self, judged: Judged) -> None:
        """Rule: a simulator task is billed 3 s at least, also where its run time rounds to 0 ms."""
        assert judged.tracked["zero_duration"].cost == 0
        assert judged.only("zero_duration")["cost_usd"] == MINIMUM

    def test_the_tracker_prices_a_simulator_only_with_the_results(self, judged: Judged) -> None:
        """Rule: the run time is read from the results in S3, whether anyone else has read them or not."""
        assert judged.tracked["unread_simulator"].cost == 0
        assert judged.only("unread_simulator")["cost_usd"] == MINIMUM

    def test_the_tracker_leaves_out_the_job_itself(self, judged: Judged) -> None:
        """Rule: a job costs its instances and their volumes besides its tasks; on the tasks both agree."""
        for scenario, by_hand in (
            ("job", 2 * FEE + 140 * GARNET_SHOT),
            ("job_on_a_simulator", 7000 * Decimal("0.00000125")),
        ):
            tracked = judged.tracked[scenario]
            assert tracked.cost == judged.total(scenario) == by_hand
            instances, volumes, tasks, whole = judged.program.rows(
                "SELECT instance_cost_usd, volume_cost_usd, task_cost_usd, cost_usd FROM job_costs "
                f"WHERE job_arn = '{tracked.seen['arn']}'"
            )[0]
            assert instances > 0
            assert volumes > 0
            assert tasks == tracked.cost
            assert whole == instances + volumes + tasks

    def test_tasks_of_jobs_are_priced_by_their_own_product_families(self, judged: Judged) -> None:
        for scenario, families in (
            ("job", {"Braket Managed Jobs QPU Task", "Braket Managed Jobs QPU Task Shot"}),
            ("job_on_a_simulator", {"Braket Managed Jobs Simulator Task"}),
            ("program_set", {"Quantum Task", "Quantum Task-Shot"}),
        ):
            arns = judged.tracked[scenario].arns
            rows = judged.program.rows(
                f"SELECT DISTINCT product_family FROM charges WHERE list_contains({arns}, record_arn)"
            )
            assert {family for (family,) in rows} == families

    def test_all_that_the_sdk_made_was_understood(self, judged: Judged) -> None:
        assert judged.program.rows("SELECT * FROM etl.rejected_records") == []
        assert judged.program.rows("SELECT * FROM etl.schema_drift") == []
        assert judged.program.one("SELECT count(*) FROM jobs") == 2

    def test_the_sources_are_the_same_price_list(self, judged: Judged) -> None:
        sources = judged.program.rows(
            "SELECT DISTINCT price_source FROM task_costs WHERE price_source IS NOT NULL"
        )
        assert sources == [("price_list 2026-09-11",)]

    def test_the_tracker_knows_its_own_process_only(self, judged: Judged) -> None:
        """Rule: every task of the account counts, whoever created it."""
        everyone = judged.program.one("SELECT count(*) FROM task_costs")
        assert everyone == sum(len(tracked.arns) for tracked in judged.tracked.values())


@pytest.mark.usefixtures("at_the_emulator")
class TestTheSdkAtTheEmulator:
    """The emulator is a Braket that the SDK takes for one."""

    @pytest.mark.parametrize(
        "made_of", [each for each in DEVICES if each.status != "RETIRED"], ids=lambda d: d.name
    )
    def test_devices_load_without_a_warning(self, made_of: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            found = device(made_of.arn)
            assert found.properties.paradigm.qubitCount == made_of.qubits
            assert found.is_available in (True, False)
        depth = found.queue_depth()
        assert depth.jobs
        assert set(depth.quantum_tasks) == {
            aws.queue_information.QueueType.NORMAL,
            aws.queue_information.QueueType.PRIORITY,
        }

    def test_devices_are_found(self) -> None:
        names = {each.name for each in aws.AwsDevice.get_devices(types=["QPU"], statuses=["ONLINE"])}
        assert {"Garnet", "Emerald", "Cepheus-1-108Q"} <= names

    def test_a_task_of_another_program_can_be_followed(self, judged: Judged) -> None:
        arn = judged.tracked["qpus"].arns[0]
        task = aws.AwsQuantumTask(arn)
        assert task.state() == "COMPLETED"
        assert len(task.result().measurements) == 100
        assert task.metadata()["shots"] == 100

    def test_a_job_has_its_tasks(self, judged: Judged) -> None:
        seen = judged.tracked["job"].seen
        assert sorted(seen["found"]) == sorted(seen["created"]) == sorted(judged.tracked["job"].arns)
        assert seen["states"][0] in ("QUEUED", "RUNNING")
        assert seen["states"][1] in ("CANCELLING", "CANCELLED")

    def test_results_in_s3_are_what_the_sdk_read(self, judged: Judged) -> None:
        task = aws.AwsQuantumTask(judged.tracked["simulators"].arns[0])
        told = task.metadata()
        s3 = boto3.client("s3", region_name="us-east-1")
        key = f"{told['outputS3Directory']}/results.json"
        stored = json.loads(s3.get_object(Bucket=told["outputS3Bucket"], Key=key)["Body"].read())
        assert stored["measurements"] == task.result().measurements.tolist()
        ended = datetime.fromisoformat(stored["taskMetadata"]["endedAt"])
        assert ended == told["endedAt"].astimezone(UTC)
