"""neve shown at work: a real disk image through the whole service, a killed server included."""
