"""Prints everything that the accessibility bus exposes of a program, as JSON: each object before its children.

Fails if reading an object crashes the page. WebKit crashes if a unit of an object's text begins before the object.
"""

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


#: Placeholder for a child object in the text of its parent.
EMBEDDED = "\ufffc"
#: Units in which a screen reader moves through a text. Words are not included: reading a text word by word would take
#: many seconds.
UNITS = ("SENTENCE", "LINE", "PARAGRAPH")


def attempt(read):
    try:
        return read()
    except GLib.Error:
        return None


def units_of(node, role, text):
    """Returns the units of a text: the kind of each unit, whether it begins before the object, and its text.

    WebKit counts the characters from the start of the unit to the object, and uses this number as an offset into the
    text of the object.
    """

    if node.get_text_iface() is None:
        return []
    units = []
    for name in UNITS:
        offset = 0
        while offset < max(len(text), 1):
            try:
                found = Atspi.Text.get_string_at_offset(node, offset, getattr(Atspi.TextGranularity, name))
            except GLib.Error as error:
                if "disconnected" in error.message:
                    sys.exit(f"the page crashed at the {name.lower()} at offset {offset} of a {role}: {text!r}")
                break
            is_outside = text != "" and EMBEDDED not in text and found.start_offset > offset
            units.append((name.lower(), is_outside, found.content))
            if found.end_offset <= offset:
                break
            offset = found.end_offset
    return units


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
    """Yields all texts of an object, except the text units that a screen reader moves through."""

    yield attempt(node.get_description)
    yield json.dumps(attempt(node.get_attributes), ensure_ascii=False)
    yield text_of(node)
    if node.get_document_iface() is not None:
        yield json.dumps(attempt(lambda: Atspi.Document.get_document_attributes(node)), ensure_ascii=False)
    if node.get_image_iface() is not None:
        yield attempt(lambda: Atspi.Image.get_image_description(node))


def visit(node, depth):
    if node is None:
        return
    try:
        attributes = node.get_attributes() or {}
        role, text = node.get_role_name(), text_of(node)
        units = units_of(node, role, text)
        yield {
            "depth": depth,
            "role": role,
            "name": node.get_name() or "",
            "description": node.get_description() or "",
            "text": text,
            "value": value_of(node),
            "states": states_of(node),
            "attributes": {name: attributes[name] for name in ATTRIBUTES if name in attributes},
            "outside": [unit for unit, is_outside, _ in units if is_outside],
            "texts": [part for part in (*texts_of(node), *(content for _, _, content in units)) if part],
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
