# Announces a long answer, and gives a byte of it a second.
# points: 0
# seconds: 20
import struct
import sys
import time

frame = sys._getframe()
while frame and "replies" not in frame.f_locals:
    frame = frame.f_back
protocol, request, replies = frame.f_globals["protocol"], frame.f_locals["request"], frame.f_locals["replies"]
replies.write(struct.pack(">I", 1 << 20))
while True:
    replies.write(b" ")
    replies.flush()
    time.sleep(1)
