from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pwreset.errors import SettingsError
from pwreset.secret import Secret
from pwreset.settings import Configuration, load
from pwreset.settings.reference import every_setting, markdown, shown, starter, toml_reference

SMALLEST = """
public_url = "https://reset.example.org"
[domains.EXAMPLE]
uris = ["ldaps://ldap.example.org"]
base_dn = "dc=example,dc=org"
"""
# The names an operator meets first: a contract, whatever else may change.
FIRST_MET = """
public_url = "https://reset.example.org"
default_domain = "EXAMPLE"
[server]
bind = "0.0.0.0:8443"
trusted_proxies = []
[store]
url = "sqlite:///var/lib/pwreset/pwreset.db"
[links]
delivery_mode = "MAIL"
lifetime_hours = 24
allow_none = true
[delivery]
wait_seconds = 3.0
attempts = 30
[mail]
url = "smtp://relay:25"
sender = "Help Desk <helpdesk@example.org>"
[sms]
url = "https://gateway.example.org/send"
sender = "EXAMPLE"
max_segments = 3
[manager_api]
allowed_networks = ["127.0.0.0/8", "10.0.0.0/8"]
unauthorized_status = 200
failures = "false"
[limits]
links_per_user_per_hour = 20
sms_per_day = 1000
sms_countries = ["33"]
[password]
min_length = 15
[domains.EXAMPLE]
uris = ["ldaps://ldap1.example.org", "ldaps://ldap2.example.org"]
start_tls = true
bind_dn = "cn=pwreset,ou=services,dc=example,dc=org"
dialect = "auto"
unlock = true
base_dn = "ou=people,dc=example,dc=org"
login_attributes = ["uid", "sAMAccountName", "userPrincipalName"]
mail_attributes = ["mail"]
mobile_attributes = ["mobile"]
language_attribute = "preferredLanguage"
managers = ["cn=pwreset-managers,ou=groups,dc=example,dc=org"]
protected = ["cn=Domain Admins,ou=groups,dc=example,dc=org"]
"""

Written = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a settings file that only its owner may read."""

    def write(text: str, name: str = "pwreset.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return write


def read(path: Path, **environment: str) -> Configuration:
    return load(path, environment)


def refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as refused:
        read(path)
    return str(refused.value)


def test_the_names_an_operator_meets_first_are_understood(written: Written) -> None:
    settings = read(written(FIRST_MET)).settings
    assert settings.domains["EXAMPLE"].managers == ("cn=pwreset-managers,ou=groups,dc=example,dc=org",)


def test_three_settings_are_enough(written: Written) -> None:
    assert read(written(SMALLEST)).settings.links.lifetime_hours == 24


def test_the_file_to_start_from_loads_as_it_is(written: Written) -> None:
    assert read(written(starter())).settings.default_domain == "EXAMPLE"


def test_every_line_that_the_file_to_start_from_offers_is_a_setting(written: Written) -> None:
    offered = "\n".join(line.removeprefix("# ") if " = " in line else line for line in starter().splitlines())
    for secret in ("mail.password", "sms.password", "ldap.password"):
        written_path = written("hidden")
        written_path.rename(written_path.with_name(secret))
    assert read(written(offered)).bind_passwords["EXAMPLE"] == Secret("hidden")


def test_the_commented_reference_loads_as_it_is(written: Written) -> None:
    assert read(written(toml_reference())).settings.public_url == "https://reset.example.org"


def test_the_commented_reference_names_every_setting() -> None:
    lines = {line.removeprefix("# ").partition(" = ")[0] for line in toml_reference().splitlines() if " = " in line}
    assert {setting.name for setting in every_setting()} <= lines


def test_the_defaults_in_the_commented_reference_are_toml() -> None:
    told = [line.removeprefix("# ") for line in toml_reference().splitlines() if " = " in line]
    for line in told:
        tomllib.loads(line)


def test_every_setting_says_what_it_means() -> None:
    assert [setting.path for setting in every_setting() if not setting.description.endswith((".", "`"))] == []


def test_every_setting_is_on_the_reference_page() -> None:
    page = markdown()
    assert [setting.path for setting in every_setting() if f"| `{setting.name}` |" not in page] == []


OTHER = "[domains.OTHER]\nuris = ['ldaps://x']\nbase_dn = 'dc=example,dc=com'\n"


@pytest.mark.parametrize("place", ["language = 'de'", "country = 'fr'", "country = 'GB'", "time_zone = 'Europe/Paris'"])
def test_a_known_place_is_taken(written: Written, place: str) -> None:
    read(written(f"{SMALLEST}\n{OTHER}{place}"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[server]\ntls_crt = 'x'", "`tls_crt`"),
        ("[serber]\nbind = 'x'", "`serber`"),
        ("[links]\nlifetime_hours = '24'", "$.links.lifetime_hours"),
        ("[links]\nlifetime_hours = true", "$.links.lifetime_hours"),
        ("[links]\nlifetime_hours = 721", "$.links.lifetime_hours"),
        ("[links]\nlifetime_hours = 0", "$.links.lifetime_hours"),
        ("[links]\nallow_none = 1", "$.links.allow_none"),
        ("[links]\ndelivery_mode = 'PIGEON'", "$.links.delivery_mode"),
        ("[delivery]\nwait_seconds = -1", "$.delivery.wait_seconds"),
        ("[password]\nmin_length = 0", "$.password.min_length"),
        ("[server]\nbind = 'everywhere'", "server.bind"),
        ("[server]\nbind = '0.0.0.0:70000'", "server.bind"),
        ("[server]\ntls_key = 'key.pem'", "tls_certificate and tls_key go together"),
        ("[server]\ntrusted_proxies = ['proxy']", "server.trusted_proxies: 'proxy' is no network"),
        ("[store]\nurl = 'mysql://localhost/pwreset'", "store.url"),
        ("[store]\nurl = 'sqlite://pwreset.db'", "store.url"),
        ("[mail]\nurl = 'relay.example.org'\nsender = 'a@example.org'", "mail.url"),
        ("[mail]\nurl = 'smtp://relay.example.org:port'\nsender = 'a@example.org'", "mail.url"),
        ("[mail]\nurl = 'smtp://relay.example.org'", "mail.sender"),
        ("[sms]\nurl = 'ftp://gateway.example.org'", "sms.url"),
        ("[sms]\nurl = 'http://gateway.example.org'", "sms.url: http:// off loopback"),
        ("[sms]\nrefused_pattern = '('", "sms.refused_pattern"),
        ("[sms]\nsuccess_pattern = '*'", "sms.success_pattern"),
        ("[manager_api]\nallowed_networks = ['10.0.0.0/33']", "manager_api.allowed_networks"),
        ("[manager_api]\nbind = '443'", "manager_api.bind"),
        ("[domains.OTHER]\nbase_dn = 'dc=example,dc=com'", "uris"),
        ("[domains.OTHER]\nuris = []\nbase_dn = 'dc=example,dc=com'", "uris"),
        ("[domains.OTHER]\nuris = ['https://x']\nbase_dn = 'dc=example,dc=com'", "domains.OTHER.uris"),
        (
            "[domains.OTHER]\nuris = ['ldap://x']\nstart_tls = false\nbase_dn = 'dc=example,dc=com'",
            "needs allow_plain_ldap",
        ),
        (
            "[domains.OTHER]\nuris = ['ldaps://x']\nbase_dn = 'dc=example,dc=com'\ntime_zone = 'Mars/Olympus'",
            "domains.OTHER.time_zone",
        ),
        (
            "[domains.OTHER]\nuris = ['ldaps://x']\nbase_dn = 'dc=example,dc=com'\npublic_url = 'http://reset'",
            "domains.OTHER.public_url: http:// is for loopback only",
        ),
        ("[domains.example]\nuris = ['ldaps://x']\nbase_dn = 'dc=example,dc=com'", "differ in letter case only"),
        ("[domains.OTHER]\nuris = ['ldaps://x']\nbase_dn = 'example.org'", "domains.OTHER.base_dn"),
        (
            "[domains.OTHER]\nuris = ['ldaps://x']\nbase_dn = 'dc=example,dc=com'\nmanagers = ['Domain Admins']",
            "domains.OTHER.managers: 'Domain Admins' is no DN",
        ),
        (
            "[domains.OTHER]\nuris = ['ldaps://x']\nbase_dn = 'dc=example,dc=com'\nprotected = ['']",
            "domains.OTHER.protected",
        ),
        (
            "[domains.OTHER]\nuris = ['ldaps://x']\nbase_dn = 'dc=example,dc=com'\nlogin_attributes = ['uid)(cn=*']",
            "domains.OTHER.login_attributes",
        ),
        (
            "[domains.OTHER]\nuris = ['ldaps://x']\nbase_dn = 'dc=example,dc=com'\nuser_filter = '(((x=y)'",
            "domains.OTHER.user_filter",
        ),
        (f"{OTHER}report_to = 'a@example.org, b@example.org'", "domains.OTHER.report_to"),
        (f"{OTHER}language = 'xx'", "domains.OTHER.language: 'xx' is none of ours: en, ar,"),
        (f"{OTHER}language = 'fr-FR'", "domains.OTHER.language"),
        (f"{OTHER}language = ''", "domains.OTHER.language"),
        (f"{OTHER}public = true\n[public]\ndelivery_mode = 'SMS'", "domains.OTHER.public: sends by SMS, which has no"),
        (f"{OTHER}country = 'XX'", "domains.OTHER.country: 'XX' is no country"),
        (f"{OTHER}country = 'France'", "domains.OTHER.country"),
        (f"{OTHER}country = '33'", "domains.OTHER.country"),
        (f"{OTHER}time_zone = ''", "domains.OTHER.time_zone"),
        (f"{OTHER}time_zone = '../../etc/passwd'", "domains.OTHER.time_zone"),
        ("[limits]\nsms_countries = ['FR']", "limits.sms_countries: 'FR' is no country calling code"),
        ("[limits]\nsms_countries = ['+33']", "limits.sms_countries"),
        ("[limits]\nsms_countries = ['999999']", "limits.sms_countries"),
        ("[limits.sms_per_day_by_country]\nFR = 5", "limits.sms_per_day_by_country: 'FR' begins with no country"),
        ("[limits.sms_per_day_by_country]\n999 = 5", "limits.sms_per_day_by_country"),
        ("[limits.sms_per_day_by_country]\n33 = 0", "limits.sms_per_day_by_country"),
        ("[sms]\nurl = 'https://g.example.org'\nsender = 'TwelveLetter'", "sms.sender"),
        ("[sms]\nurl = 'https://g.example.org'\nsender = 'Café…'", "sms.sender"),
        ("[sms]\nurl = 'https://g.example.org'\nsender = ''", "sms.sender"),
        (
            f"[sms]\nurl = 'https://g.example.org'\nmax_segments = 1\n[domains.B]\nuris = ['ldaps://x']\nbase_dn = 'dc=x'\npublic_url = 'https://{'reset.' * 20}org'",
            "sms.max_segments",
        ),
        ("[sms]\nurl = 'https://g.example.org'\nsender = '+1234567890123456'", "sms.sender"),
    ],
)
def test_what_cannot_work_is_refused_with_its_place(written: Written, line: str, told: str) -> None:
    assert told in refusal(written(f"{SMALLEST}\n{line}"))


@pytest.mark.parametrize(
    "url",
    [
        "reset.example.org",
        "https://",
        "ftp://reset.example.org",
        "https://reset.example.org/path",
        "https://reset.example.org?x=1",
        "https://reset.example.org#x",
        "https://somebody@reset.example.org",
        "https://reset.example.org:port",
        "http://reset.example.org",
    ],
)
def test_only_a_plain_address_can_make_links(written: Written, url: str) -> None:
    assert "public_url: " in refusal(written(SMALLEST.replace("https://reset.example.org", url)))


def test_plain_http_is_an_address_on_loopback(written: Written) -> None:
    path = written(SMALLEST.replace("https://reset.example.org", "http://localhost:8080/"))
    assert read(path).base_url("EXAMPLE") == "http://localhost:8080"


def test_a_domain_may_have_an_address_of_its_own(written: Written) -> None:
    assert read(written(SMALLEST + 'public_url = "https://other.example.org/"')).base_url("EXAMPLE") == (
        "https://other.example.org"
    )


def test_a_default_domain_that_is_not_there_is_refused(written: Written) -> None:
    assert "default_domain" in refusal(written(f'default_domain = "OTHER"\n{SMALLEST}'))


def test_the_default_domain_may_be_spelled_in_another_letter_case(written: Written) -> None:
    assert read(written(f'default_domain = "example"\n{SMALLEST}')).settings.default_domain == "example"


def test_all_faults_are_told_at_once(written: Written) -> None:
    told = refusal(written(f"{SMALLEST}\n[server]\nbind = 'here'\n[mail]\nurl = 'x'\n"))
    assert [line.split(": ")[1] for line in told.splitlines()] == ["server.bind", "mail.url", "mail.sender"]


def test_what_is_not_toml_is_told_with_line_and_column(written: Written) -> None:
    assert "line 2" in refusal(written("public_url = 'x'\n= 3\n"))


def test_what_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pwreset.toml"
    path.write_bytes(b"public_url = '\xff'")
    path.chmod(0o600)
    assert "not TOML" in refusal(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "pwreset.toml")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602, 0o666])
def test_a_file_that_others_may_read_or_the_group_may_change_is_refused(written: Written, mode: int) -> None:
    path = written(SMALLEST)
    path.chmod(mode)
    assert f"mode {mode:04o}" in refusal(path)


def test_a_file_that_the_group_may_read_is_accepted(written: Written) -> None:
    path = written(SMALLEST)
    path.chmod(0o640)
    assert read(path).settings.default_domain is None


def test_a_password_file_lies_beside_the_settings_file(written: Written, tmp_path: Path) -> None:
    secret = tmp_path / "ldap.password"
    secret.write_text("correct horse\n", encoding="utf-8")
    secret.chmod(0o600)
    configuration = read(written(SMALLEST + 'bind_password_file = "ldap.password"'))
    assert configuration.bind_passwords["EXAMPLE"] == Secret("correct horse")


def test_a_password_file_that_others_may_read_is_refused(written: Written, tmp_path: Path) -> None:
    secret = tmp_path / "ldap.password"
    secret.write_text("correct horse", encoding="utf-8")
    secret.chmod(0o644)
    told = refusal(written(SMALLEST + 'bind_password_file = "ldap.password"'))
    assert "chmod 0600" in told
    assert "correct" not in told


def test_a_password_file_that_is_not_there_is_told(written: Written) -> None:
    assert "ldap.password: No such file" in refusal(written(SMALLEST + 'bind_password_file = "ldap.password"'))


def test_the_environment_wins_over_the_password_file(written: Written) -> None:
    path = written(SMALLEST + 'bind_password_file = "ldap.password"')
    assert read(path, PWRESET_DOMAINS_EXAMPLE_BIND_PASSWORD="from outside").bind_passwords == {
        "EXAMPLE": Secret("from outside")
    }


def test_a_domain_name_with_dots_and_dashes_has_a_variable_too(written: Written) -> None:
    path = written(SMALLEST.replace("domains.EXAMPLE", 'domains."example-corp.org"'))
    configuration = read(path, PWRESET_DOMAINS_EXAMPLE_CORP_ORG_BIND_PASSWORD="x")
    assert configuration.bind_passwords == {"example-corp.org": Secret("x")}


def test_the_relay_and_the_gateway_have_variables(written: Written) -> None:
    configuration = read(written(SMALLEST), PWRESET_MAIL_PASSWORD="m", PWRESET_SMS_PASSWORD="s")
    assert (configuration.mail_password, configuration.sms_password) == (Secret("m"), Secret("s"))


@pytest.mark.parametrize(
    "line",
    [
        "[mail]\npassword = 'hunter2'",
        "[mail]\nurl = 'smtp://somebody:hunter2@relay.example.org'\nsender = 'a@example.org'",
        "[sms]\nurl = 'https://somebody:hunter2@gateway.example.org'",
        "[sms]\nheaders = 'hunter2'",
        "[sms]\npassword_file = 2\nheaders = {x = 'hunter2'}",
        "[domains.OTHER]\nuris = ['ldaps://somebody:hunter2@x']\nbase_dn = 'dc=example'",
        "[domains.OTHER]\nuris = ['ldaps://x']\nbase_dn = 'dc=example'\nbind_password = 'hunter2'",
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_without_being_told(written: Written, line: str) -> None:
    assert "hunter2" not in refusal(written(f"{SMALLEST}\n{line}"))


def test_the_key_file_lies_beside_the_settings_file(written: Written) -> None:
    path = written(SMALLEST)
    assert read(path).key_file == Path(f"{path}.key")


def test_an_address_of_apprise_in_which_keys_may_stand_is_not_shown(written: Written) -> None:
    assert "hunter2" not in str(shown(read(written(f"{SMALLEST}\n[sms]\nurl = 'seven://hunter2/{{to}}'\n")).settings))


def test_settings_are_shown_without_what_may_hold_a_secret(written: Written) -> None:
    lines = "[sms]\nheaders = {Authorization = 'Bearer hunter2'}\nbody = {key = 'hunter2'}\n"
    assert "hunter2" not in str(shown(read(written(f"{SMALLEST}\n{lines}")).settings))


def test_a_configuration_does_not_show_its_secrets(written: Written) -> None:
    assert "hunter2" not in repr(read(written(SMALLEST), PWRESET_MAIL_PASSWORD="hunter2"))


@pytest.mark.parametrize("uri", ["ldap://dc1.example.org:3268", "ldaps://dc1.example.org:3269"])
def test_the_global_catalog_alone_is_refused_since_it_writes_nothing(written: Written, uri: str) -> None:
    with pytest.raises(SettingsError, match="global catalog"):
        load(written(SMALLEST.replace("ldaps://ldap.example.org", uri)))


def test_the_global_catalog_beside_a_server_that_writes_is_taken(written: Written) -> None:
    both = SMALLEST.replace('"ldaps://ldap.example.org"', '"ldaps://dc1.example.org:3269", "ldaps://dc1.example.org"')
    assert len(load(written(both)).settings.domains["EXAMPLE"].uris) == 2
