//! The set of tuples a search has come across.

/// How far a tuple got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Scored or kept for later, but not in the beam.
    Reached = 1,
    /// In the beam now, or was, in a search which does not keep what falls off.
    Admitted = 2,
}

const STATE_BITS: u32 = 2;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;
const EMPTY: u64 = 0;
const SMALLEST: usize = 1024;

/// A map from tuple ids to [`State`], in one open-addressing table with linear probing.
///
/// A slot is `id << 2 | state`, 0 when empty. The hash is multiplicative and fixed, so that equal searches take equal
/// paths. Nothing is ever removed except by [`clear`](Self::clear).
#[derive(Debug)]
pub struct Visited {
    slots: Vec<u64>,
    len: usize,
    shift: u32,
}

impl Visited {
    pub fn new() -> Self {
        Self { slots: vec![EMPTY; SMALLEST], len: 0, shift: shift_for(SMALLEST) }
    }

    /// Forgets everything. Costs a write to each slot, so a table that was far too large for what it held is cut
    /// down; one that fitted stays, and the next search like the last does not allocate.
    pub fn clear(&mut self) {
        let fitting = slots_for(self.len);
        if self.slots.len() > 16 * fitting {
            self.slots = vec![EMPTY; fitting];
            self.shift = shift_for(fitting);
        } else {
            self.slots.fill(EMPTY);
        }
        self.len = 0;
    }

    /// Adds an id as [`State::Reached`]; false if it was there, in whichever state.
    pub fn reach(&mut self, id: u64) -> bool {
        let (slot, found) = self.find(id);
        if !found {
            self.fill(slot, id, State::Reached);
        }
        !found
    }

    /// Turns an id, new or reached, into [`State::Admitted`]; false if it already was.
    pub fn admit(&mut self, id: u64) -> bool {
        let (slot, found) = self.find(id);
        if !found {
            self.fill(slot, id, State::Admitted);
            return true;
        }
        let word = pack(id, State::Admitted);
        self.slots.get_mut(slot).is_some_and(|stored| std::mem::replace(stored, word) != word)
    }

    /// Takes an admitted id back to [`State::Reached`], so that it can be admitted again.
    pub fn demote(&mut self, id: u64) {
        let (slot, found) = self.find(id);
        if found && let Some(stored) = self.slots.get_mut(slot) {
            *stored = pack(id, State::Reached);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The memory it holds.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }

    /// The slot of an id, or the one where it belongs.
    #[inline]
    fn find(&self, id: u64) -> (usize, bool) {
        let mask = self.slots.len() - 1;
        let mut slot = hash(id, self.shift);
        loop {
            let stored = self.slots[slot & mask];
            if stored == EMPTY {
                return (slot & mask, false);
            }
            if stored >> STATE_BITS == id & (u64::MAX >> STATE_BITS) {
                return (slot & mask, true);
            }
            slot += 1;
        }
    }

    #[inline]
    fn fill(&mut self, slot: usize, id: u64, state: State) {
        self.slots[slot] = pack(id, state);
        self.len += 1;
        if 3 * self.len > 2 * self.slots.len() {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let larger = 2 * self.slots.len();
        self.shift = shift_for(larger);
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; larger]);
        for word in old {
            if word != EMPTY {
                let (slot, _) = self.find(word >> STATE_BITS);
                self.slots[slot] = word;
            }
        }
    }
}

impl Default for Visited {
    fn default() -> Self {
        Self::new()
    }
}

fn pack(id: u64, state: State) -> u64 {
    debug_assert!(id <= u64::MAX >> STATE_BITS, "an id has at most 62 bits");
    id << STATE_BITS | (state as u64 & STATE_MASK)
}

/// The number of slots that keeps the table at most two thirds full.
fn slots_for(len: usize) -> usize {
    (len * 3 / 2 + 1).next_power_of_two().max(SMALLEST)
}

pub(super) fn shift_for(slots: usize) -> u32 {
    u64::BITS - slots.trailing_zeros()
}

#[inline]
pub(super) fn hash(id: u64, shift: u32) -> usize {
    (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> shift) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn agrees_with_a_hash_map_over_random_steps() {
        let mut random = crate::hnsw::memory::Random::new(7);
        let mut visited = Visited::new();
        for round in 0..5 {
            let mut expected: HashMap<u64, State> = HashMap::new();
            for _ in 0..20_000 {
                // Ids like (block, offset) pairs, many of them repeated.
                let id = (random.below(300) as u64) << 16 | random.below(20 * (round + 1)) as u64;
                let before = expected.get(&id).copied();
                match random.below(3) {
                    0 => {
                        assert_eq!(visited.reach(id), before.is_none());
                        expected.entry(id).or_insert(State::Reached);
                    }
                    1 => {
                        assert_eq!(visited.admit(id), before != Some(State::Admitted));
                        expected.insert(id, State::Admitted);
                    }
                    _ => {
                        visited.demote(id);
                        expected.entry(id).and_modify(|state| *state = State::Reached);
                    }
                }
            }
            assert_eq!(visited.len(), expected.len());
            visited.clear();
            assert_eq!(visited.len(), 0);
        }
    }

    #[test]
    fn the_largest_and_smallest_ids_are_told_apart() {
        let mut visited = Visited::new();
        let largest = u64::MAX >> STATE_BITS;
        assert!(visited.admit(0) && visited.admit(largest) && visited.reach(1));
        assert!(!visited.admit(0) && !visited.admit(largest) && !visited.reach(1));
    }

    #[test]
    fn a_table_that_fits_is_kept_and_one_far_too_large_is_cut_down() {
        let mut visited = Visited::new();
        (0..100_000).for_each(|id| assert!(visited.admit(id)));
        let large = visited.bytes();
        assert!(large <= 100_000 * 8 * 3, "{large}");
        visited.clear();
        assert_eq!(visited.bytes(), large);
        visited.admit(1);
        visited.clear();
        assert!(visited.bytes() < large);
        assert!(visited.admit(1));
    }
}
