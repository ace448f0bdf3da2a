"""Random words: numbers, names, paths and grammar, right and wrong."""

from __future__ import annotations

from random import Random

NASTY = (
    "", " ", "-", "--", "-1", "0", "00", "1e999", "nan", "inf", "-inf", "0x10", "1_000", "²",
    "9" * 12, "9" * 13, "9" * 5000, "x" * 300, "/".join(["y" * 200] * 25), "a/b",
    "/dev/null", "/dev/full", "/proc/self/mem", "/nowhere/at/all", "~", "$HOME", "*", "a*", "[", "]",
    "(", "{}", "[]", "null", "None", "True", "\x1b[2J", "a\nb", "a\rb", "\x9b31m", "\u202eabc", "\ufeff",
    "\udcff", "\ud800", "é", "😀", "[bold]x[/bold]", "[/]", ":smile:", "=1+1", "A=1", "A=1 B=2",
    "A='", "A=1/B=2", "A=1 2 ...9", "A=1 2 4 ...64|3", "A=1 ...", "A=...", "|", "8000|", "%s", "%n",
    "{0}", "\\", "\t", "a,b", "a;b", "]=]", "x=y", "callers=2", "1x2x2", "2x56x2 snc4", "1x1 nps9",
    "999999x999999", "0x0", "SPR", "gated", "test_throughput_avx_fp32_gated", "throughput", "latency",
    "accuracy", "null", "tensorflow", "mlperf", "5", "0.5", "1", "2", "4", "16", "1024",
)  # fmt: skip

ARGUMENTS = tuple(word for word in NASTY if word != "\ud800")
"""What bytes on a command line can become. None of them leads out of the sandbox: how long it takes
to look through a whole machine says nothing."""

PATHS = (
    "run", "run/record.json", "runs", "a.json", "b.json", "c.yaml", "d.txt", "old", "old/benchmark_0.log",
    "old/other.log", "host.json", "images", "photos.tar", "labels.txt", "model.pb", "hostfile", "missing",
    "out.csv", "out.xlsx", "out.json", "out", ".", "nofolder/file", "loop", "locked", "run/onednn_000.log",
)  # fmt: skip

_ALPHABET = "abcXYZ019 .,:;=/|*?+-_[](){}<>'\"\\\n\t\x00\x1b\x7f\x9b\u202e\udc80é✓"


def pick_word(random: Random) -> str:
    """Any text that can stand on a command line, which a NUL cannot."""
    kind = random.random()
    if kind < 0.5:
        return random.choice(ARGUMENTS)
    if kind < 0.7:
        return str(random.choice((random.randint(-2, 70), random.getrandbits(40))))
    if kind < 0.85:
        return pick_path(random)
    return make_word(random)


def make_word(random: Random) -> str:
    """Random characters that can stand on a command line; not the whole machine, see `ARGUMENTS`."""
    word = make_text(random, 20).replace("\x00", "")
    return word if word.strip("/.") else word.lstrip("/")


def make_text(random: Random, length: int) -> str:
    """Random characters, odd ones among them."""
    return "".join(random.choice(_ALPHABET) for _ in range(random.randint(0, length)))


def pick_path(random: Random) -> str:
    """Mostly one that exists in the sandbox."""
    if random.random() < 0.85:
        return random.choice(PATHS)
    return random.choice(ARGUMENTS)


def pick_scalar(random: Random) -> object:
    """What can stand in a JSON document."""
    kind = random.randint(0, 9)
    if kind < 4:
        return random.choice(
            (0, 1, -1, 2, 3, 7, 64, 1000, 1001, 65536, 2**31, 2**63 - 1, 2**63, 10**30, 10**400)
        )
    if kind < 6:
        return random.choice((None, True, False, 0.0, -0.5, 1e308, 5e-324))
    if kind < 7:
        return random.choice(([], {}, [[]], [0], {"": 0}, [None]))
    return random.choice(NASTY)
