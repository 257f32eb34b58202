"""What gantlet's speed is compared with: a plain PyTorch loop, and the arithmetic that a step cannot do without.

``python -m benchmarks`` prints everything, ``python -m benchmarks ring lone`` those parts, ``--json FILE`` keeps the
numbers. Whatever is compared is measured in one run, in short windows taken in turn, so that a busy machine disturbs
all sides alike.
"""
