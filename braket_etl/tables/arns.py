"""What an Amazon Braket ARN says: account, Region, and the device behind a device ARN.

Pure functions on strings. A record's account and Region come from its own ARN, never from its device's:
simulators' ARNs have neither.
"""

from __future__ import annotations

_DEVICE_TYPES = {"qpu": "QPU", "quantum-simulator": "SIMULATOR"}


def account_id_of(arn: str) -> str:
    """The twelve digits of the owning account.

    Raises ValueError where the text is no ARN of six parts.
    """
    return _parts(arn)[4]


def region_of(arn: str) -> str:
    """The Region in which the record lives; raises ValueError like `account_id_of`."""
    return _parts(arn)[3]


def owner_of(arn: str) -> tuple[str | None, str | None]:
    """Account id and Region, each None where the text does not tell."""
    try:
        return account_id_of(arn) or None, region_of(arn) or None
    except ValueError:
        return None, None


def device_provider_of(device_arn: str | None) -> str | None:
    """The last but one part of a device ARN as written: `arn:…:device/qpu/ionq/Forte-1` → `ionq`."""
    path = _device_path(device_arn)
    return path[-2] if len(path) >= 2 else None


def device_name_of(device_arn: str | None) -> str | None:
    """The last part of a device ARN as written: `arn:…:device/qpu/ionq/Forte-1` → `Forte-1`."""
    path = _device_path(device_arn)
    return path[-1] if len(path) >= 2 else None


def device_type_of(device_arn: str | None) -> str | None:
    """QPU or SIMULATOR, the API's own DeviceType; NULL where the ARN does not tell."""
    path = _device_path(device_arn)
    return _DEVICE_TYPES.get(path[-3]) if len(path) >= 3 else None


def _parts(arn: str) -> list[str]:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        raise ValueError(f"not an ARN: {arn[:100]!r}")
    return parts


def _device_path(device_arn: str | None) -> list[str]:
    """The slash-separated parts of the resource; a local simulator is `local:provider/name`, no ARN."""
    if not device_arn:
        return []
    return device_arn.rsplit(":", 1)[-1].split("/")
