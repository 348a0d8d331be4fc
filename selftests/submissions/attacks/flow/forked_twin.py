# Two processes read the requests and answer them.
# points: 0
import os

os.fork()
raise SystemExit
