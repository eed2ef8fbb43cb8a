//! Keys of one or two bytes, ports above all: a slot for each possible key, in pages made as they are needed
//! (`nft_set_bitmap.c`).

/// Keys of a page.
const PAGE: usize = 256;

/// Slots by key.
#[derive(Clone, Debug)]
pub(super) struct DirectIndex {
    key_len: usize,
    /// By the first byte of two-byte keys; slots are one more than they are, 0 is none.
    pages: Vec<Option<Box<[u32; PAGE]>>>,
}

impl DirectIndex {
    /// For keys of one or two bytes.
    pub(super) fn new(key_len: usize) -> DirectIndex {
        DirectIndex { key_len, pages: vec![None; if key_len == 1 { 1 } else { PAGE }] }
    }

    #[inline]
    fn place(&self, key: &[u8]) -> Option<(usize, usize)> {
        match (key, self.key_len) {
            (&[low], 1) => Some((0, usize::from(low))),
            (&[high, low], 2) => Some((usize::from(high), usize::from(low))),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let (page, at) = self.place(key)?;
        self.pages.get(page)?.as_ref()?.get(at)?.checked_sub(1)
    }

    pub(super) fn insert(&mut self, key: &[u8], slot: u32) {
        let Some((page, at)) = self.place(key) else { return };
        if let Some(page) = self.pages.get_mut(page) {
            page.get_or_insert_with(|| Box::new([0; PAGE]))[at] = slot + 1;
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        let Some((page, at)) = self.place(key) else { return };
        let Some(place) = self.pages.get_mut(page) else { return };
        if let Some(page) = place {
            page[at] = 0;
            if page.iter().all(|slot| *slot == 0) {
                *place = None;
            }
        }
    }
}
