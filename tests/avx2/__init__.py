"""The tests that start TensorFlow, on an AVX2-only CPU, and r50 on CPUs that have less.

QEMU's user mode (Debian package qemu-user) executes a program instruction by instruction and shows
it the CPU that was asked for. `make test-avx2` runs it all (`__main__.py`).
"""
