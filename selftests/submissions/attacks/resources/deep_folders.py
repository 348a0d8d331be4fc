# Folders in folders, deeper than most programs can remove.
# points: 40
# base: untrained
import os

here = os.getcwd()
for _ in range(3000):
    os.mkdir("mp09_attack")
    os.chdir("mp09_attack")
os.chdir(here)
