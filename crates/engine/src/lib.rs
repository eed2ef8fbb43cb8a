//! The packet engine.
