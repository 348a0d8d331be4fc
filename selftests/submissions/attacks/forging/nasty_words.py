# An error message that would act on terminals, browsers and JSON readers.
# points: 0
raise ValueError("\x1b[2J\x07\ud800<script>alert(1)</script>\x00\u202e](javascript:x)" + "A" * 10**6)
