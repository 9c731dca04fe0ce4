"""Telling people: a message to every address of the settings, through apprise (e-mail, webhooks, chat).

An address carries a password or token, wherever its service wants it, so none is ever shown: it is named by its place
in the list and its scheme.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from braket_etl.display import safe_text


@dataclass(frozen=True, slots=True)
class Message:
    """What people are told: a title, and lines of plain text below it."""

    title: str
    lines: tuple[str, ...]

    @property
    def body(self) -> str:
        """The lines, each printable and without credentials: some come from the API or from an error."""
        return "\n".join(safe_text(line) for line in self.lines)


def tell(addresses: Sequence[SecretStr], message: Message) -> list[str]:
    """Send the message to each address; what could not be told, in words, for each address that failed.

    It raises nothing: a mail server that is down must not break what the message is about.
    """
    apprise = _apprise()
    problems = []
    for name, address in _named(addresses):
        service = apprise.Apprise.instantiate(address.get_secret_value(), suppress_exceptions=True)
        if service is None:
            problems.append(f"{name} is of no kind that apprise knows, or not whole")
            continue
        try:
            is_told = service.notify(
                title=safe_text(message.title), body=message.body, body_format=apprise.NotifyFormat.TEXT
            )
        except Exception as error:  # noqa: BLE001 - of any kind that a service's plugin raises; its text may hold the address
            problems.append(f"{name} could not be told ({type(error).__name__})")
            continue
        if not is_told:
            problems.append(f"{name} could not be told: its server is out of reach or refused the message")
    return problems


def unusable(addresses: Sequence[SecretStr]) -> list[str]:
    """The addresses that apprise can make nothing of, in words; nothing is sent."""
    apprise = _apprise()
    return [
        f"{name} is of no kind that apprise knows, or not whole"
        for name, address in _named(addresses)
        if apprise.Apprise.instantiate(address.get_secret_value(), suppress_exceptions=True) is None
    ]


def _named(addresses: Sequence[SecretStr]) -> list[tuple[str, SecretStr]]:
    return [
        (f"address {place} ({address.get_secret_value().split(':', 1)[0].lower()}://…)", address)
        for place, address in enumerate(addresses, 1)
    ]


def _apprise() -> Any:
    """apprise, imported when first needed: loading the definitions and `--help` do without it."""
    import apprise

    logging.getLogger("apprise").disabled = True  # it logs addresses and payloads
    return apprise
