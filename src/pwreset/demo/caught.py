"""What the demo's catcher has caught, newest first."""

from __future__ import annotations

import email
import email.policy
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage

KEPT = 200


@dataclass(frozen=True, slots=True)
class Caught:
    """A mail or an SMS. `subject` and `html` are empty for an SMS."""

    number: int
    channel: str  # "mail" or "sms"
    at: datetime
    sender: str
    recipient: str
    text: str
    subject: str = ""
    html: str = ""


class Box:
    """The last messages, in memory."""

    def __init__(self) -> None:
        self._messages: deque[Caught] = deque(maxlen=KEPT)
        self.count = 0  # of all that ever came

    def __iter__(self) -> Iterator[Caught]:
        return reversed(self._messages)

    def __len__(self) -> int:
        return len(self._messages)

    def put_mail(self, recipient: str, raw: bytes) -> None:
        """A mail as it came over SMTP."""
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        self._put(
            channel="mail",
            sender=str(mail["From"] or ""),
            recipient=recipient,
            subject=str(mail["Subject"] or ""),
            text=_body(mail, "plain"),
            html=_body(mail, "html"),
        )

    def put_sms(self, sender: str, recipient: str, text: str) -> None:
        """An SMS as it came over the gateway."""
        self._put(channel="sms", sender=sender, recipient=recipient, text=text)

    def _put(self, *, channel: str, sender: str, recipient: str, text: str, subject: str = "", html: str = "") -> None:
        self.count += 1
        self._messages.append(
            Caught(
                number=self.count,
                channel=channel,
                at=datetime.now(UTC),
                sender=sender,
                recipient=recipient,
                subject=subject,
                text=text,
                html=html,
            )
        )


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, KeyError):  # a charset or type that nobody knows
        return ""
