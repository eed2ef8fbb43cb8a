//! The nft language: lexer, parser and AST; passes that lower an AST to a batch of changes of the ruleset model and
//! raise a ruleset to nft's canonical listing; diagnostics that point at the source text.

pub mod ast;
pub mod cmd;
pub mod compile;
pub mod complete;
pub mod datatype;
pub mod decl;
pub mod define;
pub mod diag;
pub mod difference;
pub mod event;
pub mod expr;
pub mod files;
pub mod interval;
pub mod json;
pub mod lex;
pub mod list;
pub mod lower;
pub mod optimise;
pub mod parse;
pub mod print;
pub mod proto;
pub mod raise;
pub mod resolve;
pub mod scope;
pub mod session;
pub mod source;
pub mod stmt;
pub mod typed;
pub mod typeof_data;
