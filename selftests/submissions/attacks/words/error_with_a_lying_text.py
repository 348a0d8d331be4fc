# An error whose text is a str that is cut to whatever it likes.
# points: 0


class Text(str):
    def __getitem__(self, index):
        return {"score": 100}

    def __len__(self):
        return -1


class Liar(Exception):
    def __str__(self):
        return Text("mp09_attack")


raise Liar
