//! Definitions: `define x = ...`, `redefine`, `undefine`, by block.

use std::collections::HashMap;

use crate::expr::Expr;

/// Definitions by block; the innermost is last.
#[derive(Clone, Debug)]
pub struct Scopes(Vec<HashMap<Box<str>, Expr>>);

impl Default for Scopes {
    fn default() -> Self {
        Scopes(vec![HashMap::new()])
    }
}

impl Scopes {
    /// Opens a block.
    pub fn open(&mut self) {
        self.0.push(HashMap::new());
    }

    /// Closes the innermost block; the outermost stays.
    pub fn close(&mut self) {
        if self.0.len() > 1 {
            self.0.pop();
        }
    }

    /// What a name stands for here.
    pub fn get(&self, name: &str) -> Option<&Expr> {
        self.0.iter().rev().find_map(|scope| scope.get(name))
    }

    /// Whether the innermost block defines a name.
    pub fn defines(&self, name: &str) -> bool {
        self.0.last().is_some_and(|scope| scope.contains_key(name))
    }

    /// Defines a name in the innermost block.
    pub fn define(&mut self, name: Box<str>, value: Expr) {
        if let Some(scope) = self.0.last_mut() {
            scope.insert(name, value);
        }
    }

    /// Removes a name from the innermost block that defines it; false where none does.
    pub fn undefine(&mut self, name: &str) -> bool {
        self.0.iter_mut().rev().any(|scope| scope.remove(name).is_some())
    }

    /// Every name that can be used here, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().flat_map(|scope| scope.keys().map(|name| &**name)).collect();
        names.sort_unstable();
        names
    }
}
