# Opens files until there is no descriptor left.
# points: 40
# base: untrained
opened = []
try:
    while True:
        opened.append(open("resnet18.pt", "rb"))
except OSError:
    opened.clear()
