//! Captures and clocks.
