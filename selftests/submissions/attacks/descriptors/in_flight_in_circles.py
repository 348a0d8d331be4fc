# Sockets that are on their way through each other, which only the kernel's own collector can find.
# points: 40
# base: untrained
import socket

for _ in range(300):
    first, second = socket.socketpair()
    try:
        socket.send_fds(first, [b"x"], [first.fileno(), second.fileno()])
        socket.send_fds(second, [b"x"], [first.fileno(), second.fileno()])
    except OSError:
        pass
    first.close()
    second.close()
