"""A transport's answer; never reaches a caller as it is."""

from __future__ import annotations

from pwreset.errors.family import Family, PwresetError


class DeliveryFailed(PwresetError):
    """A transport did not take the message. `detail` is for the operator: a code and our words, never the peer's."""

    family = Family.DELIVERY

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class DeliveryDeferred(DeliveryFailed):
    reason = "delivery-deferred"
    meaning = "The relay or gateway did not take the message now; it is tried again."


class DeliveryRefused(DeliveryFailed):
    reason = "delivery-refused"
    meaning = "The relay or gateway will never take this message."


class SealBroken(PwresetError):
    """A sealed message does not open: other key, edited row, or edited recipient."""

    family = Family.DELIVERY
    reason = "seal-broken"
    meaning = "A waiting message does not open with our key: the row was edited, or the key file is another one."

    def __init__(self) -> None:
        super().__init__("The sealed message does not open")
