"""The figures of the back office's first page: read in one snapshot, shown, and never decided on."""
