"""A domain: its directory, who may ask, how it looks to people."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from pwreset.settings.second_factor import Mfa
from pwreset.settings.section import Hours, Seconds, Section


class BrandSettings(Section, frozen=True):
    """How a domain looks, on pages and in mails."""

    name: Annotated[str | None, Meta(description="The name at the head; default: the domain's title.")] = None
    colour: Annotated[
        str | None, Meta(description="Buttons, links and marks, as `#rrggbb`; the shades for dark mode are derived.")
    ] = None
    text_colour: Annotated[
        str | None,
        Meta(
            description="Text on the colour, as `#rrggbb`; its contrast must reach 4.5:1 (WCAG 2.2, level AA). Default: white or black, whichever is read better."
        ),
    ] = None
    logo: Annotated[
        str | None,
        Meta(description="A PNG, JPEG or GIF file of at most 64 kB, shown at the head, 40 pixels high. Absolute path."),
    ] = None
    footer: Annotated[
        str | None, Meta(description="A line at the foot, such as the company's name and registered address.")
    ] = None
    footer_links: Annotated[
        dict[str, str], Meta(description="Links at the foot: a table of words and their addresses.")
    ] = {}
    embed_site: Annotated[
        str | None,
        Meta(
            description="The registrable domain that `public_url` and all of `embed_origins` are under, e.g. `example.org`: what a browser takes for one site."
        ),
    ] = None
    embed_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Whose pages may show ours in a frame, at addresses with `?inline=1`, e.g. `https://portal.example.org`; default: nobody's."
        ),
    ] = ()


class Domain(Section, frozen=True):
    """A named set of users: directory, search base, attributes, policy, brand."""

    uris: Annotated[tuple[str, ...], Meta(min_length=1, description="ldaps:// or ldap:// addresses, tried in order.")]
    base_dn: Annotated[str, Meta(min_length=1, description="Where the users are, subtree.")]
    bind_dn: Annotated[str | None, Meta(description="The service account's DN.")] = None
    bind_password_file: Annotated[
        str | None,
        Meta(
            description="File with the service account's password. Or PWRESET_DOMAINS_<NAME>_BIND_PASSWORD.",
            extra={"secret": True},
        ),
    ] = None
    ca_file: Annotated[
        str | None, Meta(description="CA certificates that vouch for the directory; default: the system's.")
    ] = None
    start_tls: Annotated[
        bool,
        Meta(
            description="Use StartTLS on ldap:// addresses. Switching it off needs `allow_plain_ldap`, and passwords are then written on loopback only."
        ),
    ] = True
    allow_plain_ldap: Annotated[bool, Meta(description="Allow ldap:// without StartTLS.")] = False
    lenient_x509: Annotated[
        bool,
        Meta(description="Accept CA certificates without the extensions that Python 3.13's strict X.509 check wants."),
    ] = False
    dialect: Annotated[
        Literal["auto", "openldap", "active-directory", "389-ds", "freeipa", "generic"],
        Meta(description="What kind of directory it is; `auto` asks the directory. Samba is `active-directory`."),
    ] = "auto"
    timeout_seconds: Annotated[
        Seconds,
        Meta(
            description="Deadline for each answer of the directory. Of several servers each gets its share of it, so that there is time left for the next."
        ),
    ] = 5.0
    connections: Annotated[Annotated[int, Meta(ge=1, le=16)], Meta(description="Shared connections for searches.")] = 2
    public_url: Annotated[
        str | None, Meta(description="This domain's own address for links, e.g. `https://reset.example.com`.")
    ] = None
    title: Annotated[
        str | None,
        Meta(description="What people know the directory as, e.g. `Example Corp`; default: the domain's name."),
    ] = None
    public: Annotated[
        bool,
        Meta(
            description="Whether people of this domain may ask for a link themselves, on the page `/forgot` (`[public]`)."
        ),
    ] = False
    login_url: Annotated[str | None, Meta(description="Where the success page sends people to log in.")] = None
    help_text: Annotated[
        str | None,
        Meta(description="Whom to ask for help; shown on pages and in mails, e.g. `Help desk: +33 1 23 45 67 89`."),
    ] = None
    time_zone: Annotated[str, Meta(description="IANA time zone in which times are told.")] = "UTC"
    language: Annotated[str, Meta(description="The language when neither the entry nor the browser names one.")] = "en"
    country: Annotated[
        str | None, Meta(description="ISO country whose national numbers may be written without a prefix, e.g. `FR`.")
    ] = None
    login_attributes: Annotated[
        Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(
            description='Attributes matched against the user name; each should have an equality index. Default: `["uid", "sAMAccountName", "userPrincipalName"]`; on Active Directory, which has no index for `uid`, without it.'
        ),
    ] = None
    login_suffixes: Annotated[
        tuple[str, ...], Meta(description="Suffixes by which `user@suffix` names this domain in a manager's log-in.")
    ] = ()
    user_filter: Annotated[
        str | None, Meta(description="A further LDAP filter that users must match, e.g. `(objectClass=person)`.")
    ] = None
    mail_attributes: Annotated[
        tuple[str, ...], Meta(description="Attributes with mail addresses; the first usable one is taken.")
    ] = ("mail",)
    mobile_attributes: Annotated[
        tuple[str, ...], Meta(description="Attributes with mobile numbers; the first usable one is taken.")
    ] = ("mobile",)
    name_attributes: Annotated[
        tuple[str, ...], Meta(description="Attributes with the person's name; the first present is taken.")
    ] = ("displayName", "cn")
    language_attribute: Annotated[str, Meta(description="Attribute with the person's language (RFC 2798).")] = (
        "preferredLanguage"
    )
    managers: Annotated[tuple[str, ...], Meta(description="DNs of groups and users who may ask for links.")] = ()
    managers_base_dn: Annotated[str | None, Meta(description="Where managers are looked up, if not in `base_dn`.")] = (
        None
    )
    protected: Annotated[
        tuple[str, ...],
        Meta(
            description="DNs of groups and users who never get a link. The managers and the service account are protected in any case."
        ),
    ] = ()
    protect_managers: Annotated[bool, Meta(description="Whether the managers themselves are refused links.")] = True
    protect_admin_count: Annotated[
        bool,
        Meta(
            description="Active Directory: whether accounts with `adminCount=1`, which it guards as administrators' or once did, never get a link."
        ),
    ] = True
    unlock: Annotated[
        bool,
        Meta(
            description="Whether setting a password lifts a lock after failed log-ins; if not, a locked account gets no link."
        ),
    ] = True
    must_change: Annotated[
        Literal["clear", "keep"],
        Meta(description="Whether a pending `must change` is cleared when the person has set the password."),
    ] = "clear"
    change_page: Annotated[
        bool,
        Meta(
            description="Whether people who know their password may change it on the page `/change`, an expired one too. Protected people may not."
        ),
    ] = False
    notify_of_links: Annotated[
        bool,
        Meta(
            description="Whether a person is told of every link made for the account, at all addresses of the entry that it was not sent to."
        ),
    ] = False
    report_to: Annotated[
        str | None,
        Meta(
            description='Who is told by mail when a person answers a notice with "it was not me", e.g. `security@example.org`; default: nobody, it is in the audit trail.'
        ),
    ] = None
    max_lifetime_hours: Annotated[Hours | None, Meta(description="This domain's longest lifetime of a link.")] = None
    direct_lifetime_hours: Annotated[
        Hours | None,
        Meta(description="This domain's `links.direct_lifetime_hours`; 720 where its links always open the form."),
    ] = None
    templates: Annotated[
        str | None, Meta(description="Folder with this domain's own templates and texts. Absolute path.")
    ] = None
    brand: BrandSettings = BrandSettings()
    mfa: Mfa = Mfa()
