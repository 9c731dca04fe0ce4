"""The devices of the emulator: where they stand, when they are open, what they cost, how long their queues.

Names and Regions are those of Amazon Braket. Windows, queue lengths and everything about speed are made up.
Rates marked as made up in `offers.py` are made up too; none of this is a price source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from braket_emulator.instants import SECOND, iso
from braket_emulator.windows import ALWAYS, WeeklySchedule, Window

REGIONS = ("us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1")
SIMULATOR_REGIONS = ("us-east-1", "us-west-1", "us-west-2", "eu-west-2")
SIMULATOR_MINIMUM = 3 * SECOND


@dataclass(frozen=True, slots=True)
class Pace:
    """How a device works through its queue: all made up, in seconds unless the name says otherwise."""

    wait_median: float = 60.0
    wait_spread: float = 1.5
    service: float = 20.0
    run_base: float = 2.0
    run_per_shot: float = 0.001
    queue_length: float = 20.0


@dataclass(frozen=True)
class Device:
    """One device; `regions` are those it is called from, `region` is the one in its ARN (may be empty)."""

    provider: str
    name: str
    region: str
    qubits: int
    schema: str
    regions: tuple[str, ...] = ()
    provider_name: str = ""
    kind: str = "QPU"
    status: str = "ONLINE"
    weight: float = 0.0
    windows: tuple[Window, ...] = ALWAYS
    maintenance: Window | None = None
    pause: tuple[Window, str] | None = None
    shots: tuple[int, int] = (1, 10_000)
    action: str = "braket.ir.openqasm.program"
    program_sets: bool = False
    per_task: Decimal = Decimal("0.30")
    per_shot: Decimal = Decimal(0)
    per_minute: Decimal = Decimal(0)
    per_hour_reserved: Decimal = Decimal(0)
    offer_name: str = ""
    location: str = ""
    summary: str = ""
    pace: Pace = field(default_factory=Pace)

    @cached_property
    def arn(self) -> str:
        """The device's ARN."""
        family = "qpu" if self.is_qpu else "quantum-simulator"
        return f"arn:aws:braket:{self.region}::device/{family}/{self.provider}/{self.name}"

    @property
    def is_qpu(self) -> bool:
        """Whether it is hardware with a queue."""
        return self.kind == "QPU"

    @property
    def is_paid_by_time(self) -> bool:
        """Whether a task costs its run time, which its results tell."""
        return bool(self.per_minute)

    @property
    def called_from(self) -> tuple[str, ...]:
        """The Regions whose endpoint knows the device."""
        return self.regions or (self.region,)

    @cached_property
    def schedule(self) -> WeeklySchedule:
        """When a task may start."""
        return WeeklySchedule(self.windows)

    @cached_property
    def _maintenance(self) -> WeeklySchedule | None:
        return WeeklySchedule((self.maintenance,)) if self.maintenance else None

    @cached_property
    def _pause(self) -> WeeklySchedule | None:
        return WeeklySchedule((self.pause[0],)) if self.pause else None

    def status_at(self, now: int) -> str:
        """ONLINE, OFFLINE or PAUSED (both only ever outside its windows), or RETIRED."""
        if self._maintenance and self._maintenance.is_open(now):
            return "OFFLINE"
        if self._pause and self._pause.is_open(now):
            return "PAUSED"
        return self.status

    def reason_at(self, now: int) -> dict[str, str] | None:
        """Why it takes no tasks, since when, and when it is expected to; None while it does, and for a retired one."""
        for schedule, reason in (
            (self._maintenance, "MAINTENANCE"),
            (self._pause, self.pause[1] if self.pause else ""),
        ):
            if schedule and (span := schedule.span_at(now)):
                began, ends = span
                return {
                    "reason": reason,
                    "startedAt": iso(began),
                    "estimatedEndAt": iso(ends),
                    "updatedAt": iso(began),
                }
        return None


def display_name(device: Device) -> str:
    """The name a console shows; Braket spells some of them otherwise than in the ARN."""
    return {"sv1": "SV1", "dm1": "DM1", "tn1": "TN1", "Forte-1": "Forte 1"}.get(device.name, device.name)


def _simulator(name: str, qubits: int, **more: Any) -> Device:
    return Device(
        provider="amazon",
        name=name,
        region="",
        qubits=qubits,
        schema="braket.device_schema.simulators.gate_model_simulator_device_capabilities",
        provider_name="Amazon Braket",
        kind="SIMULATOR",
        location="us-east-1",
        shots=(0, 100_000),
        **{
            "regions": SIMULATOR_REGIONS,
            "per_minute": Decimal("0.075"),
            "offer_name": name.upper(),
            "summary": f"Amazon Braket {name.upper()} simulator",
            "pace": Pace(0.4, 0.6, 1.0, 0.05, 0.0, 4.0),
            **more,
        },
    )


DEVICES: tuple[Device, ...] = (
    _simulator("sv1", 34, weight=0.30),
    _simulator("dm1", 17, weight=0.05),
    Device(
        "ionq",
        "Forte-1",
        "us-east-1",
        36,
        "braket.device_schema.ionq.ionq_device_capabilities",
        provider_name="IonQ",
        weight=0.09,
        # open past midnight, so that whoever reads windows meets one whose end is before its start
        windows=(Window("Weekdays", "22:00:00", "13:59:59"), Window("Sunday", "22:00:00", "23:59:59")),
        maintenance=Window("Wednesday", "15:00:00", "18:29:59"),
        shots=(1, 5_000),
        per_shot=Decimal("0.08"),
        per_hour_reserved=Decimal(7000),
        offer_name="Forte-1",
        location="Maryland, USA",
        summary="Universal gate-model QPU based on trapped ions",
        pace=Pace(1_500.0, 1.4, 60.0, 6.0, 0.08, 70.0),
    ),
    Device(
        "ionq",
        "Forte-Enterprise-1",
        "us-east-1",
        36,
        "braket.device_schema.ionq.ionq_device_capabilities",
        provider_name="IonQ",
        weight=0.07,
        windows=(
            Window("Weekdays", "00:00:00", "10:59:59"),
            Window("Weekdays", "17:00:00", "23:59:59"),
            Window("Weekend", "00:00:00", "23:59:59"),
        ),
        pause=(Window("Weekdays", "11:00:00", "16:59:59"), "OUTSIDE_AVAILABILITY_WINDOW"),
        shots=(1, 5_000),
        per_shot=Decimal("0.08"),
        per_hour_reserved=Decimal(7000),
        offer_name="Forte-Enterprise-1",
        location="Basel, Switzerland",
        summary="Universal gate-model QPU based on trapped ions",
        pace=Pace(700.0, 1.4, 45.0, 5.0, 0.06, 30.0),
    ),
    Device(
        "quera",
        "Aquila",
        "us-east-1",
        256,
        "braket.device_schema.quera.quera_device_capabilities",
        provider_name="QuEra",
        weight=0.08,
        windows=(Window("Monday", "01:00", "23:59:59"), Window("Thursday", "12:00:00", "23:59:59")),
        maintenance=Window("Sunday", "08:00:00", "15:59:59"),
        shots=(1, 1_000),
        action="braket.ir.ahs.program",
        per_shot=Decimal("0.01"),
        per_hour_reserved=Decimal(2500),
        offer_name="Aquila",
        location="Boston, USA",
        summary="Analog quantum processor based on neutral atoms",
        pace=Pace(2_400.0, 1.3, 180.0, 20.0, 0.35, 45.0),
    ),
    Device(
        "rigetti",
        "Cepheus-1-108Q",
        "us-west-1",
        108,
        "braket.device_schema.rigetti.rigetti_device_capabilities",
        provider_name="Rigetti",
        weight=0.12,
        windows=(Window("Everyday", "15:00:00", "05:59:59"),),
        shots=(1, 50_000),
        program_sets=True,
        per_shot=Decimal("0.000425"),
        per_hour_reserved=Decimal(4100),
        offer_name="Cepheus-1-108Q",
        location="California, USA",
        summary="Universal gate-model QPU based on superconducting qubits",
        pace=Pace(40.0, 1.8, 6.0, 1.5, 0.0008, 25.0),
    ),
    Device(
        "iqm",
        "Garnet",
        "eu-north-1",
        20,
        "braket.device_schema.iqm.iqm_device_capabilities",
        provider_name="IQM",
        weight=0.15,
        windows=(
            Window("Weekdays", "00:00:00", "01:29:59"),
            Window("Weekdays", "03:15:00", "15:29:59"),
            Window("Weekdays", "17:15:00", "23:59:59"),
            Window("Weekend", "06:00:00", "19:59:59"),
        ),
        shots=(1, 20_000),
        program_sets=True,
        per_shot=Decimal("0.00145"),
        per_hour_reserved=Decimal(3000),
        offer_name="Garnet",
        location="Espoo, Finland",
        summary="Universal gate-model QPU based on superconducting qubits",
        pace=Pace(12.0, 1.9, 4.0, 2.6, 0.0012, 15.0),
    ),
    Device(
        "iqm",
        "Emerald",
        "eu-north-1",
        54,
        "braket.device_schema.iqm.iqm_device_capabilities",
        provider_name="IQM",
        weight=0.10,
        windows=(Window("Everyday", "00:00:00", "07:59:59"), Window("Everyday", "10:00:00", "23:59:59")),
        shots=(1, 20_000),
        program_sets=True,
        per_shot=Decimal("0.0016"),
        per_hour_reserved=Decimal(4000),
        offer_name="Emerald",
        location="Munich, Germany",
        summary="Universal gate-model QPU based on superconducting qubits",
        pace=Pace(25.0, 1.9, 5.0, 2.8, 0.0014, 20.0),
    ),
    Device(
        "aqt",
        "Ibex-Q1",
        "eu-north-1",
        12,
        "braket.device_schema.aqt.aqt_device_capabilities",
        provider_name="AQT",
        weight=0.04,
        windows=(Window("Tuesday", "07:00:00", "16:59:59"), Window("Wednesday", "07:00:00", "16:59:59")),
        pause=(Window("Monday", "07:00:00", "16:59:59"), "RESERVATION"),
        shots=(1, 2_000),
        per_shot=Decimal("0.0235"),
        per_hour_reserved=Decimal(4800),
        offer_name="IBEX-Q1",
        location="Innsbruck, Austria",
        summary="Universal gate-model QPU based on trapped ions",
        pace=Pace(600.0, 1.3, 40.0, 4.0, 0.03, 12.0),
    ),
    Device(
        "ionq",
        "Aria-1",
        "us-east-1",
        25,
        "braket.device_schema.ionq.ionq_device_capabilities",
        provider_name="IonQ",
        status="RETIRED",
        per_shot=Decimal("0.03"),
        per_hour_reserved=Decimal(7000),
        offer_name="Aria-1",
        location="Maryland, USA",
        summary="Universal gate-model QPU based on trapped ions",
    ),
    Device(
        "rigetti",
        "Ankaa-3",
        "us-west-1",
        82,
        "braket.device_schema.rigetti.rigetti_device_capabilities",
        provider_name="Rigetti",
        status="RETIRED",
        per_shot=Decimal("0.0009"),
        per_hour_reserved=Decimal(5750),
        offer_name="Ankaa-3",
        location="California, USA",
        summary="Universal gate-model QPU based on superconducting qubits",
    ),
    Device(
        "oqc",
        "Lucy",
        "eu-west-2",
        8,
        "braket.device_schema.oqc.oqc_device_capabilities",
        provider_name="Oxford",
        status="RETIRED",
        per_shot=Decimal("0.00035"),
        offer_name="Lucy",
        location="Oxford, United Kingdom",
        summary="Universal gate-model QPU based on superconducting qubits",
    ),
    _simulator("tn1", 50, status="RETIRED", per_minute=Decimal("0.275")),
)
#: A QPU that is billed by the minute, as none of Braket's is: made up, and there only where an option asks for it.
BY_MINUTE = Device(
    "made-up",
    "Minute",
    "us-east-1",
    20,
    "braket.device_schema.ionq.ionq_device_capabilities",
    provider_name="Made-up",
    weight=0.4,
    per_task=Decimal(0),
    per_minute=Decimal("3.00"),
    offer_name="Minute",
    location="Nowhere",
    summary="Made-up QPU that is billed by the minute",
    pace=Pace(30.0, 1.2, 20.0, 30.0, 0.01, 5.0),
)
