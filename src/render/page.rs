//! A page of plain tables: one file that needs nothing else and runs nothing. For what people read once and print: what changed,
//! packets of reviews, campaigns.
//!
//! Not here: the report of an audit (`html`).

use super::RenderError;
use super::html::{STYLE, pin, seen};
use serde::Serialize;

/// Rows of a section that a page carries.
const MOST: usize = 5_000;

/// A table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// What to know of it.
    pub note: String,
    /// Names of its columns.
    pub head: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
    /// Rows that are left out.
    left: usize,
}

impl Section {
    /// A table of some columns.
    pub fn new(title: &str, note: &str, head: &[&str], mut rows: Vec<Vec<String>>) -> Section {
        let left = rows.len().saturating_sub(MOST);
        rows.truncate(MOST);
        let head = head.iter().map(|h| (*h).to_owned()).collect();
        Section { title: title.to_owned(), note: note.to_owned(), head, rows, left }
    }
}

/// A page.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Lines below it.
    pub lead: Vec<String>,
    /// Numbers with what they count.
    pub tiles: Vec<(String, String)>,
    /// Tables.
    pub sections: Vec<Section>,
}

impl Page {
    /// The page as HTML.
    ///
    /// # Errors
    /// If the template is broken.
    pub fn html(&self) -> Result<String, RenderError> {
        let broken = |e: tera::Error| RenderError::Template(e.to_string());
        let mut tera = tera::Tera::default();
        // The name's ending is what switches escaping on.
        tera.add_raw_template("page.html", include_str!("../../templates/page.html")).map_err(broken)?;
        let mut context = tera::Context::new();
        context.insert("page", self);
        context.insert("style", STYLE);
        let policy = format!(
            "default-src 'none'; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
            pin(STYLE)
        );
        context.insert("policy", &policy);
        Ok(seen(&tera.render("page.html", &context).map_err(broken)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let row = vec!["<script>alert(1)</script>".to_owned(), "a\u{202e}b\0".to_owned()];
        let section = Section::new("<b>", "\"'", &["x", "y"], vec![row]);
        let page = Page { title: "t".to_owned(), sections: vec![section], ..Page::default() };
        let html = page.html().unwrap();
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains('\u{202e}'));
        assert!(html.contains("&lt;script&gt;"));
    }
}
