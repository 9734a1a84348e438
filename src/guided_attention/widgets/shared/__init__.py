"""What the widgets have in common: their base, their page, how arrays travel, what they accept as input."""
