//! What searching, inserting and vacuuming need of a kind of node, so that they need not know which one they run on.

use super::meta::NodeKind;
use super::node::{Header, fused, plain};
use super::store::{PageStore, Result};
use super::tid::{HeapTid, IndexTid};
use crate::hnsw::{Alpha, Beam, Frontier, Met};
use crate::quantizer::{Estimates, Measured};

/// A kind of node in one index.
pub trait Kind: Sized {
    /// A tuple, read.
    type View<'a>: View<'a>;
    /// A vector that nodes are compared with: searched for, or about to be linked.
    type Query;
    /// A copy of a node's own vector as the node has it.
    type Own: Clone + Send;
    /// A node's vector prepared for links from and to the node, with their working memory.
    type Target: Send;

    /// What the nodes say they are.
    fn node_kind(&self) -> NodeKind;

    /// Whether every node is to have a way in, be it at the cost of its neighbours' links.
    ///
    /// With inner products most rows are nobody's neighbour by nature, the nearest to every query being long ones. Links to
    /// them would take the place of those that searches go by: with three dimensions, recall after a build fell from 0.99
    /// to 0.91, and with m = 4 after a vacuum from 0.89 to 0.69.
    fn forces_ways_in(&self) -> bool;

    /// How widely to search for a query of which `rows` rows are asked for, at most `ef_search`.
    fn beam(&self, ef_search: usize, rows: usize) -> Beam;

    /// How widely to search for a new node's neighbours when `ef_construction` is asked for.
    fn insertion_width(&self, ef_construction: usize) -> usize;

    /// Size of the tuple on a level of a node that keeps `own`, and the number of its further pieces.
    fn size(&self, level: u8, own: &Self::Own) -> (usize, usize);

    /// Reads a tuple; `None` if these bytes are no tuple of that level.
    fn view<'a>(&'a self, level: u8, tuple: &'a [u8]) -> Option<Self::View<'a>>;

    /// Whether the [value](super::value) can be in the index: a zero vector has no cosine.
    fn is_indexable(&self, value: &[u8]) -> bool;

    /// Prepares a [value](super::value) of the index's type and number of dimensions.
    fn query(&self, value: &[u8]) -> Self::Query;

    /// What a node would keep of the vector.
    fn stored(&self, query: &Self::Query) -> Self::Own;

    /// The vector that a node keeps, as something to compare nodes with.
    fn query_of(&self, own: &Self::Own) -> Self::Query;

    /// The node's distance to the query.
    fn distance(&self, query: &Self::Query, node: Self::View<'_>) -> f32;

    /// The node's distance to the query, and between which values the operator's result lies.
    fn measure(&self, query: &Self::Query, node: Self::View<'_>) -> Measured;

    /// A copy of the node's own vector.
    fn own(&self, node: Self::View<'_>) -> Self::Own;

    /// [`own`](Self::own) in place of another node's, whose memory it takes.
    fn copy_own(&self, node: Self::View<'_>, to: &mut Self::Own);

    /// The distance between two nodes.
    fn between(&self, one: &Self::Own, other: &Self::Own) -> f32;

    /// When a link hides a neighbour.
    fn alpha(&self) -> Alpha;

    /// Whether two vectors are the same to the index, so that their rows can share a node.
    fn is_same(&self, one: &Self::Own, other: &Self::Own) -> bool;

    /// Offers those neighbours to the frontier which the node can score by itself, and adds to `unscored` those that have
    /// to be read. `distance` is the node's own. A node that scores its neighbours by itself leaves in `estimates` what it
    /// thinks of all of them.
    fn offer(
        &self,
        query: &Self::Query,
        node: Self::View<'_>,
        distance: f32,
        frontier: &mut Frontier<IndexTid>,
        estimates: &mut Estimates,
        unscored: &mut Vec<IndexTid>,
    );

    /// Writes all links of a tuple that has its header and vector, in place of those it may have. `node` is made of that vector.
    fn set_links(
        &self,
        level: u8,
        tuple: &mut [u8],
        node: &mut Self::Target,
        links: &[NewLink<'_, Self::Own>],
    );

    /// Widens what a base level's node says of its own vector so that it holds for another one that
    /// [is the same](Self::is_same) to the index.
    fn absorb(&self, tuple: &mut [u8], own: &Self::Own);

    /// Writes a node's own vector into a new tuple which has its header.
    fn set_own(&self, level: u8, tuple: &mut [u8], own: &Self::Own);

    /// The neighbours whose codes in this node are not those of their vectors, as far as `own_of` knows these.
    fn stale_links(
        &self,
        node: Self::View<'_>,
        own_of: &mut dyn FnMut(IndexTid) -> Result<Option<Self::Own>>,
    ) -> Result<Vec<IndexTid>>;

    /// Adds links to those a tuple has, as far as there are free slots and it does not have them yet. They give way
    /// before the others. `node` is made of the tuple's vector.
    fn add_links(
        &self,
        level: u8,
        tuple: &mut [u8],
        node: &mut Self::Target,
        links: &[NewLink<'_, Self::Own>],
    );

    /// Prepares the vector that a node keeps for links from and to the node. `spare` is one that is not needed any more, whose memory
    /// it takes.
    fn target(&self, own: &Self::Own, spare: Option<Self::Target>) -> Self::Target;

    /// Links `node` to the new node, if it is the better for it; `None` if not.
    fn link_back<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        new: &mut NewNode<'_, Self>,
        known: Known<'_, Self::Own>,
    ) -> Result<Option<Linked>>;

    /// Links `node` to the new node whether it is the better for it or not, so that a path leads there. A full node
    /// gives up a link for which `may_go` says so, by preference the farthest of those that others hide.
    ///
    /// `None` if there is no link to give up.
    fn insist<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        new: &mut NewNode<'_, Self>,
        may_go: &dyn Fn(IndexTid) -> bool,
    ) -> Result<Option<Linked>>;
}

/// A node that others are to link to: a new one, or one that lost its links.
pub struct NewNode<'a, K: Kind> {
    /// Of the tuple on the level in question.
    pub tid: IndexTid,
    /// Its vector, as a search for its neighbours had it.
    pub query: &'a K::Query,
    /// Made by [`Kind::target`].
    pub target: &'a mut K::Target,
}

/// What the search for a new node's neighbours learnt.
pub struct Known<'a, Own> {
    /// The vector, as it was then, of the node which is to be linked to the new one.
    pub own: &'a Own,
    /// Nodes whose distances to the new one are known.
    pub met: &'a Met,
    /// How far that node's neighbours seemed to be from the new node. Others may be its neighbours by
    /// now, as many as before: then the node errs in what it decides.
    pub estimates: &'a Estimates,
    /// That node's own distance, from which they started, but for one that is not a number.
    pub distance: f32,
}

/// A link that was written, or was there already.
#[derive(Clone, Copy, Debug)]
pub struct Linked {
    /// The neighbour that was given up for it.
    pub in_place_of: Option<IndexTid>,
}

/// A tuple of either kind.
pub trait View<'a>: Copy {
    fn header(&self) -> Header<'a>;
    fn neighbours(&self) -> impl Iterator<Item = IndexTid> + 'a;
}

impl<'a> View<'a> for fused::Fused<'a> {
    fn header(&self) -> Header<'a> {
        fused::Fused::header(self)
    }

    fn neighbours(&self) -> impl Iterator<Item = IndexTid> + 'a {
        fused::Fused::neighbours(self)
    }
}

impl<'a> View<'a> for plain::Plain<'a> {
    fn header(&self) -> Header<'a> {
        plain::Plain::header(self)
    }

    fn neighbours(&self) -> impl Iterator<Item = IndexTid> + 'a {
        plain::Plain::neighbours(self)
    }
}

/// A link to be written.
pub struct NewLink<'a, Own> {
    pub to: IndexTid,
    /// The neighbour's vector as its node has it.
    pub own: &'a Own,
    /// The heuristic passed over it.
    pub is_filler: bool,
}

/// A row to be indexed.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// A [value](super::value).
    pub value: &'a [u8],
    pub tid: HeapTid,
}
