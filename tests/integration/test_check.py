"""`pwreset check` on real servers in all states: does it say exactly what is wrong, and what to do?"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import ldap
import pytest

from pwreset.check import check_all
from pwreset.check.report import exit_code, print_findings
from pwreset.reset.findings import Finding, Part, State
from tests.contract.dirsrv_lab import DirsrvLab
from tests.contract.samba_lab import SambaLab
from tests.servers import dirsrv_plan
from tests.servers import samba as samba_lab
from tests.servers import slapd as lab
from tests.servers.certificates import Authority
from tests.servers.databases import store_settings
from tests.servers.dirsrv import LabDirsrv
from tests.servers.freeradius import SECRET, FreeRadius
from tests.servers.gateway import GatewayServer
from tests.servers.postgres import Database, PrivatePostgres
from tests.servers.samba import LabSamba
from tests.servers.service import Service, merge
from tests.servers.settings import lab_settings
from tests.servers.slapd import LabSlapd, password_of
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

Settled = Callable[..., Service]


@pytest.fixture
def on_slapd(tmp_path: Path, slapd: LabSlapd) -> Settled:
    """The settings of a service on the lab's directory, with these changes of the domain's."""

    def settled(*, more: dict[str, Any] | None = None, **domain: Any) -> Service:
        changes = merge({"links": {"delivery_mode": "NONE"}, "domains": {"EXAMPLE": domain}}, more or {})
        return Service(tmp_path, lab_settings(tmp_path, slapd, more=changes))

    return settled


def on_lab(tmp_path: Path, kind: SambaLab | DirsrvLab, password: str = "", **domain: Any) -> Service:
    secret = tmp_path / "bind-password"
    secret.touch(mode=0o600)
    secret.write_text(password or kind.service[1])
    place = {
        **kind.place(),
        "uris": list(kind.place()["uris"]),
        "bind_password_file": str(secret),
        "timeout_seconds": 30,
    }
    settings = {"default_domain": "EXAMPLE", "links": {"delivery_mode": "NONE"}, "domains": {"EXAMPLE": place | domain}}
    return Service(tmp_path, settings)


async def found(service: Service, *people: str) -> list[Finding]:
    return await check_all(service.config, people)


def one(findings: list[Finding], part: Part, state: State | None = None) -> Finding:
    """The one finding of this part (in this state)."""
    [finding] = [each for each in findings if each.part is part and state in (None, each.state)]
    return finding


def with_secret(tmp_path: Path, password: str) -> str:
    secret = tmp_path / "other-password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    return str(secret)


# --- the second factor ---


def asking_radius(on_slapd: Settled, tmp_path: Path, server: str, secret: str = SECRET, **mfa: Any) -> Service:
    file = tmp_path / "radius.secret"
    file.touch(mode=0o600)
    file.write_text(secret)
    radius = {"servers": [server], "secret_file": str(file), "timeout_seconds": 1.0, "attempts": 1}
    return on_slapd(mfa={"factors": ["radius"], "radius": radius, **mfa})


def of_the_factor(findings: list[Finding]) -> list[tuple[State, str]]:
    return [(each.state, each.detail) for each in findings if each.part is Part.SECOND_FACTOR]


async def test_a_radius_server_is_tried_as_it_is_and_when_it_is_gone(on_slapd: Settled, tmp_path: Path) -> None:
    with FreeRadius() as radius:
        service = asking_radius(on_slapd, tmp_path, radius.address)
        assert of_the_factor(await found(service)) == [(State.OK, "answers as itself")]
        radius.stop()
        assert [state for state, _ in of_the_factor(await found(service))] == [State.FAILED]


async def test_a_radius_server_with_another_secret_is_told_and_a_short_one_too(
    on_slapd: Settled, tmp_path: Path
) -> None:
    with FreeRadius() as radius:
        findings = of_the_factor(await found(asking_radius(on_slapd, tmp_path, radius.address, "another")))
    assert [state for state, _ in findings] == [State.FAILED, State.WARNING]
    assert "short" in findings[1][1]
    assert "another" not in str(findings)


async def test_a_radius_server_on_the_open_network_is_warned_of(on_slapd: Settled, tmp_path: Path) -> None:
    findings = of_the_factor(await found(asking_radius(on_slapd, tmp_path, "192.0.3.1:1812")))
    assert (State.WARNING, "is neither on this machine nor in a private network") in findings


async def test_a_factors_group_that_is_gone_is_told(on_slapd: Settled) -> None:
    gone = "cn=gone,ou=groups,dc=example,dc=org"
    findings = await found(on_slapd(mfa={"factors": ["code"], "groups": [gone]}))
    [finding] = [each for each in findings if each.subject == gone]
    assert (finding.part, finding.state) == (Part.SECOND_FACTOR, State.FAILED)
    assert "everybody must show a second factor" in finding.advice


async def test_a_code_without_a_way_to_travel_is_told(on_slapd: Settled) -> None:
    states = [state for state, _ in of_the_factor(await found(on_slapd(mfa={"factors": ["code"]})))]
    assert states == [State.WARNING]


async def test_a_service_whose_radius_secret_is_missing_does_not_start(on_slapd: Settled) -> None:
    told = on_slapd(mfa={"factors": ["radius"], "radius": {"servers": ["127.0.0.1:1812"]}})
    findings = await found(told)
    assert any(each.part is Part.SETTINGS and "secret_file: is missing" in each.detail for each in findings)


# --- what programs and people get ---


def test_programs_get_one_object_and_an_exit_code(on_slapd: Settled, slapd: LabSlapd) -> None:
    service = on_slapd()
    told = json.loads(service.command("check", "--json", "--user", slapd.add_person()))
    assert set(told) == {"ok", "counts", "findings"}
    assert told["ok"] is True
    assert sum(told["counts"].values()) == len(told["findings"])
    assert {frozenset(finding) for finding in told["findings"]} == {
        frozenset({"part", "state", "domain", "subject", "detail", "advice"})
    }
    assert {finding["part"] for finding in told["findings"]} <= {part.word for part in Part}
    assert {finding["state"] for finding in told["findings"]} <= {state.word for state in State}


def test_something_that_has_failed_ends_with_1(on_slapd: Settled) -> None:
    told = json.loads(on_slapd(managers=["cn=gone,ou=groups,dc=example,dc=org"]).command("check", "--json", expect=1))
    assert (told["ok"], told["counts"]["failed"]) == (False, 1)


def test_a_warning_ends_with_1_only_if_it_is_asked_to() -> None:
    warned = [Finding(Part.CLOCK, State.WARNING, "ahead"), Finding(Part.STORE, State.OK, "writes")]
    assert (exit_code(warned, strict=False), exit_code(warned, strict=True)) == (0, 1)
    assert exit_code([Finding(Part.INDEX, State.UNTOLD, "does not show")], strict=True) == 0


def test_people_get_a_mark_the_words_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(
        [
            Finding(Part.STORE, State.OK, "writes"),
            Finding(Part.SERVER, State.FAILED, "nothing listens [there]", "Start it.", "ldaps://dc1", "EXAMPLE"),
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        "ok   store: writes",
        "",
        "EXAMPLE",
        "FAIL server ldaps://dc1: nothing listens [there]",
        "       Start it.",
        "",
        "1 failed",
    ]


async def test_settings_that_do_not_load_are_told_and_nothing_else_is_tried(on_slapd: Settled) -> None:
    service = on_slapd()
    service.config.write_text("public_url = 3\n")
    [finding] = await found(service)
    assert (finding.part, finding.state) == (Part.SETTINGS, State.FAILED)


# --- OpenLDAP ---


async def test_a_set_up_with_least_rights_has_nothing_to_mend(on_slapd: Settled, slapd: LabSlapd) -> None:
    uid = slapd.add_person()
    slapd.set_password(lab.dn_of(uid), "Changed at the help desk, 1")
    findings = await found(on_slapd(), uid)
    assert [each for each in findings if each.state in (State.WARNING, State.FAILED)] == []
    assert one(findings, Part.DIALECT).detail == "openldap"
    assert "At least 8 characters" in one([each for each in findings if each.subject], Part.POLICY).detail


async def test_without_a_name_rights_are_tried_on_somebody(on_slapd: Settled) -> None:
    assert one(await found(on_slapd()), Part.RIGHTS).state is State.OK


async def test_nothing_is_changed(on_slapd: Settled, slapd: LabSlapd) -> None:
    uid = slapd.add_person()
    # A log-in, which `check` must try, clears the failures that others may have left behind.
    assert slapd.accepts(lab.SERVICE_DN, lab.SERVICE_PASSWORD)
    before = [slapd.read(dn) for dn in (lab.dn_of(uid), lab.PEOPLE, lab.BASE, lab.SERVICE_DN)]
    await found(on_slapd(must_change="keep"), uid)
    assert [slapd.read(dn) for dn in (lab.dn_of(uid), lab.PEOPLE, lab.BASE, lab.SERVICE_DN)] == before


async def test_the_rootdn_is_held_to_no_policy(on_slapd: Settled, tmp_path: Path) -> None:
    service = on_slapd(bind_dn=lab.ADMIN_DN, bind_password_file=with_secret(tmp_path, lab.ADMIN_PASSWORD))
    findings = await found(service)
    assert (one(findings, Part.ACCOUNT).state, "rootdn" in one(findings, Part.ACCOUNT).detail) == (State.FAILED, True)
    assert one(findings, Part.POLICY, State.FAILED).detail.startswith("our writes are held to no policy")


async def test_an_account_whose_entry_it_may_not_read_itself_is_not_taken_for_the_rootdn(
    own_slapd: LabSlapd, tmp_path: Path
) -> None:
    rule = f'{{0}}to dn.subtree="{lab.SERVICES}" attrs=entry by anonymous auth by * none'
    with own_slapd.config() as connection:
        connection.modify_s("olcDatabase={1}mdb,cn=config", [(0, "olcAccess", [rule.encode()])])
    with own_slapd.admin(lab.SERVICE_DN, lab.SERVICE_PASSWORD) as connection, pytest.raises(ldap.NO_SUCH_OBJECT):
        connection.search_s(lab.SERVICE_DN, 0)
    service = Service(tmp_path, lab_settings(tmp_path, own_slapd, more={"links": {"delivery_mode": "NONE"}}))
    assert one(await found(service), Part.ACCOUNT).state is State.OK


async def test_an_account_that_may_write_too_much_is_told(own_slapd: LabSlapd, tmp_path: Path) -> None:
    rule = f'{{0}}to dn.subtree="{lab.BASE}" by dn.exact="{lab.SERVICE_DN}" write by * break'
    with own_slapd.config() as connection:
        connection.modify_s("olcDatabase={1}mdb,cn=config", [(0, "olcAccess", [rule.encode()])])
    service = Service(tmp_path, lab_settings(tmp_path, own_slapd, more={"links": {"delivery_mode": "NONE"}}))
    findings = await found(service, "jdoe")
    told = [each.detail for each in findings if each.state is State.WARNING and each.part is Part.RIGHTS]
    assert "can read password hashes" in told[0]
    assert "may also write mail, mobile" in told[1]
    assert one(findings, Part.ACCOUNT).state is State.WARNING


async def test_a_missing_right_to_keep_must_change_is_told(own_slapd: LabSlapd, tmp_path: Path) -> None:
    own_slapd.hide_attribute("pwdReset")
    changes = {"links": {"delivery_mode": "NONE"}, "domains": {"EXAMPLE": {"must_change": "keep"}}}
    service = Service(tmp_path, lab_settings(tmp_path, own_slapd, more=changes))
    assert "`pwdReset`" in one(await found(service, "jdoe"), Part.RIGHTS).detail


async def test_where_indexes_do_not_show_that_is_said(on_slapd: Settled) -> None:
    assert one(await found(on_slapd()), Part.INDEX).state is State.UNTOLD


async def test_a_missing_index_is_found_where_the_configuration_may_be_read(
    own_slapd: LabSlapd, tmp_path: Path
) -> None:
    rule = f'{{0}}to dn.subtree="cn=config" by dn.exact="{lab.SERVICE_DN}" read by * break'
    own_slapd.configure("olcDatabase={0}config,cn=config", olcAccess=rule)
    service = Service(tmp_path, lab_settings(tmp_path, own_slapd, more={"links": {"delivery_mode": "NONE"}}))
    assert one(await found(service), Part.INDEX).state is State.OK
    own_slapd.configure("olcDatabase={1}mdb,cn=config", olcDbIndex="objectClass eq")
    assert "uid, cn, mail, entryUUID" in one(await found(service), Part.INDEX).detail


async def test_a_missing_index_is_found_by_a_limit_on_searches_without_one(own_slapd: LabSlapd, tmp_path: Path) -> None:
    limits = f'dn.exact="{lab.SERVICE_DN}" size.unchecked=5'
    own_slapd.configure("olcDatabase={1}mdb,cn=config", olcLimits=limits)
    changes = {"links": {"delivery_mode": "NONE"}, "domains": {"EXAMPLE": {"login_attributes": ["uid", "title"]}}}
    service = Service(tmp_path, lab_settings(tmp_path, own_slapd, more=changes))
    told = one(await found(service), Part.INDEX)
    assert (told.state, "for title:" in told.detail) == (State.WARNING, True)


# --- servers ---


async def test_each_server_is_told_by_itself(on_slapd: Settled, slapd: LabSlapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        uris = [
            f"ldaps://127.0.0.1:{refusing.getsockname()[1]}",
            f"ldaps://127.0.0.1:{silent.getsockname()[1]}",
            slapd.wrong_name_uri,
            slapd.ldaps_uri,
        ]
        findings = await found(on_slapd(uris=uris, timeout_seconds=3))
    told = {each.subject: each for each in findings if each.part is Part.SERVER}
    assert [told[uri].state for uri in uris] == [State.FAILED] * 3 + [State.OK]
    assert told[uris[0]].detail == "nothing listens there"
    assert told[uris[1]].detail == "no answer in time"
    assert told[uris[2]].detail.startswith(
        "its certificate is for another name (the certificate is for localhost, ldap.example.org, 127.0.0.1, issued by"
    )
    # The rest is tried on the one that works.
    assert one(findings, Part.RIGHTS).state is State.OK


async def test_a_server_whose_ca_is_not_ours_is_told_with_who_signed_it(on_slapd: Settled, slapd: LabSlapd) -> None:
    findings = await found(on_slapd(ca_file=str(slapd.other_ca_file)))
    server = one(findings, Part.SERVER)
    assert server.detail.startswith("its certificate is not signed by a CA we trust (the certificate is for localhost")
    assert "issued by Test directory CA" in server.detail
    assert "ca_file" in server.advice
    assert one(findings, Part.RIGHTS).state is State.UNTOLD


async def test_a_certificate_is_described_only_where_it_is_what_is_wrong(on_slapd: Settled, tmp_path: Path) -> None:
    server = one(await found(on_slapd(bind_password_file=with_secret(tmp_path, "wrong"))), Part.SERVER)
    assert (server.state, server.detail) == (State.FAILED, "it does not accept our service account")


async def test_where_nobody_is_found_to_try_rights_on_that_is_said_once(on_slapd: Settled) -> None:
    told = one(await found(on_slapd(base_dn=lab.POLICIES, login_attributes=["uid"])), Part.RIGHTS)
    assert (told.state, told.detail) == (State.UNTOLD, "nobody was found to try them on")


async def test_people_who_cannot_be_told_apart_are_no_working_set_up(own_slapd: LabSlapd, tmp_path: Path) -> None:
    own_slapd.hide_attribute("entryUUID")
    service = Service(tmp_path, lab_settings(tmp_path, own_slapd, more={"links": {"delivery_mode": "NONE"}}))
    assert "may not read what identifies an entry" in one(await found(service), Part.RIGHTS, State.FAILED).detail


async def test_a_group_that_is_gone_or_empty_is_told(on_slapd: Settled) -> None:
    gone = "cn=gone,ou=groups,dc=example,dc=org"
    findings = await found(on_slapd(protected=[gone]))
    assert one(findings, Part.MANAGERS).detail == "2 people"
    assert (one(findings, Part.PROTECTED).state, one(findings, Part.PROTECTED).subject) == (State.FAILED, gone)


async def test_nobody_of_this_name_is_told(on_slapd: Settled) -> None:
    told = one(await found(on_slapd(), "nobody-has-this-name"), Part.RIGHTS)
    assert (told.state, "User not found" in told.detail) == (State.FAILED, True)


# --- relay and gateway ---


@pytest.mark.parametrize("implicit", [True, False], ids=["smtps", "starttls"])
async def test_an_expired_certificate_of_the_relay_is_told_with_its_dates(
    on_slapd: Settled, tmp_path: Path, implicit: bool
) -> None:
    authority = Authority(tmp_path)
    with SmtpServer(tls=authority.server(expired=True), implicit=implicit) as relay:
        mail = {"url": relay.url, "sender": "helpdesk@example.org", "ca_file": str(authority.ca_file)}
        told = one(await found(on_slapd(more={"mail": mail})), Part.MAIL)
    assert (told.state, told.subject) == (State.FAILED, relay.url)
    assert told.detail.startswith("its certificate has expired or is not valid yet (the certificate is for localhost")
    assert "issued by Test CA, valid from" in told.detail


async def test_a_relay_that_is_named_otherwise_is_told_with_its_names(on_slapd: Settled, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with SmtpServer(tls=authority.server(name="mail.example.net"), implicit=True) as relay:
        mail = {"url": relay.url, "sender": "helpdesk@example.org", "ca_file": str(authority.ca_file)}
        told = one(await found(on_slapd(more={"mail": mail})), Part.MAIL)
    assert told.detail.startswith(
        "its certificate is for another name (the certificate is for mail.example.net, issued"
    )


async def test_an_untrusted_gateway_is_told_with_who_signed_it(on_slapd: Settled, tmp_path: Path) -> None:
    with GatewayServer(tls=Authority(tmp_path).server()) as gateway:
        told = one(await found(on_slapd(more={"sms": {"url": gateway.url}})), Part.SMS)
    assert told.detail.startswith("its certificate is not trusted (the certificate is for localhost")


async def test_a_certificate_that_is_about_to_expire_is_told_before(on_slapd: Settled, tmp_path: Path) -> None:
    import ssl

    from pwreset.demo.authority import Authority as Signing

    signing = Signing("Test CA")
    files = signing.issue(tmp_path / "soon", lifetime=timedelta(days=5, hours=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with SmtpServer(tls=context, implicit=True) as relay:
        mail = {"url": relay.url, "sender": "helpdesk@example.org", "ca_file": str(files.ca)}
        findings = await found(on_slapd(more={"mail": mail}))
    assert one(findings, Part.MAIL).state is State.OK
    assert one(findings, Part.CERTIFICATE).detail.startswith("its certificate is valid for 5 days more")


# --- Active Directory ---


async def test_an_active_directory_with_least_rights_has_nothing_to_mend(samba: LabSamba, tmp_path: Path) -> None:
    kind = SambaLab(samba)
    manager = kind.add_person()
    service = on_lab(tmp_path, kind, managers=[kind.add_group(kind.dn(manager))])
    findings = await found(service, kind.add_person())
    assert [each for each in findings if each.state is not State.OK] == []
    assert "for an hour" in one(findings, Part.OLD_PASSWORDS).detail
    assert "not to history and minimum age" in next(each for each in findings if each.part is Part.POLICY).detail


async def test_an_active_directory_tells_which_attributes_we_may_write_and_reset_password_is_tried(
    samba: LabSamba, tmp_path: Path
) -> None:
    dn = samba.add_person()
    with samba.admin(samba_lab.SERVICE_DN, samba_lab.SERVICE_PASSWORD) as connection:
        [(_, told)] = connection.search_s(dn, 0, "(objectClass=*)", ["allowedAttributesEffective"])
    assert set(told["allowedAttributesEffective"]) == {b"lockoutTime", b"pwdLastSet"}  # unicodePwd is not among them
    service = on_lab(tmp_path, SambaLab(samba), must_change="keep")
    assert one(await found(service, samba.login_of(dn)), Part.RIGHTS).state is State.OK


@pytest.mark.parametrize(
    ("settings", "missing"), [({}, "`lockoutTime`"), ({"unlock": False, "must_change": "keep"}, "`pwdLastSet`")]
)
async def test_a_right_beside_the_password_that_is_missing_is_told(
    samba: LabSamba, tmp_path: Path, settings: dict[str, Any], missing: str
) -> None:
    where = f"OU=half{len(settings)},{samba_lab.BASE}"
    reset = "00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2"
    with samba.admin() as connection:
        connection.add_s(where, [("objectClass", [b"organizationalUnit"])])
    samba.shell(
        f"sid=$(samba-tool user show pwreset --attributes=objectSid | sed -n 's/^objectSid: //p')\n"
        f"samba-tool dsacl set --objectdn='{where}' --sddl=\"(OA;CIIO;CR;{reset};$sid)\""
    )
    login = samba.login_of(samba.add_person(where=where))
    findings = await found(on_lab(tmp_path, SambaLab(samba), base_dn=where, **settings), login)
    told = one(findings, Part.RIGHTS)
    assert (told.state, missing in told.detail) == (State.FAILED, True)


async def test_a_domain_admin_is_more_than_is_needed(samba: LabSamba, tmp_path: Path) -> None:
    service = on_lab(tmp_path, SambaLab(samba), samba_lab.ADMIN_PASSWORD, bind_dn=samba_lab.ADMIN_DN)
    findings = await found(service)
    account = one(findings, Part.ACCOUNT)
    assert (account.state, "Domain Admins" in account.detail) == (State.WARNING, True)
    assert "mail, mobile" in one(findings, Part.RIGHTS).detail


async def test_an_account_operator_by_a_nested_group_is_more_than_is_needed(samba: LabSamba, tmp_path: Path) -> None:
    dn = samba.add_person()
    samba.add_members(f"CN=Account Operators,CN=Builtin,{samba_lab.BASE}", samba.add_group([dn]))
    service = on_lab(tmp_path, SambaLab(samba), password_of(samba.login_of(dn)), bind_dn=dn)
    assert "Account Operators" in one(await found(service), Part.ACCOUNT).detail


async def test_the_global_catalog_is_warned_of(samba: LabSamba, tmp_path: Path) -> None:
    service = on_lab(tmp_path, SambaLab(samba), uris=[samba.catalog_uri, samba.ldaps_uri])
    findings = await found(service)
    told = {each.subject: each for each in findings if each.part is Part.SERVER}
    assert (told[samba.catalog_uri].state, told[samba.ldaps_uri].state) == (State.WARNING, State.OK)
    assert "global catalog" in told[samba.catalog_uri].detail


async def test_a_login_attribute_without_an_index_is_told_on_active_directory(samba: LabSamba, tmp_path: Path) -> None:
    service = on_lab(tmp_path, SambaLab(samba), login_attributes=["uid", "sAMAccountName"])
    assert one(await found(service), Part.INDEX).detail.startswith("no equality index for uid:")


# --- 389 Directory Server ---


async def test_rights_on_389_are_those_that_the_server_tells(dirsrv: LabDirsrv, tmp_path: Path) -> None:
    uid = dirsrv.add_person()
    findings = await found(on_lab(tmp_path, DirsrvLab(dirsrv), must_change="keep"), uid)
    assert one(findings, Part.RIGHTS).detail == "enough, and no more (told by the server: effective rights)"
    assert (one(findings, Part.ACCOUNT).state, one(findings, Part.CLOCK).state) == (State.OK, State.OK)


async def test_an_account_of_389_that_may_not_unlock_is_told(dirsrv: LabDirsrv, tmp_path: Path) -> None:
    service = on_lab(tmp_path, DirsrvLab(dirsrv), dirsrv_plan.HELP_DESK_PASSWORD, bind_dn=dirsrv_plan.HELP_DESK_DN)
    findings = await found(service, dirsrv.add_person())
    told = [each.detail for each in findings if each.part is Part.RIGHTS and each.state is State.FAILED]
    assert ["`accountUnlockTime`" in detail for detail in told] == [True, False, False]


async def test_a_password_administrator_of_389_is_held_to_no_policy(dirsrv: LabDirsrv, tmp_path: Path) -> None:
    service = on_lab(tmp_path, DirsrvLab(dirsrv))
    with dirsrv.configured(passwordAdminDN=dirsrv_plan.SERVICE_DN):
        findings = await found(service, dirsrv.add_person())
    assert "passwordAdminDN" in one(findings, Part.ACCOUNT, State.FAILED).detail


async def test_a_missing_index_is_found_on_389_without_reading_its_configuration(
    dirsrv: LabDirsrv, tmp_path: Path
) -> None:
    dirsrv.add_person()
    kind = DirsrvLab(dirsrv)
    assert one(await found(on_lab(tmp_path, kind, login_attributes=["uid", "mail"])), Part.INDEX).state is State.OK
    told = one(await found(on_lab(tmp_path, kind, login_attributes=["uid", "title"])), Part.INDEX)
    assert (told.state, "for title:" in told.detail) == (State.WARNING, True)


# --- the store ---


async def test_a_database_that_is_down_is_told_with_what_to_do(
    tmp_path: Path, slapd: LabSlapd, own_postgres: PrivatePostgres
) -> None:
    database = own_postgres.database()
    service = Service(tmp_path, lab_settings(tmp_path, slapd, more={"store": store_settings(database, tmp_path)}))
    own_postgres.kill()
    finding = one(await found(service), Part.STORE)
    assert (finding.state, finding.subject) == (State.FAILED, f"postgresql://127.0.0.1/{database.name}")
    assert "refused" in finding.detail or "No such file" in finding.detail
    assert "See that PostgreSQL runs" in finding.advice
    assert database.password not in f"{finding.detail} {finding.advice}"


async def test_a_database_that_does_not_take_the_password_is_told_as_such(
    tmp_path: Path, slapd: LabSlapd, database: Database
) -> None:
    store = {**store_settings(database, tmp_path), "password_file": with_secret(tmp_path, "wrong")}
    finding = one(await found(Service(tmp_path, lab_settings(tmp_path, slapd, more={"store": store}))), Part.STORE)
    assert finding.state is State.FAILED
    assert "password authentication failed" in finding.detail


async def test_a_store_in_sqlite_that_cannot_be_opened_is_told_with_what_to_do(on_slapd: Settled) -> None:
    service = on_slapd()
    service.command("migrate")
    service.store.unlink()
    service.store.mkdir(mode=0o700)
    finding = one(await found(service), Part.STORE)
    assert (finding.state, finding.subject) == (State.FAILED, str(service.store))
    assert "unable to open" in finding.detail
    assert "free space" in finding.advice
