"""Where a program spends its time: python -m rushlight.utils.bottleneck script.py arguments."""
