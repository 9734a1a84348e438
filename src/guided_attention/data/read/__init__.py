"""Readers, one for each kind of file, all of which give a `Volume`."""
