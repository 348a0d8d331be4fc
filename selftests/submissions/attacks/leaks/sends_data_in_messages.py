# Puts megabytes of data into error messages, where a student might read them.
# points: 0
import base64

raise ValueError(base64.b64encode(open("resnet18.pt", "rb").read()).decode())
