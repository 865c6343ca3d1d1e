"""What a screen reader has to tell: Chromium's accessibility tree, line by line in reading order."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

Node = dict[str, Any]

REGIONS = {
    "banner": "header",
    "main": "main part",
    "contentinfo": "footer",
    "alert": "alert, told at once",
    "status": "status bar",
    "list": "list",
}
THINGS = {
    "heading": "heading",
    "link": "link",
    "button": "button",
    "textbox": "field",
    "DisclosureTriangle": "button to unfold",
    "image": "picture",
}
PARTS = {"term": "", "definition": "", "listitem": "item: "}
STATES = {
    "invalid": "wrong",
    "required": "required",
    "expanded": "unfolded",
    "disabled": "disabled",
    "pressed": "on",
    "focused": "focus is here",
}


async def heard(page: Page) -> list[str]:
    """The page's title, then each thing on it: what it is, its name, its states, and what is said to it."""
    network = await page.context.new_cdp_session(page)
    nodes: list[Node] = (await network.send("Accessibility.getFullAXTree"))["nodes"]
    await network.detach()
    lines = [f"page: {_value(nodes[0], 'name')}"]
    _tell(nodes[0], {node["nodeId"]: node for node in nodes}, "", lines)
    return lines


def _tell(node: Node, by_id: dict[str, Node], part: str, lines: list[str]) -> None:
    role = "" if node["ignored"] else _value(node, "role")
    if role == "LabelText":
        return  # told with its field
    if role in THINGS:
        lines.append(part + _thing(node, THINGS[role]))
        return
    if role == "StaticText":
        lines.append(part + _value(node, "name"))
        return
    if role in REGIONS:
        lines.append(", ".join([REGIONS[role], *_states(node)]))
    for child in node.get("childIds", ()):
        if child in by_id:
            _tell(by_id[child], by_id, PARTS.get(role, part), lines)


def _thing(node: Node, kind: str) -> str:
    told = [f"{kind}: {_value(node, 'name')}", *_states(node)]
    if description := _value(node, "description"):
        told.append(f"“{description}”")
    return ", ".join(told)


def _states(node: Node) -> list[str]:
    properties = {one["name"]: one["value"].get("value") for one in node.get("properties", ())}
    states = [words for name, words in STATES.items() if properties.get(name) not in {None, False, "false"}]
    return [f"level {properties['level']}", *states] if _value(node, "role") == "heading" else states


def _value(node: Node, name: str) -> str:
    return str(node.get(name, {}).get("value", "")).strip()
