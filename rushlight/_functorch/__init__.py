"""Where PyTorch keeps the workings of torch.func, which libraries reach into."""
