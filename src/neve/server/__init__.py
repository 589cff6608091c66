"""The shell around the core: HTTP, the pipeline, background work."""
