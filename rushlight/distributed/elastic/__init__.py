"""Programs that a launcher starts: what of it their code imports."""
