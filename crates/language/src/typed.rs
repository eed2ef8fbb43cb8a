//! Typed expressions: what resolving makes of the AST, and what raising makes of bytecode, before it becomes AST again.

use ironweir_expr::payload::Base;
use ironweir_expr::{ct, inner, meta};
use ironweir_ruleset::Verdict;

use crate::datatype::{Datum, Order, Type};
use crate::proto::Proto;
use crate::source::Span;

/// Kind, width and byte order of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Its type.
    pub datatype: Type,
    /// Width in bits.
    pub bits: u32,
    /// Byte order in the register.
    pub order: Order,
    /// Numbers are listed in hexadecimal.
    pub hex: bool,
}

impl Shape {
    /// A type with its own width and order.
    pub fn of(datatype: Type) -> Shape {
        Shape { datatype, bits: datatype.bits(), order: datatype.order(), hex: false }
    }

    /// A type with another width and order.
    pub fn new(datatype: Type, bits: u32, order: Order) -> Shape {
        Shape { datatype, bits, order, hex: false }
    }

    /// Bytes it takes.
    pub fn bytes(&self) -> usize {
        self.bits.div_ceil(8) as usize
    }

    /// 4-byte registers it takes.
    pub fn words(&self) -> u32 {
        self.bits.div_ceil(32)
    }
}

/// An expression with its type.
#[derive(Clone, Debug)]
pub struct Typed {
    /// What it is.
    pub kind: Kind,
    /// Its type; for concatenations that of the whole means nothing, see [`Typed::fields`].
    pub shape: Shape,
    /// Where it was written.
    pub span: Span,
}

impl PartialEq for Typed {
    fn eq(&self, other: &Typed) -> bool {
        (&self.kind, self.shape) == (&other.kind, other.shape)
    }
}

/// Bits of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// From where `offset` counts.
    pub base: Base,
    /// First bit.
    pub offset: u32,
    /// Which header and field the bits are; `None` for raw payload.
    pub field: Option<(Proto, &'static str)>,
    /// Inside which tunnel.
    pub inner: Option<Proto>,
}

/// Which family of optional headers an [`Exthdr`] belongs to.
pub type ExthdrKind = ironweir_expr::exthdr::Kind;

/// Bits of an extension header, option or chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exthdr {
    /// Among what it is searched.
    pub kind: ExthdrKind,
    /// Its type.
    pub header: u8,
    /// The word for the header; `None` for options by number.
    pub name: Option<&'static str>,
    /// First bit.
    pub offset: u32,
    /// The field; `None` for raw bits or presence.
    pub field: Option<&'static str>,
    /// Whether only its presence is asked.
    pub present: bool,
}

macro_rules! kind {
    (
        literals { $($literal:ident($lmod:ident::$lnode:ident),)* }
        fields { $($field:ident($fmod:ident::$fnode:ident),)* }
        selectors { $($selector:ident($smod:ident::$snode:ident) => $typed:ty,)* }
    ) => {
        /// What a typed expression is.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Kind {
            /// A constant.
            Value(Datum),
            /// Bits of the packet.
            Payload(Payload),
            /// Bits of an optional header.
            Exthdr(Exthdr),
            /// `meta`, possibly inside a tunnel.
            Meta(meta::Key, Option<Proto>),
            /// `ct`; the family word where one was written.
            Ct(ct::Key, Option<ct::Direction>),
            $(
                #[doc = concat!("The selector [`crate::expr::", stringify!($smod), "::", stringify!($snode), "`].")]
                $selector($typed),
            )*
            /// Conversion to the order of [`Shape::order`].
            Swap(Box<Typed>),
            /// Bitwise operation.
            Binary(BinaryOp, Box<Typed>, Box<Typed>),
            /// Value and number of leading bits.
            Prefix(Box<Typed>, u32),
            /// First and last value.
            Range(Box<Typed>, Box<Typed>),
            /// Parts of a concatenation.
            Concat(Vec<Typed>),
            /// A set literal.
            Set(SetLiteral),
            /// A set or map by name, with the shapes of its key.
            SetRef(Box<str>, Vec<Shape>),
            /// What a map gives for a key: key, map.
            Map(Box<Typed>, Box<Typed>),
            /// Flags on a right side, none of them or any of them.
            List(Vec<Typed>),
            /// `value / mask`.
            Masked(Box<Typed>, Box<Typed>),
            /// A verdict as data.
            Verdict(Verdict),
            /// The name of an object as data.
            Object(Box<str>),
            /// `*`.
            Wildcard,
        }
    };
}
crate::expr::registry::expressions!(kind);

pub use crate::expr::binary::BinaryOp;

/// `{ ... }`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetLiteral {
    /// Its elements.
    pub elements: Vec<Element>,
    /// Whether a key is a prefix or range.
    pub interval: bool,
}

/// An element of a set literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Key.
    pub key: Typed,
    /// Data of a map.
    pub data: Option<Typed>,
    /// Comment.
    pub comment: Option<Box<str>>,
    /// Timeout in milliseconds.
    pub timeout: Option<u64>,
    /// Time left, in milliseconds.
    pub expires: Option<u64>,
    /// Stateful expressions, already lowered.
    pub exprs: Vec<ironweir_expr::Expr>,
}

impl Element {
    /// Only a key.
    pub fn new(key: Typed) -> Element {
        Element { key, data: None, comment: None, timeout: None, expires: None, exprs: Vec::new() }
    }
}

impl Typed {
    /// An expression without a place.
    pub fn new(kind: Kind, shape: Shape) -> Typed {
        Typed { kind, shape, span: Span::NONE }
    }

    /// A number.
    pub fn number(value: u128, shape: Shape) -> Typed {
        Typed::new(Kind::Value(Datum::Number(value)), shape)
    }

    /// At a place.
    pub fn at(mut self, span: Span) -> Typed {
        self.span = span;
        self
    }

    /// The number of a constant.
    pub fn value(&self) -> Option<u128> {
        match &self.kind {
            Kind::Value(datum) => datum.number(),
            _ => None,
        }
    }

    /// Shapes of its parts: one, but for concatenations.
    pub fn fields(&self) -> Vec<Shape> {
        match &self.kind {
            Kind::Concat(parts) => parts.iter().map(|part| part.shape).collect(),
            Kind::SetRef(_, shapes) => shapes.clone(),
            Kind::Range(from, _) if matches!(from.kind, Kind::Concat(_)) => from.fields(),
            Kind::Map(_, map) => match &map.kind {
                Kind::Set(set) => set
                    .elements
                    .iter()
                    .find_map(|element| element.data.as_ref())
                    .map_or(vec![self.shape], Typed::fields),
                _ => vec![self.shape],
            },
            _ => vec![self.shape],
        }
    }

    /// 4-byte registers it takes.
    pub fn words(&self) -> u32 {
        match &self.kind {
            Kind::Concat(parts) => parts.iter().map(|part| part.shape.words()).sum(),
            Kind::SetRef(..) | Kind::Range(..) | Kind::Map(..) => {
                self.fields().iter().map(Shape::words).sum()
            }
            _ => self.shape.words(),
        }
    }

    /// Whether it is computed per packet rather than known now.
    pub fn is_load(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Value(_)
                | Kind::Prefix(..)
                | Kind::Range(..)
                | Kind::Set(_)
                | Kind::SetRef(..)
                | Kind::List(_)
                | Kind::Masked(..)
                | Kind::Verdict(_)
                | Kind::Object(_)
                | Kind::Wildcard
        ) && match &self.kind {
            Kind::Concat(parts) => parts.iter().any(Typed::is_load),
            _ => true,
        }
    }
}

/// What the kernel must know of a tunnel to look inside.
pub fn inner_of(tunnel: Proto) -> Option<(inner::Kind, u32, inner::Flags)> {
    use inner::Flags;
    let below = Flags::NETWORK | Flags::TRANSPORT;
    match tunnel {
        Proto::Vxlan => Some((inner::Kind::Vxlan, 8, Flags::HEADER | Flags::LINK | below)),
        Proto::Geneve => Some((inner::Kind::Geneve, 8, Flags::HEADER | Flags::LINK | below)),
        Proto::Gre => Some((inner::Kind::Gre, 4, below)),
        Proto::Gretap => Some((inner::Kind::Gretap, 4, Flags::LINK | below)),
        _ => None,
    }
}
