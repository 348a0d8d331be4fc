# Sends descriptors through every socket that it has, in case somebody receives them.
# points: 0
import os
import socket
import stat

for descriptor in range(3, 100):
    try:
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            line = socket.socket(fileno=os.dup(descriptor))
            for _ in range(100):
                socket.send_fds(line, [b"\0\0\0\2{}"], [0] * 200, socket.MSG_DONTWAIT)
    except OSError:
        pass
os._exit(0)
