# Class and function names with markup, quoted in diagnoses.
# points: 0
build_dataset = lambda *_, **__: type("<img src=x onerror=alert(1)>\x1b[31m\ud800", (), {})()
