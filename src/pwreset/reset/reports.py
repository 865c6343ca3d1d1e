"""Use case: take a delivery report, with which a gateway tells what became of an SMS that it had taken.

A report is kept and shown, and does nothing else: it settles no delivery, sends none again, and revokes no link. So it
matters little who could forge one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.reset import audit
from pwreset.reset.model import Channel, Delivery, Report, ReportState
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

PATH = "/report/"

log = logs.get("reports")


def report_address(delivery: Delivery, services: Services) -> str:
    """Where the gateway may tell what became of this delivery; empty where it is not asked to."""
    base = services.settings.sms.report_url
    if base is None or delivery.recipient.channel is not Channel.SMS:
        return ""
    return f"{base.rstrip('/')}{PATH}{services.keys.report_token(delivery.id)}"


async def take_report(token: Secret, word: str, services: Services) -> bool:
    """Keep what a report says, if its token is ours and its word one of the settings. Says whether that was new.

    Raises StoreUnavailable.
    """
    delivery_id = services.keys.read_report(token)
    state = state_of(word, services)
    if delivery_id is None or state is None:
        log.info("delivery report ignored", ours=delivery_id is not None)
        return False
    delivery = await services.store.delivery(delivery_id)
    # Looked at before it is written: whoever repeats himself costs a look, and no write.
    if delivery is None or (delivery.report is not None and delivery.report.state.weight >= state.weight):
        return False
    report = Report(state, services.clock.now(), word.casefold())
    event = audit.by_service(
        audit.Event.DELIVERY_REPORTED,
        report.at,
        domain=delivery.domain,
        request_id=delivery.request_id,
        channel=delivery.recipient.channel.value,
        message=delivery.message.value,
        report=state.value,
        detail=report.detail,
    )
    if not await services.store.report(delivery, report, [event]):
        return False
    services.metrics.reported(state.value)
    log.info("delivery report", delivery=delivery.id, report=state.value, detail=report.detail)
    return True


def state_of(word: str, services: Services) -> ReportState | None:
    """What a gateway's word means; None when it is none of the settings."""
    sms = services.settings.sms
    for state, words in (
        (ReportState.DELIVERED, sms.report_delivered),
        (ReportState.FAILED, sms.report_failed),
        (ReportState.BUFFERED, sms.report_buffered),
    ):
        if word.casefold() in (known.casefold() for known in words):
            return state
    return None
