//! An open index: what its operator class and its meta page say, and its pages.

use super::column::Column;
use super::method::Method;
use super::options;
use crate::edition::{Edition, edition};
use crate::error;
use crate::hnsw::Params;
use crate::quantizer::Frame;
use crate::storage::value::{Bits, Floats, Halves, PlainValue, SparseElements};
use crate::storage::{
    self, Buffers, FusedKind, META_BLOCK, Meta, NodeKind, NotReadable, PageStore, PlainKind, ValueType,
};
use crate::types::class_of_support;
use pgrx::PgSqlErrorCode::*;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::ffi::CStr;
use std::sync::Arc;

/// Number of the support function that tells the distance.
pub const DISTANCE_SUPPORT: u16 = 1;
/// Number of the support function whose presence says that vectors are normalised.
pub const NORM_SUPPORT: u16 = 2;

/// An index that is open and locked as its user needs it.
#[derive(Clone, Copy)]
pub struct Index {
    pub relation: pg_sys::Relation,
    pub pages: Buffers,
}

/// The nodes of an index.
pub enum Nodes {
    Fused(FusedKind),
    Floats(PlainKind<Floats>),
    Halves(PlainKind<Halves>),
    Bits(PlainKind<Bits>),
    Sparse(PlainKind<SparseElements>),
}

/// Evaluates an expression for whichever kind of node the index has.
macro_rules! with_nodes {
    ($nodes:expr, $kind:ident => $body:expr) => {
        match $nodes {
            $crate::am::index::Nodes::Fused($kind) => $body,
            $crate::am::index::Nodes::Floats($kind) => $body,
            $crate::am::index::Nodes::Halves($kind) => $body,
            $crate::am::index::Nodes::Bits($kind) => $body,
            $crate::am::index::Nodes::Sparse($kind) => $body,
        }
    };
}
pub(crate) use with_nodes;

impl Index {
    /// # Safety
    /// `relation` is an open index of one of our access methods, and stays open while this value is used.
    pub unsafe fn new(relation: pg_sys::Relation) -> Self {
        // SAFETY: passed on to the caller.
        Self { relation, pages: unsafe { Buffers::new(relation) } }
    }

    /// Opens an index of one of our access methods, calls `look`, and closes it. Rows cannot come or go meanwhile, except
    /// on a standby: only replay writes there, no reader's lock holds it up, and a lock that would is not to be had.
    pub fn with_writers_kept_out<R>(index: pg_sys::Oid, look: impl FnOnce(&Index) -> R) -> R {
        // SAFETY: reads a flag in shared memory.
        let is_standby = unsafe { pg_sys::RecoveryInProgress() };
        let lock = if is_standby { pg_sys::AccessShareLock } else { pg_sys::ShareLock } as pg_sys::LOCKMODE;
        // SAFETY: the table is locked before the index, as everybody does it. An error closes both; otherwise the locks stay
        // until the transaction ends, and the index is open as long as `look` runs.
        unsafe {
            let heap = pg_sys::IndexGetRelation(index, true);
            if heap != pg_sys::InvalidOid {
                pg_sys::LockRelationOid(heap, lock);
            }
            let relation = pg_sys::relation_open(index, lock);
            let class = &*(*relation).rd_rel;
            let is_index = class.relkind as u8 == pg_sys::RELKIND_INDEX;
            if !is_index || !is_ours(class.relam) {
                let name = CStr::from_ptr(class.relname.data.as_ptr()).to_string_lossy().into_owned();
                error::raise(
                    error::report(
                        ERRCODE_WRONG_OBJECT_TYPE,
                        format!("\"{name}\" is not {}", edition().choose("an hnsw index", "a quartz index")),
                    )
                    .set_hint(
                        "A partitioned index has nothing to look into: name one of its partitions' indexes.",
                    ),
                );
            }
            let result = look(&Index::new(relation));
            pg_sys::relation_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            result
        }
    }

    pub fn name(&self) -> String {
        // SAFETY: an open relation has a pg_class row, and its name is NUL-terminated.
        let name = unsafe { CStr::from_ptr((*(*self.relation).rd_rel).relname.data.as_ptr()) };
        name.to_string_lossy().into_owned()
    }

    /// The access method it was made with.
    pub fn method(&self) -> Method {
        // SAFETY: an open index has its access method's routine, which is one of ours.
        let support_functions = unsafe { (*(*self.relation).rd_indam).amsupport };
        match support_functions == Method::Ivfflat.support_functions() {
            true => Method::Ivfflat,
            false => Method::of_graph(),
        }
    }

    /// What the operator class says.
    pub fn column(&self) -> Column {
        // SAFETY: an open index of this access method has support function 1.
        let (distance, normalises) = unsafe {
            let distance = pg_sys::index_getprocinfo(self.relation, 1, DISTANCE_SUPPORT);
            let norm = pg_sys::index_getprocid(self.relation, 1, NORM_SUPPORT);
            ((*distance).fn_addr, norm != pg_sys::InvalidOid)
        };
        let address = distance.map_or(0, |function| function as usize);
        let (indexed, metric) = class_of_support(address, normalises).unwrap_or_else(|| {
            error::raise(
                error::report(
                    ERRCODE_INVALID_OBJECT_DEFINITION,
                    format!(
                        "operator class of index \"{}\" has a distance that {} does not know",
                        self.name(),
                        self.method()
                    ),
                )
                .set_hint("Use one of the operator classes that come with the extension."),
            )
        });
        Column { indexed, metric }
    }

    /// The dimensions that the column's type prescribes.
    pub fn column_dimensions(&self) -> Option<usize> {
        // SAFETY: an index has at least one attribute.
        let typmod = unsafe { crate::types::attribute_typmod((*self.relation).rd_att, 0) };
        usize::try_from(typmod).ok()
    }

    /// The type of the column.
    pub fn column_type(&self) -> pg_sys::Oid {
        // SAFETY: an index has at least one attribute.
        unsafe { crate::types::attribute_type((*self.relation).rd_att, 0) }
    }

    /// What the meta page says; an ERROR if it is not one of ours.
    pub fn meta(&self) -> Meta {
        let page = self.expect(self.pages.read(META_BLOCK));
        match Meta::read(&page) {
            Ok(meta) => meta,
            Err(problem) => {
                drop(page);
                self.raise_not_readable(problem)
            }
        }
    }

    fn raise_not_readable(&self, problem: NotReadable) -> ! {
        let detail = match problem {
            NotReadable::Foreign => "Its first page is not a meta page of this access method.".to_string(),
            NotReadable::Version(version) => {
                format!("It has format version {version}, which this version of QuartzDB does not read.")
            }
        };
        error::raise(
            error::report(ERRCODE_INDEX_CORRUPTED, format!("{} index is not valid", self.method()))
                .set_detail(detail)
                .set_hint(format!("Rebuild it: REINDEX INDEX {};", self.name())),
        )
    }

    /// The nodes that `meta` describes.
    pub fn nodes(&self, meta: &Meta) -> Nodes {
        let column = self.column();
        let fits = meta.metric == column.metric && meta.value == column.value_type();
        let nodes = match (meta.kind, meta.value) {
            _ if !fits => None,
            (NodeKind::Fused, _) => {
                frame(meta).and_then(|frame| FusedKind::new(meta, frame)).map(Nodes::Fused)
            }
            (NodeKind::Plain, ValueType::Floats) => plain(meta).map(Nodes::Floats),
            (NodeKind::Plain, ValueType::Halves) => plain(meta).map(Nodes::Halves),
            (NodeKind::Plain, ValueType::Bits) => plain(meta).map(Nodes::Bits),
            (NodeKind::Plain, ValueType::Sparse) => plain(meta).map(Nodes::Sparse),
        };
        nodes.unwrap_or_else(|| self.raise_not_readable(NotReadable::Foreign))
    }

    /// The storage parameters as they are now.
    pub fn options(&self) -> Params {
        // SAFETY: the relation is open, and of that method.
        unsafe { options::params(self.relation, self.method()) }
    }

    /// The number of lists that an `ivfflat` index was asked to have.
    pub fn lists(&self) -> Option<i32> {
        // SAFETY: the relation is open, and of that method.
        (self.method() == Method::Ivfflat).then(|| unsafe { options::lists(self.relation) })
    }

    /// About how many rows it has: as many to a page as the statistics know of, on as many pages as there are now.
    pub fn estimated_rows(&self) -> f64 {
        // SAFETY: an open relation has a pg_class row.
        let (rows, pages) = unsafe {
            let class = &*(*self.relation).rd_rel;
            (f64::from(class.reltuples), f64::from(class.relpages))
        };
        // The meta page holds no row.
        let pages = pages - 1.0;
        let rows_per_page = if rows > 0.0 && pages > 0.0 { rows / pages } else { 1.0 };
        rows_per_page * f64::from(self.pages.blocks().saturating_sub(1))
    }

    /// The parameters for insertions: m is fixed when the index is built, ef_construction can be altered.
    pub fn params(&self, meta: &Meta) -> Params {
        Params { m: meta.m, ..self.options() }
    }

    /// The value, or the error raised for the person.
    pub fn expect<T>(&self, result: storage::Result<T>) -> T {
        result.unwrap_or_else(|problem| self.raise(problem))
    }

    #[cold]
    fn raise(&self, problem: storage::Error) -> ! {
        match problem {
            storage::Error::Corrupt { at, what } => error::raise(
                error::report(
                    ERRCODE_INDEX_CORRUPTED,
                    format!("index \"{}\" is damaged: {what}", self.name()),
                )
                .set_detail(format!("Block {}, item {}.", at.block, at.offset))
                .set_hint(format!("Rebuild it: REINDEX INDEX {};", self.name())),
            ),
            storage::Error::OutOfMemory => error::raise_message(ERRCODE_OUT_OF_MEMORY, "out of memory"),
            storage::Error::Cancelled => error::raise_message(ERRCODE_QUERY_CANCELED, "canceling statement"),
        }
    }
}

/// Plain nodes, whose operator is pgvector's beside pgvector.
fn plain<V: PlainValue>(meta: &Meta) -> Option<PlainKind<V>> {
    let kind = PlainKind::new(meta)?;
    Some(match edition() {
        Edition::Own => kind,
        Edition::BesidePgvector => kind.under_another_operator(),
    })
}

/// Whether this is one of our access methods in this database.
pub(super) fn is_ours(access_method: pg_sys::Oid) -> bool {
    // SAFETY: NUL-terminated strings; a method that is not there has the invalid number, which is nobody's.
    Method::all()
        .iter()
        .any(|method| access_method == unsafe { pg_sys::get_index_am_oid(method.name().as_ptr(), true) })
}

/// How many rotations a session keeps. One is made anew in microseconds, but every scan needs one.
const KEPT_FRAMES: usize = 8;

/// The coordinates the index computes in, kept for the session's next use.
fn frame(meta: &Meta) -> Option<Arc<Frame>> {
    thread_local! {
        static FRAMES: RefCell<Vec<(u64, Arc<Frame>)>> = const { RefCell::new(Vec::new()) };
    }
    FRAMES.with_borrow_mut(|frames| {
        let fits = |(seed, frame): &&(u64, Arc<Frame>)| {
            *seed == meta.seed && frame.metric() == meta.metric && frame.dimensions() == meta.dimensions
        };
        if let Some((_, frame)) = frames.iter().find(fits) {
            return Some(Arc::clone(frame));
        }
        let frame = Arc::new(Frame::new(meta.metric, meta.dimensions, meta.seed)?);
        frames.truncate(KEPT_FRAMES - 1);
        frames.insert(0, (meta.seed, Arc::clone(&frame)));
        Some(frame)
    })
}
