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
const ID_BITS: u32 = 48;
const EPOCH_SHIFT: u32 = STATE_BITS + ID_BITS;
const LAST_EPOCH: u64 = u64::MAX >> EPOCH_SHIFT;
const SMALLEST: usize = 1024;

/// A map from tuple ids to [`State`], in one open-addressing table with linear probing.
///
/// A slot is `epoch << 50 | id << 2 | state`, and counts as empty if its epoch is not the present one: forgetting is cheap, as
/// every level of every search begins with it. The hash is multiplicative and fixed, so that equal searches take equal
/// paths. Nothing is ever removed except by [`clear`](Self::clear).
#[derive(Debug)]
pub struct Visited {
    slots: Vec<u64>,
    len: usize,
    shift: u32,
    /// Never 0, which slots that were never used have.
    epoch: u64,
}

impl Visited {
    pub fn new() -> Self {
        Self { slots: vec![0; SMALLEST], len: 0, shift: shift_for(SMALLEST), epoch: 1 }
    }

    /// Forgets everything. A table that was far too large for what it held is cut down; one that fitted stays, and the next
    /// search like the last does not allocate.
    pub fn clear(&mut self) {
        let fitting = slots_for(self.len);
        if self.slots.len() > 16 * fitting {
            self.slots = vec![0; fitting];
            self.shift = shift_for(fitting);
            self.epoch = 1;
        } else if self.epoch == LAST_EPOCH {
            self.slots.fill(0);
            self.epoch = 1;
        } else {
            self.epoch += 1;
        }
        self.len = 0;
    }

    /// Adds an id as [`State::Reached`]; false if it was there, in whichever state.
    pub fn reach(&mut self, id: u64) -> bool {
        let word = self.pack(id, State::Reached);
        let (slot, apart) = self.find(word);
        let is_new = is_empty(apart);
        if is_new {
            self.put(slot, word, apart);
        }
        is_new
    }

    /// Turns an id, new or reached, into [`State::Admitted`]; false if it already was.
    #[inline]
    pub fn admit(&mut self, id: u64) -> bool {
        let word = self.pack(id, State::Admitted);
        let (slot, apart) = self.find(word);
        if apart != 0 {
            self.put(slot, word, apart);
        }
        apart != 0
    }

    /// Takes an admitted id back to [`State::Reached`], so that it can be admitted again.
    pub fn demote(&mut self, id: u64) {
        let word = self.pack(id, State::Reached);
        let (slot, apart) = self.find(word);
        if !is_empty(apart) {
            self.slots[slot] = word;
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

    #[inline]
    fn pack(&self, id: u64, state: State) -> u64 {
        debug_assert!(id >> ID_BITS == 0, "an id has at most 48 bits");
        self.epoch << EPOCH_SHIFT | id << STATE_BITS | state as u64
    }

    /// The slot of a word's id, or the empty one where it belongs, and the bits in which what is there differs from the word.
    #[inline]
    fn find(&self, word: u64) -> (usize, u64) {
        let mask = self.slots.len() - 1;
        let mut slot = hash(id_of(word), self.shift) & mask;
        loop {
            let apart = self.slots[slot] ^ word;
            if is_empty(apart) || apart >> STATE_BITS == 0 {
                return (slot, apart);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Puts a word where [`find`](Self::find) says.
    fn put(&mut self, slot: usize, word: u64, apart: u64) {
        self.slots[slot] = word;
        if is_empty(apart) {
            self.len += 1;
            if 3 * self.len > 2 * self.slots.len() {
                self.grow();
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let larger = 2 * self.slots.len();
        self.shift = shift_for(larger);
        let old = std::mem::replace(&mut self.slots, vec![0; larger]);
        for word in old {
            if word >> EPOCH_SHIFT == self.epoch {
                let (slot, _) = self.find(word);
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

/// Whether a slot that differs from a word of the present epoch in these bits is of another epoch.
#[inline]
fn is_empty(apart: u64) -> bool {
    apart >> EPOCH_SHIFT != 0
}

#[inline]
fn id_of(word: u64) -> u64 {
    word << (64 - EPOCH_SHIFT) >> (64 - ID_BITS)
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
    fn what_was_forgotten_does_not_come_back_when_epochs_begin_anew() {
        let mut visited = Visited::new();
        for round in 0..LAST_EPOCH + 3 {
            assert!(visited.admit(7) && visited.admit(round + 8) && !visited.admit(7), "{round}");
            visited.clear();
        }
        assert!(visited.epoch < 10);
    }

    #[test]
    fn the_largest_and_smallest_ids_are_told_apart() {
        let mut visited = Visited::new();
        let largest = u64::MAX >> (64 - ID_BITS);
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
