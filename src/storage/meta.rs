//! The meta page: block 0 of every index.
//!
//! ```text
//! offset  size  field
//!      0     4  magic "QzDB"
//!      4     4  format version
//!      8     4  dimensions
//!     12     1  metric (1 L2, 2 inner product, 3 cosine, 4 L1, 5 Hamming, 6 Jaccard)
//!     13     1  node kind (1 fused, 2 plain)
//!     14     1  bits per dimension of a neighbour's code (fused nodes), otherwise 0
//!     15     1  level of the entry point
//!     16     2  m
//!     18     2  ef_construction at build time
//!     20     2  slots of a node on the base level
//!     22     2  slots of a node above it
//!     24     8  seed of the rotation
//!     32     6  entry point: its tuple on its top level; offset 0 if the graph is empty
//!     38     1  bits per dimension of a node's own vector (fused nodes: 8, or 12 with fine codes), otherwise 0
//!     39     1  what values consist of (1 floats, 2 halves, 3 bits, 4 sparse; fused nodes are made from floats)
//! ```
//!
//! Integers are little endian. Version history: 1, the first; 2, codes for the cosine and the inner product are of what a
//! neighbour has beyond its projection on the node; 3, there may be fine codes, the meta page says what values consist of, and
//! plain nodes have their addresses before the value.

use super::node::fused;
use super::page::{Page, PageKind};
use super::store::{Error, Result};
use super::tid::IndexTid;
use super::value::ValueType;
use crate::hnsw::{EntryPoint, Params};
use crate::metric::Metric;
use crate::quantizer::Bits;

const MAGIC: [u8; 4] = *b"QzDB";
const VERSION: u32 = 4;
const SIZE: usize = 40;

/// Number of the meta page.
pub const META_BLOCK: u32 = 0;

/// How nodes are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NodeKind {
    Fused = 1,
    Plain = 2,
}

/// What an index was created with, and where searches start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meta {
    pub dimensions: usize,
    pub metric: Metric,
    pub kind: NodeKind,
    /// What values consist of.
    pub value: ValueType,
    /// Bits per dimension of a neighbour's code; 0 for plain nodes.
    pub bits: u8,
    /// Bits per dimension of a node's own vector; 0 for plain nodes.
    pub own_bits: u8,
    pub m: usize,
    pub ef_construction: usize,
    pub base_slots: usize,
    pub upper_slots: usize,
    pub seed: u64,
    pub entry_point: Option<EntryPoint<IndexTid>>,
}

/// What a page turned out to be that should be a meta page.
#[derive(Debug, PartialEq, Eq)]
pub enum NotReadable {
    /// Not ours, or damaged.
    Foreign,
    /// Of a format this library does not read.
    Version(u32),
}

/// Bits per dimension of a node's own vector, without and with fine codes.
const COARSE: u8 = 8;
const FINE: u8 = 12;

/// From how many dimensions on nodes keep fine codes of their own vectors: where rows exceed 2 kB, PostgreSQL stores vectors
/// out of line, and to look at a row's distance in order to find its place costs more than a visit. Fashion-MNIST (784
/// dimensions, PostgreSQL 18), CPU of the server per query at ef 20: 177 us without, 139 and 166 in two runs with.
const FINE_FROM: usize = 500;

/// The seed of every index's rotation. One value for all lets a session keep the rotation between indexes.
const SEED: u64 = 0x51a7_2db0_5eed_0001;

impl Meta {
    /// The meta page of a new, empty index.
    ///
    /// Its nodes are fused if they can be: if the values are floats, and the metric can be estimated.
    pub fn new(metric: Metric, value: ValueType, dimensions: usize, params: Params) -> Self {
        let Params { m, ef_construction } = params;
        let (kind, bits, own_bits, [base_slots, upper_slots]) = if metric.estimable()
            && value == ValueType::Floats
        {
            let bits = Bits::for_dimensions(dimensions);
            let has_fine =
                dimensions >= FINE_FROM && fused::Layout::base_shape(dimensions, bits, 2 * m).has_fine;
            let slots = [(true, 2 * m), (false, m)].map(|(level_is_base, target)| {
                fused::Layout::slots_for(fused::Shape { level_is_base, dimensions, bits, has_fine }, target)
            });
            (NodeKind::Fused, bits as u8, if has_fine { FINE } else { COARSE }, slots)
        } else {
            (NodeKind::Plain, 0, 0, [2 * m, m])
        };
        let seed = SEED;
        Self {
            dimensions,
            metric,
            kind,
            value,
            bits,
            own_bits,
            m,
            ef_construction,
            base_slots,
            upper_slots,
            seed,
            entry_point: None,
        }
    }

    /// Makes `page` a meta page.
    pub fn write(&self, page: &mut Page) {
        let mut bytes = [0; SIZE];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..12].copy_from_slice(&(self.dimensions as u32).to_le_bytes());
        bytes[12] = metric_code(self.metric);
        bytes[13] = self.kind as u8;
        bytes[14] = self.bits;
        bytes[15] = self.entry_point.map_or(0, |entry| entry.level);
        bytes[16..18].copy_from_slice(&(self.m as u16).to_le_bytes());
        bytes[18..20].copy_from_slice(&(self.ef_construction as u16).to_le_bytes());
        bytes[20..22].copy_from_slice(&(self.base_slots as u16).to_le_bytes());
        bytes[22..24].copy_from_slice(&(self.upper_slots as u16).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.seed.to_le_bytes());
        bytes[32..38].copy_from_slice(&self.entry_point.map_or(IndexTid::NONE, |entry| entry.id).to_bytes());
        bytes[38] = self.own_bits;
        bytes[39] = self.value as u8;
        page.initialise(PageKind::Meta);
        page.set_content(&bytes);
    }

    /// Reads a meta page.
    pub fn read(page: &Page) -> std::result::Result<Self, NotReadable> {
        let content = |size| page.is(PageKind::Meta).then(|| page.content(size)).flatten();
        // Versions differ in size, but all begin alike.
        let [m0, m1, m2, m3, version @ ..] =
            content(8).and_then(|start| start.first_chunk::<8>()).ok_or(NotReadable::Foreign)?;
        if [*m0, *m1, *m2, *m3] != MAGIC {
            return Err(NotReadable::Foreign);
        }
        match u32::from_le_bytes(*version) {
            VERSION => (),
            other => return Err(NotReadable::Version(other)),
        }
        let bytes: &[u8; SIZE] =
            content(SIZE).and_then(|content| content.try_into().ok()).ok_or(NotReadable::Foreign)?;
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let [t0, t1, t2, t3, t4, t5] = [32, 33, 34, 35, 36, 37].map(|at| bytes[at]);
        let entry = IndexTid::from_bytes([t0, t1, t2, t3, t4, t5]);
        Ok(Self {
            dimensions: u32_at(8) as usize,
            metric: metric_from_code(bytes[12]).ok_or(NotReadable::Foreign)?,
            kind: match bytes[13] {
                1 => NodeKind::Fused,
                2 => NodeKind::Plain,
                _ => return Err(NotReadable::Foreign),
            },
            value: value_from_code(bytes[39]).ok_or(NotReadable::Foreign)?,
            bits: bytes[14],
            own_bits: bytes[38],
            m: usize::from(u16_at(16)),
            ef_construction: usize::from(u16_at(18)),
            base_slots: usize::from(u16_at(20)),
            upper_slots: usize::from(u16_at(22)),
            seed: u64::from(u32_at(24)) | u64::from(u32_at(28)) << 32,
            entry_point: (!entry.is_none()).then_some(EntryPoint { id: entry, level: bytes[15] }),
        })
    }

    /// Whether nodes keep fine codes of their own vectors.
    pub fn has_fine(&self) -> bool {
        self.own_bits == FINE
    }

    /// Reads the meta page of an index that is in use, where anything but a sound one is damage.
    pub fn expect(page: &Page) -> Result<Self> {
        Self::read(page).map_err(|_| Error::Corrupt {
            at: IndexTid { block: META_BLOCK, offset: 0 },
            what: "the meta page is not readable",
        })
    }
}

fn metric_code(metric: Metric) -> u8 {
    match metric {
        Metric::L2 => 1,
        Metric::InnerProduct => 2,
        Metric::Cosine => 3,
        Metric::L1 => 4,
        Metric::Hamming => 5,
        Metric::Jaccard => 6,
    }
}

fn metric_from_code(code: u8) -> Option<Metric> {
    use Metric::*;
    [L2, InnerProduct, Cosine, L1, Hamming, Jaccard].into_iter().find(|&m| metric_code(m) == code)
}

fn value_from_code(code: u8) -> Option<ValueType> {
    use ValueType::*;
    [Floats, Halves, Bits, Sparse].into_iter().find(|&value| value as u8 == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Meta {
        Meta {
            dimensions: 16_000,
            metric: Metric::Cosine,
            kind: NodeKind::Fused,
            value: ValueType::Floats,
            bits: 2,
            own_bits: 12,
            m: 100,
            ef_construction: 1000,
            base_slots: 207,
            upper_slots: 104,
            seed: 0x0123_4567_89ab_cdef,
            entry_point: Some(EntryPoint { id: IndexTid { block: 70_000, offset: 3 }, level: 7 }),
        }
    }

    #[test]
    fn a_meta_page_reads_back() {
        let mut page = Page::boxed(PageKind::Nodes);
        for entry_point in [sample().entry_point, None] {
            for value in [ValueType::Floats, ValueType::Halves, ValueType::Bits, ValueType::Sparse] {
                let meta = Meta { entry_point, value, ..sample() };
                meta.write(&mut page);
                assert_eq!(Meta::read(&page), Ok(meta));
            }
        }
    }

    #[test]
    fn other_pages_and_other_versions_are_refused() {
        let mut page = Page::boxed(PageKind::Meta);
        assert_eq!(Meta::read(&page), Err(NotReadable::Foreign));
        page.set_content(&[0; SIZE]);
        assert_eq!(Meta::read(&page), Err(NotReadable::Foreign));
        let mut content = [0; SIZE];
        content[..4].copy_from_slice(&MAGIC);
        content[4] = VERSION as u8 + 1;
        page.set_content(&content);
        assert_eq!(Meta::read(&page), Err(NotReadable::Version(VERSION + 1)));
        // Versions 1 and 2 were a byte shorter.
        content[4] = 2;
        page.set_content(&content[..38]);
        assert_eq!(Meta::read(&page), Err(NotReadable::Version(2)));
    }
}
