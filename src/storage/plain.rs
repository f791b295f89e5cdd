//! Plain nodes at work: exact distances, one read per neighbour.

use super::graph::fetch_own;
use super::kind::{Kind, Known, Linked, NewLink, NewNode};
use super::meta::{Meta, NodeKind};
use super::node::plain::{Layout, Plain, PlainMut};
use super::store::{PageStore, Result};
use super::tid::IndexTid;
use super::tuples::{change_tuple, read_tuple};
use super::value::PlainValue;
use crate::hnsw::{Alpha, Beam, Frontier, give_up};
use crate::metric::Metric;
use crate::quantizer::{Estimates, Measured};
use std::marker::PhantomData;

/// The plain nodes of one index, with values of type `V`.
pub struct PlainKind<V> {
    metric: Metric,
    dimensions: usize,
    /// The operator adds up in the order of [`PlainValue::distance`], so its results are known to the last bit.
    is_operator_ours: bool,
    base: Layout,
    upper: Layout,
    values: PhantomData<fn() -> V>,
}

impl<V: PlainValue> PlainKind<V> {
    /// The nodes of the index that `meta` describes; `None` if it is one of other nodes.
    pub fn new(meta: &Meta) -> Option<Self> {
        let is_ours = meta.kind == NodeKind::Plain && meta.value == V::TYPE;
        is_ours.then(|| Self {
            metric: meta.metric,
            dimensions: meta.dimensions,
            is_operator_ours: true,
            base: Layout::new(true, meta.base_slots),
            upper: Layout::new(false, meta.upper_slots),
            values: PhantomData,
        })
    }

    /// The same, ordered by an operator that is another library's.
    pub fn under_another_operator(self) -> Self {
        Self { is_operator_ours: false, ..self }
    }

    fn layout(&self, level: u8) -> &Layout {
        if level == 0 { &self.base } else { &self.upper }
    }

    /// What the search orders by: the operator's result, but finite. What is infinite, or no number, is farther than
    /// everything else.
    #[inline]
    fn finite(distance: f64) -> f32 {
        distance.clamp(f64::from(f32::MIN), f64::from(f32::MAX)).min(f64::from(f32::MAX)) as f32
    }
}

/// How often a link back starts again because the node's list was changed while its neighbours were read.
const ATTEMPTS: usize = 4;

impl<V: PlainValue> Kind for PlainKind<V> {
    type View<'a> = Plain<'a>;
    /// The bytes of a value, as are the others.
    type Query = Vec<u8>;
    type Own = Vec<u8>;
    type Target = Vec<u8>;

    fn node_kind(&self) -> NodeKind {
        NodeKind::Plain
    }

    fn forces_ways_in(&self) -> bool {
        self.metric != Metric::InnerProduct
    }

    fn beam(&self, ef_search: usize, _rows: usize) -> Beam {
        Beam::of(ef_search)
    }

    fn insertion_width(&self, ef_construction: usize) -> usize {
        ef_construction
    }

    fn size(&self, level: u8, own: &Vec<u8>) -> (usize, usize) {
        self.layout(level).size(own.len())
    }

    #[inline]
    fn view<'a>(&'a self, level: u8, tuple: &'a [u8]) -> Option<Plain<'a>> {
        Plain::read(self.layout(level), tuple)
            .filter(|node| node.header().level() == level && V::is_value(self.dimensions, node.value()))
    }

    fn is_indexable(&self, value: &[u8]) -> bool {
        V::is_indexable(self.metric, value)
    }

    fn query(&self, value: &[u8]) -> Vec<u8> {
        value.to_vec()
    }

    fn stored(&self, query: &Vec<u8>) -> Vec<u8> {
        query.clone()
    }

    fn query_of(&self, own: &Vec<u8>) -> Vec<u8> {
        own.clone()
    }

    #[inline]
    fn distance(&self, query: &Vec<u8>, node: Plain<'_>) -> f32 {
        Self::finite(V::distance(self.metric, query, node.value()))
    }

    fn measure(&self, query: &Vec<u8>, node: Plain<'_>) -> Measured {
        let exact = V::distance(self.metric, query, node.value());
        let distance = Self::finite(exact);
        let (lower, upper) = if !self.is_operator_ours {
            V::in_any_order(self.metric, query, node.value(), exact)
        } else if exact.is_nan() {
            // PostgreSQL puts what is no number behind infinity.
            (f64::INFINITY, f64::INFINITY)
        } else {
            (exact, exact)
        };
        Measured { distance, lower, upper }
    }

    fn own(&self, node: Plain<'_>) -> Vec<u8> {
        node.value().to_vec()
    }

    #[inline]
    fn copy_own(&self, node: Plain<'_>, to: &mut Vec<u8>) {
        to.clear();
        to.extend_from_slice(node.value());
    }

    fn between(&self, one: &Vec<u8>, other: &Vec<u8>) -> f32 {
        Self::finite(V::distance(self.metric, one, other))
    }

    /// Some operators' results are no distances that could be compared by more than their order.
    fn alpha(&self) -> Alpha {
        Alpha::ONE
    }

    fn is_same(&self, one: &Vec<u8>, other: &Vec<u8>) -> bool {
        one == other
    }

    fn offer(
        &self,
        _query: &Vec<u8>,
        node: Plain<'_>,
        _distance: f32,
        _frontier: &mut Frontier<IndexTid>,
        _estimates: &mut Estimates,
        unscored: &mut Vec<IndexTid>,
    ) {
        unscored.extend(node.neighbours());
    }

    fn absorb(&self, _tuple: &mut [u8], _own: &Vec<u8>) {}

    fn set_own(&self, level: u8, tuple: &mut [u8], own: &Vec<u8>) {
        PlainMut { layout: self.layout(level), tuple }.set_value(own);
    }

    fn set_links(&self, level: u8, tuple: &mut [u8], _node: &mut Vec<u8>, links: &[NewLink<'_, Vec<u8>>]) {
        PlainMut { layout: self.layout(level), tuple }.set_links(links.iter().map(|link| link.to));
    }

    fn add_links(&self, level: u8, tuple: &mut [u8], _node: &mut Vec<u8>, links: &[NewLink<'_, Vec<u8>>]) {
        let layout = self.layout(level);
        let Some(view) = self.view(level, tuple) else { return };
        let mut neighbours: Vec<IndexTid> = view.neighbours().collect();
        let added: Vec<IndexTid> =
            links.iter().map(|link| link.to).filter(|to| !neighbours.contains(to)).collect();
        neighbours.extend(added);
        PlainMut { layout, tuple }.set_links(neighbours.into_iter());
    }

    fn stale_links(
        &self,
        _node: Plain<'_>,
        _own_of: &mut dyn FnMut(IndexTid) -> Result<Option<Vec<u8>>>,
    ) -> Result<Vec<IndexTid>> {
        Ok(Vec::new())
    }

    fn target(&self, own: &Vec<u8>, _spare: Option<Vec<u8>>) -> Vec<u8> {
        own.clone()
    }

    fn link_back<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        NewNode { tid: to, target, .. }: &mut NewNode<'_, Self>,
        _known: Known<'_, Self::Own>,
    ) -> Result<Option<Linked>> {
        let (layout, to) = (self.layout(level), *to);
        for _ in 0..ATTEMPTS {
            let seen = read_tuple(store, node, &mut Vec::new(), |tuple| {
                let view = self.view(level, tuple).filter(|view| !view.header().is_dead());
                Ok(view.map(|view| (self.own(view), view.neighbours().collect::<Vec<_>>())))
            })?;
            let Some(Some((own, neighbours))) = seen else { return Ok(None) };
            if neighbours.contains(&to) {
                return Ok(Some(Linked { in_place_of: None }));
            }
            let mut in_place_of = None;
            let mut after = neighbours.clone();
            if neighbours.len() < layout.slots() {
                after.push(to);
            } else {
                // A neighbour that is gone gives way first; otherwise the heuristic chooses, the new node among them.
                let mut values = Vec::with_capacity(neighbours.len() + 1);
                for &neighbour in &neighbours {
                    values.push(fetch_own(store, self, level, neighbour)?);
                }
                let gone = values.iter().position(Option::is_none);
                let mut values: Vec<Vec<u8>> = values.into_iter().flatten().collect();
                values.push(target.clone());
                let distances: Vec<f32> = values.iter().map(|value| self.between(&own, value)).collect();
                let given_up =
                    gone.or_else(|| give_up(&distances, |a, b| self.between(&values[a], &values[b])));
                match given_up {
                    Some(slot) if slot < neighbours.len() => {
                        in_place_of = Some(std::mem::replace(&mut after[slot], to));
                    }
                    _ => return Ok(None),
                }
            }
            let written = change_tuple(store, node, |tuple| {
                let Some(view) = self.view(level, tuple) else { return Ok(None) };
                if view.header().is_dead() || !view.neighbours().eq(neighbours.iter().copied()) {
                    return Ok(None);
                }
                PlainMut { layout, tuple }.set_links(after.iter().copied());
                Ok(Some(()))
            })?;
            if written.is_some() {
                return Ok(Some(Linked { in_place_of }));
            }
        }
        Ok(None)
    }

    fn insist<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        &mut NewNode { tid: to, .. }: &mut NewNode<'_, Self>,
        may_go: &dyn Fn(IndexTid) -> bool,
    ) -> Result<Option<Linked>> {
        let layout = self.layout(level);
        let mut linked = None;
        let written = change_tuple(store, node, |tuple| {
            let Some(view) = self.view(level, tuple) else { return Ok(None) };
            let mut neighbours: Vec<IndexTid> = view.neighbours().collect();
            linked = neighbours.contains(&to).then_some(Linked { in_place_of: None });
            if view.header().is_dead() || linked.is_some() {
                return Ok(None);
            }
            let mut in_place_of = None;
            if neighbours.len() < layout.slots() {
                neighbours.push(to);
            } else {
                // The values are elsewhere, but lists are written with the nearest first.
                let Some(given_up) = neighbours.iter_mut().rev().find(|other| may_go(**other)) else {
                    return Ok(None);
                };
                in_place_of = Some(std::mem::replace(given_up, to));
            }
            PlainMut { layout, tuple }.set_links(neighbours.into_iter());
            Ok(Some(Linked { in_place_of }))
        })?;
        Ok(written.or(linked))
    }
}
