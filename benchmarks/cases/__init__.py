"""What is measured, a file each.

A case explains itself in its docstring and has `rows(quick)`: from the names of rows to two
contenders and the arguments with which `measure` is called in a process of its own; `COLUMNS`, the
numbers that it returns, and `COMPARED`, those that make a ratio. A case whose table is another one
makes it itself (`report`), and says how often it measures (`REPEATS`). Importing a case imports no
library: the process that measures does.
"""
