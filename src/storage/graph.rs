//! Reading the graph: what a search, an insertion or a repair sees of stored nodes.

use super::kind::{Kind, Known, View};
use super::meta::{META_BLOCK, Meta};
use super::store::{Error, PageStore, Result};
use super::tid::{HeapTid, IndexTid};
use super::tuples::read_tuple;
use crate::hnsw::{Alpha, EntryPoint, Frontier, Graph, Likeness, Link, Linkable, Met, Visit};
use crate::kernels::Prefetch;
use crate::quantizer::{Estimates, Measured};

/// What is taken from a visited node beside its distance.
pub trait Purpose<K: Kind> {
    type Payload;

    /// The node's distance, and what else is wanted of it; `None` if the node has no rows.
    fn look(&mut self, kind: &K, query: &K::Query, node: K::View<'_>) -> (f32, Option<Self::Payload>);

    /// Where estimates of the node's neighbours go, if they are wanted later.
    fn estimates(&mut self, _payload: &Self::Payload) -> Option<&mut Estimates> {
        None
    }
}

/// A scan's purpose: the rows, and between which values their distances lie.
pub struct Scan;

/// A visited node, as a scan sees it.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub measured: Measured,
    tids: [HeapTid; super::node::MAX_HEAP_TIDS],
    count: u8,
}

impl Found {
    /// The node's rows, those added last first.
    pub fn rows(&self) -> impl Iterator<Item = HeapTid> + '_ {
        self.tids.iter().take(usize::from(self.count)).rev().copied()
    }
}

impl<K: Kind> Purpose<K> for Scan {
    type Payload = Found;

    #[inline]
    fn look(&mut self, kind: &K, query: &K::Query, node: K::View<'_>) -> (f32, Option<Found>) {
        let header = node.header();
        if header.level() > 0 {
            let distance = kind.distance(query, node);
            let measured = Measured { distance, lower: 0.0, upper: 0.0 };
            let found = Found { measured, tids: Default::default(), count: 0 };
            return (distance, (!header.is_dead()).then_some(found));
        }
        let measured = kind.measure(query, node);
        let mut found = Found { measured, tids: Default::default(), count: header.heap_tid_count() as u8 };
        found.tids.iter_mut().zip(header.heap_tids()).for_each(|(slot, tid)| *slot = tid);
        (measured.distance, (found.count > 0).then_some(found))
    }
}

/// An insertion's or a repair's purpose: the vectors, to be compared with each other.
pub struct LinkTo<'a, Own> {
    /// The vector that is to be linked, as its node has it or will have it.
    pub own: Own,
    /// The highest level on which it is. What is visited above is for the way down only.
    pub level: u8,
    pub copies: &'a mut Copies<Own>,
}

/// Copies of visited nodes' vectors, and how far their neighbours seemed to be. Keeps its memory from one search to the next,
/// as there are a hundred to a search.
#[derive(Debug)]
pub struct Copies<Own> {
    all: Vec<(Own, Estimates)>,
    used: usize,
}

/// A visited node, as an insertion sees it. Means something with the [`Copies`] of its search only.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    copy: usize,
    is_full: bool,
}

impl<Own> Copies<Own> {
    pub fn new() -> Self {
        Self { all: Vec::new(), used: 0 }
    }

    /// The vector of a node that was visited on a level to link on.
    #[inline]
    pub fn of(&self, candidate: &Candidate) -> &Own {
        &self.all[candidate.copy].0
    }

    /// What is known for a link back from the node that a link leads to.
    pub fn known<'a>(&'a self, link: &Link<IndexTid, Candidate>, met: &'a Met) -> Known<'a, Own> {
        let (own, estimates) = &self.all[link.payload.copy];
        Known { own, met, estimates, distance: link.distance }
    }

    /// Starts over: no candidate of an earlier search means anything any more.
    fn clear(&mut self) {
        self.used = 0;
    }

    /// Copies a node's vector, and returns where.
    fn add<K: Kind<Own = Own>>(&mut self, kind: &K, node: K::View<'_>) -> usize {
        match self.all.get_mut(self.used) {
            Some((copy, _)) => kind.copy_own(node, copy),
            None => self.all.push((kind.own(node), Estimates::new())),
        }
        self.used += 1;
        self.used - 1
    }
}

impl<'a, Own> LinkTo<'a, Own> {
    /// For a vector on levels up to `level`.
    pub fn new(own: Own, level: u8, copies: &'a mut Copies<Own>) -> Self {
        copies.clear();
        Self { own, level, copies }
    }
}

impl<K: Kind> Purpose<K> for LinkTo<'_, K::Own> {
    type Payload = Candidate;

    #[inline]
    fn look(&mut self, kind: &K, query: &K::Query, node: K::View<'_>) -> (f32, Option<Candidate>) {
        let header = node.header();
        let is_live = !header.is_dead() && (header.level() > 0 || header.heap_tid_count() > 0);
        let is_full = header.heap_tid_count() == super::node::MAX_HEAP_TIDS;
        let candidate = is_live.then(|| {
            let copy = if header.level() > self.level { usize::MAX } else { self.copies.add(kind, node) };
            Candidate { copy, is_full }
        });
        (kind.distance(query, node), candidate)
    }

    #[inline]
    fn estimates(&mut self, candidate: &Candidate) -> Option<&mut Estimates> {
        self.copies.all.get_mut(candidate.copy).map(|(_, estimates)| estimates)
    }
}

/// How many of the tuples behind the next one are announced.
const ANNOUNCED: usize = 2;

/// The stored graph about one query.
pub struct Reader<'a, S, K: Kind, P> {
    pub store: &'a S,
    pub kind: &'a K,
    pub query: K::Query,
    pub purpose: P,
    scratch: Vec<u8>,
    estimates: Estimates,
    unscored: Vec<IndexTid>,
    /// Of the tuple that comes next, if it turned up right before: what was not asked for yet.
    missing: Prefetch,
    /// Bytes of the tuple that was visited last: most of a level have as many.
    size: usize,
}

impl<'a, S: PageStore, K: Kind, P: Purpose<K>> Reader<'a, S, K, P> {
    pub fn new(store: &'a S, kind: &'a K, query: K::Query, purpose: P) -> Self {
        Self {
            store,
            kind,
            query,
            purpose,
            scratch: Vec::new(),
            estimates: Estimates::new(),
            unscored: Vec::new(),
            missing: Prefetch::NOTHING,
            size: 0,
        }
    }
}

impl<S: PageStore, K: Kind, P: Purpose<K>> Graph for Reader<'_, S, K, P> {
    type Id = IndexTid;
    type Payload = P::Payload;
    type Error = Error;

    fn entry_point(&mut self) -> Result<Option<EntryPoint<IndexTid>>> {
        let page = self.store.read(META_BLOCK)?;
        Ok(Meta::expect(&page)?.entry_point)
    }

    fn visit(
        &mut self,
        id: IndexTid,
        frontier: &mut Frontier<IndexTid>,
    ) -> Result<Option<Visit<IndexTid, P::Payload>>> {
        self.store.check_interrupts()?;
        let Self { store, kind, query, purpose, scratch, estimates, unscored, missing, size } = self;
        unscored.clear();
        let level = frontier.level();
        // Two tuples are brought in meanwhile: what is missing of this one, and the next.
        let mut rest = std::mem::replace(missing, Prefetch::NOTHING);
        let next = frontier.upcoming().next();
        let mut ahead = next.map_or(Prefetch::NOTHING, |next| store.prefetch(next, *size));
        rest.advance();
        ahead.advance();
        let visit = read_tuple(*store, id, scratch, |tuple| {
            let Some(node) = kind.view(level, tuple) else { return Ok(None) };
            *size = tuple.len();
            let (distance, payload) = purpose.look(kind, query, node);
            rest.advance();
            ahead.advance();
            let wanted = payload.as_ref().and_then(|payload| purpose.estimates(payload));
            kind.offer(query, node, distance, frontier, wanted.unwrap_or(estimates), unscored);
            ahead.advance();
            Ok(Some(Visit { distance, below: node.header().below(), payload }))
        })?;
        for &neighbour in unscored.iter() {
            if !frontier.claim(neighbour) {
                continue;
            }
            let distance = read_tuple(*store, neighbour, scratch, |tuple| {
                Ok(kind.view(level, tuple).map(|node| kind.distance(query, node)))
            })?;
            if let Some(Some(distance)) = distance {
                frontier.offer_distance(neighbour, distance);
            }
        }
        let mut upcoming = frontier.upcoming();
        if let Some(nearer) = upcoming.next()
            && Some(nearer) != next
        {
            *missing = store.prefetch(nearer, *size);
            missing.advance();
        }
        upcoming.take(ANNOUNCED).for_each(|id| store.announce(id));
        Ok(visit.flatten())
    }

    fn corrupted(&self, id: IndexTid, what: &'static str) -> Error {
        Error::Corrupt { at: id, what }
    }
}

impl<S: PageStore, K: Kind> Linkable for Reader<'_, S, K, LinkTo<'_, K::Own>> {
    fn distance_between(&self, one: &Candidate, other: &Candidate) -> f32 {
        let LinkTo { copies, .. } = &self.purpose;
        self.kind.between(copies.of(one), copies.of(other))
    }

    fn alpha(&self) -> Alpha {
        self.kind.alpha()
    }

    fn likeness(&self, candidate: &Candidate) -> Likeness {
        match self.kind.is_same(&self.purpose.own, self.purpose.copies.of(candidate)) {
            false => Likeness::Different,
            true if candidate.is_full => Likeness::SameButFull,
            true => Likeness::Same,
        }
    }
}

/// A tuple's own vector, copied; `None` if its node is dead or gone.
pub fn fetch_own<S: PageStore, K: Kind>(
    store: &S,
    kind: &K,
    level: u8,
    tid: IndexTid,
) -> Result<Option<K::Own>> {
    let own = read_tuple(store, tid, &mut Vec::new(), |tuple| {
        Ok(kind.view(level, tuple).filter(|node| !node.header().is_dead()).map(|node| kind.own(node)))
    })?;
    Ok(own.flatten())
}
