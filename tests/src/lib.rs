//! Tests across crates: the command line, bit-exactness, budgets, reports.
