"""Fetch a data set: download that goes on where it stopped, verify, unpack."""
