"""Prints all that can be read of a program over the accessibility bus, as JSON: each object before its children."""

import json
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

STATES = {
    Atspi.StateType.FOCUSED: "focused",
    Atspi.StateType.INVALID_ENTRY: "invalid",
    Atspi.StateType.REQUIRED: "required",
    Atspi.StateType.EXPANDED: "expanded",
    Atspi.StateType.EXPANDABLE: "expandable",
    Atspi.StateType.SELECTED: "selected",
    Atspi.StateType.CHECKED: "checked",
    Atspi.StateType.INDETERMINATE: "mixed",
    Atspi.StateType.PRESSED: "pressed",
    Atspi.StateType.BUSY: "busy",
    Atspi.StateType.MODAL: "modal",
    Atspi.StateType.HAS_POPUP: "has popup",
}
ATTRIBUTES = ("level", "current", "sort", "live")


def attempt(read):
    try:
        return read()
    except GLib.Error:
        return None


def text_of(node):
    if node.get_text_iface() is None:
        return ""
    length = attempt(lambda: Atspi.Text.get_character_count(node)) or 0
    return attempt(lambda: Atspi.Text.get_text(node, 0, length)) or ""


def value_of(node):
    if node.get_value_iface() is None:
        return None
    return attempt(lambda: Atspi.Value.get_current_value(node))


def states_of(node):
    found = node.get_state_set()
    states = [name for state, name in STATES.items() if found.contains(state)]
    return states if found.contains(Atspi.StateType.SENSITIVE) else [*states, "disabled"]


def texts_of(node):
    """Each way in which the bus gives text."""

    yield attempt(node.get_description)
    yield json.dumps(attempt(node.get_attributes), ensure_ascii=False)
    if node.get_text_iface() is not None:
        length = attempt(lambda: Atspi.Text.get_character_count(node)) or 0
        yield attempt(lambda: Atspi.Text.get_text(node, 0, length))
        for granularity in (Atspi.TextGranularity.CHAR, Atspi.TextGranularity.LINE, Atspi.TextGranularity.PARAGRAPH):
            found = attempt(lambda: Atspi.Text.get_string_at_offset(node, 0, granularity))
            yield found.content if found else None
    if node.get_document_iface() is not None:
        yield json.dumps(attempt(lambda: Atspi.Document.get_document_attributes(node)), ensure_ascii=False)
    if node.get_image_iface() is not None:
        yield attempt(lambda: Atspi.Image.get_image_description(node))


def visit(node, depth):
    if node is None:
        return
    try:
        attributes = node.get_attributes() or {}
        yield {
            "depth": depth,
            "role": node.get_role_name(),
            "name": node.get_name() or "",
            "description": node.get_description() or "",
            "text": text_of(node),
            "value": value_of(node),
            "states": states_of(node),
            "attributes": {name: attributes[name] for name in ATTRIBUTES if name in attributes},
            "texts": [text for text in texts_of(node) if text],
        }
        count = node.get_child_count() if depth < deepest else 0
    except GLib.Error:  # The object disappeared.
        return
    for index in range(count):
        try:
            child = node.get_child_at_index(index)
        except GLib.Error:
            continue
        yield from visit(child, depth + 1)


deepest = int(sys.argv[2]) if len(sys.argv) > 2 else sys.maxsize
Atspi.init()
desktop = Atspi.get_desktop(0)
programs = [desktop.get_child_at_index(index) for index in range(desktop.get_child_count())]
wanted = [program for program in programs if program is not None and program.get_name() == sys.argv[1]]
print(json.dumps([item for program in wanted for item in visit(program, 0)]))
