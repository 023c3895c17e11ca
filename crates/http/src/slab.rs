//! A table with generational keys: the key of a removed value finds nothing, even after its slot is reused. epoll returns
//! such keys with its events.
//!
//! Written by hand, because no crate saves more than it costs: `slab` has no generations, so the key of a closed connection
//! would find the newer one in the same slot. `slotmap` has them, but brings 2000 lines, some of them unsafe, and a build
//! dependency to replace these 60; `sharded-slab` is meant for many threads, and only one uses this table.

/// The key of one value, as the 64 bits that epoll carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

impl Key {
    /// The key as the event data for epoll.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The key from epoll's event data.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    fn new(place: usize, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::try_from(place).unwrap_or(0) & 0xffff_ffff)
    }

    fn place(self) -> usize {
        usize::try_from(self.0 & 0xffff_ffff).unwrap_or(usize::MAX)
    }
}

/// The table of values.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Adds a value and returns its key.
    pub fn insert(&mut self, value: T) -> Key {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            self.places.len().saturating_sub(1)
        });
        let Some((generation, slot)) = self.places.get_mut(place) else { return Key::new(place, 0) };
        *slot = Some(value);
        Key::new(place, *generation)
    }

    /// The value under `key`.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (generation, slot) = self.places.get_mut(key.place())?;
        if Key::new(key.place(), *generation) == key { slot.as_mut() } else { None }
    }

    /// Removes a value. Its key never finds anything again.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        let (generation, slot) = self.places.get_mut(key.place())?;
        *generation = generation.wrapping_add(1);
        self.free.push(key.place());
        slot.take()
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.places.len().saturating_sub(self.free.len())
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values with their keys.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> + Clone {
        self.places
            .iter()
            .enumerate()
            .filter_map(|(place, (generation, slot))| slot.as_ref().map(|value| (Key::new(place, *generation), value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_removed_value_finds_nothing() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut 'b'));
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(second, &'b')]);
        assert_eq!(slab.len(), 1);
        assert!(slab.get_mut(Key::from_bits(u64::MAX)).is_none());
    }
}
