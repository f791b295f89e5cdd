//! Whether a node takes a link to a new node, decided from what stands on its own page.
//!
//! Textbook HNSW reads every neighbour of every neighbour to redo the selection. Here a node remembers of each link
//! one bit, its *flag*: another link hides it (the selection would pass over it), so it is the first to go. A new
//! node is compared with the links as they are coded in the node, the flags are brought up to date by that one
//! comparison, and a full node gives up the farthest flagged link.
//!
//! What a tie hides is said at [`Alpha::hides`]: without care, equal vectors drive all others out of a list.

use super::select::Alpha;

/// How many links a node can have: m = 100 means 200, and up to a quarter more to fill a page.
pub const MAX_LINKS: usize = 256;

/// A bit for each link of a node: whether another link hides it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub [u64; MAX_LINKS / 64]);

impl Flags {
    /// The flags of a new node, whose fillers come after the links the heuristic chose.
    pub fn of_fillers(chosen: usize, links: usize) -> Self {
        let mut flags = Self::default();
        (chosen..links).for_each(|slot| flags.set(slot, true));
        flags
    }

    pub fn get(&self, slot: usize) -> bool {
        self.0.get(slot / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// Slots from [`MAX_LINKS`] on have no flag.
    pub fn set(&mut self, slot: usize, flag: bool) {
        if let Some(word) = self.0.get_mut(slot / 64) {
            let bit = 1 << (slot % 64);
            *word = if flag { *word | bit } else { *word & !bit };
        }
    }
}

/// A new node as a full or not so full node sees it.
///
/// Distances may be squared, negative or estimates, as long as all are of one kind, for which `alpha` is made. If that is one,
/// only their order counts.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// From this node to the new one (D).
    pub distance: f32,
    /// From this node to each of its neighbours (R).
    pub to_neighbours: &'a [f32],
    /// From the new node to each of these neighbours (E).
    pub between: &'a [f32],
    pub alpha: Alpha,
}

/// What becomes of a new node's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is written to this slot, the first free one or one that is given up, and the flags are replaced by these.
    Write { slot: usize, flags: Flags },
    /// Nothing changes.
    Refuse,
}

impl Newcomer<'_> {
    /// Decides for a node with these flags and room for `capacity` links, of which the slices' length are taken.
    pub fn decide(&self, mut flags: Flags, capacity: usize) -> Decision {
        let taken = self.to_neighbours.len();
        let (distance, alpha) = (comparable(self.distance), self.alpha);
        let hiding =
            self.slots_where(|own, between| (own <= distance) & alpha.hides(own, between, distance), &flags);
        let is_hidden = !hiding.is_empty();
        if !is_hidden {
            flags = flags.or(self.slots_where(
                |own, between| (own > distance) & alpha.hides(distance, between, own),
                &Flags::default(),
            ));
        }
        let slot = if taken < capacity.min(MAX_LINKS) {
            taken
        } else {
            // The new node is itself one of those which may go, if it is hidden or nobody is.
            let only_flagged = is_hidden || !flags.is_empty();
            let newcomer = (is_hidden || !only_flagged).then_some((distance, None));
            let links =
                self.to_neighbours.iter().enumerate().filter(|&(slot, _)| !only_flagged || flags.get(slot));
            let links = links.map(|(slot, &own)| (comparable(own), Some(slot)));
            let farthest =
                newcomer.into_iter().chain(links).reduce(|far, next| if next.0 > far.0 { next } else { far });
            match farthest {
                Some((_, Some(slot))) => slot,
                _ => return Decision::Refuse,
            }
        };
        flags.set(slot, is_hidden);
        Decision::Write { slot, flags }
    }

    /// The slots, but for those in `except`, of which a predicate of the distances holds: from the node to the neighbour,
    /// and from the new node to it.
    ///
    /// Every neighbour is compared with every new node that comes by, and nothing foretells the outcome: no branches.
    #[inline]
    fn slots_where(&self, is_so: impl Fn(f32, f32) -> bool, except: &Flags) -> Flags {
        let mut slots = Flags::default();
        let (own, own_rest) = self.to_neighbours.as_chunks::<8>();
        let (between, between_rest) = self.between.as_chunks::<8>();
        let eights = own.iter().zip(between).map(|(own, between)| eight_where(own, between, &is_so));
        let rest = || {
            let mut padded = [[0.0; 8]; 2];
            padded[0][..own_rest.len()].copy_from_slice(own_rest);
            padded[1][..between_rest.len()].copy_from_slice(between_rest);
            eight_where(&padded[0], &padded[1], &is_so) & ((1 << own_rest.len()) - 1)
        };
        for (i, eight) in eights.chain(std::iter::once_with(rest)).enumerate() {
            if let Some(word) = slots.0.get_mut(i / 8) {
                *word |= eight << (i % 8 * 8);
            }
        }
        slots.0.iter_mut().zip(except.0).for_each(|(word, except)| *word &= !except);
        slots
    }

    /// For a new node which every neighbour refused, so that no path leads to it: the link a full node gives up all
    /// the same, the farthest of those for which `is_shared` says that the new node has it as well. Then the
    /// neighbour given up is reached through the new node, and nobody is lost. `Refuse` if there is no such link.
    pub fn insist(&self, mut flags: Flags, is_shared: impl Fn(usize) -> bool) -> Decision {
        let shared =
            self.to_neighbours.iter().enumerate().filter(|&(slot, _)| slot < MAX_LINKS && is_shared(slot));
        let rank = |slot, distance| (flags.get(slot), comparable(distance));
        let given_up = shared
            .map(|(slot, &own)| (rank(slot, own), slot))
            .reduce(|far, next| if next.0 > far.0 { next } else { far });
        match given_up {
            Some((_, slot)) => {
                flags.set(slot, false);
                Decision::Write { slot, flags }
            }
            None => Decision::Refuse,
        }
    }
}

/// The lanes of which a predicate holds, as the bits of a byte.
#[inline]
fn eight_where(own: &[f32; 8], between: &[f32; 8], is_so: impl Fn(f32, f32) -> bool) -> u64 {
    let mut bits = [0u32; 8];
    for lane in 0..8 {
        bits[lane] = u32::from(is_so(comparable(own[lane]), comparable(between[lane]))) << lane;
    }
    u64::from(bits.iter().sum::<u32>())
}

/// A distance that is not a number counts as the farthest.
fn comparable(distance: f32) -> f32 {
    if distance.is_nan() { f32::INFINITY } else { distance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flags_of(bits: &[bool]) -> Flags {
        let mut flags = Flags::default();
        bits.iter().enumerate().for_each(|(slot, &bit)| flags.set(slot, bit));
        flags
    }

    #[derive(Clone, Debug)]
    struct Case {
        distance: f32,
        own: Vec<f32>,
        between: Vec<f32>,
        flags: Flags,
        capacity: usize,
    }

    impl Case {
        fn decide(&self) -> Decision {
            let newcomer = Newcomer {
                distance: self.distance,
                to_neighbours: &self.own,
                between: &self.between,
                alpha: Alpha::ONE,
            };
            newcomer.decide(self.flags, self.capacity)
        }

        fn is_hidden(&self) -> bool {
            (0..self.own.len()).any(|b| {
                !self.flags.get(b)
                    && self.own[b] <= self.distance
                    && (self.between[b] < self.distance
                        || self.between[b] == self.distance && self.own[b] == self.distance)
            })
        }
    }

    /// Small whole numbers, so that ties are common; negative ones as with inner products.
    fn case() -> impl Strategy<Value = Case> {
        (1..250usize, 0..3usize).prop_flat_map(|(links, free)| {
            let distances = || prop::collection::vec((-9..30i32).prop_map(|d| d as f32), links);
            let flags = prop::collection::vec(any::<bool>(), links);
            let flags = prop_oneof![flags, Just(vec![false; links])];
            (-9..30i32, distances(), distances(), flags).prop_map(move |(distance, own, between, flags)| {
                Case {
                    distance: distance as f32,
                    own,
                    between,
                    flags: flags_of(&flags),
                    capacity: links + free,
                }
            })
        })
    }

    proptest! {
        #[test]
        fn a_node_with_room_takes_every_link(mut case in case()) {
            case.capacity = case.own.len() + 1;
            let Decision::Write { slot, flags } = case.decide() else { panic!("refused") };
            prop_assert_eq!(slot, case.own.len());
            prop_assert_eq!(flags.get(slot), case.is_hidden());
        }

        #[test]
        fn a_full_node_gives_up_the_farthest_hidden_link_or_else_the_farthest(mut case in case()) {
            case.capacity = case.own.len();
            let hidden = case.is_hidden();
            let before = |b: usize| case.flags.get(b);
            let after = |b: usize| {
                before(b) || !hidden && case.own[b] > case.distance && case.between[b] < case.own[b]
            };
            let mut may_go: Vec<f32> = (0..case.own.len()).filter(|&b| after(b)).map(|b| case.own[b]).collect();
            may_go.extend(hidden.then_some(case.distance));
            if may_go.is_empty() {
                may_go = case.own.clone();
                may_go.push(case.distance);
            }
            let farthest = may_go.into_iter().fold(f32::NEG_INFINITY, f32::max);
            match case.decide() {
                Decision::Write { slot, flags } => {
                    prop_assert_eq!(case.own[slot], farthest);
                    prop_assert_eq!(flags.get(slot), hidden);
                    for b in (0..case.own.len()).filter(|&b| b != slot) {
                        prop_assert_eq!(flags.get(b), after(b));
                    }
                    (case.own.len()..MAX_LINKS).for_each(|b| assert!(!flags.get(b)));
                }
                Decision::Refuse => prop_assert_eq!(case.distance, farthest),
            }
        }

        #[test]
        fn only_the_order_of_distances_counts(case in case()) {
            let bend = |d: f32| d * 3.0 - 100.0;
            let bent = Case {
                distance: bend(case.distance),
                own: case.own.iter().copied().map(bend).collect(),
                between: case.between.iter().copied().map(bend).collect(),
                ..case.clone()
            };
            prop_assert_eq!(case.decide(), bent.decide());
        }

        #[test]
        fn a_link_nearer_than_the_new_node_is_never_newly_flagged(case in case()) {
            if let Decision::Write { slot, flags } = case.decide() {
                for b in (0..case.own.len()).filter(|&b| b != slot && case.own[b] <= case.distance) {
                    prop_assert_eq!(flags.get(b), case.flags.get(b));
                }
            }
        }
    }

    #[test]
    fn a_new_node_between_two_links_hides_the_far_one_and_takes_its_place() {
        // v    x  a        b       on a line: v at 0, x at 4, a at 6, b at 12
        let case = Case {
            distance: 16.0,
            own: vec![36.0, 144.0],
            between: vec![4.0, 64.0],
            flags: Flags::default(),
            capacity: 2,
        };
        let mut expected = Flags::default();
        expected.set(0, true);
        assert_eq!(case.decide(), Decision::Write { slot: 1, flags: expected });
    }

    #[test]
    fn distances_that_are_not_numbers_are_given_up_first() {
        let case = Case {
            distance: 5.0,
            own: vec![1.0, f32::NAN, 3.0],
            between: vec![9.0, f32::NAN, 9.0],
            flags: Flags::default(),
            capacity: 3,
        };
        assert_eq!(case.decide(), Decision::Write { slot: 1, flags: Flags::default() });
    }

    #[test]
    fn a_node_nobody_takes_gets_the_farthest_link_it_shares_flagged_ones_first() {
        let newcomer = Newcomer {
            distance: 9.0,
            to_neighbours: &[1.0, 5.0, 3.0, 7.0],
            between: &[9.0; 4],
            alpha: Alpha::ONE,
        };
        let mut flags = Flags::default();
        flags.set(0, true);
        flags.set(2, true);
        let without = |slot| {
            let mut flags = flags;
            flags.set(slot, false);
            flags
        };
        assert_eq!(newcomer.insist(flags, |_| true), Decision::Write { slot: 2, flags: without(2) });
        assert_eq!(newcomer.insist(flags, |slot| slot % 2 == 1), Decision::Write { slot: 3, flags });
        assert_eq!(newcomer.insist(flags, |_| false), Decision::Refuse);
    }

    #[test]
    fn no_slot_lies_beyond_the_flags() {
        let many = vec![1.0; MAX_LINKS];
        let newcomer = Newcomer { distance: 2.0, to_neighbours: &many, between: &many, alpha: Alpha::ONE };
        assert_eq!(newcomer.decide(Flags::default(), 1000), Decision::Refuse);
    }

    #[test]
    fn fillers_start_flagged() {
        let flags = Flags::of_fillers(63, 66);
        let flagged: Vec<usize> = (0..MAX_LINKS).filter(|&slot| flags.get(slot)).collect();
        assert_eq!(flagged, [63, 64, 65]);
    }
}
