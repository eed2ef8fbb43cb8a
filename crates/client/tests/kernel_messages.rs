//! nf_tables messages held against this machine's kernel and Debian's nft, in network namespaces.
//!
//! - What our lowering sends of every dump in the corpus, the kernel takes; what it tells then is read, written again, and
//!   must be the same attributes.
//! - What stock nft sends for them (`strace -e write=all`) is read as changes, and those are written as nft wrote them.
//!
//! Needs root, `unshare`, for the second `nft` and `strace`; says so and skips elsewhere, and fails if `CI=true`.

mod kernel_messages {
    pub(crate) mod place;
    pub(crate) mod stock;
    pub(crate) mod told;
    pub(crate) mod tree;
}

use kernel_messages::{place, stock, told};

#[test]
fn what_the_kernel_tells_is_written_as_it_came() {
    let Some(dumps) = place::in_namespace("what_the_kernel_tells_is_written_as_it_came", &[]) else { return };
    told::hold(&dumps);
}

#[test]
fn what_stock_nft_sends_is_read_and_written_again() {
    let name = "what_stock_nft_sends_is_read_and_written_again";
    let Some(dumps) = place::in_namespace(name, &["nft", "strace"]) else { return };
    stock::hold(&dumps);
}
