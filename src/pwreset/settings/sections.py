"""Every setting, declared once: name, type, default, help and secrecy. The reference page is generated from here.

A settings file is TOML. Unknown names are refused. Secrets come from a file (`..._file`) or from the environment
(`PWRESET_` and the path in capitals, e.g. `PWRESET_MAIL_PASSWORD`), never from the settings file itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from pwreset.settings.domains import Domain
from pwreset.settings.messages import DeliverySettings, Mail, Sms
from pwreset.settings.section import PRIVATE_NETWORKS, Count, Hours, Positive, Seconds, Section


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
    max_lifetime_hours_by_channel: Annotated[
        dict[Literal["mail", "sms"], Hours],
        Meta(description="The longest lifetime of a link that goes out on a channel, e.g. `{sms=24}`."),
    ] = {}
    direct_lifetime_hours: Annotated[
        Hours | None,
        Meta(
            description="Two-stage links: when a link is older than so many hours, it opens the form only after a fresh short code, which goes to where the link went. Default: a link always opens the form, as long as it lives. A domain may set its own."
        ),
    ] = None
    allow_none: Annotated[bool, Meta(description="Whether a link may be returned without being sent (NONE).")] = True
    notify_on_none: Annotated[
        bool, Meta(description="Whether the user is told by mail of a link that was made with NONE.")
    ] = False


class ManagerApi(Section, frozen=True):
    """Who may call `/manag/`, and how failures look."""

    bind: Annotated[
        str | None, Meta(description="An address and port of its own; `/manag/` is then served there only.")
    ] = None
    allowed_networks: Annotated[tuple[str, ...], Meta(description="Networks that may call.")] = PRIVATE_NETWORKS
    client_ca: Annotated[
        str | None,
        Meta(
            description="PEM file with the authorities whose certificates callers must show, besides logging in. Needs `server.tls_certificate`: behind a proxy that ends TLS the proxy has to ask. Browsers on the same address may be asked, too; `bind` keeps people's pages apart."
        ),
    ] = None
    unauthorized_status: Annotated[Literal[200, 401], Meta(description="HTTP status of a failed log-in.")] = 200
    failures: Annotated[
        Literal["false", "error"],
        Meta(description="How a failed Send_Request answers: `false`, or a JSON-RPC error with its reason."),
    ] = "false"
    remember_seconds: Annotated[
        float, Meta(ge=0, le=60, description="How long a successful log-in is remembered, in memory only.")
    ] = 60.0


class MetricsSettings(Section, frozen=True):
    """The figures for Prometheus at `/metrics`. They hold no names and no addresses of people, but tell how busy the service is."""

    bind: Annotated[
        str | None,
        Meta(
            description="An address and port of its own; `/metrics` is then served there only, with the certificate of `[server]` if there is one."
        ),
    ] = None
    worker_bind: Annotated[
        str | None,
        Meta(description="The same for `pwreset worker`, which serves no figures without it."),
    ] = None
    allowed_networks: Annotated[
        tuple[str, ...],
        Meta(description="Networks that may read them; to all others there is no such page. Empty: nobody."),
    ] = ("127.0.0.0/8", "::1/128")


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
            description="Failed log-ins of one account in 15 minutes, a manager's or at `/change`; keep it below the directory's own lock-out."
        ),
    ] = 3
    failed_logins_per_account_per_day: Annotated[
        Count,
        Meta(
            description="Failed log-ins of one account in 24 hours without a success; for directories that count failures for longer than 15 minutes."
        ),
    ] = 4
    failed_logins_per_address_per_minute: Annotated[Count, Meta(description="Failed log-ins from one address.")] = 10
    failed_changes_per_network_per_hour: Annotated[
        Count,
        Meta(description="Failed tries at `/change` from one IPv4 /24 or IPv6 /64; an IPv6 /48 has ten times as many."),
    ] = 60
    failed_change_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=10)],
        Meta(
            description="A failed try at `/change` is answered so many seconds after it came, or when the directory has answered, if that is later: so the time does not tell why it failed."
        ),
    ] = 1.0
    page_requests_per_address_per_minute: Annotated[
        Count, Meta(description="Requests for people's pages from one IPv4 address or IPv6 /64.")
    ] = 600
    second_factor_tries_per_user_per_day: Annotated[
        Count,
        Meta(description="Codes and one-time passwords tried for one user, over all links, right ones not counted."),
    ] = 50
    reports_per_address_per_minute: Annotated[
        Count, Meta(description="Delivery reports from one IPv4 address or IPv6 /64; more are answered 429.")
    ] = 6000
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


class Public(Section, frozen=True):
    """The page on which people ask for a link themselves, `/forgot`. A domain has it once its setting `public` is on.

    All limits are on by default and shared by nodes on one PostgreSQL; 0 switches one off. Whoever reaches one gets the
    same answer as everybody.
    """

    delivery_mode: Annotated[
        Literal["MAIL", "SMS", "MAILSMS"], Meta(description="How a link that was asked for there is sent.")
    ] = "MAIL"
    lifetime_hours: Annotated[
        Hours, Meta(description="How long such a link lives; never longer than the domain's longest.")
    ] = 1
    renew_expired: Annotated[
        bool,
        Meta(
            description="Whether the page of an expired link offers a new one, sent to the same addresses; managers' links too, in domains that have the page."
        ),
    ] = True
    captcha: Annotated[
        Literal["altcha", "none"],
        Meta(
            description="`altcha`: the browser proves some work, asking nobody else. `none`: it need not, and only the limits are left."
        ),
    ] = "altcha"
    captcha_rounds: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)],
        Meta(
            description="How much work that is: PBKDF2 rounds of each try, of which 256 are needed on average. The server does one try per form."
        ),
    ] = 5000
    asks_per_user_per_hour: Annotated[Count, Meta(description="Asks with one name, and links for one person.")] = 3
    messages_per_destination_per_hour: Annotated[
        Count, Meta(description="Messages to one address or number, of those that are asked for there.")
    ] = 5
    asks_per_network_per_hour: Annotated[
        Count, Meta(description="Asks from one IPv4 /24 or IPv6 /64; an IPv6 /48 has ten times as many.")
    ] = 60
    asks_per_minute: Annotated[Count, Meta(description="Asks over all.")] = 120
    unproven_per_network_per_hour: Annotated[
        Count, Meta(description="Of those, asks without the browser's proof of work: people without JavaScript.")
    ] = 5
    unproven_per_minute: Annotated[Count, Meta(description="The same over all.")] = 10
    unproven_delay_seconds: Annotated[
        float, Meta(ge=0, le=3600, description="How long asks without the browser's proof of work wait.")
    ] = 20.0
    sms_per_day: Annotated[
        Count, Meta(description="SMS in any 24 hours that are asked for there, within `limits.sms_per_day`.")
    ] = 100
    queue: Annotated[
        Positive,
        Meta(
            description="Asks that may wait to be looked at, in memory; of those without a proof a tenth. More are dropped with the same answer."
        ),
    ] = 1000


class Log(Section, frozen=True):
    """The service's own log, on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="What is logged.")] = "info"
    format: Annotated[Literal["json", "text"], Meta(description="One JSON object a line, or text for a terminal.")] = (
        "json"
    )


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
    metrics: MetricsSettings = MetricsSettings()
    limits: Limits = Limits()
    password: Password = Password()
    public: Public = Public()
    log: Log = Log()
