"""What is a ResNet-50 graph, and how is one made or rewritten?

Structure check, generation, folding, splitting, conversion: pure functions on a GraphDef. Runs in
the preparation's child process, where TensorFlow may be imported.
"""
