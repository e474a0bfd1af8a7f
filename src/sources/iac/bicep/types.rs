//! Reads types of Bicep as far as they decide anything: whether a value may be missing.
//!
//! Source: "User-defined data types in Bicep". What values a type allows is the compiler's business.

use super::parser::{DEEPEST, Parsed, Parser};

impl Parser<'_> {
    /// Skips a type; gives whether null is one of its values.
    pub(super) fn type_expression(&mut self, depth: usize) -> Parsed<bool> {
        if depth > DEEPEST {
            return self.broken("fewer types inside each other");
        }
        self.lines();
        let _leading = self.eat("|");
        let mut nullable = false;
        loop {
            self.lines();
            nullable |= self.one_type(depth)?;
            let before = self.at;
            self.lines();
            if !self.eat("|") {
                self.at = before;
                return Ok(nullable);
            }
        }
    }

    fn one_type(&mut self, depth: usize) -> Parsed<bool> {
        let mut nullable = false;
        self.space();
        match self.byte(0) {
            Some(b'\'') => {
                let _literal = self.string(depth + 1)?;
            }
            Some(b'{') => self.members(b'}', depth)?,
            Some(b'[') => self.members(b']', depth)?,
            Some(b'(') => {
                self.at += 1;
                nullable = self.type_expression(depth + 1)?;
                self.lines();
                self.expect(")", "`)`")?;
            }
            Some(b'-' | b'0'..=b'9') => {
                self.at += usize::from(self.byte(0) == Some(b'-'));
                while self.byte(0).is_some_and(|b| b.is_ascii_digit()) {
                    self.at += 1;
                }
            }
            Some(b'!') => {
                self.at += 1;
                let _negated = self.one_type(depth + 1)?;
            }
            _ => {
                let name = self.name()?;
                nullable = name == "null";
                self.types.push(name.clone());
                // `resource 'type@version'`.
                self.space();
                if name == "resource" && self.byte(0) == Some(b'\'') {
                    let _kind = self.string(depth + 1)?;
                }
            }
        }
        loop {
            self.space();
            match (self.byte(0), self.byte(1)) {
                (Some(b'?'), next) if next != Some(b'?') => {
                    self.at += 1;
                    nullable = true;
                }
                (Some(b'!'), next) if next != Some(b'=') => {
                    self.at += 1;
                    nullable = false;
                }
                (Some(b'.'), Some(b'*')) => self.at += 2,
                (Some(b'.'), next) if next != Some(b'.') => {
                    self.at += 1;
                    // `namespace.type`.
                    let member = self.name()?;
                    self.types.push(member);
                }
                (Some(b'['), _) => {
                    self.at += 1;
                    nullable = false;
                    if !self.eat("]") {
                        if !self.eat("*") {
                            let _index = self.expression(depth + 1)?;
                        }
                        self.expect("]", "`]`")?;
                    }
                }
                (Some(b'<'), _) => {
                    self.at += 1;
                    loop {
                        let _argument = self.type_expression(depth + 1)?;
                        self.lines();
                        if self.eat(">") {
                            break;
                        }
                        self.expect(",", "`,` or `>`")?;
                    }
                }
                _ => return Ok(nullable),
            }
        }
    }

    /// Members of an object's type, or items of a tuple's.
    fn members(&mut self, end: u8, depth: usize) -> Parsed<()> {
        self.at += 1;
        while !self.ends(end)? {
            let secure = self.decorators()?.iter().any(|d| d == "secure");
            if end == b'}' && !self.eat("...") {
                self.lines();
                if !self.eat("*") {
                    let key = if self.byte(0) == Some(b'\'') { self.plain_text()? } else { self.name()? };
                    self.secrets.extend(secure.then_some(key));
                }
                self.expect(":", "`:`")?;
            }
            let _type = self.type_expression(depth + 1)?;
            self.parted(end)?;
        }
        Ok(())
    }
}
