//! Which tuples a path leads to from the entry point, and paths for the others.
//!
//! A node loses its last incoming link when its neighbours prefer others: about one in four hundred of Fashion-MNIST's,
//! in textbook HNSW as well.

use super::items::{Items, Marks, for_each_tuple, unreadable};
use super::kind::{Kind, View};
use super::mend::{Mender, Patient};
use super::meta::{META_BLOCK, Meta};
use super::store::{PageStore, Result};
use super::tid::IndexTid;
use super::tuples::read_tuple;

/// The tuples which paths lead to: along the links of one level, from the entry point's node. That a node has a tuple on a
/// level above does not count, as searches come down at a few nodes only.
///
/// Insertions preserve such paths: whoever gives up a neighbour for a new node leads to it through that.
///
/// Memory: two bits per item, and what numbers the items.
pub struct Reach<'a, S, K> {
    store: &'a S,
    kind: &'a K,
    items: &'a Items,
    reached: Marks,
    /// Reached, but not yet looked at.
    waiting: Marks,
    scratch: Vec<u8>,
}

impl<'a, S: PageStore, K: Kind> Reach<'a, S, K> {
    /// Finds what can be reached from the entry point.
    pub fn from_entry_point(store: &'a S, kind: &'a K, items: &'a Items) -> Result<Self> {
        let (reached, waiting) = (Marks::default(), Marks::default());
        let mut reach = Self { store, kind, items, reached, waiting, scratch: Vec::new() };
        let entry = Meta::expect(&*store.read(META_BLOCK)?)?.entry_point;
        if let Some(entry) = entry {
            let mut next = Some(entry.id);
            while let Some(tid) = next.filter(|&tid| reach.arrive(tid)) {
                let below = read_tuple(store, tid, &mut reach.scratch, |tuple| {
                    let level = tuple.get(1).copied().unwrap_or(0);
                    Ok(kind.view(level, tuple).and_then(|view| view.header().below()))
                })?;
                next = below.flatten();
            }
            // Page after page, again and again: what a page leads to on later ones is looked at in the same round.
            while reach.go_round()? {}
        }
        Ok(reach)
    }

    /// Whether a path leads to the tuple. Those that were added meanwhile count as reached.
    pub fn contains(&self, tid: IndexTid) -> bool {
        self.items.number(tid).is_none_or(|number| self.reached.contains(number))
    }

    /// The items of a page to which no path leads: tuples, pieces and unused ones.
    pub fn others_on(&self, block: u32) -> impl Iterator<Item = IndexTid> {
        self.items.with(&self.reached, false, block)
    }

    fn arrive(&mut self, tid: IndexTid) -> bool {
        match self.items.number(tid) {
            Some(number) if self.reached.set(number) => {
                self.waiting.set(number);
                true
            }
            _ => false,
        }
    }

    fn go_round(&mut self) -> Result<bool> {
        let mut went = false;
        for block in self.items.blocks() {
            loop {
                let waiting: Vec<IndexTid> = self.items.with(&self.waiting, true, block).collect();
                if waiting.is_empty() {
                    break;
                }
                self.store.check_interrupts()?;
                for tid in waiting {
                    self.leave(tid, &mut Vec::new())?;
                }
                went = true;
            }
        }
        Ok(went)
    }

    /// Marks what a reached tuple leads to, and adds what is new of it to `arrived`.
    fn leave(&mut self, tid: IndexTid, arrived: &mut Vec<IndexTid>) -> Result<()> {
        if let Some(number) = self.items.number(tid) {
            self.waiting.clear(number);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let kind = self.kind;
        let targets = read_tuple(self.store, tid, &mut scratch, |tuple| {
            let level = tuple.get(1).copied().unwrap_or(0);
            let view = kind.view(level, tuple).ok_or(unreadable(tid))?;
            Ok(view.neighbours().collect::<Vec<_>>())
        });
        self.scratch = scratch;
        arrived.extend(targets?.into_iter().flatten().filter(|&target| self.arrive(target)));
        Ok(())
    }

    /// Says that a path leads to a tuple now, and follows it.
    fn extend_to(&mut self, tid: IndexTid) -> Result<()> {
        let mut arrived = Vec::new();
        self.arrive(tid);
        self.leave(tid, &mut arrived)?;
        while let Some(tid) = arrived.pop() {
            self.leave(tid, &mut arrived)?;
        }
        Ok(())
    }
}

/// How [`link_unreachable`] ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Live tuples that got an incoming link.
    pub linked: u64,
    /// Live tuples to which still no path leads.
    pub unreachable: u64,
}

/// Links every live tuple to which no path leads from one of its nearest nodes.
///
/// For the end of a build, and of a vacuum. Concurrent insertions do no harm, but what they do may be missed.
pub fn link_unreachable<S: PageStore, K: Kind>(store: &S, kind: &K) -> Result<Linked> {
    link_others(&mut Mender::new(store, kind)?, &Items::of(store)?)
}

pub(super) fn link_others<S: PageStore, K: Kind>(
    mender: &mut Mender<'_, S, K>,
    items: &Items,
) -> Result<Linked> {
    let (store, kind) = (mender.store, mender.kind);
    let mut reach = Reach::from_entry_point(store, kind, items)?;
    let mut others: Vec<(u8, IndexTid)> = Vec::new();
    for block in items.blocks() {
        if reach.others_on(block).next().is_none() {
            continue;
        }
        store.check_interrupts()?;
        for_each_tuple(store, kind, block, |tid, tuple| {
            if !tuple.header().is_dead() && !reach.contains(tid) {
                others.push((tuple.header().level(), tid));
            }
        })?;
    }
    // From the top down: who is reached on one level is reached on those below.
    others.sort_by_key(|&(level, tid)| (std::cmp::Reverse(level), tid));
    let mut result = Linked::default();
    // Whose nearest nodes are all among the others waits until some of these are linked.
    loop {
        let mut left = Vec::new();
        for &(level, tid) in &others {
            if reach.contains(tid) {
                continue;
            }
            store.check_interrupts()?;
            let patient = read_tuple(store, tid, &mut Vec::new(), |tuple| {
                Ok(kind.view(level, tuple).map(|view| Patient::of(kind, tid, view)))
            })?;
            let Some(patient) = patient.flatten() else { continue };
            if mender.link_from_nearest(&patient, &|tid| reach.contains(tid))? {
                result.linked += 1;
                reach.extend_to(tid)?;
            } else {
                left.push((level, tid));
            }
        }
        if left.is_empty() || left.len() == others.len() {
            result.unreachable = left.len() as u64;
            break;
        }
        others = left;
    }
    Ok(result)
}
