//! Fused nodes at work: the quantiser's arithmetic on the bytes of `node::fused`.

use super::kind::{Kind, Known, Linked, NewLink, NewNode};
use super::meta::{Meta, NodeKind};
use super::node::fused::{Fused, FusedMut, Layout, Shape};
use super::store::{PageStore, Result};
use super::tid::IndexTid;
use super::tuples::change_tuple;
use super::value::{Floats, PlainValue, numbers};
use crate::hnsw::{Alpha, Beam, Decision, Flags, Frontier, MAX_LINKS, Newcomer, Tail};
use crate::metric::Metric;
use crate::quantizer::{
    Bits, Encoder, Estimates, Estimator, Factors, Fine, FineHeader, Frame, MAX_ESTIMATES, Magnitude,
    Measured, Neighbour, Query, Sq8, sq8,
};
use std::sync::Arc;

/// The fused nodes of one index.
pub struct FusedKind {
    frame: Arc<Frame>,
    alpha: Alpha,
    base: Layout,
    upper: Layout,
    has_fine: bool,
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
    /// Of the header and the codes.
    terms: sq8::Terms,
    /// Only of a vector that is about to be written, and only if the index has them: nodes are compared without.
    fine: Option<(FineHeader, Box<[u8]>)>,
}

impl OwnSq8 {
    fn new(header: sq8::Header, codes: Box<[u8]>) -> Self {
        let terms = Sq8 { header, codes: &codes }.terms();
        Self { header, codes, terms, fine: None }
    }

    /// Takes another vector of as many dimensions, without its fine code.
    fn set(&mut self, vector: Sq8<'_>) {
        self.header = vector.header;
        self.codes.copy_from_slice(vector.codes);
        self.terms = vector.terms();
        self.fine = None;
    }

    /// What [`sq8::distance`] compares.
    fn compared(&self) -> (&sq8::Terms, &[u8]) {
        (&self.terms, &self.codes)
    }

    fn borrow(&self) -> Sq8<'_> {
        Sq8 { header: self.header, codes: &self.codes }
    }

    /// Whether it is this vector, but for the error.
    fn is(&self, Sq8 { header: sq8::Header { lo, step, .. }, codes }: Sq8<'_>) -> bool {
        (self.header.lo, self.header.step) == (lo, step) && *self.codes == *codes
    }

    fn fine(&self) -> Option<Fine<'_>> {
        self.fine.as_ref().map(|(header, codes)| Fine { header: *header, codes })
    }

    fn decode(&self) -> Vec<f32> {
        let mut vector = vec![0.0; self.codes.len()];
        self.borrow().decode(&mut vector);
        vector
    }
}

/// A node's own vector prepared for links from and to the node.
pub struct FusedTarget {
    own: OwnSq8,
    decoded: Vec<f32>,
    encoder: Encoder,
    back: BackCodes,
    /// The vector of the node at the other end.
    other_decoded: Vec<f32>,
    /// Of the node which is to hold the link: its neighbours, their distances to it, and to the new node.
    neighbours: Vec<IndexTid>,
    to_neighbours: Vec<f32>,
    between: Estimates,
}

/// Codes of a node's vector about those of the nodes that it was linked to, for the links back.
#[derive(Default)]
struct BackCodes {
    links: Vec<(IndexTid, Factors, f32)>,
    codes: Vec<u8>,
}

impl BackCodes {
    fn clear(&mut self) {
        self.links.clear();
        self.codes.clear();
    }

    fn push(&mut self, from: IndexTid, Neighbour { code, factors, excess }: Neighbour<'_>) {
        self.links.push((from, factors, excess));
        self.codes.extend_from_slice(code);
    }

    /// The code for the link from a node.
    fn get(&self, from: IndexTid) -> Option<Neighbour<'_>> {
        let link = self.links.iter().position(|link| link.0 == from)?;
        let (_, factors, excess) = self.links[link];
        let code = self.codes.chunks_exact(self.codes.len() / self.links.len()).nth(link)?;
        Some(Neighbour { code, factors, excess })
    }
}

impl FusedKind {
    /// The nodes of the index that `meta` describes; `None` if it is not one of fused nodes, or damaged.
    pub fn new(meta: &Meta, frame: Arc<Frame>) -> Option<Self> {
        let bits = Bits::from_count(meta.bits)?;
        const { assert!(MAX_LINKS <= MAX_ESTIMATES) };
        if meta.base_slots.max(meta.upper_slots) > MAX_LINKS {
            return None;
        }
        let (dimensions, has_fine) = (meta.dimensions, meta.has_fine());
        let layout =
            |level_is_base, slots| Layout::new(Shape { level_is_base, dimensions, bits, has_fine }, slots);
        Some(Self {
            alpha: alpha_for(frame.metric(), meta.m),
            frame,
            base: layout(true, meta.base_slots),
            upper: layout(false, meta.upper_slots),
            has_fine,
        })
    }

    fn layout(&self, level: u8) -> &Layout {
        if level == 0 { &self.base } else { &self.upper }
    }

    fn with_estimator(&self, query: Query) -> FusedQuery {
        let estimator = Estimator::new(self.base.group_layout(), self.frame.geometry(), query.vector());
        FusedQuery { query, estimator }
    }

    fn encoder(&self) -> Encoder {
        Encoder::new(self.base.group_layout(), self.frame.geometry())
    }
}

impl Kind for FusedKind {
    type View<'a> = Fused<'a>;
    type Query = FusedQuery;
    type Own = OwnSq8;
    type Target = FusedTarget;

    fn node_kind(&self) -> NodeKind {
        NodeKind::Fused
    }

    fn forces_ways_in(&self) -> bool {
        self.frame.metric() != Metric::InnerProduct
    }

    fn beam(&self, ef_search: usize, rows: usize) -> Beam {
        let width = usual_visits(ef_search, rows);
        // As for insertions: where links are few, no detour can be spared.
        match tail_of(self.frame.metric(), ef_search, rows).filter(|_| self.alpha != Alpha::ONE) {
            Some(tail) => Beam { width: width + ef_search / 4, tail: Some(tail) },
            None => Beam::of(width),
        }
    }

    /// An eighth wider, as estimates err; an eighth narrower where alpha makes up for it.
    ///
    /// Laboratory, 60,000 rows (synthetic: 100,000), m = 16, ef_construction = 64, recall@10 of 1,000 queries at ef 20/40/100/200
    /// (rows at the same 8-bit distance are not told apart, so that 1 is out of reach; two threads; before links back were decided by
    /// 4-bit estimates, which changed no more than builds differ):
    ///
    /// | beam, alpha | text 384, cosine | Fashion-MNIST 784, L2 | synthetic 128, L2 |
    /// |---|---|---|---|
    /// | 72, 1 | .960/.977/.987/.991 | .9875/.9947/.9977/.9982 | .941/.973/.987/.988 |
    /// | 72, 1.1 | .964/.979/.988/.991 | .9901/.9959/.9984/.9986 | .940/.974/.987/.988 |
    /// | 72, 1.2 | .959/.972/.986/.989 | .9882/.9956/.9982/.9985 | |
    /// | 64, 1 | .954/.974/.985/.989 | .9872/.9947/.9976/.9982 | .940/.973/.987/.988 |
    /// | 64, 1.1 | .962/.977/.988/.991 | .9902/.9957/.9980/.9983 | .942/.973/.987/.988 |
    /// | **56, 1.1** | .962/.976/.987/.990 | .9887/.9953/.9980/.9982 | .941/.973/.987/.988 |
    /// | 48, 1.1 | .954/.970/.985/.989 | .9895/.9951/.9977/.9982 | |
    ///
    /// Of a beam's last entries, those are not visited that are alpha times as far as one in its middle (`hnsw/frontier.rs`), which
    /// spares a build most where data has few dimensions in truth. The same, by searches that are wider by ten more, 56 and 1.1, means of
    /// so many builds, with the base level's visits of an insertion:
    ///
    /// | left out if 1.1 (1.2) times as far as the | builds | text | Fashion-MNIST | synthetic |
    /// |---|---|---|---|---|
    /// | nothing | 8 | .965/.979/.987/.990, 56 | .993/.997/.998/.998, 56 | .951/.976/.987/.988, 56 |
    /// | **24th, from the 40th on** | 4 | .965/.979/.987/.989, 53.9 | .993/.996/.998/.998, 47.3 | .949/.975/.986/.988, 53.3 |
    /// | 24th | 4 | .963/.977/.987/.989, 52.9 | .993/.996/.998/.999, 45.6 | .950/.975/.986/.988, 53.2 |
    /// | 16th | 1 | .960/.969/.985/.989, 44.8 | .992/.996/.998/.999, 33.6 | |
    /// | 16th (1.2) | 4 | .963/.977/.986/.990, 52.5 | .992/.996/.998/.998, 47.3 | .950/.977/.987/.988, 55.6 |
    fn insertion_width(&self, ef_construction: usize) -> usize {
        if self.alpha == Alpha::ONE {
            ef_construction + ef_construction / 8
        } else {
            ef_construction - ef_construction / 8
        }
    }

    fn size(&self, level: u8, _own: &OwnSq8) -> (usize, usize) {
        (self.layout(level).size(), self.layout(level).pieces())
    }

    #[inline]
    fn view<'a>(&'a self, level: u8, tuple: &'a [u8]) -> Option<Fused<'a>> {
        Fused::read(self.layout(level), tuple).filter(|node| node.header().level() == level)
    }

    fn is_indexable(&self, value: &[u8]) -> bool {
        Floats::is_indexable(self.frame.metric(), value)
    }

    fn query(&self, value: &[u8]) -> FusedQuery {
        let query = Query::new(&self.frame, &numbers(value));
        self.with_estimator(query)
    }

    fn stored(&self, query: &FusedQuery) -> OwnSq8 {
        let mut codes = vec![0; self.base.dimensions()].into_boxed_slice();
        let header =
            sq8::encode(query.query.vector(), query.query.magnitude(), self.frame.length(), &mut codes);
        let fine = self.has_fine.then(|| {
            let mut fine = vec![0; sq8::fine_bytes(codes.len())].into_boxed_slice();
            (sq8::encode_fine(query.query.vector(), header, &codes, &mut fine), fine)
        });
        OwnSq8 { fine, ..OwnSq8::new(header, codes) }
    }

    fn query_of(&self, own: &OwnSq8) -> FusedQuery {
        let query = Query::of_stored(&self.frame, own.decode(), Magnitude::Ordinary);
        self.with_estimator(query)
    }

    #[inline]
    fn distance(&self, query: &FusedQuery, node: Fused<'_>) -> f32 {
        query.query.distance(node.vector())
    }

    #[inline]
    fn measure(&self, query: &FusedQuery, node: Fused<'_>) -> Measured {
        query.query.measure(node.vector(), node.fine())
    }

    fn own(&self, node: Fused<'_>) -> OwnSq8 {
        let Sq8 { header, codes } = node.vector();
        OwnSq8::new(header, codes.into())
    }

    #[inline]
    fn copy_own(&self, node: Fused<'_>, to: &mut OwnSq8) {
        to.set(node.vector());
    }

    #[inline]
    fn between(&self, one: &OwnSq8, other: &OwnSq8) -> f32 {
        sq8::distance(one.compared(), other.compared(), self.frame.geometry())
    }

    fn alpha(&self) -> Alpha {
        self.alpha
    }

    fn is_same(&self, one: &OwnSq8, other: &OwnSq8) -> bool {
        one.is(other.borrow())
    }

    #[inline]
    fn offer(
        &self,
        query: &FusedQuery,
        node: Fused<'_>,
        distance: f32,
        frontier: &mut Frontier<IndexTid>,
        estimates: &mut Estimates,
        _unscored: &mut Vec<IndexTid>,
    ) {
        query.estimator.estimate(node.groups(), distance, frontier.bound(), estimates);
        frontier.offer_estimates(estimates.not_above(), |slot| node.address(slot));
    }

    fn absorb(&self, tuple: &mut [u8], own: &OwnSq8) {
        let Some(node) = self.view(0, tuple) else { return };
        let mut stored = self.own(node);
        stored.header.error = stored.header.error.max(own.header.error);
        stored.fine = node.fine().zip(own.fine()).map(|(fine, other)| {
            // The other vector is no farther from this fine code than from its own and that from this one.
            let apart = sq8::fine_difference(stored.header, fine.codes, other.codes);
            let error = fine.header.error.max((other.header.error + apart).next_up());
            (FineHeader { error, ..fine.header }, fine.codes.into())
        });
        self.set_own(0, tuple, &stored);
    }

    fn set_own(&self, level: u8, tuple: &mut [u8], own: &OwnSq8) {
        let mut node = FusedMut { layout: self.layout(level), tuple };
        node.set_vector(own.borrow());
        if let Some(fine) = own.fine() {
            node.set_fine(fine);
        }
    }

    fn set_links(&self, level: u8, tuple: &mut [u8], node: &mut FusedTarget, links: &[NewLink<'_, OwnSq8>]) {
        FusedMut { layout: self.layout(level), tuple: &mut *tuple }.clear_links();
        self.add_links(level, tuple, node, links);
    }

    fn add_links(&self, level: u8, tuple: &mut [u8], node: &mut FusedTarget, links: &[NewLink<'_, OwnSq8>]) {
        let layout = self.layout(level);
        let Some(view) = self.view(level, tuple) else { return };
        let FusedTarget { decoded, encoder, back, other_decoded, neighbours, .. } = node;
        view.neighbours_into(neighbours);
        let mut flags = view.flags();
        let mut node = FusedMut { layout, tuple };
        let added = links.iter().filter(|link| !neighbours.contains(&link.to));
        for (slot, link) in (neighbours.len()..layout.slots()).zip(added) {
            link.own.borrow().decode(other_decoded);
            node.set_link(slot, link.to, encoder.encode(other_decoded, decoded));
            if let Some(code) = encoder.reverse() {
                back.push(link.to, code);
            }
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
        let size = node.vector().norm_squared() as f32;
        for (slot, neighbour) in node.neighbours().enumerate() {
            let Some(own) = own_of(neighbour)? else { continue };
            own.borrow().decode(&mut target);
            let (bits, stored) = (self.base.group_layout().bits(), node.link(slot, &mut code));
            if is_alike(bits, size, encoder.encode(&target, &origin), stored) {
                continue;
            }
            // Or it was made at the other end.
            encoder.encode(&origin, &target);
            if !encoder.reverse().is_some_and(|fresh| is_alike(bits, size, fresh, stored)) {
                stale.push(neighbour);
            }
        }
        Ok(stale)
    }

    fn target(&self, own: &OwnSq8, spare: Option<FusedTarget>) -> FusedTarget {
        let dimensions = self.base.dimensions();
        let mut target = spare.unwrap_or_else(|| FusedTarget {
            own: OwnSq8 { fine: None, ..own.clone() },
            decoded: vec![0.0; dimensions],
            encoder: self.encoder(),
            back: BackCodes::default(),
            other_decoded: vec![0.0; dimensions],
            neighbours: Vec::new(),
            to_neighbours: Vec::new(),
            between: Estimates::new(),
        });
        target.own.set(own.borrow());
        target.back.clear();
        own.borrow().decode(&mut target.decoded);
        target
    }

    fn link_back<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        new: &mut NewNode<'_, Self>,
        known: Known<'_, OwnSq8>,
    ) -> Result<Option<Linked>> {
        let slots = self.layout(level).slots();
        self.link(store, level, node, new, Some(known), |newcomer, flags, _| newcomer.decide(flags, slots))
    }

    fn insist<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        new: &mut NewNode<'_, Self>,
        may_go: &dyn Fn(IndexTid) -> bool,
    ) -> Result<Option<Linked>> {
        let slots = self.layout(level).slots();
        self.link(store, level, node, new, None, |newcomer, flags, neighbours| {
            if neighbours.len() < slots {
                return newcomer.decide(flags, slots);
            }
            newcomer.insist(flags, |slot| neighbours.get(slot).is_some_and(|&other| may_go(other)))
        })
    }
}

impl FusedKind {
    /// Writes a link from `node` to the new node where `decide` says.
    fn link<S: PageStore>(
        &self,
        store: &S,
        level: u8,
        node: IndexTid,
        new: &mut NewNode<'_, Self>,
        known: Option<Known<'_, OwnSq8>>,
        decide: impl Fn(Newcomer<'_>, Flags, &[IndexTid]) -> Decision,
    ) -> Result<Option<Linked>> {
        let layout = self.layout(level);
        let NewNode { tid: to, query, target } = new;
        let FusedTarget { own, decoded, encoder, back, other_decoded, neighbours, to_neighbours, between } =
            target;
        let mut linked = None;
        let written = change_tuple(store, node, |tuple| {
            let Some(view) = self.view(level, tuple) else { return Ok(None) };
            view.neighbours_into(neighbours);
            linked = neighbours.contains(to).then_some(Linked { in_place_of: None });
            if view.header().is_dead() || linked.is_some() {
                return Ok(None);
            }
            let vector = view.vector();
            let geometry = self.frame.geometry();
            // Not as the search met it: where vectors are nearly equal, all is to be compared as it is stored.
            let distance = sq8::distance((&vector.terms(), vector.codes), own.compared(), geometry);
            view.distances_into(vector.distance_to_itself(geometry), to_neighbours);
            let groups = view.groups();
            match known.as_ref().filter(|known| known.estimates.all().len() == neighbours.len()) {
                Some(known) => {
                    between.copy(known.estimates);
                    query.estimator.restart(groups, between, known.distance, distance);
                }
                None => query.estimator.estimate(groups, distance, f32::INFINITY, between),
            }
            let between = between.all_mut();
            if let Some(Known { met, .. }) = &known {
                for (between, &neighbour) in between.iter_mut().zip(&*neighbours) {
                    *between = met.distance_or(neighbour, *between);
                }
            }
            let newcomer = Newcomer { distance, to_neighbours, between, alpha: self.alpha };
            let Decision::Write { slot, flags } = decide(newcomer, view.flags(), neighbours) else {
                return Ok(None);
            };
            let code = known.as_ref().filter(|known| known.own.is(vector)).and_then(|_| back.get(node));
            let code = code.unwrap_or_else(|| {
                vector.decode(other_decoded);
                encoder.encode(decoded, other_decoded)
            });
            let mut node = FusedMut { layout, tuple };
            node.set_link(slot, *to, code);
            node.set_flags(&flags);
            Ok(Some(Linked { in_place_of: neighbours.get(slot).copied() }))
        })?;
        Ok(written.or(linked))
    }
}

/// 1.1, of squared distances ([`Kind::insertion_width`] has the figures); but one for inner products of vectors of any length, from
/// which no distance can be had, and for nodes with few links, which cannot spare one: in 1,700 uniformly random dimensions, with m =
/// 4, ef_construction = 16 and 400 rows inserted one by one, no path led to 18 rows instead of 9 (L2), and to 22 instead of 8 (cosine).
fn alpha_for(metric: Metric, m: usize) -> Alpha {
    const ALPHA: f32 = 1.1;
    const LEAST_M: usize = 8;
    times_as_far(metric, ALPHA).filter(|_| m >= LEAST_M).unwrap_or(Alpha::ONE)
}

/// What is so many times as far, by its squared distance; `None` if none can be had.
fn times_as_far(metric: Metric, factor: f32) -> Option<Alpha> {
    match metric {
        Metric::L2 => Some(Alpha::of_proportional(factor)),
        Metric::Cosine => Some(Alpha::of_inner_products(factor)),
        _ => None,
    }
}

/// What of a beam for `rows` rows is left out; `None` if the metric has no distances to tell it by.
///
/// Beyond the first `ef_search` entries, what is so far beyond one and a half times as many nodes as rows that, if data had 16
/// dimensions, as many as are [usually visited](usual_visits) would be nearer. What that spares is spent on beams that are wider by a
/// quarter of `ef_search`, for the queries that need it.
///
/// Laboratory, one build each: text and Fashion-MNIST as for insertions, synthetic of 128 dimensions (100,000 rows), and 100,000 rows in
/// 2,000 clusters of very different density. Recall@10 of 1,000 queries (equal 8-bit distances are not told apart), mean visits of the
/// base level, and these in parts of what a beam without a tail takes for that recall:
///
/// | | text | Fashion-MNIST | synthetic | clusters |
/// |---|---|---|---|---|
/// | 60 without a tail | .9784 | .9963 | .9748 | .8904 |
/// | **ef 40** | .9803, 58, .83 | .9971, 54, .77 | .9767, 60, .91 | .8559, 44, .94 |
/// | wider by ef / 2 | .9842, 63, .78 | .9974, 56, .70 | .9771, 62, .93 | .8584, 44, .93 |
/// | the same, from entry 20 on | .9839, 59, .74 | .9974, 54, .67 | .9771, 61, .93 | .7388, 32, .96 |
/// | 120 without a tail | .9870 | .9981 | .9866 | .8990 |
/// | **ef 100** | .9878, 127, .90 | .9982, 115, .77 | .9868, 126, .99 | .8985, 104, .89 |
/// | wider by ef / 2 | .9887, 140, .86 | .9982, 121, .81 | .9870, 133, .99 | .8985, 104, .89 |
/// | the same, from entry 40 on | .9887, 121, .75 | .9982, 100, .66 | .9867, 129, 1.04 | .8665, 46, .92 |
///
/// It costs clusters recall, where a search that is caught in one has nothing nearer in sight; so `ef_search` entries are visited in any
/// case, as pgvector does. On PostgreSQL, recall@10 of 1,000 queries of the clusters at ef 20/40/100/200: .678/.919/.997/.998, pgvector's
/// .836/.868/.942/.977.
fn tail_of(metric: Metric, ef_search: usize, rows: usize) -> Option<Tail> {
    const DIMENSIONS: f32 = 16.0;
    let of_rows = |rows: usize| rows.max(USUAL_ROWS) * 3 / 2;
    let nearer = usual_visits(ef_search, USUAL_ROWS) as f32 / of_rows(USUAL_ROWS) as f32;
    let middle = of_rows(rows.min(ef_search));
    let alpha = times_as_far(metric, nearer.max(1.0).powf(2.0 / DIMENSIONS))?;
    Some(Tail { first: middle.max(ef_search), middle, alpha })
}

/// Rows that a search is taken to be for, if nobody tells.
pub const USUAL_ROWS: usize = 10;

/// How many nodes of the base level a search by estimates visits, about, when `ef_search` is asked for and `rows` rows are read.
///
/// Up to twenty wider, and by two for each row beyond the tenth: estimates err, and what they misjudge is the rim of the beam, which
/// matters the more, the narrower it is, and the nearer the rows come to it. It matters most where nodes have fewer links than 2 m
/// to fill a page. 200,000 synthetic rows of 768 dimensions (25 links), recall@10 of 1,000 queries at ef 40/100/200, PostgreSQL 18, one
/// build each: pgvector .9701/.9970/.9994, ten wider .9598/.9925/.9987, twenty wider .9743/.9943/.9990. In the laboratory ten wider
/// .9578/.9928/.9982, twenty wider .9718/.9939/.9983; ten wider, but insertions by beams of 64 and 72 instead of 56 (one thread),
/// .9592/.9929/.9981 and .9603/.9939/.9986.
///
/// Laboratory, m = 16, ef_construction = 64, recall@10 of 1,000 queries (Fashion-MNIST 500, the demo its 60) at ef
/// 40/100/200; exact: plain nodes, 500 queries:
///
/// | | as asked | ten wider | exact |
/// |---|---|---|---|
/// | text 384, 60,000 rows, cosine | .973/.992/.996 | .979/.991/.996 | .977/.993/.997 |
/// | the same, lengths 0.3 to 3.3, inner product | .965/.991/.996 | .974/.992/.996 | .974/.993/.997 |
/// | Fashion-MNIST 784, 60,000 rows, L2 | .995/.999/1.000 | .996/.999/1.000 | .997/.999/1.000 |
/// | the demo's 7,344 rows, cosine | .990/.998/1.000 | .993/.998/1.000 | .992 at ef 40 |
///
/// PostgreSQL 18, recall@k of 245 queries of the demo and 300 of the others, pgvector's at ef and ours with beams of
/// these widths; in the last column, the visits usual now, of which `ef_search` / 4 more may follow:
///
/// | ef, k | pgvector: demo, text, Fashion-MNIST | ours: demo | text | Fashion-MNIST | |
/// |---|---|---|---|---|---|
/// | 40, 20 | .982, .964, .995 | 50: .962, 70: .980, 90: .988 | 50: .955, 70: .972 | 50: .993, 70: .997 | 80 |
/// | 40, 40 | .970, .943, .992 | 90: .953, 120: .974 | 90: .949, 120: .967 | 90: .995, 120: .999 | 120 |
/// | 100, 50 | .992, .973, .998 | 160: .980, 210: .991 | 160: .972, 210: .982 | 160: .999, 210: 1.000 | 200 |
/// | 100, 100 | .980, .949, .996 | 210: .946, 310: .980 | 210: .945, 310: .972 | 210: .997, 310: 1.000 | 300 |
pub fn usual_visits(ef_search: usize, rows: usize) -> usize {
    ef_search + 10 + (ef_search / 4).min(10) + 2 * rows.min(ef_search).saturating_sub(USUAL_ROWS)
}

/// Whether two codes can be of one vector, computed by different instruction sets, which round sums differently; `size` is the
/// squared length of the node's vector.
fn is_alike(bits: Bits, size: f32, one: Neighbour<'_>, other: Neighbour<'_>) -> bool {
    let [a, b] = [one.factors.rescale, other.factors.rescale];
    let pairs = one.code.iter().zip(other.code);
    let differing = match bits {
        Bits::Eight => pairs.filter(|(a, b)| a.abs_diff(**b) > 1).count(),
        _ => pairs.map(|(a, b)| (a ^ b).count_ones() as usize).sum(),
    };
    let excess = one.excess.abs().max(other.excess.abs());
    let apart = (one.excess - other.excess).abs();
    // Infinite ones are apart by what is no number, and the smallest numbers have few bits.
    let is_as_far = apart.is_nan() || apart <= 0.01 * excess + 1e-5 * size + f32::MIN_POSITIVE;
    is_as_far && (a - b).abs() <= 1e-3 * a.abs().max(b.abs()) && differing <= 2 + one.code.len() / 8
}
