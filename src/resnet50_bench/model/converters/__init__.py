"""What the runtimes besides TensorFlow load, made of a prepared graph: one file a runtime.

The graph is read once as a list of layers (`layers`), of which each writes what its runtime takes.
Each `convert` runs in the converter's child process and may import any framework.
"""
