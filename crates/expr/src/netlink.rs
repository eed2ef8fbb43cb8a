//! Netlink form of what expressions and set elements share: values, verdicts, lists of expressions
//! (`linux/netfilter/nf_tables.h`).

use ironweir_netlink::{Attribute, Attributes, DecodeError, EncodeError, Writer};

use crate::{ChainRef, Data, Expr, Value, Verdict, compat};

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
pub fn exprs(attribute: &Attribute<'_>) -> Result<Vec<Expr>, DecodeError> {
    attribute.nested().map(|element| Expr::decode(element?.nested())).collect()
}

impl Data {
    /// Puts it as an attribute of that type which holds `NFTA_DATA_VALUE` or `NFTA_DATA_VERDICT`.
    pub fn encode(&self, writer: &mut Writer<'_>, kind: u16) {
        match self {
            Data::Value(value) => put_value(writer, kind, value),
            Data::Verdict(verdict) => {
                writer.nest(kind, |writer| writer.nest(DATA_VERDICT, |writer| verdict.encode(writer)));
            }
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
        match self {
            Expr::Unknown(unknown) => {
                writer.put_str(EXPR_NAME, &unknown.name);
                writer.nest(EXPR_DATA, |writer| writer.put_raw(&unknown.attributes));
            }
            _ => writer.fail(EncodeError::Value { kind: EXPR_DATA }),
        }
    }

    /// From the attributes of one expression.
    pub fn decode(attributes: Attributes<'_>) -> Result<Expr, DecodeError> {
        let name = attributes.require(EXPR_NAME)?.str()?;
        let data = attributes.find(EXPR_DATA)?.map_or(&[][..], |data| data.value);
        Ok(Expr::Unknown(compat::Unknown { name: name.into(), attributes: Value::new(data) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
