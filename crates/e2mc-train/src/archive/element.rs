//! What a tensor's numbers are, by the names that files have for it.

use tch::Kind;

/// A type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// torch's name of it.
    pub(super) name: &'static str,
    /// Bytes of one number.
    pub(super) size: u64,
    /// What this crate reads it as; `None` where it computes with no such numbers.
    pub(super) kind: Option<Kind>,
}

/// An element, and the classes of storages that torch has for it, if any.
type Row = (&'static str, &'static str, u64, Option<Kind>);

/// torch's types: name, class of the storage, bytes of one number.
const ROWS: [Row; 27] = [
    ("float64", "DoubleStorage", 8, Some(Kind::Double)),
    ("float32", "FloatStorage", 4, Some(Kind::Float)),
    ("float16", "HalfStorage", 2, Some(Kind::Half)),
    ("bfloat16", "BFloat16Storage", 2, Some(Kind::BFloat16)),
    ("int64", "LongStorage", 8, Some(Kind::Int64)),
    ("int32", "IntStorage", 4, Some(Kind::Int)),
    ("int16", "ShortStorage", 2, Some(Kind::Int16)),
    ("int8", "CharStorage", 1, Some(Kind::Int8)),
    ("uint8", "ByteStorage", 1, Some(Kind::Uint8)),
    ("bool", "BoolStorage", 1, Some(Kind::Bool)),
    ("uint8", "UntypedStorage", 1, Some(Kind::Uint8)),
    ("complex32", "ComplexHalfStorage", 4, None),
    ("complex64", "ComplexFloatStorage", 8, None),
    ("complex128", "ComplexDoubleStorage", 16, None),
    ("qint8", "QInt8Storage", 1, None),
    ("quint8", "QUInt8Storage", 1, None),
    ("qint32", "QInt32Storage", 4, None),
    ("quint4x2", "QUInt4x2Storage", 1, None),
    ("quint2x4", "QUInt2x4Storage", 1, None),
    ("uint16", "", 2, None),
    ("uint32", "", 4, None),
    ("uint64", "", 8, None),
    ("float8_e4m3fn", "", 1, None),
    ("float8_e5m2", "", 1, None),
    ("float8_e4m3fnuz", "", 1, None),
    ("float8_e5m2fnuz", "", 1, None),
    ("float8_e8m0fnu", "", 1, None),
];

impl Element {
    /// By the class of a storage: `torch.FloatStorage`, `torch.cuda.HalfStorage`.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        let class = class.rsplit('.').next().unwrap_or(class);
        let named = |row: &&Row| row.1 == class && !class.is_empty();
        ROWS.iter().find(named).map(Self::of)
    }

    /// By the name of a type: `torch.float32`.
    pub(super) fn of_type(name: &str) -> Option<Self> {
        let name = name.strip_prefix("torch.")?;
        ROWS.iter().find(|row| row.0 == name).map(Self::of)
    }

    fn of(&(name, _, size, kind): &Row) -> Self {
        Self { name, size, kind }
    }
}
