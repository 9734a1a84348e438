"""The networks that the multi-scale attention family was compared with (Table II)."""
