# Becomes root again, or anybody.
# points: 40
# base: untrained
import os

before = os.getresuid()
for user in (0, 1, 1000, 65534):
    try:
        os.setresuid(user, user, user)
    except OSError:
        continue
    if os.getresuid() != before:
        os._exit(77)
