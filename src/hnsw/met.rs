//! The distances which a search learnt on its way: from its query to the nodes it visited.

use super::TupleId;
use super::visited::{hash, shift_for};

/// A map from tuple ids to distances, made once: one open-addressing table with linear probing, at most a quarter full, so
/// that most questions are answered by the first slot.
///
/// A neighbour that takes a new node's link compares it with its own links. It knows these by codes, and so does not
/// know their distances to the new node exactly; but some two in five of them were visited by the new node's own search.
#[derive(Debug)]
pub struct Met {
    slots: Vec<(u64, f32)>,
    shift: u32,
}

/// No id, which fits 48 bits.
const EMPTY: u64 = u64::MAX;

impl Met {
    /// Of these nodes.
    pub fn of<Id: TupleId>(nodes: impl ExactSizeIterator<Item = (Id, f32)>) -> Self {
        let size = (4 * nodes.len()).next_power_of_two().max(2);
        let mut met = Self { slots: vec![(EMPTY, 0.0); size], shift: shift_for(size) };
        for (id, distance) in nodes {
            let id = id.into();
            let at = met.position(id);
            met.slots[at] = (id, distance);
        }
        met
    }

    /// Of no nodes.
    pub fn none() -> Self {
        Self::of(std::iter::empty::<(u64, f32)>())
    }

    /// The distance to a node that was visited; `otherwise` to another one.
    ///
    /// Which of the two it is, nothing foretells: no branch but for the slots that others took.
    #[inline]
    pub fn distance_or<Id: TupleId>(&self, id: Id, otherwise: f32) -> f32 {
        let id = id.into();
        let mut slot = hash(id, self.shift) & (self.slots.len() - 1);
        if (self.slots[slot].0 != id) & (self.slots[slot].0 != EMPTY) {
            slot = self.position(id);
        }
        let (found, distance) = self.slots[slot];
        let mask = u32::from(found == id).wrapping_neg();
        f32::from_bits(distance.to_bits() & mask | otherwise.to_bits() & !mask)
    }

    /// The slot of an id, or the empty one where it belongs.
    #[inline]
    fn position(&self, id: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash(id, self.shift) & mask;
        while self.slots[slot].0 != EMPTY && self.slots[slot].0 != id {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_met_has_its_distance_and_no_other_has_one() {
        for count in [0u64, 1, 2, 3, 64, 100, 1000] {
            let id = |i: u64| ((i * i) << 16) | (i % 7);
            let met = Met::of((0..count as usize).map(|i| (id(i as u64), i as f32)));
            for i in 0..count {
                assert_eq!(met.distance_or(id(i), -1.0), i as f32);
            }
            assert!((count..count + 100).all(|i| met.distance_or(id(i), -1.0) == -1.0));
        }
        assert_eq!(Met::none().distance_or(0u64, -1.0), -1.0);
    }
}
