"""What regulators ask, as pure code: formulas with the standard's clause, rules as tables of parameters.

Nothing here has a clock, a log or an instrument. `gateway/pipeline` applies it to readings; `gateway/settings` reads
its keys from site files and profiles. docs/pipeline.md is the guide, with what is verified and what is not.
"""
