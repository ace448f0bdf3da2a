"""Machines we do not have, written as snapshot folders or built as `Host` values."""
