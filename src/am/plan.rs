//! What a finished plan says of its index scans: the rows it reads of them, and what it computes and nobody reads.
//!
//! An index scan is asked for one row after the other, and never learns of how many. But a LIMIT is known when the plan is
//! finished, and a search is the wider, the more rows of it are read. So the scan is told.
//!
//! The target list of `SELECT id FROM items ORDER BY embedding <-> $1 LIMIT 10` has a junk column to sort by, the distance. An index
//! scan returns rows in order, and nothing is left to sort, but the executor computes the column for each row all the
//! same. For a vector that is stored out of line, as from 500 dimensions on, that costs as much as finding it. So the
//! column is taken out of finished plans, where no node above the scan can read it.

use super::index::is_ours;
use crate::settings;
use pgrx::{is_a, pg_guard, pg_sys};
use std::sync::OnceLock;

/// Who was asked about plans before.
static PREVIOUS: OnceLock<pg_sys::planner_hook_type> = OnceLock::new();

/// Has PostgreSQL ask about plans; called once, when the library is loaded.
pub fn look_at_plans() {
    PREVIOUS.get_or_init(|| {
        let hook = &raw mut pg_sys::planner_hook;
        // SAFETY: a library is loaded by the one thread that a backend has.
        unsafe { (*hook).replace(plan) }
    });
}

#[pg_guard]
unsafe extern "C-unwind" fn plan(
    query: *mut pg_sys::Query,
    text: *const std::ffi::c_char,
    options: std::ffi::c_int,
    params: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: the arguments are passed on as they came, to PostgreSQL or to whoever it would have called, and what comes back
    // is a plan that nobody else has seen yet.
    unsafe {
        let planned = match PREVIOUS.get().copied().flatten() {
            Some(previous) => pg_sys::ffi::pg_guard_ffi_boundary(|| previous(query, text, options, params)),
            None => pg_sys::standard_planner(query, text, options, params),
        };
        look_through((*planned).planTree, true);
        elements::<pg_sys::Plan>((*planned).subplans).for_each(|subplan| look_through(subplan, true));
        planned
    }
}

/// The elements of a list of nodes.
///
/// # Safety
/// The list is one of pointers to `T`, and does not change meanwhile.
unsafe fn elements<T>(list: *mut pg_sys::List) -> impl Iterator<Item = *mut T> {
    // SAFETY: as stated; an empty list is a null pointer.
    let length = unsafe { list.as_ref() }.map_or(0, |list| list.length);
    // SAFETY: the list has so many elements.
    (0..length).map(move |index| unsafe { pg_sys::list_nth(list, index) }.cast())
}

/// Looks for scans below a node. `is_query`: it is the top of a query or a subquery, of whose columns all but the junk are read.
///
/// # Safety
/// `node` is a finished plan, or null.
unsafe fn look_through(node: *mut pg_sys::Plan, is_query: bool) {
    // SAFETY: a node is what its tag says, and what it points to are plans.
    unsafe {
        if node.is_null() {
            return;
        }
        if is_query && settings::SKIP_UNREAD_DISTANCES.get() {
            skip_unread_distances(node);
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_Limit) {
            let limit = &*node.cast::<pg_sys::Limit>();
            if let (Some(count), Some(offset)) =
                (number(limit.limitCount, None), number(limit.limitOffset, Some(0)))
            {
                tell_rows(limit.plan.lefttree, count.saturating_add(offset));
            }
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_SubqueryScan) {
            let subplan = (*node.cast::<pg_sys::SubqueryScan>()).subplan;
            look_through(subplan, !reads_junk(node, subplan));
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_Append) {
            elements((*node.cast::<pg_sys::Append>()).appendplans)
                .for_each(|child| look_through(child, false));
        }
        look_through((*node).lefttree, false);
        look_through((*node).righttree, false);
    }
}

/// The number that a LIMIT or OFFSET is, or `none` where there is none; `None` if it is not known yet, or NULL.
///
/// # Safety
/// `expression` is one of a finished plan, or null.
unsafe fn number(expression: *mut pg_sys::Node, none: Option<u64>) -> Option<u64> {
    if expression.is_null() {
        return none;
    }
    // SAFETY: a node is what its tag says. The parser makes these numbers int8.
    unsafe {
        let constant =
            is_a(expression, pg_sys::NodeTag::T_Const).then(|| &*expression.cast::<pg_sys::Const>());
        constant
            .filter(|constant| !constant.constisnull)
            .map(|constant| (constant.constvalue.value() as i64).max(0) as u64)
    }
}

/// Tells the index scans of ours that a node returns rows of, in order, how many of them are read: of one with a filter, as many
/// more as the planner thinks that the filter leaves out.
///
/// # Safety
/// `node` is a finished plan, or null.
unsafe fn tell_rows(node: *mut pg_sys::Plan, rows: u64) {
    // SAFETY: a node is what its tag says; elements of `indexorderby` are operators on the indexed column.
    unsafe {
        if node.is_null() {
            return;
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_MergeAppend) {
            let children = elements((*node.cast::<pg_sys::MergeAppend>()).mergeplans);
            children.for_each(|child| tell_rows(child, rows));
        }
        if !is_a(node.cast(), pg_sys::NodeTag::T_IndexScan) {
            return;
        }
        let scan = &*node.cast::<pg_sys::IndexScan>();
        if scan.indexorderby.is_null() {
            return;
        }
        let Some(indexed) = rows_of_ours(scan.indexid) else { return };
        let is_filtered = !(*node).qual.is_null();
        let share = if is_filtered { ((*node).plan_rows / indexed.max(1.0)).min(1.0) } else { 1.0 };
        // More than the number holds becomes the most it holds.
        let rows = (rows as f64 / share).ceil() as u32;
        for order_by in elements::<pg_sys::Node>(scan.indexorderby) {
            if is_a(order_by, pg_sys::NodeTag::T_OpExpr) {
                (*order_by.cast::<pg_sys::OpExpr>()).inputcollid = rows.into();
            }
        }
    }
}

/// How many rows of a scan are read, as its key says.
///
/// What the plan tells stands in the place of the operator's collation: the one field of a key that comes from the plan and is
/// free, as vectors have no collation. A plan that was finished before the library was loaded tells nothing.
pub fn wanted_rows(key: &pg_sys::ScanKeyData) -> Option<usize> {
    (key.sk_collation != pg_sys::InvalidOid).then(|| key.sk_collation.to_u32() as usize)
}

/// Whether a scan of a subquery reads junk. It does where the planner found it cheaper to take all columns as they are.
///
/// # Safety
/// Both are finished plans.
unsafe fn reads_junk(scan: *mut pg_sys::Plan, subquery: *mut pg_sys::Plan) -> bool {
    // SAFETY: a target list is one of target entries.
    unsafe {
        let columns = elements::<pg_sys::TargetEntry>((*subquery).targetlist);
        let mut junk = columns.filter(|&column| (*column).resjunk).map(|column| (*column).resno);
        junk.any(|column| {
            elements::<pg_sys::TargetEntry>((*scan).targetlist)
                .any(|entry| column_of((*entry).expr).is_some_and(|(_, read)| read == column))
        })
    }
}

/// Takes the columns that a query is sorted by out of an index scan of ours that has them sorted, with nothing but a LIMIT
/// above it.
///
/// # Safety
/// `top` is the finished plan of a query.
unsafe fn skip_unread_distances(top: *mut pg_sys::Plan) {
    // SAFETY: a node is what its tag says; a target list is one of target entries.
    unsafe {
        let is_limit = is_a(top.cast(), pg_sys::NodeTag::T_Limit);
        // A LIMIT WITH TIES compares rows by these columns.
        if is_limit && (*top.cast::<pg_sys::Limit>()).limitOption != pg_sys::LimitOption::LIMIT_OPTION_COUNT {
            return;
        }
        let plan = if is_limit { (*top).lefttree } else { top };
        if plan.is_null() || !is_a(plan.cast(), pg_sys::NodeTag::T_IndexScan) {
            return;
        }
        let scan = &*plan.cast::<pg_sys::IndexScan>();
        if scan.indexorderbyorig.is_null() || rows_of_ours(scan.indexid).is_none() {
            return;
        }
        while let Some(entry) = last_junk((*plan).targetlist)
            && pg_sys::list_member(scan.indexorderbyorig, (*entry).expr.cast())
        {
            if is_limit {
                let above = last_junk((*top).targetlist);
                let below = Some((i64::from(pg_sys::OUTER_VAR), (*entry).resno));
                if above.is_none_or(|above| column_of((*above).expr) != below) {
                    return;
                }
                drop_last(top);
            }
            drop_last(plan);
        }
    }
}

/// The rows that an index of one of our access methods had when somebody last counted; `None` if it is another's. The planner
/// has locked it.
fn rows_of_ours(index: pg_sys::Oid) -> Option<f64> {
    // SAFETY: an open index has a pg_class row.
    let (method, rows) = unsafe {
        let relation = pg_sys::index_open(index, pg_sys::NoLock as _);
        let class = &*(*relation).rd_rel;
        let found = (class.relam, f64::from(class.reltuples));
        pg_sys::index_close(relation, pg_sys::NoLock as _);
        found
    };
    is_ours(method).then_some(rows)
}

/// The last entry of a target list, if it is junk.
///
/// # Safety
/// The list is a target list, or null.
unsafe fn last_junk(list: *mut pg_sys::List) -> Option<*mut pg_sys::TargetEntry> {
    // SAFETY: as stated.
    unsafe { elements::<pg_sys::TargetEntry>(list).last().filter(|&entry| (*entry).resjunk) }
}

/// The column that an expression is: of which relation, or node below, and its number.
///
/// # Safety
/// `expression` is one of a finished plan.
unsafe fn column_of(expression: *mut pg_sys::Expr) -> Option<(i64, pg_sys::AttrNumber)> {
    // SAFETY: a node is what its tag says.
    unsafe {
        let var = is_a(expression.cast(), pg_sys::NodeTag::T_Var).then(|| &*expression.cast::<pg_sys::Var>());
        var.map(|var| (i64::from(var.varno), var.varattno))
    }
}

/// Takes the last entry out of a target list.
///
/// # Safety
/// The node has one.
unsafe fn drop_last(node: *mut pg_sys::Plan) {
    // SAFETY: as stated.
    unsafe {
        let list = (*node).targetlist;
        (*node).targetlist = pg_sys::list_truncate(list, (*list).length - 1);
    }
}
