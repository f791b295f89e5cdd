//! Addresses: of an item in the index, and of a row in the table.

/// An item of the index: block and line pointer. Names one tuple of the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexTid {
    pub block: u32,
    /// Line pointers count from 1.
    pub offset: u16,
}

/// A row version of the table: block and line pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeapTid {
    pub block: u32,
    pub offset: u16,
}

/// Size of either in an item: block, then offset, little endian.
pub const TID_SIZE: usize = 6;

macro_rules! tid_bytes {
    ($type:ty) => {
        impl $type {
            pub fn to_bytes(self) -> [u8; TID_SIZE] {
                let [b0, b1, b2, b3] = self.block.to_le_bytes();
                let [o0, o1] = self.offset.to_le_bytes();
                [b0, b1, b2, b3, o0, o1]
            }

            pub fn from_bytes(bytes: [u8; TID_SIZE]) -> Self {
                let [b0, b1, b2, b3, o0, o1] = bytes;
                Self { block: u32::from_le_bytes([b0, b1, b2, b3]), offset: u16::from_le_bytes([o0, o1]) }
            }
        }
    };
}

tid_bytes!(IndexTid);
tid_bytes!(HeapTid);

impl IndexTid {
    /// What stands where there is no item.
    pub const NONE: Self = Self { block: u32::MAX, offset: 0 };

    pub fn is_none(self) -> bool {
        self.offset == 0
    }
}

/// For the visited set: 48 bits.
impl From<IndexTid> for u64 {
    fn from(tid: IndexTid) -> u64 {
        u64::from(tid.block) << 16 | u64::from(tid.offset)
    }
}
