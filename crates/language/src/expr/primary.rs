//! What may stand on the left of a comparison, and what statements take as their value.
