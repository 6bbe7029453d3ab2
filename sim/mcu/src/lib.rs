//! Boards, budgets, cycles and energy.
