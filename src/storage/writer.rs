//! Changing the graph: carries out what `hnsw` planned, one change after the other, each of which leaves a sound graph.

use super::graph::{Candidate, LinkTo, Reader};
use super::kind::{Kind, NewLink, Row};
use super::meta::{META_BLOCK, Meta};
use super::node::HeaderMut;
use super::store::{PageStore, Result};
use super::tid::IndexTid;
use super::tuples::{add_tuple, change_tuple};
use crate::hnsw::{EntryPoint, Graph, Link, Params, Planner};

/// Plans insertions; keeps its working memory between them.
pub type InsertPlanner<K> = Planner<IndexTid, Candidate<<K as Kind>::Own>>;

type InsertLink<K> = Link<IndexTid, Candidate<<K as Kind>::Own>>;

/// How an insertion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The row has a node of its own, or shares one.
    Indexed,
    /// The vector cannot be in the index: a zero vector has no cosine.
    NotIndexable,
}

/// Inserts a row as a node of `level`.
///
/// The order of the changes: the node's tuples from the base level up, then the links back to it, then the entry point. If it
/// is cut short, some links back are missing, which is sound.
pub fn insert<S: PageStore, K: Kind>(
    store: &S,
    kind: &K,
    params: Params,
    planner: &mut InsertPlanner<K>,
    level: u8,
    row: Row<'_>,
) -> Result<Outcome> {
    if !kind.is_indexable(row.vector) {
        return Ok(Outcome::NotIndexable);
    }
    let query = kind.query(row.vector);
    let own = kind.stored(&query);
    let mut reader = Reader::new(store, kind, query, LinkTo { own });
    if reader.entry_point()?.is_none() && insert_first(store, kind, &reader.purpose.own, level, row)? {
        return Ok(Outcome::Indexed);
    }
    let plan = planner.insert(&mut reader, params, level)?;
    let own = &reader.purpose.own;
    if let Some(duplicate) = plan.duplicate {
        let added = change_tuple(store, duplicate, |tuple| {
            let added = kind.view(0, tuple).is_some() && HeaderMut(&mut *tuple).add_heap_tid(row.tid);
            Ok(added.then(|| kind.absorb(tuple, own)))
        })?;
        if added.is_some() {
            return Ok(Outcome::Indexed);
        }
    }
    let top = add_node(store, kind, own, &plan.levels, row)?;
    if plan.is_entry_point {
        raise_entry_point(store, top)?;
    }
    Ok(Outcome::Indexed)
}

/// Writes the first node of a graph; false if somebody else was faster.
///
/// The meta page stays locked meanwhile, so that there is only one first node. This is the one place where a page is
/// locked while another one is held, besides the pieces of a node; nobody waits for the meta page while holding a node's.
fn insert_first<S: PageStore, K: Kind>(
    store: &S,
    kind: &K,
    own: &K::Own,
    level: u8,
    row: Row<'_>,
) -> Result<bool> {
    let levels: Vec<_> = (0..=level).map(|_| Vec::new()).collect();
    let inserted = store.change(&[META_BLOCK], |pages| {
        let mut meta = Meta::expect(pages[0])?;
        if meta.entry_point.is_some() {
            return Ok(None);
        }
        meta.entry_point = Some(add_node(store, kind, own, &levels, row)?);
        meta.write(pages[0]);
        Ok(Some(()))
    })?;
    Ok(inserted.is_some())
}

/// Writes a node and the links back to it; returns its tuple on its top level.
fn add_node<S: PageStore, K: Kind>(
    store: &S,
    kind: &K,
    own: &K::Own,
    levels: &[Vec<InsertLink<K>>],
    row: Row<'_>,
) -> Result<EntryPoint<IndexTid>> {
    let mut tuples: Vec<IndexTid> = Vec::with_capacity(levels.len());
    for (level, links) in levels.iter().enumerate() {
        let level = level as u8;
        let links: Vec<NewLink<'_, K::Own>> = links.iter().map(new_link).collect();
        let (size, pieces) = kind.size(level);
        let below = tuples.last().copied();
        tuples.push(add_tuple(store, size, pieces, |tuple, pieces| {
            let mut header = HeaderMut(&mut *tuple);
            header.initialise(kind.node_kind(), level, below, pieces);
            if level == 0 {
                header.add_heap_tid(row.tid);
            }
            kind.set_own(level, tuple, own);
            kind.set_links(level, tuple, own, &links);
            Ok(())
        })?);
    }
    for ((level, links), &tuple) in levels.iter().enumerate().zip(&tuples) {
        for link in links {
            store.check_interrupts()?;
            kind.link_back(store, level as u8, link.id, tuple, own)?;
        }
    }
    let level = tuples.len().saturating_sub(1) as u8;
    Ok(EntryPoint { id: tuples.last().copied().unwrap_or(IndexTid::NONE), level })
}

fn new_link<Own>(link: &Link<IndexTid, Candidate<Own>>) -> NewLink<'_, Own> {
    NewLink { to: link.id, own: &link.payload.own, is_filler: link.is_filler }
}

/// Makes a node the entry point, unless one at least as high has become it.
fn raise_entry_point<S: PageStore>(store: &S, node: EntryPoint<IndexTid>) -> Result<()> {
    store.change(&[META_BLOCK], |pages| {
        let mut meta = Meta::expect(pages[0])?;
        if meta.entry_point.is_some_and(|entry| entry.level >= node.level) {
            return Ok(None);
        }
        meta.entry_point = Some(node);
        meta.write(pages[0]);
        Ok(Some(()))
    })?;
    Ok(())
}
