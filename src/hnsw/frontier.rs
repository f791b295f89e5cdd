//! Where a search may go next: the beam, what was seen, and, for a search that can be resumed, what fell off.

use super::TupleId;
use super::select::Alpha;
use super::visited::Visited;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A tuple to visit, and how far it seems to be. Ordered so that the *nearest* is the greatest, as `BinaryHeap` wants
/// it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<Id> {
    pub estimate: f32,
    pub id: Id,
}

impl<Id: TupleId> Ord for Candidate<Id> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.estimate.total_cmp(&self.estimate).then_with(|| other.id.cmp(&self.id))
    }
}

impl<Id: TupleId> PartialOrd for Candidate<Id> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<Id: TupleId> PartialEq for Candidate<Id> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<Id: TupleId> Eq for Candidate<Id> {}

#[derive(Clone, Copy, Debug)]
struct Entry<Id> {
    estimate: f32,
    visited: bool,
    id: Id,
}

/// How many dead nodes a beam does not count, for each of its entries.
///
/// A search through a graph that waits for its repair still finds what it is asked for, and one through a graph
/// without live nodes still ends.
const DEAD_PER_ENTRY: usize = 8;

/// What the frontier does with a neighbour that does not fit the beam, and with those in general.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// It is forgotten.
    Beam,
    /// It is kept, for the search to be resumed with.
    BeamAndKept,
    /// Nothing is taken, not even what would fit.
    Closed,
}

/// How widely a level is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beam {
    /// Most entries.
    pub width: usize,
    /// None where every entry is visited.
    pub tail: Option<Tail>,
}

impl Beam {
    /// Of which every entry is visited.
    pub fn of(width: usize) -> Self {
        Self { width, tail: None }
    }

    /// For nodes that a new one is to be linked to.
    pub(super) fn of_insertion(width: usize, alpha: Alpha) -> Self {
        let tail = Tail { first: width * 5 / 7, middle: width * 3 / 7, alpha };
        Self { width, tail: (alpha != Alpha::ONE).then_some(tail) }
    }
}

/// Which of a beam's last entries are not visited: all from the first on that is alpha times as far as one nearer the middle.
///
/// How wide a beam has to be differs from query to query. Where many nodes are about as far as those that are sought, estimates
/// err about which of them is nearer, and many ways lead there; where few are, what is much farther away is hardly the way to
/// anything. (A search that ends by the distance of the k-th nearest: Al-Jazzazi et al., *Distance adaptive beam search for
/// provably accurate graph-based nearest neighbor search*, 2025.) `storage/fused.rs` has the figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// So many entries are visited at least.
    pub first: usize,
    /// The entry that others are compared with, counted from one.
    pub middle: usize,
    pub alpha: Alpha,
}

impl Tail {
    /// Whether the beam is visited no further than to this entry.
    #[inline]
    fn begins_at<Id>(&self, index: usize, beam: &[Entry<Id>]) -> bool {
        let middle = self.middle.checked_sub(1).and_then(|middle| beam.get(middle));
        let is_far = |(middle, entry): (&Entry<Id>, &Entry<Id>)| {
            self.alpha.is_beyond(middle.estimate.max(self.alpha.zero()), entry.estimate)
        };
        index >= self.first && middle.zip(beam.get(index)).is_some_and(is_far)
    }
}

/// The candidates of a search of one level: neighbours are offered to it, and the nearest unvisited one is taken out.
///
/// The *beam* is the first `width` entries of one array in order of their estimates, visited and unvisited ones
/// together. Behind it the array holds a *reserve*, of no entries at first: see [`discount`](Self::discount).
#[derive(Debug)]
pub struct Frontier<Id> {
    level: u8,
    width: usize,
    reserve: usize,
    confirmed: usize,
    discounted: usize,
    intake: Intake,
    tail: Option<Tail>,
    beam: Vec<Entry<Id>>,
    /// Index of the first unvisited entry.
    next: usize,
    seen: Visited,
    kept: BinaryHeap<Candidate<Id>>,
    /// Kept since the last refill. Most of them are never asked for, so they are not put in order before they are.
    fallen: Vec<Candidate<Id>>,
}

impl<Id: TupleId> Frontier<Id> {
    pub(super) fn new() -> Self {
        Self {
            level: 0,
            width: 1,
            reserve: 0,
            confirmed: 0,
            discounted: 0,
            intake: Intake::Beam,
            tail: None,
            beam: Vec::new(),
            next: 0,
            seen: Visited::new(),
            kept: BinaryHeap::new(),
            fallen: Vec::new(),
        }
    }

    /// The level being searched.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// The estimate above which a neighbour need not be offered.
    ///
    /// Infinite while the beam is not full, so skip a neighbour only if its estimate is *greater*: one at an infinite
    /// distance is better than none.
    #[inline]
    pub fn bound(&self) -> f32 {
        match self.intake {
            Intake::Beam if self.is_full() => self.beam.last().map_or(f32::INFINITY, |entry| entry.estimate),
            Intake::Beam | Intake::BeamAndKept => f32::INFINITY,
            Intake::Closed => f32::NEG_INFINITY,
        }
    }

    /// Offers a neighbour by an estimate that depends on who offers it.
    ///
    /// One that misses the beam is not remembered: another parent may offer it with an independent, luckier estimate.
    #[inline]
    pub fn offer_estimate(&mut self, id: Id, estimate: f32) {
        let estimate = if estimate.is_nan() { f32::INFINITY } else { estimate };
        if self.has_room_for(estimate) {
            if self.seen.admit(id.into()) {
                self.insert(id, estimate);
            }
        } else if self.intake == Intake::BeamAndKept && self.seen.reach(id.into()) {
            self.fallen.push(Candidate { estimate, id });
        }
    }

    /// Offers numbered neighbours by estimates, each as [`offer_estimate`](Self::offer_estimate) does.
    #[inline]
    pub fn offer_estimates(
        &mut self,
        mut estimates: impl Iterator<Item = (usize, f32)>,
        id_of: impl Fn(usize) -> Id,
    ) {
        while self.intake != Intake::Beam || !self.is_full() {
            let Some((number, estimate)) = estimates.next() else { return };
            self.offer_estimate(id_of(number), estimate);
        }
        // From here on one comes in for another.
        let mut bound = self.bound();
        estimates.for_each(|(number, estimate)| {
            if estimate < bound {
                let id = id_of(number);
                if self.seen.admit(id.into()) {
                    self.insert(id, estimate);
                    bound = self.bound();
                }
            }
        });
    }

    /// Whether nobody claimed or offered this neighbour before; from now on somebody has.
    ///
    /// For nodes which have to read a neighbour in order to score it: whoever claims it reads it, once, and then
    /// calls [`offer_distance`](Self::offer_distance).
    #[inline]
    pub fn claim(&mut self, id: Id) -> bool {
        self.intake != Intake::Closed && self.seen.reach(id.into())
    }

    /// Offers a claimed neighbour by its distance, which no other parent could better.
    #[inline]
    pub fn offer_distance(&mut self, id: Id, distance: f32) {
        let estimate = if distance.is_nan() { f32::INFINITY } else { distance };
        if self.has_room_for(estimate) {
            if self.seen.admit(id.into()) {
                self.insert(id, estimate);
            }
        } else if self.intake == Intake::BeamAndKept {
            self.fallen.push(Candidate { estimate, id });
        }
    }

    /// The tuples which will be visited next, nearest first, if nothing nearer is offered: those worth prefetching.
    pub fn upcoming(&self) -> impl Iterator<Item = Id> + '_ {
        self.waiting().map(|candidate| candidate.id)
    }

    /// The unvisited entries of the beam, nearest first.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Candidate<Id>> + '_ {
        let entries = self.beam.iter().take(self.width).skip(self.next).filter(|entry| !entry.visited);
        entries.map(|&Entry { estimate, id, .. }| Candidate { estimate, id })
    }

    /// Starts over, for a search of `level`.
    pub(super) fn reset(&mut self, level: u8, Beam { width, tail }: Beam, intake: Intake) {
        self.level = level;
        self.width = width.max(1);
        self.reserve = 0;
        self.confirmed = 0;
        self.discounted = 0;
        self.intake = intake;
        self.tail = tail;
        self.beam.clear();
        self.next = 0;
        self.seen.clear();
        self.kept.clear();
        self.fallen.clear();
    }

    /// Empties the beam and fills it with the `width` nearest of the kept candidates, all to be visited; false if there are none.
    pub(super) fn refill(&mut self, width: usize, intake: Intake) -> bool {
        while let Some(last) = self.beam.pop() {
            self.fell_off(last);
        }
        self.kept.extend(self.fallen.drain(..));
        self.width = width.max(1);
        self.confirmed = 0;
        self.discounted = 0;
        self.intake = intake;
        self.tail = None;
        self.next = 0;
        while self.beam.len() < self.width
            && let Some(Candidate { estimate, id }) = self.kept.pop()
        {
            // One that was kept twice, or came into the beam another way, comes only once.
            if self.seen.admit(id.into()) {
                self.beam.push(Entry { estimate, visited: false, id });
            }
        }
        !self.beam.is_empty()
    }

    /// Whether an entry is left that is not to be visited.
    pub(super) fn leaves_a_tail(&self) -> bool {
        self.tail.is_some_and(|tail| tail.begins_at(self.next, &self.beam))
    }

    /// Takes out the nearest unvisited candidate. It goes on to count as an entry of the beam.
    pub(super) fn pop(&mut self) -> Option<Candidate<Id>> {
        if self.leaves_a_tail() {
            return None;
        }
        let entry = self.beam.get_mut(self.next).filter(|_| self.next < self.width)?;
        entry.visited = true;
        let candidate = Candidate { estimate: entry.estimate, id: entry.id };
        self.next += 1;
        while self.beam.get(self.next).is_some_and(|entry| entry.visited) {
            self.next += 1;
        }
        Some(candidate)
    }

    /// Marks a tuple visited, ahead of its turn, if it is in the beam.
    pub(super) fn take(&mut self, id: Id) {
        if let Some(entry) = self.beam.iter_mut().find(|entry| entry.id == id) {
            entry.visited = true;
        }
        while self.beam.get(self.next).is_some_and(|entry| entry.visited) {
            self.next += 1;
        }
    }

    /// Counts a visited candidate as one of those a search is for.
    #[inline]
    pub(super) fn confirm(&mut self) {
        self.confirmed += 1;
    }

    /// Takes a visited candidate, which proved to be a dead node, out of the beam, so that another has its place.
    ///
    /// That one may have been refused before, by a beam full of dead nodes. So from now on as many entries are held
    /// in reserve as will probably be taken out. Beyond a number of dead nodes they count after all, or a search
    /// where there is no live one would visit the whole graph.
    pub(super) fn discount(&mut self, candidate: Candidate<Id>) {
        if self.discounted == DEAD_PER_ENTRY * self.width {
            return;
        }
        self.discounted += 1;
        let expected = self.width.saturating_mul(self.discounted) / (self.confirmed + 1);
        self.reserve = expected.clamp(self.reserve, (DEAD_PER_ENTRY * self.width).max(self.reserve));
        let first = self.beam.partition_point(|entry| entry.estimate < candidate.estimate);
        let position = self.beam.iter().skip(first).position(|entry| entry.id == candidate.id);
        if let Some(position) = position.map(|offset| first + offset) {
            self.beam.remove(position);
            if position < self.next {
                self.next -= 1;
            }
        }
    }

    /// The memory it holds.
    pub(super) fn bytes(&self) -> usize {
        self.seen.bytes()
            + self.beam.capacity() * size_of::<Entry<Id>>()
            + (self.kept.capacity() + self.fallen.capacity()) * size_of::<Candidate<Id>>()
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.beam.len() >= self.width + self.reserve
    }

    #[inline]
    fn fell_off(&mut self, last: Entry<Id>) {
        if !last.visited && self.intake == Intake::BeamAndKept {
            self.seen.demote(last.id.into());
            self.fallen.push(Candidate { estimate: last.estimate, id: last.id });
        }
    }

    #[inline]
    fn has_room_for(&self, estimate: f32) -> bool {
        self.intake != Intake::Closed
            && (!self.is_full() || self.beam.last().is_some_and(|last| estimate < last.estimate))
    }

    #[inline]
    fn insert(&mut self, id: Id, estimate: f32) {
        if self.is_full()
            && let Some(last) = self.beam.pop()
        {
            self.fell_off(last);
        }
        let position = self.beam.partition_point(|entry| entry.estimate <= estimate);
        self.beam.insert(position, Entry { estimate, visited: false, id });
        self.next = self.next.min(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frontier(width: usize, intake: Intake) -> Frontier<u32> {
        let mut frontier = Frontier::new();
        frontier.reset(0, Beam::of(width), intake);
        frontier
    }

    fn drain(frontier: &mut Frontier<u32>) -> Vec<u32> {
        std::iter::from_fn(|| frontier.pop()).map(|candidate| candidate.id).collect()
    }

    #[test]
    fn the_nearest_unvisited_comes_first_and_the_farthest_falls_off() {
        let mut frontier = frontier(3, Intake::Beam);
        assert_eq!(frontier.bound(), f32::INFINITY);
        for (id, estimate) in [(1, 5.0), (2, 1.0), (3, 3.0), (4, 4.0), (5, 6.0)] {
            frontier.offer_estimate(id, estimate);
        }
        assert_eq!(frontier.bound(), 4.0);
        assert_eq!(frontier.pop().map(|candidate| candidate.id), Some(2));
        frontier.offer_estimate(6, 0.5);
        assert_eq!(frontier.upcoming().collect::<Vec<_>>(), [6, 3]);
        assert_eq!(drain(&mut frontier), [6, 3]);
    }

    #[test]
    fn a_missed_estimate_may_come_again_but_a_missed_distance_is_not_claimed_twice() {
        let mut frontier = frontier(1, Intake::Beam);
        frontier.offer_estimate(1, 2.0);
        frontier.offer_estimate(2, 3.0);
        frontier.offer_estimate(2, 1.0);
        assert_eq!(frontier.bound(), 1.0);
        assert!(frontier.claim(3));
        frontier.offer_distance(3, 2.0);
        assert!(!frontier.claim(3) && !frontier.claim(2));
        assert_eq!(drain(&mut frontier), [2]);
    }

    #[test]
    fn hostile_estimates_fill_an_empty_beam_and_lose_against_ordinary_ones() {
        let mut frontier = frontier(2, Intake::Beam);
        frontier.offer_estimate(1, f32::NAN);
        frontier.offer_estimate(2, f32::INFINITY);
        frontier.offer_estimate(3, f32::MAX);
        frontier.offer_estimate(4, f32::NEG_INFINITY);
        frontier.offer_estimate(5, f32::NAN);
        assert_eq!(drain(&mut frontier), [4, 3]);
    }

    #[test]
    fn what_fell_off_comes_back_once_and_in_order() {
        let mut frontier = frontier(2, Intake::BeamAndKept);
        for (id, estimate) in [(1, 5.0), (2, 1.0), (3, 3.0), (4, 4.0), (5, 6.0), (5, 2.5), (1, 5.5)] {
            frontier.offer_estimate(id, estimate);
        }
        assert_eq!(drain(&mut frontier), [2, 5]);
        assert!(frontier.refill(2, Intake::BeamAndKept));
        assert_eq!(drain(&mut frontier), [3, 4]);
        assert!(frontier.refill(2, Intake::BeamAndKept));
        assert_eq!(drain(&mut frontier), [1]);
        assert!(!frontier.refill(2, Intake::BeamAndKept));
    }

    #[test]
    fn a_closed_frontier_takes_nothing() {
        let mut frontier = frontier(2, Intake::BeamAndKept);
        (0..4).for_each(|id| frontier.offer_estimate(id, id as f32));
        assert_eq!(drain(&mut frontier), [0, 1]);
        assert!(frontier.refill(2, Intake::Closed));
        frontier.offer_estimate(7, 0.0);
        assert!(!frontier.claim(8) && frontier.bound() == f32::NEG_INFINITY);
        assert_eq!(drain(&mut frontier), [2, 3]);
    }

    #[test]
    fn a_dead_entry_makes_room_and_a_reserve_for_more_of_its_kind() {
        let mut frontier = frontier(2, Intake::Beam);
        (0..4).for_each(|id| frontier.offer_estimate(id, 1.0));
        let dead = frontier.pop().expect("the beam is full");
        frontier.discount(dead);
        (4..9).for_each(|id| frontier.offer_estimate(id, id as f32));
        assert_eq!(frontier.bound(), 6.0);
        let dead = frontier.pop().expect("the beam is full");
        assert_eq!(dead.id, 1);
        frontier.discount(dead);
        assert_eq!(drain(&mut frontier), [4, 5]);
    }

    #[test]
    fn a_tail_that_is_far_is_not_visited() {
        let visited = |estimate: fn(u32) -> f32, alpha| {
            let mut frontier = Frontier::new();
            frontier.reset(0, Beam::of_insertion(14, Alpha::of_proportional(alpha)), Intake::Beam);
            (0..20u32).for_each(|id| frontier.offer_estimate(id, estimate(id)));
            drain(&mut frontier).len()
        };
        assert_eq!(visited(|id| 100.0 + id as f32, 1.1), 14);
        assert_eq!(visited(|id| 100.0 + id as f32, 1.0), 14);
        // Six entries are compared with no other, and ten are visited in any case.
        assert_eq!(visited(|id| if id < 12 { 10.0 } else { 11.1 }, 1.1), 12);
        assert_eq!(visited(|id| if id < 6 { 10.0 } else { 11.1 }, 1.1), 10);
        assert_eq!(visited(|id| if id < 5 { 10.0 } else { 11.1 }, 1.1), 14);
        // Estimates err below zero, of which nothing is a multiple.
        assert_eq!(visited(|id| id as f32 - 19.0, 1.1), 14);
    }

    #[test]
    fn a_tail_is_visited_when_the_search_goes_on() {
        let mut frontier = Frontier::new();
        let tail = Tail { first: 2, middle: 1, alpha: Alpha::of_proportional(1.5) };
        frontier.reset(0, Beam { width: 6, tail: Some(tail) }, Intake::BeamAndKept);
        (1..=6u32).for_each(|id| frontier.offer_estimate(id, id as f32));
        assert_eq!(drain(&mut frontier), [1, 2]);
        assert!(frontier.leaves_a_tail());
        assert!(frontier.refill(6, Intake::BeamAndKept));
        assert_eq!(drain(&mut frontier), [3, 4, 5, 6]);
        assert!(!frontier.leaves_a_tail());
    }

    #[test]
    fn a_reserve_that_was_not_needed_is_kept_for_later() {
        let mut frontier = frontier(1, Intake::BeamAndKept);
        frontier.offer_estimate(0, 0.0);
        let dead = frontier.pop().expect("the beam is full");
        frontier.discount(dead);
        (1..4).for_each(|id| frontier.offer_estimate(id, id as f32));
        assert_eq!(drain(&mut frontier), [1]);
        assert!(frontier.refill(3, Intake::BeamAndKept));
        assert_eq!(drain(&mut frontier), [2, 3]);
    }
}
