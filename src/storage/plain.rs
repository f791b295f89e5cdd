//! Plain nodes at work: exact distances, one read per neighbour.

use super::graph::fetch_own;
use super::kind::{Kind, Linked, NewLink};
use super::meta::{Meta, NodeKind};
use super::node::plain::{Layout, Plain, PlainMut};
use super::store::{PageStore, Result};
use super::tid::IndexTid;
use super::tuples::{change_tuple, read_tuple};
use crate::hnsw::{Frontier, Met, give_up};
use crate::metric::Metric;
use crate::quantizer::Measured;

/// The plain nodes of one index.
pub struct PlainKind {
    metric: Metric,
    base: Layout,
    upper: Layout,
}

impl PlainKind {
    /// The nodes of the index that `meta` describes.
    pub fn new(meta: &Meta) -> Self {
        let layout = |is_base, slots| Layout::new(is_base, meta.dimensions, slots);
        Self {
            metric: meta.metric,
            base: layout(true, meta.base_slots),
            upper: layout(false, meta.upper_slots),
        }
    }

    fn layout(&self, level: u8) -> &Layout {
        if level == 0 { &self.base } else { &self.upper }
    }
}

/// How often a link back starts again because the node's list was changed while its neighbours were read.
const ATTEMPTS: usize = 4;

impl Kind for PlainKind {
    type View<'a> = Plain<'a>;
    type Query = Vec<f32>;
    type Own = Vec<f32>;
    type Target = Vec<f32>;

    fn node_kind(&self) -> NodeKind {
        NodeKind::Plain
    }

    fn forces_ways_in(&self) -> bool {
        self.metric != Metric::InnerProduct
    }

    fn search_width(&self, ef_search: usize) -> usize {
        ef_search
    }

    fn wide_search_width(&self, _ef_search: usize) -> Option<usize> {
        None
    }

    fn insertion_width(&self, ef_construction: usize) -> usize {
        ef_construction
    }

    fn size(&self, level: u8) -> (usize, usize) {
        (self.layout(level).size(), self.layout(level).pieces())
    }

    fn view<'a>(&'a self, level: u8, tuple: &'a [u8]) -> Option<Plain<'a>> {
        Plain::read(self.layout(level), tuple).filter(|node| node.header().level() == level)
    }

    fn is_indexable(&self, _vector: &[f32]) -> bool {
        true
    }

    fn query(&self, vector: &[f32]) -> Vec<f32> {
        vector.to_vec()
    }

    fn stored(&self, query: &Vec<f32>) -> Vec<f32> {
        query.clone()
    }

    fn query_of(&self, own: &Vec<f32>) -> Vec<f32> {
        own.clone()
    }

    fn distance(&self, query: &Vec<f32>, node: Plain<'_>) -> f32 {
        self.between(query, &self.own(node))
    }

    fn measure(&self, query: &Vec<f32>, node: Plain<'_>) -> Measured {
        let exact = self.metric.distance(query, &self.own(node));
        Measured::exact(exact)
    }

    fn own(&self, node: Plain<'_>) -> Vec<f32> {
        let mut value = Vec::new();
        node.value(&mut value);
        value
    }

    fn between(&self, one: &Vec<f32>, other: &Vec<f32>) -> f32 {
        self.metric.distance(one, other) as f32
    }

    fn is_same(&self, one: &Vec<f32>, other: &Vec<f32>) -> bool {
        one == other
    }

    fn offer(
        &self,
        _query: &Vec<f32>,
        node: Plain<'_>,
        _distance: f32,
        _frontier: &mut Frontier<IndexTid>,
        unscored: &mut Vec<IndexTid>,
    ) {
        unscored.extend(node.neighbours());
    }

    fn absorb(&self, _tuple: &mut [u8], _own: &Vec<f32>) {}

    fn set_own(&self, level: u8, tuple: &mut [u8], own: &Vec<f32>) {
        PlainMut { layout: self.layout(level), tuple }.set_value(own);
    }

    fn set_links(&self, level: u8, tuple: &mut [u8], _own: &Vec<f32>, links: &[NewLink<'_, Vec<f32>>]) {
        PlainMut { layout: self.layout(level), tuple }.set_links(links.iter().map(|link| link.to));
    }

    fn add_links(&self, level: u8, tuple: &mut [u8], _own: &Vec<f32>, links: &[NewLink<'_, Vec<f32>>]) {
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
        _own_of: &mut dyn FnMut(IndexTid) -> Result<Option<Vec<f32>>>,
    ) -> Result<Vec<IndexTid>> {
        Ok(Vec::new())
    }

    fn target(&self, own: &Vec<f32>) -> Vec<f32> {
        own.clone()
    }

    fn link_back<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        to: IndexTid,
        new: &mut Vec<f32>,
        _met: &Met,
    ) -> Result<Option<Linked>> {
        let layout = self.layout(level);
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
                let mut values: Vec<Vec<f32>> = values.into_iter().flatten().collect();
                values.push(new.clone());
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
        to: IndexTid,
        _new: &mut Vec<f32>,
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
