//! An instruction-level emulator of Arm Cortex-M with a cycle model.
