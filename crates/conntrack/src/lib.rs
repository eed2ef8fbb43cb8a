//! Connection tracking and NAT.
