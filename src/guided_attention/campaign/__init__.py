"""A time budget on one machine, as many cells of the grid as fit: the parts of ``benchmarks/gpu_campaign.py``.

`carry` (what a bare machine needs) -> `probe` (seconds and bytes of a step) -> `planning` (what fits) -> `pool`
(processes side by side, until the time is over) -> `work` (one cell) -> `export` (best models in half precision).
"""
