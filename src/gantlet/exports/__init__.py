"""A trained generator leaves gantlet: ONNX, a program of PyTorch, or a model folder with its card."""
