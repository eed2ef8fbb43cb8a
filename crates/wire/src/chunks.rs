//! An array that grows without moving: what a table keeps for each connection, a set for each element.
//!
//! A `Vec` of a million connections that doubles copies a hundred megabytes while packets wait. Here a chunk is added
//! instead, so that the longest wait is that for one chunk, and no more than a chunk is allocated in vain. The first chunk
//! alone grows as a `Vec` does: most sets hold a few elements.

/// Items of a chunk.
const CHUNK: usize = 1024;

/// A growing array, reached by index.
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Chunks { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    /// Adds an item and tells its index. The caller bounds how many there are.
    pub fn push(&mut self, item: T) -> u32 {
        let index = self.len;
        if (index as usize).is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(if index == 0 { 0 } else { CHUNK }));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(item);
            self.len += 1;
        }
        index
    }

    /// An item.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.chunks.get(index as usize / CHUNK)?.get(index as usize % CHUNK)
    }

    /// An item, to change.
    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.chunks.get_mut(index as usize / CHUNK)?.get_mut(index as usize % CHUNK)
    }

    /// Every item in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// How many items there are.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// An array whose places are given out and taken back.
#[derive(Clone, Debug)]
pub struct Pool<T> {
    items: Chunks<T>,
    free: Vec<u32>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool { items: Chunks::default(), free: Vec::new() }
    }
}

impl<T: Default> Pool<T> {
    /// A place with a fresh item.
    pub fn take(&mut self) -> u32 {
        match self.free.pop() {
            Some(index) => {
                if let Some(item) = self.items.get_mut(index) {
                    *item = T::default();
                }
                index
            }
            None => self.items.push(T::default()),
        }
    }

    /// Gives a place back; it must have been taken.
    pub fn give_back(&mut self, index: u32) {
        self.free.push(index);
    }

    /// What a place holds.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.items.get(index)
    }

    /// What a place holds, to change.
    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.items.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_where_they_are_while_others_come() {
        let mut chunks = Chunks::default();
        for number in 0..5000_u32 {
            assert_eq!(chunks.push(number), number);
        }
        let first: *const u32 = chunks.get(7).unwrap();
        for number in 5000..50_000_u32 {
            chunks.push(number);
        }
        assert!(std::ptr::eq(first, chunks.get(7).unwrap()));
        assert!(chunks.iter().copied().eq(0..50_000));
        assert_eq!((chunks.get(50_000), chunks.len()), (None, 50_000));
    }

    #[test]
    fn a_place_given_back_is_fresh_when_it_is_taken_again() {
        let mut pool = Pool::<u64>::default();
        let (first, second) = (pool.take(), pool.take());
        *pool.get_mut(first).unwrap() = 7;
        *pool.get_mut(second).unwrap() = 8;
        pool.give_back(first);
        assert_eq!((pool.take(), pool.get(first), pool.get(second)), (first, Some(&0), Some(&8)));
    }
}
