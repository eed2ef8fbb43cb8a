//! Resolving: types, symbols and implied matches.

mod keys;
mod left;
mod payload;
mod protocols;
mod right;

pub(crate) use payload::ones;
pub(crate) use right::{compatible, is_interval};

pub use keys::{
    CT_KEYS, META_KEYS, RT_KEYS, SOCKET_KEYS, XFRM_KEYS, ct_shape, meta_key, meta_name, meta_shape, rt_shape,
    socket_shape, xfrm_shape,
};
pub use protocols::Protocols;
