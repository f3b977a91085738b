"""Settings of torch.fx."""

# Whether long passes keep quiet about how far they are, and whether they say more.
disable_progress = True
verbose_progress = False
# Whether generated code goes without the lines of the source that it came from.
do_not_emit_stack_traces = False
