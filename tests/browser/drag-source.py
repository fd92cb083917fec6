"""A window whose files a test drags elsewhere: drag-source.py <left> <top> <path> …"""

import sys

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

left, top, *paths = sys.argv[1:]
window = Gtk.Window(type=Gtk.WindowType.POPUP)
window.move(int(left), int(top))
window.set_default_size(80, 80)
box = Gtk.EventBox()
window.add(box)
box.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
box.drag_source_add_uri_targets()
box.connect(
    "drag-data-get",
    lambda _widget, _context, data, *_: data.set_uris([GLib.filename_to_uri(path) for path in paths]),
)
window.connect("map-event", lambda *_: print("shown", flush=True))
window.show_all()
Gtk.main()
