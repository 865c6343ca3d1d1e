"""How messages are carried: the outbox, the mail relay, the SMS gateway."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from pwreset.settings.section import PRIVATE_NETWORKS, Count, Positive, Seconds, Section


class DeliverySettings(Section, frozen=True):
    """How messages are carried out of the outbox."""

    wait_seconds: Annotated[
        float, Meta(ge=0, le=60, description="How long a call may wait for the first attempt; 0 never waits.")
    ] = 3.0
    attempts: Annotated[
        Count,
        Meta(
            description="Attempts before a message is abandoned; 0: no such limit. At the link's expiry it is abandoned in any case, a notice after seven days."
        ),
    ] = 0
    backoff_seconds: Annotated[
        Seconds, Meta(description="The pause after the first failed attempt; doubled each time, with jitter.")
    ] = 5.0
    max_backoff_seconds: Annotated[Seconds, Meta(description="The longest pause.")] = 900.0


class Mail(Section, frozen=True):
    """The SMTP relay."""

    url: Annotated[
        str | None,
        Meta(
            description="smtp://HOST:PORT (STARTTLS is demanded off loopback) or smtps://HOST:PORT; `?starttls=off` lifts the demand."
        ),
    ] = None
    sender: Annotated[
        str | None, Meta(description="Envelope sender and From, e.g. `Help Desk <helpdesk@example.org>`.")
    ] = None
    reply_to: Annotated[str | None, Meta(description="Reply-To, if it is another address.")] = None
    bounce_address: Annotated[
        str | None,
        Meta(
            description="Envelope sender, to which relays return what cannot be delivered; default: the sender's address. With it set, reports of failures are asked for where the relay offers them (RFC 3461)."
        ),
    ] = None
    username: Annotated[str | None, Meta(description="Log-in name at the relay.")] = None
    password_file: Annotated[
        str | None, Meta(description="File with the password. Or PWRESET_MAIL_PASSWORD.", extra={"secret": True})
    ] = None
    ca_file: Annotated[
        str | None, Meta(description="CA certificates that vouch for the relay; default: the system's.")
    ] = None
    timeout_seconds: Annotated[Seconds, Meta(description="Deadline for each step of the conversation.")] = 20.0
    connections: Annotated[Positive, Meta(description="Connections kept to the relay.")] = 4
    concurrency: Annotated[
        Positive,
        Meta(description="Mails under way at once in one process, those included that wait for a connection."),
    ] = 16
    per_minute: Annotated[
        Count, Meta(description="Mails handed to the relay per minute by one process, evenly spaced; 0: no limit.")
    ] = 0


class Sms(Section, frozen=True):
    """The SMS gateway: one HTTP request per message, described here."""

    url: Annotated[
        str | None,
        Meta(
            description="The gateway's address (https; plain http on loopback only, or with `allow_plain_http`). May hold {to}, {to_digits} (without the plus), {from}, {text}, {coding} (0: GSM-7, 2: UCS-2), {id}, {report_url}, {username}, {password}. Or kannel://HOST:PORT (kannels:// with TLS) for Kannel, of which the rest is known; or an apprise URL with {to} or {to_digits}, and {password} for its key."
        ),
    ] = None
    method: Annotated[Literal["POST", "GET", "PUT"], Meta(description="HTTP method.")] = "POST"
    headers: Annotated[
        dict[str, str], Meta(description="Further headers; {password} stands for the secret.", extra={"secret": True})
    ] = {}
    content_type: Annotated[
        Literal["form", "json", "text"],
        Meta(description="How the body is encoded: a form, a JSON object, or plain text."),
    ] = "form"
    body: Annotated[
        dict[str, str] | str | None,
        Meta(
            description="The body's fields (form, json) or text, with the same placeholders. Default: the fields to, from, text.",
            extra={"secret": True},
        ),
    ] = None
    success_status: Annotated[tuple[int, ...], Meta(description="HTTP statuses that mean accepted.")] = (
        200,
        201,
        202,
        204,
    )
    success_pattern: Annotated[
        str | None, Meta(description="A regular expression that the answer's body must contain to mean accepted.")
    ] = None
    refused_pattern: Annotated[
        str | None, Meta(description="A regular expression that, found in the answer's body, means: never try again.")
    ] = None
    username: Annotated[str | None, Meta(description="For HTTP Basic, unless headers or body name {username}.")] = None
    password_file: Annotated[
        str | None,
        Meta(description="File with the gateway's password or key. Or PWRESET_SMS_PASSWORD.", extra={"secret": True}),
    ] = None
    sender: Annotated[str, Meta(description="The sender shown on the phone.")] = "pwreset"
    max_segments: Annotated[
        Positive, Meta(description="The longest message in segments; comments are left out when they do not fit.")
    ] = 3
    ca_file: Annotated[
        str | None, Meta(description="CA certificates that vouch for the gateway; default: the system's.")
    ] = None
    allow_plain_http: Annotated[
        bool, Meta(description="Allow http:// off loopback. Links then travel in the clear.")
    ] = False
    timeout_seconds: Annotated[Seconds, Meta(description="Deadline for the request.")] = 15.0
    report_url: Annotated[
        str | None,
        Meta(
            description="The address under which the gateway reaches this service, e.g. `https://reset.example.org` or `http://127.0.0.1:8080`. With it, Kannel is asked for delivery reports, and described gateways are by {report_url}."
        ),
    ] = None
    report_networks: Annotated[
        tuple[str, ...],
        Meta(description="Networks that delivery reports may come from; to all others there is no such address."),
    ] = PRIVATE_NETWORKS
    report_field: Annotated[
        str,
        Meta(
            description="The field of a report that says what became of the SMS: in the address, the form, or the JSON object, there with dots between the names (`message.status`)."
        ),
    ] = "status"
    report_delivered: Annotated[
        tuple[str, ...], Meta(description="What the field says of an SMS that has arrived, in any letter case.")
    ] = ("delivered", "delivrd", "1")
    report_failed: Annotated[
        tuple[str, ...], Meta(description="What it says of an SMS that never will. The numbers are Kannel's.")
    ] = (
        "failed",
        "undelivered",
        "undeliverable",
        "undeliv",
        "rejected",
        "rejectd",
        "expired",
        "deleted",
        "2",
        "16",
    )
    report_buffered: Annotated[
        tuple[str, ...], Meta(description="What it says of an SMS that is on its way. All other words are ignored.")
    ] = ("buffered", "accepted", "acceptd", "enroute", "queued", "sent", "4", "8")
    concurrency: Annotated[Positive, Meta(description="SMS under way at once in one process.")] = 16
    per_second: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description="SMS handed to the gateway per second by one process, evenly spaced, e.g. `0.5`; 0: no limit.",
        ),
    ] = 0.0
