//! The nft language.
