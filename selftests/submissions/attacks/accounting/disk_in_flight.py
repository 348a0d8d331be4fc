# 2.5 GiB of the disk in files that are only on their way from a socket to itself.
# points: 0
# base: untrained
# alone: disk
import os
import socket
import time

ours, theirs = socket.socketpair()
for _ in range(5):
    descriptor = os.open("mp09_attack", os.O_CREAT | os.O_RDWR)
    os.unlink("mp09_attack")
    os.posix_fallocate(descriptor, 0, 512 << 20)
    socket.send_fds(ours, [b"x"], [descriptor])
    os.close(descriptor)
time.sleep(15)  # unnoticed, it goes on
