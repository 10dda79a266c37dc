"""The parts of `benchmarks/fuzz.py`: inputs, mutations, commands, and children that run them."""
