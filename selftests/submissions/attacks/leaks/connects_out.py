# Sends the images home.
# points: 40
# base: untrained
import os
import socket

for family, kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_INET6, socket.SOCK_STREAM)):
    try:
        socket.socket(family, kind)
        os._exit(77)
    except OSError:
        pass
