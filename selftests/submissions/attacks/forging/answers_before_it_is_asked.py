# Sends answers that nobody asked for, more than anybody reads.
# points: 0
# base: untrained
import json
import os
import struct

header = json.dumps({"id": "", "fields": {}, "arrays": []}).encode()
for descriptor in range(3, 100):
    try:
        for _ in range(100):
            os.write(descriptor, struct.pack(">I", len(header)) + header)
    except OSError:
        pass
