"""The runner: applies and reverts numbered SQL files, each one wholly or not at all.

`cli` stands on top of `apply`, which decides with `plan`, works through `ledger` and `lock`, and
reads files through `migration` and `scanner`. Nothing here knows of the API.
"""
