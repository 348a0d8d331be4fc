# 4 GiB and more that wait in sockets, which no process' memory shows.
# points: 0
# base: untrained
import os
import socket
import time

for _ in range(4):
    if os.fork() == 0:
        break
kept = []
try:
    while True:
        pair = socket.socketpair()
        for end in pair:
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
            try:
                while True:
                    end.send(bytes(1 << 16))
            except BlockingIOError:
                pass
        kept.append(pair)
except OSError:  # no more descriptors
    pass
time.sleep(20)  # unnoticed, it goes on
