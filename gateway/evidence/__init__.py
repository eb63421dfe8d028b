"""Checks a feed from outside, as any third party could: gaps, doubles, edits, signatures, daily sums.

    recorded feed ─┐                    ┌─ chain.py   one stream: every seq once, each prev fits, who signed
    log file ──────┼─ Item ─► check.py ─┤
    signed bundle ─┤         (any order,└─ daily.py   what `completeness` events say against the samples seen
    live broker ───┘          repeats)           └─► report.py  findings and notes, for people and programs

Nothing here trusts the gateway: what can be computed from the bodies is computed again.
"""
