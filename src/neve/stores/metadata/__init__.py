"""Records: accounts, snapshots, blocks, chunks, segments."""
