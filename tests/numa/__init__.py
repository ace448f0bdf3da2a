"""Placement checked inside a machine with two sockets: a guest under QEMU's software emulation."""
