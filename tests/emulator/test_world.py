"""The synthetic account: same from the same seed, believable, and consistent in itself."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from braket_emulator.devices import BY_MINUTE, DEVICES, REGIONS
from braket_emulator.instants import DAY, HOUR, SECOND, iso, milliseconds, parsed
from braket_emulator.records import EVENTS_SHOWN, TERMINAL, Job, JobEvent, Task
from braket_emulator.render import device_record, job_record, task_record
from braket_emulator.service_model import braket, violations
from braket_emulator.windows import WEEK, WeeklySchedule, Window
from braket_emulator.world import World, generate

NOW = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
END = milliseconds(NOW)
ACCOUNTS = ["123456789012", "210987654321"]
BY_ARN = {device.arn: device for device in (*DEVICES, BY_MINUTE)}


@pytest.fixture(scope="module")
def world() -> World:
    return generate(7, 6_000, 200, 30, ACCOUNTS, None, NOW)


def past(world: World) -> list[Task]:
    return [task for task in world.tasks.values() if task.created <= END]


class TestGeneration:
    def test_equal_arguments_give_equal_worlds(self) -> None:
        one, two = (generate(3, 200, 12, 10, ACCOUNTS, None, NOW) for _ in range(2))
        assert (one.tasks, one.jobs, one.limits) == (two.tasks, two.jobs, two.limits)
        assert one.tasks.keys() != generate(4, 200, 12, 10, ACCOUNTS, None, NOW).tasks.keys()

    @pytest.mark.parametrize(
        ("tasks", "jobs", "days"), [(0, 0, 1), (1, 0, 1), (0, 3, 1), (300, 5, 2), (50, 40, 90)]
    )
    def test_history_holds_exactly_what_was_asked_for(self, tasks: int, jobs: int, days: int) -> None:
        made = generate(1, tasks, jobs, days, ACCOUNTS[:1], None, NOW)
        assert len(past(made)) == tasks
        assert sum(job.created <= END for job in made.jobs.values()) == jobs
        first = min([task.created for task in made.tasks.values()], default=END)
        assert first >= END - days * DAY - 4 * HOUR

    def test_life_goes_on_at_the_same_rate_for_two_days(self, world: World) -> None:
        future = [task for task in world.tasks.values() if task.created > END]
        assert 0.5 <= len(future) / (6_000 * 2 / 30) <= 2
        assert max(task.created for task in future if not task.job_arn) <= END + 2 * DAY

    def test_timelines_are_in_order(self, world: World) -> None:
        for task in world.tasks.values():
            steps = [task.created, task.queued, task.started, task.cancel_asked, task.ended]
            known = [step for step in steps if step is not None]
            assert known == sorted(known)
        for job in world.jobs.values():
            times = [event.at for event in job.events]
            assert times == sorted(times)
            assert job.created <= times[0]
            assert times[-1] == job.ended

    def test_tasks_start_only_while_their_device_is_open(self, world: World) -> None:
        checked = 0
        for task in past(world):
            if task.started and not task.reservation_arn and task.status_at(END) in TERMINAL:
                assert task.device.schedule.is_open(task.started)
                checked += 1
        assert checked > 5_000

    def test_shares_are_believable(self, world: World) -> None:
        tasks = past(world)
        share = {status: count / len(tasks) for status, count in Counter(t.outcome for t in tasks).items()}
        assert 0.02 <= share["FAILED"] <= 0.04
        assert 0.02 <= share["CANCELLED"] <= 0.04
        assert any(task.cancelled_in_queue for task in tasks)
        assert any(task.outcome == "CANCELLED" and task.started for task in tasks)
        partial = [t for t in tasks if t.outcome == "COMPLETED" and t.successful < t.shots]
        assert 0.01 <= len(partial) / len(tasks) <= 0.03
        assert 0.01 <= sum(task.ended > END for task in tasks) / len(tasks) <= 0.03
        for found in (
            [t for t in tasks if t.executables],
            [t for t in tasks if t.reservation_arn],
            [t for t in tasks if t.experimental],
            [t for t in tasks if t.job_arn],
            [t for t in tasks if t.tags is None],
            [t for t in tasks if t.tags and any("<b>" in value for value in t.tags.values())],
        ):
            assert found

    def test_jobs_are_believable(self, world: World) -> None:
        jobs = [job for job in world.jobs.values() if job.created <= END]
        kinds = Counter(event.kind for job in jobs for event in job.events)
        assert {"DEPRIORITIZED_DUE_TO_INACTIVITY", "COMPLETED", "FAILED", "CANCELLED"} <= set(kinds)
        assert any(event.message is None for job in jobs for event in job.events)
        assert any(job.device.startswith("local:") for job in jobs)
        assert any(job.ended > END for job in jobs)
        on_qpu = [job for job in jobs if "/qpu/" in job.device and job.started]
        assert all(job.events[0].kind == "WAITING_FOR_PRIORITY" for job in on_qpu)

    def test_tasks_of_a_job_run_within_it(self, world: World) -> None:
        for task in world.tasks.values():
            if task.job_arn:
                job = world.jobs[task.job_arn]
                assert job.started is not None
                assert job.started < task.created < job.ended
                assert (task.account, task.region, task.device.arn) == (job.account, job.region, job.device)

    def test_regions_hold_what_their_devices_allow(self, world: World) -> None:
        assert {task.region for task in world.tasks.values()} == set(REGIONS)
        for task in world.tasks.values():
            assert task.region in task.device.called_from
            assert task.device.status == "ONLINE"
        only = generate(1, 50, 4, 3, ACCOUNTS[:1], ["eu-north-1"], NOW)
        assert {task.region for task in only.tasks.values()} == {"eu-north-1"}

    def test_only_whoever_asks_has_a_device_that_is_billed_by_the_minute(self, world: World) -> None:
        assert world.device(BY_MINUTE.arn, "us-east-1") is None
        made = generate(1, 50, 0, 3, ACCOUNTS[:1], ["us-east-1"], NOW, by_minute=True)
        ended = [task for task in made.tasks.values() if task.device is BY_MINUTE and task.billed()]
        assert ended
        for task in ended:
            assert task.billed() == BY_MINUTE.per_minute * (task.ended - (task.started or 0)) / 60_000

    @pytest.mark.parametrize(
        ("accounts", "regions", "tasks", "message"),
        [
            ([], None, 1, "twelve digits"),
            (["1234"], None, 1, "twelve digits"),
            (ACCOUNTS, ["eu-west-9"], 1, "eu-west-9"),
            (ACCOUNTS, None, -1, "negative"),
        ],
    )
    def test_nonsense_is_refused(
        self, accounts: list[str], regions: list[str] | None, tasks: int, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            generate(1, tasks, 0, 1, accounts, regions, NOW)


class TestStates:
    def task(self, **more: object) -> Task:
        values: dict[str, object] = {
            "arn": "arn:aws:braket:us-east-1:123456789012:quantum-task/1",
            "account": "123456789012",
            "region": "us-east-1",
            "device": BY_ARN["arn:aws:braket:us-east-1::device/qpu/quera/Aquila"],
            "shots": 100,
            "successful": 90,
            "directory": "tasks/1",
            "created": 0,
            "queued": 10,
            "started": 100,
            "ended": 200,
            "outcome": "COMPLETED",
            "parameters": "{}",
        }
        return Task(**{**values, **more})  # type: ignore[arg-type]

    def test_a_task_that_runs(self) -> None:
        task = self.task()
        told = [task.status_at(at) for at in (0, 9, 10, 99, 100, 199, 200)]
        assert told == ["CREATED", "CREATED", "QUEUED", "QUEUED", "RUNNING", "RUNNING", "COMPLETED"]

    def test_a_task_cancelled_in_the_queue(self) -> None:
        task = self.task(started=None, cancel_asked=50, ended=60, outcome="CANCELLED")
        assert [task.status_at(at) for at in (10, 49, 50, 59, 60)] == [
            "QUEUED",
            "QUEUED",
            "CANCELLING",
            "CANCELLING",
            "CANCELLED",
        ]
        assert task.cancelled_in_queue

    def test_positions_as_braket_writes_them(self) -> None:
        task = self.task(position=2_500)
        infos = [task_record(task, at, queue_info=True)["queueInfo"] for at in (10, 90, 150)]
        assert [info["position"] for info in infos] == [">2000", "250", "None"]
        assert infos[2]["message"].startswith("Task is in RUNNING status.")
        assert "message" not in infos[0]

    def test_what_a_task_costs(self) -> None:
        assert str(self.task().billed()) == "1.20"
        assert str(self.task().committed()) == "1.30"
        assert self.task(outcome="FAILED").billed() == 0
        assert self.task(reservation_arn="arn:aws:braket:us-east-1:123456789012:reservation/1").billed() == 0
        simulator = BY_ARN["arn:aws:braket:::device/quantum-simulator/amazon/sv1"]
        assert str(self.task(device=simulator, execution=4).billed()) == "0.00375"
        assert str(self.task(device=simulator, execution=90_000).billed()) == "0.1125"

    def test_only_the_newest_events_are_shown(self, world: World) -> None:
        job = next(iter(world.jobs.values()))
        events = [JobEvent(at, "WAITING_FOR_PRIORITY") for at in range(30)]
        busy = Job(**{name: getattr(job, name) for name in Job.__slots__} | {"events": events})
        assert [event.at for event in busy.events_at(24)] == list(range(5, 25))
        assert len(job_record(busy, 29, queue_info=False)["events"]) == EVENTS_SHOWN


class TestWindows:
    MONDAY = milliseconds(datetime(2026, 11, 16, tzinfo=UTC))

    def test_a_window_includes_both_ends(self) -> None:
        schedule = WeeklySchedule([Window("Monday", "09:00", "10:00:00")])
        told = [schedule.is_open(self.MONDAY + at * SECOND) for at in (32_399, 32_400, 36_000, 36_001)]
        assert told == [False, True, True, False]
        assert not schedule.is_open(self.MONDAY + DAY + 9 * HOUR)

    def test_a_window_past_midnight_belongs_to_the_day_it_starts_on(self) -> None:
        schedule = WeeklySchedule([Window("Sunday", "22:00:00", "01:59:59")])
        sunday = self.MONDAY - DAY
        assert [schedule.is_open(sunday + hour * HOUR) for hour in (1, 21, 22, 25, 26)] == [
            False,
            False,
            True,
            True,
            False,
        ]

    def test_open_time_passes_only_in_windows(self) -> None:
        schedule = WeeklySchedule(
            [Window("Monday", "09:00:00", "09:59:59"), Window("Friday", "09:00:00", "09:59:59")]
        )
        at = self.MONDAY + 9 * HOUR + HOUR // 2
        assert schedule.after_open_time(at, 0) == at
        assert schedule.after_open_time(at, HOUR // 4) == at + HOUR // 4
        assert schedule.after_open_time(at, HOUR) == self.MONDAY + 4 * DAY + 9 * HOUR + HOUR // 2
        assert schedule.after_open_time(at, 2 * HOUR) == at + WEEK
        assert schedule.after_open_time(self.MONDAY, 0) == self.MONDAY + 9 * HOUR

    def test_every_device_of_today_has_open_time(self) -> None:
        for device in DEVICES:
            opens = device.schedule.after_open_time(END, 0)
            assert device.schedule.is_open(opens)
            assert opens - END < WEEK

    def test_a_device_says_why_it_is_closed_and_until_when(self) -> None:
        reasons = Counter()
        for device in DEVICES:
            for at in range(END, END + WEEK, HOUR // 2):
                record = device_record(device, at)
                reason = record.get("deviceStatusReason")
                assert list(violations(braket().operations["GetDevice"].output, record, strict=True)) == []
                assert (reason is not None) == (record["deviceStatus"] in ("OFFLINE", "PAUSED"))
                if reason is not None:
                    assert parsed(reason["startedAt"]) <= at < parsed(reason["estimatedEndAt"])
                    assert device.status_at(parsed(reason["estimatedEndAt"])) == "ONLINE"
                    reasons[record["deviceStatus"], reason["reason"]] += 1
        assert set(reasons) == {
            ("OFFLINE", "MAINTENANCE"),
            ("PAUSED", "OUTSIDE_AVAILABILITY_WINDOW"),
            ("PAUSED", "RESERVATION"),
        }

    def test_offline_is_only_ever_outside_windows(self) -> None:
        seen = Counter(
            (device.status_at(at), device.schedule.is_open(at))
            for device in DEVICES
            for at in range(END, END + WEEK, HOUR // 2)
        )
        assert seen[("OFFLINE", False)] > 0
        assert seen[("PAUSED", False)] > 0
        assert seen[("OFFLINE", True)] == seen[("PAUSED", True)] == 0

    def test_queue_lengths_take_the_forms_that_braket_writes(self) -> None:
        sizes = {
            queue["queueSize"]
            for device in DEVICES
            for at in range(END, END + 2 * DAY, HOUR // 4)
            for queue in device_record(device, at)["deviceQueueInfo"]
        }
        assert any(size.endswith(" (1 prioritized job(s) running)") for size in sizes)
        assert all(size.lstrip(">").split(" ")[0].isdecimal() for size in sizes)


def test_instants_are_written_as_braket_writes_them() -> None:
    assert iso(END + 7) == "2026-11-18T14:30:00.007Z"
    assert parsed("2026-11-18T14:30:00.007Z") == END + 7
    assert parsed("2026-11-18T15:30:00+01:00") == parsed("2026-11-18T14:30:00") == END
