"""What was read of the CPUs while instances measured: raw counters, nothing computed from them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSample:
    """The kernel's counters at one moment; only differences of two samples mean anything.

    Attributes:
        at_ns: when, on the host's monotonic clock.
        busy_ticks: of each CPU, in the order of `Contention.cpus`: time in processes, ours and
            others', guests of a hypervisor included (user + nice + system of /proc/stat).
        interrupt_ticks: time in interrupts, hard and soft.
        steal_ticks: time in which a virtual CPU wanted to run and its host ran something else.
        own_ns: processor time of each instance, in their order.
        throttled_ns: how long the CPU quota of a cgroup held our processes back; None without one.
        heat_stops: how often the CPUs slowed down because of heat; None where it is not counted.
        khz: frequency of the first CPU of each instance, () where the kernel does not tell.
    """

    at_ns: int
    busy_ticks: tuple[int, ...]
    interrupt_ticks: tuple[int, ...]
    steal_ticks: tuple[int, ...]
    own_ns: tuple[int, ...]
    throttled_ns: int | None = None
    heat_stops: int | None = None
    khz: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTime:
    """A process that is not ours and used processor time meanwhile.

    Attributes:
        pid: of it.
        name: the kernel's short name of it, as it is: whoever prints it escapes it.
        cpu_ticks: processor time between the first sample and the last.
        cpus: where its threads were last seen, ascending.
    """

    pid: int
    name: str
    cpu_ticks: int
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contention:
    """Everything read between the word to measure and the last result.

    Attributes:
        cpus: that were looked at: the instances' own, and the other hardware threads of their
            cores.
        ticks_per_s: the unit of the kernel's counters.
        samples: by time; two or more.
        processes: others that used processor time, the most first; () where none was looked for.
    """

    cpus: tuple[int, ...]
    ticks_per_s: int
    samples: tuple[CpuSample, ...]
    processes: tuple[ProcessTime, ...] = ()
