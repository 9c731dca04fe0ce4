"""The emulator's other face: control for tests and demos under `/_emulator/`, and the price list.

None of this exists at AWS (but for the price list, which AWS serves without authentication elsewhere).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from braket_emulator import offers
from braket_emulator.faults import Fault

if TYPE_CHECKING:
    from braket_emulator.app import EmulatorApp

_OFFERS = "/offers/v1.0/aws/AmazonBraket/current"
Endpoint = Callable[[Request], Awaitable[Response]]


def control(emulator: EmulatorApp) -> Starlette:
    """The application that answers what is not of the Braket protocol."""

    async def clock(request: Request) -> Response:
        if request.method == "PUT":
            wanted = await _object(request)
            now, rate = wanted.get("now"), wanted.get("rate")
            emulator.clock.set(
                now=None if now is None else datetime.fromisoformat(now),
                rate=None if rate is None else float(rate),
            )
        return JSONResponse(emulator.clock.as_json())

    async def stats(request: Request) -> Response:
        if request.method == "DELETE":
            for counter in vars(emulator.stats).values():
                counter.clear()
        return JSONResponse({**emulator.stats.as_json(), "faults": dict(emulator.faults.fired)})

    async def faults(request: Request) -> Response:
        if request.method == "PUT":
            wanted = await request.json()
            if not isinstance(wanted, list):
                raise ValueError("faults come as a JSON list")
            emulator.faults.set([Fault.from_json(each) for each in wanted])
        return JSONResponse({"set": len(emulator.faults.faults), "fired": dict(emulator.faults.fired)})

    async def credentials(request: Request) -> Response:
        keys = _texts(await _object(request))
        unknown = sorted(set(keys.values()) - set(emulator.world.accounts))
        if unknown:
            raise ValueError(f"no account {', '.join(unknown)} here")
        emulator.callers.map_keys(keys)
        return JSONResponse({"mapped": len(keys)})

    async def tags(request: Request) -> Response:
        wanted = await _object(request)
        record = emulator.world.record(str(wanted.get("arn")))
        if record is None:
            raise LookupError(f"no record {wanted.get('arn')}")
        record.tags = _texts(wanted["tags"])
        return JSONResponse({"arn": record.arn, "tags": record.tags})

    async def expire(request: Request) -> Response:
        wanted = await _object(request)
        record = emulator.world.record(str(wanted.get("arn")))
        if record is None:
            raise LookupError(f"no record {wanted.get('arn')}")
        record.forgotten = True
        return JSONResponse({"arn": record.arn})

    async def job_token(request: Request) -> Response:
        wanted = await _object(request)
        return JSONResponse({"token": emulator.intake.job_token(str(wanted["arn"]))})

    async def truth(request: Request) -> Response:
        return JSONResponse(emulator.world.truth(emulator.clock.now()))

    async def prices_csv(request: Request) -> Response:
        return PlainTextResponse(offers.as_csv(emulator.world.devices), media_type="text/csv")

    async def prices_json(request: Request) -> Response:
        return JSONResponse(offers.as_json(emulator.world.devices))

    return Starlette(
        routes=[
            Route("/_emulator/clock", _guarded(clock), methods=["GET", "PUT"]),
            Route("/_emulator/stats", _guarded(stats), methods=["GET", "DELETE"]),
            Route("/_emulator/faults", _guarded(faults), methods=["GET", "PUT"]),
            Route("/_emulator/credentials", _guarded(credentials), methods=["PUT"]),
            Route("/_emulator/tags", _guarded(tags), methods=["POST"]),
            Route("/_emulator/expire", _guarded(expire), methods=["POST"]),
            Route("/_emulator/job-token", _guarded(job_token), methods=["POST"]),
            Route("/_emulator/truth", _guarded(truth), methods=["GET"]),
            Route(f"{_OFFERS}/index.csv", prices_csv, methods=["GET"]),
            Route(f"{_OFFERS}/index.json", prices_json, methods=["GET"]),
        ]
    )


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Answer a request that makes no sense with 400 or 404 and a message, not with a traceback."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except KeyError as error:
            return JSONResponse({"message": f"{error.args[0]} is missing"}, 400)
        except (ValueError, TypeError) as error:
            return JSONResponse({"message": str(error)}, 400)
        except LookupError as error:
            return JSONResponse({"message": str(error)}, 404)

    return answer


async def _object(request: Request) -> dict[str, Any]:
    value = json.loads(await request.body())
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")
    return value


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise ValueError("expected a JSON object of texts")
    return value
