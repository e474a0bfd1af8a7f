//! Reads the declarations of a file of Bicep, or of a file of its parameters.
//!
//! Source: "Understand the structure and syntax of Bicep files". Not here: expressions (`parser`), and what they mean.

use super::parser::{DEEPEST, Parsed, Parser};
use super::syntax::{Body, Declaration, Deployed, Names, What};
use crate::sources::iac::arm::Broken;

/// Reads a file; gives the members of its types whose values may not be shown, too.
///
/// # Errors
/// With where something else was expected.
pub(super) fn parse(source: &str) -> Result<(Vec<Declaration>, Vec<String>), Broken> {
    let mut parser = Parser::new(source);
    let mut found = Vec::new();
    loop {
        parser.lines();
        if parser.at >= source.len() {
            return Ok((found, parser.secrets));
        }
        found.push(parser.declaration(0)?);
        parser.space();
        if parser.at < source.len() && !matches!(parser.byte(0), Some(b'\n' | b'\r')) {
            return parser.broken("a new line");
        }
    }
}

impl Parser<'_> {
    /// `@name(…)` lines; gives their names.
    pub(super) fn decorators(&mut self) -> Parsed<Vec<String>> {
        let mut names = Vec::new();
        loop {
            self.lines();
            if !self.eat("@") {
                return Ok(names);
            }
            match self.expression(0)? {
                crate::sources::iac::arm::Expression::Call(name, _) => {
                    names.push(name.strip_prefix("sys.").unwrap_or(&name).to_owned());
                }
                _ => return self.broken("a decorator, as in `@secure()`"),
            }
        }
    }

    fn declaration(&mut self, depth: usize) -> Parsed<Declaration> {
        if depth > DEEPEST {
            return self.broken("fewer resources inside each other");
        }
        let decorators = self.decorators()?;
        let at = self.at;
        let Some(word) = self.word() else { return self.broken("a declaration") };
        self.at += word.len();
        let secure = decorators.iter().any(|d| d == "secure");
        self.types.clear();
        let named = |name: String, what| Ok(Declaration { at, name, what });
        let nameless = |what| Ok(Declaration { at, name: String::new(), what });
        match word {
            "targetScope" => {
                self.expect("=", "`=`")?;
                nameless(What::Target(self.expression(0)?))
            }
            "param" => {
                let name = self.name()?;
                self.space();
                // Files of parameters give values, and no types.
                let assigned = self.byte(0) == Some(b'=');
                if !assigned && self.at_end() {
                    return self.broken("a type");
                }
                let nullable = !assigned && self.type_expression(0)?;
                let default = if self.eat("=") { Some(self.value()?) } else { None };
                let types = std::mem::take(&mut self.types);
                named(name, What::Parameter { secure, nullable, default, types })
            }
            "var" => {
                let name = self.name()?;
                self.optional_type()?;
                named(name, What::Variable(self.value()?))
            }
            "output" => {
                let name = self.name()?;
                self.optional_type()?;
                named(name, What::Output { secure, value: self.value()? })
            }
            "metadata" | "assert" => {
                let name = self.name()?;
                self.expect("=", "`=`")?;
                let _value = self.value()?;
                named(name, What::Other)
            }
            "type" => {
                let name = self.name()?;
                self.expect("=", "`=`")?;
                let _type = self.type_expression(0)?;
                named(name, What::Type { secure, types: std::mem::take(&mut self.types) })
            }
            "func" => {
                let name = self.name()?;
                let parameters = self.function_parameters()?;
                let _type = self.type_expression(0)?;
                self.expect("=>", "`=>`")?;
                named(name, What::Function { parameters, body: self.value()? })
            }
            "resource" | "module" | "test" => {
                let name = self.name()?;
                let deployed = self.deployed(depth)?;
                let what = match word {
                    "resource" => What::Resource(deployed),
                    "module" => What::Module(deployed),
                    _ => What::Other,
                };
                named(name, what)
            }
            "import" => nameless(self.import()?),
            "using" => {
                let whose = if self.keyword("none") { None } else { Some(self.plain_text()?) };
                if self.keyword("with") {
                    let _how = self.expression(0)?;
                }
                nameless(What::Using(whose))
            }
            "extends" => nameless(What::Extends(self.plain_text()?)),
            "extension" | "provider" => {
                if self.eat("'") {
                    self.at -= 1;
                    let _of = self.plain_text()?;
                } else {
                    let _of = self.name()?;
                }
                if self.keyword("with") {
                    let _configuration = self.expression(0)?;
                }
                if self.keyword("as") {
                    let _alias = self.name()?;
                }
                nameless(What::Other)
            }
            _ => {
                self.at = at;
                self.broken("a declaration, as `param`, `resource` or `module`")
            }
        }
    }

    fn at_end(&mut self) -> bool {
        self.space();
        matches!(self.byte(0), None | Some(b'\n' | b'\r'))
    }

    fn value(&mut self) -> Parsed<crate::sources::iac::arm::Expression> {
        self.lines();
        self.expression(0)
    }

    /// A type and `=`.
    fn optional_type(&mut self) -> Parsed<()> {
        if !self.eat("=") {
            let _type = self.type_expression(0)?;
            self.expect("=", "`=`")?;
        }
        Ok(())
    }

    fn function_parameters(&mut self) -> Parsed<Vec<String>> {
        self.expect("(", "`(`")?;
        let mut names = Vec::new();
        loop {
            self.lines();
            if self.eat(")") {
                return Ok(names);
            }
            names.push(self.name()?);
            let _type = self.type_expression(0)?;
            self.lines();
            if !self.eat(",") && self.byte(0) != Some(b')') {
                return self.broken("`,` or `)`");
            }
        }
    }

    fn import(&mut self) -> Parsed<What> {
        self.space();
        let names = if self.byte(0) == Some(b'\'') {
            // An extension, as it was spelled before.
            let _extension = self.plain_text()?;
            if self.keyword("with") {
                let _configuration = self.expression(0)?;
            }
            if self.keyword("as") {
                let _alias = self.name()?;
            }
            return Ok(What::Other);
        } else if self.eat("*") {
            if !self.keyword("as") {
                return self.broken("`as`");
            }
            Names::All(self.name()?)
        } else {
            self.expect("{", "`{` or `*`")?;
            let mut these = Vec::new();
            while !self.ends(b'}')? {
                let there = if self.byte(0) == Some(b'\'') { self.plain_text()? } else { self.name()? };
                let here = if self.keyword("as") { self.name()? } else { there.clone() };
                these.push((there, here));
                self.parted(b'}')?;
            }
            Names::These(these)
        };
        if !self.keyword("from") {
            return self.broken("`from`");
        }
        Ok(What::Import { names, from: self.plain_text()? })
    }

    fn deployed(&mut self, depth: usize) -> Parsed<Deployed> {
        let of = self.plain_text()?;
        let existing = self.keyword("existing");
        self.expect("=", "`=`")?;
        self.lines();
        let mut deployed = Deployed { of, existing, copy: None, condition: None, body: Body::default() };
        if self.eat("[") {
            self.lines();
            if self.word() != Some("for") {
                return self.broken("`for`");
            }
            let (copy, condition) = self.each(0)?;
            (deployed.copy, deployed.condition) = (Some(copy), condition);
            deployed.body = self.body(depth)?;
            self.lines();
            self.expect("]", "`]`")?;
            return Ok(deployed);
        }
        if self.keyword("if") {
            deployed.condition = Some(self.condition(0)?);
        }
        deployed.body = self.body(depth)?;
        Ok(deployed)
    }

    fn body(&mut self, depth: usize) -> Parsed<Body> {
        self.expect("{", "`{`, `if` or `[for`")?;
        let mut body = Body::default();
        while !self.ends(b'}')? {
            if self.eat("...") {
                body.spread.push(self.expression(0)?);
            } else if self.byte(0) == Some(b'@') || self.nested_resource() {
                body.nested.push(self.declaration(depth + 1)?);
            } else {
                let key = if self.byte(0) == Some(b'\'') { self.plain_text()? } else { self.name()? };
                self.expect(":", "`:`")?;
                self.lines();
                body.members.push((key, self.expression(0)?));
            }
            self.parted(b'}')?;
        }
        Ok(body)
    }

    /// `resource name 'type'`, which a member named `resource` is not.
    fn nested_resource(&mut self) -> bool {
        let before = self.at;
        let there = self.keyword("resource") && self.name().is_ok() && {
            self.space();
            self.byte(0) == Some(b'\'')
        };
        self.at = before;
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::iac::arm::{Expression, text};

    const FILE: &str = "targetScope = 'subscription'\n@secure()\nparam p string?\nvar v = [for (x, i) in p ?? []: '${x}-${i}']\nresource r 'a.b/c@1' existing = [for x in v: if (x != 'y') {\n  name: '''z'''\n  resource s 'd' = {\n    name: x\n  }\n}]\nmodule m './m.bicep' = { params: { ...v, a: 1 } }\nfunc f(a string) { *: int[] }? => a\nimport * as n from 'x.bicep'\noutput o 'a' | 'b' = m!.outputs.?o[^1]\n";

    #[test]
    fn what_a_file_declares_is_read() {
        let (found, _) = parse(FILE).unwrap();
        let names: Vec<&str> = found.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["", "p", "v", "r", "m", "f", "", "o"]);
        assert!(matches!(
            &found[1].what,
            What::Parameter { secure: true, nullable: true, default: None, .. }
        ));
        let resource = if let What::Resource(r) = &found[3].what { Some(r) } else { None }.unwrap();
        assert!(resource.existing && resource.copy.is_some() && resource.condition.is_some());
        assert_eq!(resource.body.members, [("name".to_owned(), text("z"))]);
        assert_eq!(resource.body.nested.len(), 1);
    }

    #[test]
    fn operators_bind_as_their_page_says() {
        let value = |source: &str| match parse(&format!("var v = {source}\n")).unwrap().0.remove(0).what {
            What::Variable(value) => value,
            _ => Expression::Value(serde_json::Value::Null),
        };
        for (one, other) in [
            ("a || b && c == d + e * f", "a || (b && (c == (d + (e * f))))"),
            ("a ?? b ? c : d ? e : f", "(a ?? b) ? c : (d ? e : f)"),
            ("a - b - c", "(a - b) - c"),
            ("!a.b[0]!.c", "!(((a.b)[0]).c)"),
            ("a != b", "!(a == b)"),
            ("-1", "- 1"),
            ("[a, b]", "[\n  a\n  b\n]"),
            ("{a: b, 'c': d}", "{\n  a: b\n  c: d // x\n}"),
        ] {
            assert_eq!(value(one), value(other), "{one}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(words in proptest::collection::vec("(param|var|resource|module|output|func|type|import|for|in|if|existing|@|=|=>|'|'''|\\$\\{|\\{|\\}|\\[|\\]|\\(|\\)|\\?|:|::|\\.|!|,|\\||<|>|a|1|\n| |/\\*|//|#|é)", 0..40)) {
            let _any = parse(&words.concat());
        }
        #[test]
        fn a_file_may_end_anywhere(end in 0..FILE.len()) {
            if let Some(cut) = FILE.get(..end) {
                let _any = parse(cut);
            }
        }
    }
}
