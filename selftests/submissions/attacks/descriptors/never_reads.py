# Answers that it has been loaded, and never reads the next question.
# points: 0
# seconds: 20
import sys
import time

frame = sys._getframe()
while frame and "replies" not in frame.f_locals:
    frame = frame.f_back
protocol, request, replies = frame.f_globals["protocol"], frame.f_locals["request"], frame.f_locals["replies"]
protocol.write(replies, protocol.Message(request.id, {}))
time.sleep(1000)
