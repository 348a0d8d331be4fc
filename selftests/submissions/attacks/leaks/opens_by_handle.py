# Opens files by their handle, past all folders.
# points: 40
# base: untrained
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(b"\x80\x00\x00\x00" + b"\0" * 200)
mount = ctypes.c_int()
if libc.name_to_handle_at(-100, b"/usr", buffer, ctypes.byref(mount), 0) == 0:
    os._exit(77)
