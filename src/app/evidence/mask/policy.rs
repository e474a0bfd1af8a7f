//! Configuration and waivers over pseudonyms.

use super::{About, Masking, judged, unread};
use crate::app::error::AppError;
use crate::app::policy::{Texts, from_texts};
use crate::policy::glob;
use crate::report::Provenance;
use crate::sources::snapshot;
use std::collections::HashMap;

impl Masking {
    /// The policy over pseudonyms, for the masked snapshot. Comments go.
    pub(in crate::app::evidence) fn policy(
        &mut self,
        texts: &Texts,
        provenance: &Provenance,
        sealed: &[u8],
    ) -> Result<Texts, AppError> {
        let read = |text: &str| toml::from_str::<toml::Table>(text).map_err(unread);
        let (mut config, mut waivers) = (read(&texts.config)?, read(&texts.waivers)?);
        for (key, value) in config.iter_mut() {
            self.setting(key, value);
        }
        let none = toml::Value::Array(Vec::new());
        let own = waivers.get("waiver").unwrap_or(&none).as_array().cloned().unwrap_or_default();
        let mut masked = Vec::new();
        for waiver in own {
            for (n, mut one) in self.spread(waiver).into_iter().enumerate() {
                self.setting("waiver", &mut one);
                if let Some(toml::Value::String(id)) = one.get_mut("id").filter(|_| n > 0) {
                    id.push_str(&format!("-{n}"));
                }
                masked.push(one);
            }
        }
        let told = |table: &toml::Table| match table.is_empty() {
            true => Ok(String::new()),
            false => toml::to_string(table).map_err(unread),
        };
        let config = told(&config)?;
        let mut fingerprints: Vec<&mut String> = Vec::new();
        for waiver in &mut masked {
            if let Some(toml::Value::String(f)) =
                waiver.get_mut("target").and_then(|t| t.get_mut("fingerprint"))
            {
                fingerprints.push(f);
            }
        }
        if !fingerprints.is_empty() {
            let policy = from_texts(&Texts { config: config.clone(), ..Texts::default() })?;
            let estate = snapshot::read(sealed).map_err(unread)?;
            let (_, now) = judged(estate, provenance, &policy, self.catalog);
            let now: HashMap<About, String> = now.into_iter().map(|(f, about)| (about, f)).collect();
            for fingerprint in fingerprints {
                let about = self.found.get(&fingerprint.to_ascii_lowercase()).cloned();
                let about = about.map(|(rule, parts)| (rule, parts.map(|p| self.mask.text(&p))));
                // One of a finding that is gone is as good as any other that nothing has.
                *fingerprint = match about.and_then(|a| now.get(&a)) {
                    Some(found) => found.clone(),
                    None => crate::model::sha256(self.mask.prose(fingerprint).as_bytes()),
                };
            }
        }
        if !masked.is_empty() {
            waivers.insert("waiver".to_owned(), toml::Value::Array(masked));
        }
        Ok(Texts { config, waivers: told(&waivers)?, rules: Vec::new() })
    }

    /// The names that a pattern fits, where a `*` cuts a word: parts of words have no pseudonym. None where it goes word by word.
    fn names_of(&self, pattern: &str) -> Option<Vec<String>> {
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let cuts = pattern.match_indices('*').any(|(at, _)| {
            letter(pattern.get(..at).and_then(|t| t.chars().next_back()))
                || letter(pattern.get(at + 1..).and_then(|t| t.chars().next()))
        });
        let fits = || self.names.iter().filter(|n| glob(pattern, n)).cloned().collect::<Vec<_>>();
        cuts.then(fits).filter(|names| !names.is_empty())
    }

    /// What a pattern becomes.
    fn pattern(&mut self, text: &str) -> Vec<String> {
        let names = self.names_of(text).unwrap_or_else(|| vec![text.to_owned()]);
        names.iter().map(|name| self.mask.text(name)).collect()
    }

    /// A waiver for each name that its pattern fits, where it has to be told name by name.
    fn spread(&self, waiver: toml::Value) -> Vec<toml::Value> {
        let pattern = waiver.get("target").and_then(|t| t.get("identity")).and_then(toml::Value::as_str);
        let Some(names) = pattern.and_then(|p| self.names_of(p)) else { return vec![waiver] };
        let named = |name: String| {
            let mut one = waiver.clone();
            if let Some(slot) = one.get_mut("target").and_then(|t| t.get_mut("identity")) {
                *slot = toml::Value::String(name);
            }
            one
        };
        names.into_iter().map(named).collect()
    }

    /// A value of the configuration or of waivers; `path` is its keys with dots between them.
    fn setting(&mut self, path: &str, value: &mut toml::Value) {
        const KEPT: [&str; 7] = [
            "scope.principals",
            "coverage.require",
            "coverage.accept.source",
            "waivers.inline",
            "review.second_approver",
            "waiver.rules",
            "waiver.category",
        ];
        if KEPT
            .iter()
            .any(|k| path.strip_prefix(k).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
            || path.starts_with("rules.") && path.ends_with(".level")
            || path == "waiver.target.fingerprint"
        {
            return;
        }
        match value {
            toml::Value::Array(items) => {
                let own = std::mem::take(items);
                for mut item in own {
                    match item.as_str() {
                        Some(text) if path != "federation.trusted" => {
                            items.extend(self.pattern(text).into_iter().map(toml::Value::String));
                        }
                        _ => {
                            self.setting(path, &mut item);
                            items.push(item);
                        }
                    }
                }
            }
            toml::Value::Table(members)
                if matches!(
                    path,
                    "environments.scopes" | "environments.names" | "identities.platform.tags"
                ) =>
            {
                let named = std::mem::take(members);
                for (name, mut value) in named {
                    self.setting("", &mut value);
                    for name in self.pattern(&name) {
                        members.insert(name, value.clone());
                    }
                }
            }
            toml::Value::Table(members) => {
                for (key, value) in members.iter_mut() {
                    self.setting(&format!("{path}.{key}"), value);
                }
            }
            toml::Value::String(text) => {
                *text = match path {
                    "waiver.reason" | "coverage.accept.reason" => self.mask.prose(text),
                    "waiver.target.role" => self.mask.role(text),
                    "waivers.file" => {
                        crate::app::evidence::WAIVERS.rsplit('/').next().unwrap_or_default().to_owned()
                    }
                    "federation.trusted" => self.mask.federated(text),
                    "naming.identity" | "naming.role" | "naming.federated_credential" => self.template(text),
                    _ => self.mask.text(text),
                };
            }
            _ => {}
        }
    }

    /// A template of names: what stands between tokens is part of names.
    fn template(&mut self, text: &str) -> String {
        let mut out = String::new();
        for part in text.split_inclusive('}') {
            let (literal, token) =
                part.split_at_checked(part.find('{').unwrap_or(part.len())).unwrap_or((part, ""));
            out.push_str(&self.mask.text(literal));
            out.push_str(token);
        }
        out
    }
}
