"""The Recycle Bin: rules for how long deleted snapshots can be had back."""
