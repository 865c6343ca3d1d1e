"""What a domain's people show beside the link: which factors there are, and when they are demanded."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from pwreset.settings.section import Seconds, Section


class Radius(Section, frozen=True):
    """RADIUS servers that know people's one-time passwords. RADIUS over UDP is weakly protected: keep it on loopback or in a network of its own."""

    servers: Annotated[
        tuple[str, ...],
        Meta(description="Addresses and ports, tried in order, e.g. `127.0.0.1:1812`; an IPv6 address in brackets."),
    ] = ()
    secret_file: Annotated[
        str | None,
        Meta(
            description="File with the secret shared with the servers. Or PWRESET_DOMAINS_<NAME>_RADIUS_SECRET.",
            extra={"secret": True},
        ),
    ] = None
    nas_identifier: Annotated[
        str, Meta(min_length=1, max_length=253, description="What we call ourselves (NAS-Identifier).")
    ] = "pwreset"
    timeout_seconds: Annotated[Seconds, Meta(description="How long a server may take for an answer.")] = 3.0
    attempts: Annotated[
        Annotated[int, Meta(ge=1, le=10)], Meta(description="How often one server is asked before the next one is.")
    ] = 2
    username_attribute: Annotated[
        str | None,
        Meta(description="Attribute with the name that the servers know people by; default: the log-in name."),
    ] = None


class Mfa(Section, frozen=True):
    """A second factor that is shown beside the link, before the form for the new password. None is configured by default."""

    factors: Annotated[
        tuple[Literal["code", "radius"], ...],
        Meta(
            description="What there is, the first that a person can use being asked for: `code`, a short code to another address of the entry than the link's; `radius`, what an existing server of one-time passwords wants."
        ),
    ] = ()
    demand: Annotated[
        Literal["asked", "always"],
        Meta(description="Whether it is demanded when a call asks for it (`mfa`) or its group does, or always."),
    ] = "asked"
    groups: Annotated[
        tuple[str, ...],
        Meta(
            description="DNs of groups and users of whom it is always demanded, nested groups included. While one of them cannot be read, it is demanded of everybody."
        ),
    ] = ()
    code_digits: Annotated[Annotated[int, Meta(ge=6, le=8)], Meta(description="Length of a code.")] = 6
    codes_per_link: Annotated[
        Annotated[int, Meta(ge=1, le=20)], Meta(description="How many codes one link may ask for, one a minute.")
    ] = 5
    radius: Radius = Radius()
