"""Which forms does a model come in, and how does each become a frozen graph?

What a file is shows in its first bytes and is known before anything is started (`kinds`,
`model_file`, and `graph_bytes`, `torch_names`, `torch_pickle` for what lies inside: no numpy, no
framework). The rest runs in the preparation's child process: `reading` dispatches, and every form
ends as one GraphDef with our input and output, compared with what the form's own runtime computes
where that is installed.
"""
