# Copies, packs, unpacks, touches and protects files of its own, as data pipelines do.
# base: brief
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile

with tempfile.TemporaryDirectory() as folder:
    made = f"{folder}/made"
    os.makedirs(f"{made}/inner")
    with open(f"{made}/inner/file", "w") as file:
        file.write("x" * 1000)
    os.chmod(f"{made}/inner/file", 0o640)
    os.utime(f"{made}/inner/file", (1_000_000_000, 1_000_000_000))
    shutil.copy(f"{made}/inner/file", f"{folder}/copied")
    shutil.copy2(f"{made}/inner/file", f"{folder}/copied_with_times")
    shutil.copystat(made, folder)
    shutil.copytree(made, f"{folder}/tree")
    shutil.copy("models.py", f"{folder}/models.py")
    shutil.copy2("cifar10_batches/test_batch", folder)
    shutil.move(f"{folder}/copied", f"{folder}/moved")
    shutil.make_archive(f"{folder}/packed", "zip", made)
    shutil.make_archive(f"{folder}/packed", "gztar", made)
    with zipfile.ZipFile(f"{folder}/packed.zip") as archive:
        archive.extractall(f"{folder}/from_zip")
    with tarfile.open(f"{folder}/packed.tar.gz") as archive:
        archive.extractall(f"{folder}/from_tar")
    os.symlink("moved", f"{folder}/link")
    os.truncate(f"{folder}/moved", 10)
    with tempfile.NamedTemporaryFile() as temporary, tempfile.TemporaryFile() as unnamed:
        temporary.write(b"x")
        unnamed.write(b"x")
    for name in ("inner/file", "from_tar/inner/file"):
        path = f"{made}/{name}" if name.startswith("inner") else f"{folder}/{name}"
        assert os.stat(path).st_size == 1000
        assert stat.S_ISREG(os.stat(path).st_mode)
