"""Types at `nft -i` through a terminal, and waits for what it shows: steps are `type TEXT` and `see TEXT` in JSON on
standard input, as [["type", "..."], ["see", "..."], ...]. Prints what was shown in all; ends with the program's exit code.

`see` finds the text behind what was seen last, whatever escape sequences stand in between.
"""
import json, os, pty, re, select, sys, time

LIMIT = 60
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[1], sys.argv[1:])
shown, seen = "", 0


def read(deadline):
    """Takes what comes next into `shown`; tells whether something may still come."""
    global shown
    ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.time()))
    if not ready:
        return False
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        return False
    shown += re.sub(r"\x1b\[[?]?[0-9;]*[A-Za-z]", "", piece.decode(errors="replace"))
    return bool(piece)


for kind, text in json.load(sys.stdin):
    if kind == "type":
        os.write(terminal, text.encode())
        continue
    deadline = time.time() + LIMIT
    while (at := shown.find(text, seen)) < 0:
        if not read(deadline):
            sys.exit(f"never saw {text!r} behind what was seen; all that was shown:\n{shown}")
    seen = at + len(text)
while read(time.time() + LIMIT):
    pass
print(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
