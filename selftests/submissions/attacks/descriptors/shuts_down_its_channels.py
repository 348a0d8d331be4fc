# Closes one direction of every channel, then the other, then ends.
# points: 0
import os
import socket

for how in (socket.SHUT_RD, socket.SHUT_WR):
    for descriptor in range(3, 100):
        try:
            socket.socket(fileno=os.dup(descriptor)).shutdown(how)
        except OSError:
            pass
os._exit(0)
