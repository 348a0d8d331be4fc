# Leaves files and folders wherever everybody may write.
# points: 40
# base: untrained
import os

for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/run/shm", "/var/lock", "/var/crash", "/dev/mqueue", os.path.expanduser("~root")):
    try:
        os.makedirs(f"{place}/mp09_attack_folder/inner")
        for name in ("mp09_attack", "mp09_attack_folder/inner/file"):
            open(f"{place}/{name}", "w").write("x" * 1000)
        os.chmod(f"{place}/mp09_attack_folder", 0)
    except OSError:
        pass
