"""What every test may rely on, whoever starts the tests."""

import subprocess
import sys


def test_what_a_test_starts_heeds_ctrl_c_though_the_tests_run_in_the_background():
    """A shell's background jobs inherit SIGINT as ignored, and pass it on."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
