"""`rpc.discover`: the document says what the methods do, each of its promises tried on the methods themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pwreset.web.openrpc import SIGNATURES, Param, Signature
from tests.fakes.api import ApiWorld, basic, post
from tests.servers.wire import Wire
from tests.wire.test_manager_api import call

WRONG: dict[str, object] = {"string": 7, "integer": "7", "boolean": "yes"}
GOOD: dict[str, object] = {"username": "jdoe", "id": "nobody knows it"}
PARAMS = [(signature, param) for signature in SIGNATURES for param in signature.params]
WORDS = {"string": "String", "integer": "Integer", "boolean": "Boolean"}


async def answer(wire: Wire, body: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((await wire.exchange(post(body, basic()))).body)
    return told


@pytest.fixture
async def document(wire: Wire) -> dict[str, Any]:
    told: dict[str, Any] = (await answer(wire, call("rpc.discover")))["result"]
    return told


def methods(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {method["name"]: method for method in document["methods"]}


async def test_the_document_has_what_the_specification_demands(document: dict[str, Any]) -> None:
    assert document["openrpc"] == "1.3.2"
    assert {"title", "version"} <= document["info"].keys()
    for method in document["methods"]:
        assert {"name", "params", "result"} <= method.keys()
        assert {"name", "schema"} <= method["result"].keys()
        assert all({"name", "schema"} <= param.keys() for param in method["params"])


async def test_required_params_come_before_the_others(document: dict[str, Any]) -> None:
    for method in document["methods"]:
        required = [param["required"] for param in method["params"]]
        assert required == sorted(required, reverse=True), method["name"]


async def test_the_address_is_the_public_one(document: dict[str, Any]) -> None:
    assert [server["url"] for server in document["servers"]] == ["https://reset.example.org/manag/"]


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.name)
async def test_each_method_of_the_document_is_there(wire: Wire, signature: Signature) -> None:
    told = await answer(wire, call(signature.name))
    assert told.get("error", {}).get("code") != -32601


@pytest.mark.parametrize(("signature", "param"), PARAMS, ids=lambda one: one.name)
async def test_each_parameter_has_the_type_that_the_document_tells(
    wire: Wire, signature: Signature, param: Param
) -> None:
    good = {one.name: GOOD[one.name] for one in signature.params if one.required}
    told = await answer(wire, call(signature.name, **{**good, param.name: WRONG[param.schema["type"]]}))
    assert told["error"]["data"] == f"Parameter {param.name} not {WORDS[param.schema['type']]}"


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.name)
async def test_what_the_document_calls_required_is_missed(wire: Wire, signature: Signature) -> None:
    required = [param.name for param in signature.params if param.required]
    told = await answer(wire, call(signature.name))
    missed = told.get("error", {}).get("data", "")
    assert missed == (f"Parameter {required[0]} missing" if required else "")


async def test_a_request_has_the_members_that_the_document_tells(
    world: ApiWorld, wire: Wire, document: dict[str, Any]
) -> None:
    await wire.exchange(post(call(username="jdoe"), basic()))
    schema = methods(document)["PwReset.Get_Request"]["result"]["schema"]
    [request_id] = world.store.requests
    told = (await answer(wire, call("PwReset.Get_Request", id=request_id)))["result"]
    assert set(told) == set(schema["required"])
    assert set(told["deliveries"][0]) == set(schema["properties"]["deliveries"]["items"]["required"])


async def test_the_status_has_the_members_that_the_document_tells(wire: Wire, document: dict[str, Any]) -> None:
    told = (await answer(wire, call("Server_Status", servers=True, webapps=True, websrvs=True)))["result"]
    assert set(told) == set(methods(document)["Server_Status"]["result"]["schema"]["properties"])


async def test_strangers_are_not_told(wire: Wire) -> None:
    assert (await wire.exchange(post(call("rpc.discover")))).status == 401
