"""How is an instance started inside gramine: in an enclave, or without SGX under gramine-direct?

A manifest is made for the run (`manifest`), signed by gramine's own tools, and the same worker is
started from it (`launcher`).
"""
