# A SyntaxError whose line number, text and file are not what they should be.
# points: 0


class Text(str):
    def strip(self, *_):
        return "\x1b[2J" * 10**6


error = SyntaxError("mp09_attack")
error.lineno, error.text, error.filename = "<b>1</b>", Text("x"), ["submitted.py"]
raise error
