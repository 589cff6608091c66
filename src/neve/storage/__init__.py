"""What neve exists for: group commit, chunks, block maps on chunks, completion."""
