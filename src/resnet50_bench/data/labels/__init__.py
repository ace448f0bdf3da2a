"""What do the images show? Labels are found or read, never guessed.

Every label is 0..999, in the order of the sorted synsets (WNIDs such as n01440764), whatever the
file it comes from counts by.

Imports `sources` and the package root.

Public names:
    `find.find_labels`: the labels of a source's images, from wherever they are.
    `files.LabelFile`: a file of labels; what it holds is found out and told.
    `orders.read_order`: which class a number stands for, in labels or among a model's outputs.
    `classes.read_classes`: the 1000 classes.
"""
