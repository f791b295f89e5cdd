//! Fused nodes at work: the quantiser's arithmetic on the bytes of `node::fused`.

use super::kind::{Kind, NewLink};
use super::meta::{Meta, NodeKind};
use super::node::fused::{Fused, FusedMut, Layout};
use super::store::{PageStore, Result};
use super::tid::IndexTid;
use super::tuples::change_tuple;
use crate::hnsw::{Decision, Flags, Frontier, Newcomer};
use crate::kernels;
use crate::quantizer::{
    Bits, Encoder, Estimator, Frame, InsertEstimator, Magnitude, Measured, Neighbour, Query, Sq8, sq8,
};
use std::sync::Arc;

/// The fused nodes of one index.
pub struct FusedKind {
    frame: Arc<Frame>,
    base: Layout,
    upper: Layout,
}

/// A vector to compare fused nodes with.
pub struct FusedQuery {
    query: Query,
    estimator: Estimator,
}

/// A node's own vector, copied.
#[derive(Clone)]
pub struct OwnSq8 {
    header: sq8::Header,
    codes: Box<[u8]>,
}

impl OwnSq8 {
    fn borrow(&self) -> Sq8<'_> {
        Sq8 { header: self.header, codes: &self.codes }
    }

    fn decode(&self) -> Vec<f32> {
        let mut vector = vec![0.0; self.codes.len()];
        self.borrow().decode(&mut vector);
        vector
    }
}

impl FusedKind {
    /// The nodes of the index that `meta` describes; `None` if it is not one of fused nodes, or damaged.
    pub fn new(meta: &Meta, frame: Arc<Frame>) -> Option<Self> {
        let bits = Bits::from_count(meta.bits)?;
        let layout = |is_base, slots| Layout::new(is_base, meta.dimensions, bits, slots);
        Some(Self { frame, base: layout(true, meta.base_slots), upper: layout(false, meta.upper_slots) })
    }

    fn layout(&self, level: u8) -> &Layout {
        if level == 0 { &self.base } else { &self.upper }
    }

    fn encoder(&self) -> Encoder {
        Encoder::new(self.base.group_layout(), self.frame.geometry())
    }
}

impl Kind for FusedKind {
    type View<'a> = Fused<'a>;
    type Query = FusedQuery;
    type Own = OwnSq8;

    fn node_kind(&self) -> NodeKind {
        NodeKind::Fused
    }

    fn size(&self, level: u8) -> (usize, usize) {
        (self.layout(level).size(), self.layout(level).pieces())
    }

    #[inline]
    fn view<'a>(&'a self, level: u8, tuple: &'a [u8]) -> Option<Fused<'a>> {
        Fused::read(self.layout(level), tuple).filter(|node| node.header().level() == level)
    }

    fn is_indexable(&self, vector: &[f32]) -> bool {
        !self.frame.metric().normalises() || kernels::norm_squared(vector) > 0.0
    }

    fn query(&self, vector: &[f32]) -> FusedQuery {
        let query = Query::new(&self.frame, vector);
        let estimator = Estimator::new(self.base.group_layout(), query.vector());
        FusedQuery { query, estimator }
    }

    fn stored(&self, query: &FusedQuery) -> OwnSq8 {
        let mut codes = vec![0; self.base.dimensions()].into_boxed_slice();
        let header = sq8::encode(query.query.vector(), query.query.magnitude(), &mut codes);
        OwnSq8 { header, codes }
    }

    fn query_of(&self, own: &OwnSq8) -> FusedQuery {
        let query = Query::of_stored(&self.frame, own.decode(), Magnitude::Ordinary);
        let estimator = Estimator::new(self.base.group_layout(), query.vector());
        FusedQuery { query, estimator }
    }

    #[inline]
    fn distance(&self, query: &FusedQuery, node: Fused<'_>) -> f32 {
        query.query.distance(node.vector())
    }

    #[inline]
    fn measure(&self, query: &FusedQuery, node: Fused<'_>) -> Measured {
        query.query.measure(node.vector())
    }

    fn own(&self, node: Fused<'_>) -> OwnSq8 {
        let Sq8 { header, codes } = node.vector();
        OwnSq8 { header, codes: codes.into() }
    }

    fn between(&self, one: &OwnSq8, other: &OwnSq8) -> f32 {
        one.borrow().distance(&other.borrow(), self.frame.geometry())
    }

    fn is_same(&self, one: &OwnSq8, other: &OwnSq8) -> bool {
        one.header.lo == other.header.lo && one.header.step == other.header.step && one.codes == other.codes
    }

    #[inline]
    fn offer(
        &self,
        query: &FusedQuery,
        node: Fused<'_>,
        distance: f32,
        frontier: &mut Frontier<IndexTid>,
        _unscored: &mut Vec<IndexTid>,
    ) {
        query.estimator.estimate(node.groups(), distance, frontier.bound(), &mut |slot, estimate| {
            frontier.offer_estimate(node.address(slot), estimate);
            frontier.bound()
        });
    }

    fn absorb(&self, tuple: &mut [u8], own: &OwnSq8) {
        let Some(node) = self.view(0, tuple) else { return };
        let mut stored = self.own(node);
        if stored.header.error < own.header.error {
            stored.header.error = own.header.error;
            self.set_own(0, tuple, &stored);
        }
    }

    fn set_own(&self, level: u8, tuple: &mut [u8], own: &OwnSq8) {
        FusedMut { layout: self.layout(level), tuple }.set_vector(own.borrow());
    }

    fn set_links(&self, level: u8, tuple: &mut [u8], own: &OwnSq8, links: &[NewLink<'_, OwnSq8>]) {
        let layout = self.layout(level);
        let mut node = FusedMut { layout, tuple };
        node.clear_links();
        let origin = own.decode();
        let mut target = vec![0.0; origin.len()];
        let mut encoder = self.encoder();
        let mut flags = Flags::default();
        for (slot, link) in links.iter().take(layout.slots()).enumerate() {
            link.own.borrow().decode(&mut target);
            node.set_link(slot, link.to, encoder.encode(&target, &origin));
            flags.set(slot, link.is_filler);
        }
        node.set_flags(&flags);
    }

    fn stale_links(
        &self,
        node: Fused<'_>,
        own_of: &mut dyn FnMut(IndexTid) -> Result<Option<OwnSq8>>,
    ) -> Result<Vec<IndexTid>> {
        let origin = self.own(node).decode();
        let mut target = vec![0.0; origin.len()];
        let mut encoder = self.encoder();
        let mut code = vec![0; self.base.group_layout().lane_bytes()];
        let mut stale = Vec::new();
        for (slot, neighbour) in node.neighbours().enumerate() {
            let Some(own) = own_of(neighbour)? else { continue };
            own.borrow().decode(&mut target);
            let fresh = encoder.encode(&target, &origin);
            let factors = node.link(slot, &mut code);
            if !is_alike(self.base.group_layout().bits(), fresh, Neighbour { code: &code, factors }) {
                stale.push(neighbour);
            }
        }
        Ok(stale)
    }

    fn link_back<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        to: IndexTid,
        new: &OwnSq8,
    ) -> Result<bool> {
        let slots = self.layout(level).slots();
        self.link(store, level, node, (to, new), |newcomer, flags, _| newcomer.decide(flags, slots))
    }

    fn insist<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        to: IndexTid,
        new: &OwnSq8,
        may_go: &dyn Fn(IndexTid) -> bool,
    ) -> Result<bool> {
        let slots = self.layout(level).slots();
        self.link(store, level, node, (to, new), |newcomer, flags, neighbours| {
            if neighbours.len() < slots {
                return newcomer.decide(flags, slots);
            }
            newcomer.insist(flags, |slot| neighbours.get(slot).is_some_and(|&other| may_go(other)))
        })
    }
}

impl FusedKind {
    /// Writes a link from `node` to the new node where `decide` says. True if it was written, or was there already.
    fn link<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        (to, new): (IndexTid, &OwnSq8),
        decide: impl Fn(Newcomer<'_>, Flags, &[IndexTid]) -> Decision,
    ) -> Result<bool> {
        let layout = self.layout(level);
        let geometry = self.frame.geometry();
        let mut new_estimator = InsertEstimator::new(layout.group_layout(), geometry);
        let mut own_estimator = InsertEstimator::new(layout.group_layout(), geometry);
        new_estimator.prepare(new.borrow());
        let new_decoded = new.decode();
        let mut origin = vec![0.0; new_decoded.len()];
        let mut encoder = self.encoder();
        let mut is_linked = false;
        let written = change_tuple(store, node, |tuple| {
            let Some(view) = self.view(level, tuple) else { return Ok(None) };
            let neighbours: Vec<IndexTid> = view.neighbours().collect();
            is_linked = neighbours.contains(&to);
            if view.header().is_dead() || is_linked {
                return Ok(None);
            }
            let own = view.vector();
            let distance = own.distance(&new.borrow(), geometry);
            own_estimator.prepare(own);
            let to_neighbours = own_estimator.own_distances(view.groups());
            let between = new_estimator.score(view.groups(), distance);
            let newcomer = Newcomer { distance, to_neighbours, between };
            let Decision::Write { slot, flags } = decide(newcomer, view.flags(), &neighbours) else {
                return Ok(None);
            };
            own.decode(&mut origin);
            let mut node = FusedMut { layout, tuple };
            node.set_link(slot, to, encoder.encode(&new_decoded, &origin));
            node.set_flags(&flags);
            Ok(Some(()))
        })?;
        Ok(written.is_some() || is_linked)
    }
}

/// Whether two codes can be of one vector, computed by different instruction sets, which round sums differently.
fn is_alike(bits: Bits, one: Neighbour<'_>, other: Neighbour<'_>) -> bool {
    let [a, b] = [one.factors.rescale, other.factors.rescale];
    let pairs = one.code.iter().zip(other.code);
    let differing = match bits {
        Bits::Eight => pairs.filter(|(a, b)| a.abs_diff(**b) > 1).count(),
        _ => pairs.map(|(a, b)| (a ^ b).count_ones() as usize).sum(),
    };
    (a - b).abs() <= 1e-3 * a.abs().max(b.abs()) && differing <= 2 + one.code.len() / 8
}
