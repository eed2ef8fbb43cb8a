//! What may stand on the right of a comparison, and as elements of sets.
