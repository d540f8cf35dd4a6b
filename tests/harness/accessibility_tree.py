"""Prints all that can be read of a program over the accessibility bus, as JSON."""

import json
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402


def texts_of(node):
    """Each way in which the bus gives text."""

    def attempt(read):
        try:
            return read()
        except GLib.Error:
            return None

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


def visit(node):
    if node is None:
        return
    try:
        yield {
            "role": node.get_role_name(),
            "name": node.get_name() or "",
            "texts": [text for text in texts_of(node) if text],
        }
        count = node.get_child_count()
    except GLib.Error:  # It has gone meanwhile.
        return
    for index in range(count):
        try:
            child = node.get_child_at_index(index)
        except GLib.Error:
            continue
        yield from visit(child)


Atspi.init()
desktop = Atspi.get_desktop(0)
programs = [desktop.get_child_at_index(index) for index in range(desktop.get_child_count())]
wanted = [program for program in programs if program is not None and program.get_name() == sys.argv[1]]
print(json.dumps([item for program in wanted for item in visit(program)]))
