//! Netlink form of what expressions and set elements share: values, verdicts, the frame of an expression and lists of
//! them (`linux/netfilter/nf_tables.h`).
//!
//! An expression is a nest (`NFTA_LIST_ELEM` in a rule, `NFTA_SET_ELEM_EXPR`, `NFTA_DYNSET_EXPR` ... elsewhere) of
//! `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`, and the latter holds attributes that are the expression's own. Numbers are in
//! network order.
//!
//! Nothing of a newer peer is lost: a name that is not known, or a known one with a key or flag that is not, becomes
//! [`Expr::Unknown`] with its bytes; attributes that are not known, beside known ones, are kept in [`Expr::Extended`].

use ironweir_netlink::{Attribute, Attributes, DecodeError, Writer};

use crate::compat::Unknown;
use crate::given::{Fault, Given};
use crate::{ChainRef, Data, Expr, SetRef, Value, Verdict};

/// `NFTA_LIST_ELEM`: one of a list.
const LIST_ELEM: u16 = 1;
/// `NFTA_EXPR_NAME`.
const EXPR_NAME: u16 = 1;
/// `NFTA_EXPR_DATA`.
const EXPR_DATA: u16 = 2;
/// `NFTA_DATA_VALUE`.
const DATA_VALUE: u16 = 1;
/// `NFTA_DATA_VERDICT`.
const DATA_VERDICT: u16 = 2;
/// `NFTA_VERDICT_CODE`.
const VERDICT_CODE: u16 = 1;
/// `NFTA_VERDICT_CHAIN`.
const VERDICT_CHAIN: u16 = 2;
/// `NFTA_VERDICT_CHAIN_ID`.
const VERDICT_CHAIN_ID: u16 = 3;
/// `NF_VERDICT_QMASK`: where a queue verdict's number lies.
const QUEUE_SHIFT: u32 = 16;
/// `NF_VERDICT_FLAG_QUEUE_BYPASS`.
const QUEUE_BYPASS: u32 = 0x8000;

/// How deep expressions may lie within expressions: `inner` and `dynset` hold others, which hold none.
const MAX_DEPTH: u8 = 3;

/// Whether a name is one that the transaction replaces (`__set%d`, `__map%d`, `__chain%d`): then what is meant is known
/// by its number alone.
pub fn is_template(name: &str) -> bool {
    name.ends_with("%d")
}

/// Puts a value as an attribute of that type which holds `NFTA_DATA_VALUE`.
pub fn put_value(writer: &mut Writer<'_>, kind: u16, value: &[u8]) {
    let nest = writer.begin_nest(kind);
    writer.put(DATA_VALUE, value);
    writer.end_nest(nest);
}

/// The value in an attribute that holds `NFTA_DATA_VALUE`: at most 64 bytes (`NFT_DATA_VALUE_MAXLEN`).
pub fn value(attribute: &Attribute<'_>) -> Result<Value, DecodeError> {
    match Data::decode(attribute)? {
        Data::Value(value) => Ok(value),
        Data::Verdict(_) => Err(attribute.bad_value()),
    }
}

/// Puts a list of expressions as an attribute of that type (`NFTA_RULE_EXPRESSIONS`, `NFTA_SET_EXPRESSIONS` ...).
pub fn put_exprs(writer: &mut Writer<'_>, kind: u16, exprs: &[Expr]) {
    writer.nest(kind, |writer| {
        for expr in exprs {
            writer.nest(LIST_ELEM, |writer| expr.encode(writer));
        }
    });
}

/// The expressions of a list.
///
/// # Errors
/// As [`Expr::decode`].
pub fn exprs(attribute: &Attribute<'_>) -> Result<Vec<Expr>, DecodeError> {
    decode_list(attribute, 0)
}

impl SetRef {
    /// Puts its name and, of an anonymous set of the same batch, its number.
    pub(crate) fn encode(&self, writer: &mut Writer<'_>, name: u16, number: u16) {
        writer.put_str(name, &self.name);
        if let (true, Some(id)) = (is_template(&self.name), self.id) {
            writer.put_u32_be(number, id);
        }
    }

    /// From its name and number. A number beside a name that is not to be replaced tells nothing: the kernel looks for
    /// the name first (`nft_set_lookup_global`).
    pub(crate) fn decode(given: &Given<'_>, name: u16, number: u16) -> Result<SetRef, Fault> {
        let id = given.option(number, Attribute::u32_be)?;
        let name = given.string(name)?;
        Ok(SetRef { id: id.filter(|_| is_template(&name)), name })
    }
}

impl Data {
    /// Puts it as an attribute of that type which holds `NFTA_DATA_VALUE` or `NFTA_DATA_VERDICT`.
    pub fn encode(&self, writer: &mut Writer<'_>, kind: u16) {
        match self {
            Data::Value(value) => put_value(writer, kind, value),
            Data::Verdict(verdict) => verdict.put(writer, kind),
        }
    }

    /// From such an attribute.
    pub fn decode(attribute: &Attribute<'_>) -> Result<Data, DecodeError> {
        for inner in attribute.nested() {
            let inner = inner?;
            match inner.kind {
                DATA_VALUE if inner.value.is_empty() || inner.value.len() > crate::Register::BYTES => {
                    return Err(inner.wrong_length());
                }
                DATA_VALUE => return Ok(Data::Value(Value::new(inner.value))),
                DATA_VERDICT => return Ok(Data::Verdict(Verdict::decode(inner.nested())?)),
                _ => {}
            }
        }
        Err(attribute.nested().missing(DATA_VALUE))
    }
}

impl Verdict {
    /// Puts `NFTA_VERDICT_CODE` and, for a jump, `NFTA_VERDICT_CHAIN` or the number of an anonymous chain of the same
    /// batch (`NFTA_VERDICT_CHAIN_ID`).
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(VERDICT_CODE, self.code());
        if let Verdict::Jump(chain) | Verdict::Goto(chain) = self {
            match chain.id {
                Some(id) if is_template(&chain.name) => writer.put_u32_be(VERDICT_CHAIN_ID, id),
                _ => writer.put_str(VERDICT_CHAIN, &chain.name),
            }
        }
    }

    /// Puts it as an attribute of that type which holds `NFTA_DATA_VERDICT`.
    pub(crate) fn put(&self, writer: &mut Writer<'_>, kind: u16) {
        writer.nest(kind, |writer| writer.nest(DATA_VERDICT, |writer| self.encode(writer)));
    }

    /// From the attributes of `NFTA_DATA_VERDICT` or `NFTA_TRACE_VERDICT`.
    pub fn decode(attributes: Attributes<'_>) -> Result<Verdict, DecodeError> {
        let code = attributes.require(VERDICT_CODE)?;
        let chain = || match (attributes.find(VERDICT_CHAIN)?, attributes.find(VERDICT_CHAIN_ID)?) {
            (Some(name), _) => Ok(ChainRef::new(name.str()?)),
            (None, Some(id)) => Ok(ChainRef { name: "__chain%d".into(), id: Some(id.u32_be()?) }),
            (None, None) => Err(attributes.missing(VERDICT_CHAIN)),
        };
        let number = code.u32_be()?;
        Ok(match number as i32 {
            0 => Verdict::Drop,
            1 => Verdict::Accept,
            2 => Verdict::Stolen,
            4 => Verdict::Repeat,
            -1 => Verdict::Continue,
            -2 => Verdict::Break,
            -3 => Verdict::Jump(chain()?),
            -4 => Verdict::Goto(chain()?),
            -5 => Verdict::Return,
            _ if number & 0x7fff == 3 => {
                Verdict::Queue { number: (number >> QUEUE_SHIFT) as u16, bypass: number & QUEUE_BYPASS != 0 }
            }
            _ => return Err(code.bad_value()),
        })
    }

    /// Its number (`enum nft_verdicts`, `NF_*` of `linux/netfilter.h`).
    pub fn code(&self) -> u32 {
        match self {
            Verdict::Drop => 0,
            Verdict::Accept => 1,
            Verdict::Stolen => 2,
            Verdict::Queue { number, bypass } => {
                3 | u32::from(*number) << QUEUE_SHIFT | if *bypass { QUEUE_BYPASS } else { 0 }
            }
            Verdict::Repeat => 4,
            Verdict::Continue => -1i32 as u32,
            Verdict::Break => -2i32 as u32,
            Verdict::Jump(_) => -3i32 as u32,
            Verdict::Goto(_) => -4i32 as u32,
            Verdict::Return => -5i32 as u32,
        }
    }
}

impl Expr {
    /// Puts `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_str(EXPR_NAME, self.name());
        // As the kernel and libnftnl, which send no nest for an expression that never has anything to say (`notrack`).
        if self.has_data() {
            let start = writer.begin_nest(EXPR_DATA);
            self.encode_data(writer);
            writer.end_nest(start);
        }
    }

    /// Reads `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
    ///
    /// # Errors
    /// If the expression is malformed, or a known one that lacks what it must have. What is not known is no error.
    pub fn decode(attributes: Attributes<'_>) -> Result<Expr, DecodeError> {
        decode(attributes, 0)
    }

    /// Reads the attributes of `NFTA_EXPR_DATA`; the kernel's objects have the same ones in `NFTA_OBJ_DATA`.
    ///
    /// # Errors
    /// As [`Expr::decode`].
    pub fn decode_data(name: &str, attributes: Attributes<'_>) -> Result<Expr, DecodeError> {
        decode_data(name, attributes, 0)
    }
}

/// Reads an expression that lies within so many others.
pub(crate) fn decode(attributes: Attributes<'_>, depth: u8) -> Result<Expr, DecodeError> {
    let name = attributes.require(EXPR_NAME)?.str()?;
    let data = attributes.find(EXPR_DATA)?.map_or_else(|| Attributes::new(&[]), |data| data.nested());
    decode_data(name, data, depth)
}

/// Reads the expressions of a list that lies within so many others.
pub(crate) fn decode_list(attribute: &Attribute<'_>, depth: u8) -> Result<Vec<Expr>, DecodeError> {
    attribute.nested().map(|element| decode(element?.nested(), depth)).collect()
}

fn decode_data(name: &str, attributes: Attributes<'_>, depth: u8) -> Result<Expr, DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::Depth { offset: attributes.nest_offset() });
    }
    let bytes = attributes.whole();
    let given = Given::new(attributes, depth)?;
    match Expr::decode_known(name, &given) {
        Ok(expr) => Ok(expr),
        Err(Fault::Malformed(error)) => Err(error),
        Err(Fault::Newer) => Ok(Expr::Unknown(Unknown { name: name.into(), attributes: bytes.into() })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: they were kept, so that an expression had data when it was first written, and none when read again.
    #[test]
    fn bytes_behind_the_last_attribute_of_an_unknown_expression_are_not_kept() {
        let unknown =
            Expr::decode_data("newer", Attributes::new(&[1, 2])).expect("what is not known is no error");
        assert_eq!(unknown, Expr::Unknown(Unknown { name: "newer".into(), attributes: Value::new(&[]) }));
        let kept = [5, 0, 1, 0, 9, 0, 0, 0];
        let unknown = Expr::decode_data("newer", Attributes::new(&[&kept[..], &[7, 7]].concat())).unwrap();
        assert_eq!(unknown, Expr::Unknown(Unknown { name: "newer".into(), attributes: Value::new(&kept) }));
    }

    #[test]
    fn every_verdict_comes_back() {
        let id = ChainRef { name: "__chain%d".into(), id: Some(3) };
        let verdicts = [
            Verdict::Drop,
            Verdict::Accept,
            Verdict::Stolen,
            Verdict::Repeat,
            Verdict::Continue,
            Verdict::Break,
            Verdict::Return,
            Verdict::Queue { number: 65_535, bypass: true },
            Verdict::Queue { number: 0, bypass: false },
            Verdict::Jump(ChainRef::new("in")),
            Verdict::Goto(id),
        ];
        for verdict in verdicts {
            let mut buffer = Vec::new();
            Data::Verdict(verdict.clone()).encode(&mut Writer::new(&mut buffer), 2);
            let attribute = Attributes::new(&buffer).next().unwrap().unwrap();
            assert_eq!(Data::decode(&attribute), Ok(Data::Verdict(verdict)));
        }
    }

    #[test]
    fn a_value_over_64_bytes_is_refused() {
        for (len, right) in [(0, false), (1, true), (64, true), (65, false)] {
            let mut buffer = Vec::new();
            put_value(&mut Writer::new(&mut buffer), 1, &vec![7; len]);
            assert_eq!(value(&Attributes::new(&buffer).next().unwrap().unwrap()).is_ok(), right, "{len}");
        }
    }
}
