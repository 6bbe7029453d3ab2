//! From a network to a Program: graph, autodiff, update schemes, memory planner.
