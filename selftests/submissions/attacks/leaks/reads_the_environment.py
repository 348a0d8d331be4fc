# Looks for secrets in its own environment.
# points: 40
# base: untrained
import os

known = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "SYSTEMROOT", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "TEMP", "TMP"}
known |= {"CUDA_HOME", "CUDA_VISIBLE_DEVICES", "MPLBACKEND", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED"}
known |= {"PYTHONDONTWRITEBYTECODE", "PYTHONUSERBASE", "MP09_PRECISION"}
if set(os.environ) - known - {n for n in os.environ if n.startswith(("KMP_", "TORCH", "PYTORCH"))}:
    os._exit(77)
