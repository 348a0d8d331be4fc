# Folders and files that nobody may read or remove.
# points: 40
# base: untrained
import os

os.makedirs("mp09_attack/inner")
os.chmod("mp09_attack/inner", 0)
os.chmod("mp09_attack", 0)
