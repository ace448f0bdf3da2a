"""Where do images and labels come from, and how do they become the model's input?

Sources are read in place: nothing is extracted and nothing is written to a dataset. The parent
lists images with `sources` and finds labels with `labels`, without numpy; pixels are touched in the
instances only.

May import `engines` (for the shape of a batch) and the package root.

Public names:
    `sources.open_source`: a folder, a tar or shards of several kinds as a list of images.
    `labels.find.find_labels`: what the images show, found or read, never guessed.
    `profiles.find_profile`: how an image is prepared, exactly.
"""
