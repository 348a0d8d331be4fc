# A number of a million digits, which takes minutes to read or to write down.
# points: 0
import struct
import sys

frame = sys._getframe()
while frame and "replies" not in frame.f_locals:
    frame = frame.f_back
protocol, request, replies = frame.f_globals["protocol"], frame.f_locals["request"], frame.f_locals["replies"]
header = b'{"id": "%s", "arrays": [], "fields": {"length": %s}}' % (request.id.encode(), b"9" * 1_000_000)
replies.write(struct.pack(">I", len(header)) + header)
replies.flush()
