"""Every setting, declared once: name, type, default, help and secrecy. The reference page is generated from here.

A settings file is TOML. Unknown names are refused. Secrets come from a file (`..._file`) or from the environment
(`PWRESET_` and the path in capitals, e.g. `PWRESET_MAIL_PASSWORD`), never from the settings file itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the settings file."""


Seconds = Annotated[float, Meta(gt=0, le=3600)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Hours = Annotated[int, Meta(ge=1, le=720)]


class Server(Section, frozen=True):
    """The HTTPS server for people's pages and, unless it has an address of its own, the Manager API."""

    bind: Annotated[str, Meta(description="Address and port to listen on.")] = "0.0.0.0:8443"
    tls_certificate: Annotated[
        str | None,
        Meta(
            description="PEM file with the certificate and its chain; ECDSA P-256 is the fastest. Without it plain HTTP is served, on loopback only."
        ),
    ] = None
    tls_key: Annotated[str | None, Meta(description="PEM file with the private key.")] = None
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. They never make links."
        ),
    ] = ()
    client_timeout_seconds: Annotated[
        Seconds,
        Meta(
            description="How long a client may take for the TLS handshake, for its header, and for each pause in its body."
        ),
    ] = 10.0
    keep_alive_seconds: Annotated[Seconds, Meta(description="How long an idle connection is kept.")] = 30.0
    max_connections: Annotated[Positive, Meta(description="Calls under way at once; more are answered 503.")] = 1000
    connections_per_address: Annotated[
        Count,
        Meta(
            description="Connections that may stand from one IPv4 address or IPv6 /64, a whole site behind NAT perhaps; more are cut. Trusted proxies may have any number; 0: no limit."
        ),
    ] = 500
    shutdown_seconds: Annotated[
        Seconds, Meta(description="How long calls under way may take to end when the service stops.")
    ] = 10.0


class StoreSettings(Section, frozen=True):
    """Where reset requests, waiting messages and the audit trail are kept."""

    url: Annotated[
        str,
        Meta(
            description="sqlite:///PATH, for one process; the file is made with mode 0600. Or postgresql://USER@HOST:PORT/DATABASE, which several nodes share; off this machine TLS is demanded and verified (`?sslmode=...` lifts it)."
        ),
    ] = "sqlite:///var/lib/pwreset/pwreset.db"
    password_file: Annotated[
        str | None,
        Meta(description="File with PostgreSQL's password. Or PWRESET_STORE_PASSWORD.", extra={"secret": True}),
    ] = None
    ca_file: Annotated[
        str | None, Meta(description="CA certificates that vouch for PostgreSQL; default: the system's.")
    ] = None
    key_file: Annotated[
        str | None,
        Meta(
            description="The key that makes a copy of the database worthless. Default: the settings file's path with `.key`; made 0600 at the first start. Keep it out of the database's backup."
        ),
    ] = None
    keep_days: Annotated[
        Positive,
        Meta(
            description="Settled and expired requests, and audit events, are purged after so many days by `pwreset purge`."
        ),
    ] = 365


class Links(Section, frozen=True):
    """What a link is when the caller does not say."""

    delivery_mode: Annotated[
        Literal["MAIL", "SMS", "MAILSMS", "NONE"], Meta(description="The mode when a call names no `method`.")
    ] = "MAIL"
    lifetime_hours: Annotated[Hours, Meta(description="The lifetime when a call names no `expires`.")] = 24
    max_lifetime_hours: Annotated[
        Hours, Meta(description="The longest lifetime a call may ask for; a domain may set its own.")
    ] = 720
    allow_none: Annotated[bool, Meta(description="Whether a link may be returned without being sent (NONE).")] = True
    notify_on_none: Annotated[
        bool, Meta(description="Whether the user is told by mail of a link that was made with NONE.")
    ] = False


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
            description="The gateway's address (https; plain http on loopback only, or with `allow_plain_http`). May hold {to}, {to_digits} (without the plus), {from}, {text}, {coding} (0: GSM-7, 2: UCS-2), {id}, {username}, {password}. Or kannel://HOST:PORT (kannels:// with TLS) for Kannel, of which the rest is known; or an apprise URL with {to} or {to_digits}, and {password} for its key."
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
    concurrency: Annotated[Positive, Meta(description="SMS under way at once in one process.")] = 16
    per_second: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description="SMS handed to the gateway per second by one process, evenly spaced, e.g. `0.5`; 0: no limit.",
        ),
    ] = 0.0


class ManagerApi(Section, frozen=True):
    """Who may call `/manag/`, and how failures look."""

    bind: Annotated[
        str | None, Meta(description="An address and port of its own; `/manag/` is then served there only.")
    ] = None
    allowed_networks: Annotated[tuple[str, ...], Meta(description="Networks that may call.")] = (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "169.254.0.0/16",
        "fe80::/10",
    )
    unauthorized_status: Annotated[Literal[200, 401], Meta(description="HTTP status of a failed log-in.")] = 200
    failures: Annotated[
        Literal["false", "error"],
        Meta(description="How a failed Send_Request answers: `false`, or a JSON-RPC error with its reason."),
    ] = "false"
    remember_seconds: Annotated[
        float, Meta(ge=0, le=60, description="How long a successful log-in is remembered, in memory only.")
    ] = 60.0


class Limits(Section, frozen=True):
    """Limits, all on by default; 0 switches one off."""

    links_per_user_per_hour: Annotated[Count, Meta(description="Links that managers may ask for one user.")] = 20
    messages_per_destination_per_hour: Annotated[Count, Meta(description="Messages to one address or number.")] = 30
    requests_per_manager_per_minute: Annotated[
        Count, Meta(description="Send_Requests of one manager; 0: no limit.")
    ] = 0
    requests_per_minute: Annotated[Count, Meta(description="Send_Requests over all; 0: no limit.")] = 0
    bulk_per_second: Annotated[
        Count,
        Meta(description="Links a second that `pwreset send --from` and `--filter` write; 0: as fast as it goes."),
    ] = 50
    failed_logins_per_account: Annotated[
        Count,
        Meta(
            description="Failed log-ins of one manager's account in 15 minutes; keep it below the directory's own lock-out."
        ),
    ] = 3
    failed_logins_per_account_per_day: Annotated[
        Count,
        Meta(
            description="Failed log-ins of one manager's account in 24 hours without a success; for directories that count failures for longer than 15 minutes."
        ),
    ] = 4
    failed_logins_per_address_per_minute: Annotated[Count, Meta(description="Failed log-ins from one address.")] = 10
    page_requests_per_address_per_minute: Annotated[
        Count, Meta(description="Requests for people's pages from one IPv4 address or IPv6 /64.")
    ] = 600
    password_tries_per_link_per_hour: Annotated[Count, Meta(description="New passwords tried with one link.")] = 60
    sms_per_day: Annotated[Count, Meta(description="SMS in any 24 hours, over all domains.")] = 1000
    sms_per_day_by_country: Annotated[
        dict[str, Positive],
        Meta(
            description="SMS in any 24 hours to numbers that begin with these digits: a country calling code or more of the number, e.g. `{33=500,1=200,1876=5}`. The longest one counts; other countries have `sms_per_day` alone."
        ),
    ] = {}
    sms_countries: Annotated[
        tuple[str, ...],
        Meta(description='Country calling codes that SMS may be sent to, e.g. ["33", "49"]; empty: all.'),
    ] = ()


Least = Annotated[int, Meta(ge=0, le=20)]


class Password(Section, frozen=True):
    """Our own rules, before the directory's and never instead of them. What is not set is as the profile has it."""

    profile: Annotated[
        Literal["nist", "asvs", "directory-only"],
        Meta(
            description="`nist` (SP 800-63B-4): 15 characters, nothing common, breached or easily guessed, no own names. `asvs` (OWASP ASVS 4.0.3, V2.1): the same with 12 to 128 characters. `directory-only`: whatever the directory takes."
        ),
    ] = "nist"
    min_length: Annotated[
        Annotated[int, Meta(ge=1, le=128)] | None, Meta(description="Shortest password in characters.")
    ] = None
    max_length: Annotated[
        Annotated[int, Meta(ge=64, le=256)] | None, Meta(description="Longest password in characters.")
    ] = None
    min_strength: Annotated[
        Annotated[int, Meta(ge=0, le=4)] | None,
        Meta(description="Least zxcvbn score, 0 to 4; 0 switches the estimate off."),
    ] = None
    forbid_context: Annotated[
        bool | None, Meta(description="Refuse passwords made of the person's own names and addresses.")
    ] = None
    refuse_breached: Annotated[
        bool | None, Meta(description="Refuse passwords that are in the list of those that became known.")
    ] = None
    breached_file: Annotated[
        str | None,
        Meta(
            description="That list, made by `pwreset breached build`; default: the 30,000 most common passwords, which ship with pwreset."
        ),
    ] = None
    min_digits: Annotated[Least, Meta(description="Least number of digits.")] = 0
    min_capitals: Annotated[Least, Meta(description="Least number of capital letters.")] = 0
    min_small_letters: Annotated[Least, Meta(description="Least number of small letters.")] = 0
    min_signs: Annotated[Least, Meta(description="Least number of characters that are no letters and no digits.")] = 0
    min_kinds: Annotated[
        Annotated[int, Meta(ge=0, le=4)],
        Meta(description="Least number of kinds out of small letters, capital letters, digits, others."),
    ] = 0
    kinds_below_length: Annotated[
        dict[str, Annotated[int, Meta(ge=1, le=4)]],
        Meta(
            description="The same for passwords shorter than so many characters, so that long ones may be simple: a table of lengths and kinds, such as 4 kinds below 12 and 3 below 20."
        ),
    ] = {}
    forbidden_words: Annotated[
        tuple[Annotated[str, Meta(min_length=3, max_length=40)], ...],
        Meta(description="Words that no password may hold, whatever their letter case; people are told them."),
    ] = ()
    suggest: Annotated[bool, Meta(description="Whether the page offers a passphrase of five random words.")] = True


class Log(Section, frozen=True):
    """The service's own log, on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="What is logged.")] = "info"
    format: Annotated[Literal["json", "text"], Meta(description="One JSON object a line, or text for a terminal.")] = (
        "json"
    )


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
    templates: Annotated[
        str | None, Meta(description="Folder with this domain's own templates and texts. Absolute path.")
    ] = None
    brand: BrandSettings = BrandSettings()


class Settings(Section, frozen=True):
    """The settings file."""

    public_url: Annotated[
        str, Meta(description="The address people open, the only source of links, e.g. `https://reset.example.org`.")
    ]
    domains: Annotated[dict[str, Domain], Meta(min_length=1, description="The domains by name.")]
    default_domain: Annotated[str | None, Meta(description="The domain when a call names none.")] = None
    templates: Annotated[
        str | None, Meta(description="Folder with own templates and texts for all domains. Absolute path.")
    ] = None
    server: Server = Server()
    store: StoreSettings = StoreSettings()
    links: Links = Links()
    delivery: DeliverySettings = DeliverySettings()
    mail: Mail = Mail()
    sms: Sms = Sms()
    manager_api: ManagerApi = ManagerApi()
    limits: Limits = Limits()
    password: Password = Password()
    log: Log = Log()
