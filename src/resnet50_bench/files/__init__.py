"""How are files written whole or not at all, and paths taken as people type them?

Imports nothing of ours.

Public names:
    `atomic.write_atomically`: a file in one step.
    `atomic.check_folder`: could a file be made there; writes nothing.
    `hashes.hash_path`: the SHA-256 of a file or a folder.
    `paths.read_content`: what a file or a pipe holds; an endless device is refused.
"""
