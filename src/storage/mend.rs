//! New links for tuples that have lost some, or to which no path leads.

use super::graph::{Copies, LinkTo, Reader, fetch_own};
use super::kind::{Kind, NewLink, NewNode, View};
use super::meta::{META_BLOCK, Meta};
use super::store::{Error, PageStore, Result};
use super::tid::IndexTid;
use super::tuples::{change_tuple, read_tuple};
use super::writer::InsertPlanner;
use crate::hnsw::{Params, Repair};

/// How often a rewrite of a list starts again because somebody else changed the list meanwhile.
const ATTEMPTS: usize = 100;

/// A tuple whose links are to be seen to, copied from its page.
pub struct Patient<Own> {
    pub tid: IndexTid,
    pub level: u8,
    pub own: Own,
    /// Its links when it was copied.
    pub links: Vec<IndexTid>,
}

impl<Own> Patient<Own> {
    /// Copies what is needed of a tuple.
    pub fn of<'a, K: Kind<Own = Own>>(kind: &K, tid: IndexTid, tuple: K::View<'a>) -> Self {
        let links = tuple.neighbours().collect();
        Self { tid, level: tuple.header().level(), own: kind.own(tuple), links }
    }
}

/// Gives tuples new links. Keeps its working memory from one to the next.
pub struct Mender<'a, S, K: Kind> {
    pub store: &'a S,
    pub kind: &'a K,
    params: Params,
    slots: [usize; 2],
    planner: InsertPlanner<K>,
}

impl<'a, S: PageStore, K: Kind> Mender<'a, S, K> {
    pub fn new(store: &'a S, kind: &'a K) -> Result<Self> {
        let meta = Meta::expect(&*store.read(META_BLOCK)?)?;
        let params = Params { m: meta.m, ef_construction: meta.ef_construction };
        let slots = [meta.base_slots, meta.upper_slots];
        Ok(Self { store, kind, params, slots, planner: InsertPlanner::<K>::new() })
    }

    /// Replaces a tuple's links to dead tuples, which are marked as dead, by others to the nearest nodes and back.
    pub fn repair(&mut self, patient: &Patient<K::Own>) -> Result<()> {
        self.with_planner(|this, planner| this.repair_with(planner, patient))
    }

    /// Finds the nodes nearest to a tuple's on its level, as for an insertion, and links one of those to it to which a path leads,
    /// as `is_reached` says. False if that cannot be done.
    ///
    /// A search finds others as well: it comes down from the level above at nodes to which perhaps no path leads on this one.
    /// No other node loses its last path by the link: one is given up only to a node to which the tuple itself is linked.
    pub fn link_from_nearest(
        &mut self,
        patient: &Patient<K::Own>,
        is_reached: &dyn Fn(IndexTid) -> bool,
    ) -> Result<bool> {
        self.with_planner(|this, planner| this.link_from_nearest_with(planner, patient, is_reached))
    }

    fn with_planner<R>(&mut self, work: impl FnOnce(&Self, &mut InsertPlanner<K>) -> R) -> R {
        let mut planner = std::mem::take(&mut self.planner);
        let result = work(self, &mut planner);
        self.planner = planner;
        result
    }

    fn repair_with(
        &self,
        InsertPlanner { planner, copies, .. }: &mut InsertPlanner<K>,
        patient: &Patient<K::Own>,
    ) -> Result<()> {
        let Patient { tid, level, own, .. } = patient;
        let mut reader = reader(self.store, self.kind, patient, copies);
        let plan = planner.repair(
            &mut reader,
            self.params,
            *tid,
            *level,
            self.slots_of(*level),
            !self.kind.forces_ways_in(),
        )?;
        let Some(Repair { kept, added, met }) = plan else { return Ok(()) };
        let mut all: Vec<_> = kept.iter().chain(&added).collect();
        all.sort_by_key(|link| link.is_filler);
        let Reader { ref query, purpose: LinkTo { ref copies, .. }, .. } = reader;
        let links: Vec<_> =
            all.iter().map(|link| (link.id, copies.of(&link.payload), link.is_filler)).collect();
        let target = &mut self.kind.target(own, None);
        if self.rewrite(patient, target, &links)? {
            let mut new = NewNode { tid: *tid, query, target };
            for link in &added {
                self.store.check_interrupts()?;
                self.kind.link_back(self.store, *level, link.id, &mut new, copies.known(link, &met))?;
            }
        }
        Ok(())
    }

    fn link_from_nearest_with(
        &self,
        InsertPlanner { planner, copies, .. }: &mut InsertPlanner<K>,
        patient: &Patient<K::Own>,
        is_reached: &dyn Fn(IndexTid) -> bool,
    ) -> Result<bool> {
        let Patient { tid, level, own, links } = patient;
        let mut reader = reader(self.store, self.kind, patient, copies);
        let mut plan = planner.insert(&mut reader, self.params, *level)?;
        let Reader { ref query, purpose: LinkTo { ref copies, .. }, .. } = reader;
        let mut nearest = plan.levels.pop().unwrap_or_default().links;
        let mut new = NewNode { tid: *tid, query, target: &mut self.kind.target(own, None) };
        nearest.retain(|link| link.id != *tid && is_reached(link.id));
        nearest.sort_by(|one, other| one.distance.total_cmp(&other.distance));
        for link in &nearest {
            let is_linked_to = |other| links.contains(&other);
            if self.kind.insist(self.store, *level, link.id, &mut new, &is_linked_to)?.is_some() {
                return Ok(true);
            }
        }
        // It has no link in common with them, so it gets new ones, and one that the nearest can give up in exchange.
        let Some(first) = nearest.first() else { return Ok(false) };
        let Some((given_up, given_up_own)) = self.nearest_neighbour(first.id, patient)? else {
            return Ok(false);
        };
        let mut found: Vec<_> =
            nearest.iter().map(|link| (link.id, copies.of(&link.payload), link.is_filler)).collect();
        found.retain(|link| link.0 != given_up);
        found.truncate(self.slots_of(*level) - 1);
        found.push((given_up, &given_up_own, false));
        Ok(self.rewrite(patient, new.target, &found)?
            && self
                .kind
                .insist(self.store, *level, first.id, &mut new, &|other| other == given_up)?
                .is_some())
    }

    /// The neighbour of a node that is nearest to the patient.
    fn nearest_neighbour(
        &self,
        node: IndexTid,
        patient: &Patient<K::Own>,
    ) -> Result<Option<(IndexTid, K::Own)>> {
        let Patient { tid, level, own, .. } = patient;
        let neighbours = read_tuple(self.store, node, &mut Vec::new(), |tuple| {
            Ok(self.kind.view(*level, tuple).map(|view| view.neighbours().collect::<Vec<_>>()))
        })?;
        let mut nearest: Option<(f32, IndexTid, K::Own)> = None;
        for neighbour in neighbours.flatten().unwrap_or_default() {
            let Some(other) =
                fetch_own(self.store, self.kind, *level, neighbour)?.filter(|_| neighbour != *tid)
            else {
                continue;
            };
            let distance = self.kind.between(own, &other);
            if nearest.as_ref().is_none_or(|nearest| distance < nearest.0) {
                nearest = Some((distance, neighbour, other));
            }
        }
        Ok(nearest.map(|(_, neighbour, own)| (neighbour, own)))
    }

    fn slots_of(&self, level: u8) -> usize {
        self.slots[usize::from(level > 0)]
    }

    /// Writes a tuple's links in one change; false if the tuple is gone.
    ///
    /// Links that others added since it was copied are kept, in place of the last of the new ones if need be.
    fn rewrite(
        &self,
        patient: &Patient<K::Own>,
        target: &mut K::Target,
        links: &[(IndexTid, &K::Own, bool)],
    ) -> Result<bool> {
        let Patient { tid, level, links: copied, .. } = patient;
        let mut expected = copied.clone();
        let mut late: Vec<(IndexTid, K::Own)> = Vec::new();
        for _ in 0..ATTEMPTS {
            let room = self.slots_of(*level).saturating_sub(late.len());
            let new_link = |(to, own, is_filler)| NewLink { to, own, is_filler };
            let late_links = late.iter().map(|(to, own)| (*to, own, false));
            let all: Vec<_> = late_links.chain(links.iter().copied().take(room)).map(new_link).collect();
            let mut found = None;
            let written = change_tuple(self.store, *tid, |tuple| {
                found = None;
                let Some(view) = self.kind.view(*level, tuple).filter(|view| !view.header().is_dead()) else {
                    return Ok(None);
                };
                if !view.neighbours().eq(expected.iter().copied()) {
                    found = Some(view.neighbours().collect::<Vec<_>>());
                    return Ok(None);
                }
                self.kind.set_links(*level, tuple, target, &all);
                Ok(Some(()))
            })?;
            match (written, found) {
                (Some(()), _) => return Ok(true),
                (None, None) => return Ok(false),
                (None, Some(found)) => {
                    late.clear();
                    for &to in &found {
                        let is_known = copied.contains(&to) || links.iter().any(|link| link.0 == to);
                        if !is_known && let Some(own) = fetch_own(self.store, self.kind, *level, to)? {
                            late.push((to, own));
                        }
                    }
                    expected = found;
                }
            }
        }
        Err(Error::Corrupt { at: *tid, what: "a node's links change all the time" })
    }
}

/// The graph about a patient's vector.
fn reader<'a, S: PageStore, K: Kind>(
    store: &'a S,
    kind: &'a K,
    Patient { own, level, .. }: &Patient<K::Own>,
    copies: &'a mut Copies<K::Own>,
) -> Reader<'a, S, K, LinkTo<'a, K::Own>> {
    Reader::new(store, kind, kind.query_of(own), LinkTo::new(own.clone(), *level, copies))
}
