"""May two runs be compared, and what does the comparison show?

`answers` compares accuracies image by image; `speed` compares how fast, with an interval, a verdict
and how many more runs it would take; `differences` says what is not the same.
"""
