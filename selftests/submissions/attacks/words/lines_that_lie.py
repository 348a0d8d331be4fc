# Code that claims to stand in submitted.py, on a line of a gigabyte.
# points: 0
import linecache

code = compile("\n" * 6 + "1 / 0", "submitted.py", "exec")
linecache.cache["submitted.py"] = (1, None, ["\x1b[2J" * 10**7 + "\n"] * 10, "submitted.py")
exec(code, {"__name__": "\u202emp09_attack"})
