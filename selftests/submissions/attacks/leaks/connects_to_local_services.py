# Talks to services of this machine.
# points: 40
# base: untrained
import os
import socket

for address in ("/var/run/docker.sock", "/run/dbus/system_bus_socket", "\0/tmp/.X11-unix/X0"):
    try:
        socket.socket(socket.AF_UNIX).connect(address)
        os._exit(77)
    except OSError:
        pass
